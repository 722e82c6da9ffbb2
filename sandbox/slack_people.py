from collections.abc import Mapping
from typing import Any

from sandbox.slack_content import SlackRefusal

PEOPLE = {"U0HUMAN": "Kim", "U0ALEX": "Alex", "U0SAM": "Sam"}
"""Who works here; the page lets its reader be any of them."""


def user_info(people: Mapping[str, str], user: str, team: str) -> dict[str, Any]:
    """As `users.info` answers: `name` is the old handle, what people call someone stands in the profile."""
    if user not in people:
        raise SlackRefusal("user_not_found")
    name = people[user]
    profile = {"real_name": name, "display_name": name, "team": team}
    body = {"id": user, "team_id": team, "name": name.lower(), "real_name": name, "deleted": False}
    return {"ok": True, "user": body | {"is_bot": False, "is_app_user": False, "profile": profile}}

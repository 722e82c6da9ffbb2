"""Who and what is in a workspace, as Slack tells it."""

from collections.abc import Mapping
from typing import Any

from sandbox.slack_channel import Channel
from sandbox.slack_content import SlackRefusal
from sandbox.slack_settings import SlackSettings

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


def conversation_info(channel: Channel, settings: SlackSettings, team: str) -> dict[str, Any]:
    """As `conversations.info` answers."""
    body = {
        "id": channel.id,
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": not channel.id.startswith(("G", "D")),
        "is_group": channel.id.startswith("G"),
        "is_im": channel.id.startswith("D"),
        "is_private": settings.is_private(channel.id),
        "is_archived": channel.id in settings.archived,
        "is_member": settings.is_member(channel.id),
        "context_team_id": team,
    }
    return {"ok": True, "channel": body}

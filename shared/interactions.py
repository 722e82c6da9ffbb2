"""What Slack tells of a press on one of our buttons, in our own words. Pure.

The payload is docs.slack.dev/reference/interaction-payloads/block_actions-payload, the same by HTTPS and over Socket Mode.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.identity import is_incident_id
from shared.offers import AnyDeed, Offer, deed
from shared.wording import clean_name

DOOR = "button"
BLOCK = "incident_actions"
"""`block_id` of the buttons under a message."""

ACTIONS: Mapping[Offer, str] = {
    Offer.ACKNOWLEDGE: "ack_incident",
    Offer.UNACKNOWLEDGE: "unack_incident",
    Offer.SNOOZE_15: "snooze_15",
    Offer.SNOOZE_60: "snooze_60",
    Offer.ESCALATE: "escalate_incident",
    Offer.RESOLVE: "resolve_incident",
}
"""`action_id` of each button."""

ACK_STORM = "ack_storm"

_OFFERS = {action: offer for offer, action in ACTIONS.items()}
MAX_ID = 255
"""As long as Slack lets any of these be."""


class MalformedInteractionError(Exception):
    """Not what Slack sends. The message says what is odd, and repeats nothing of it."""


@dataclass(frozen=True)
class Pressed:
    """Somebody pressed a button of an incident's message."""

    incident_id: str
    offer: Offer
    deed: AnyDeed


@dataclass(frozen=True)
class StormPressed:
    """Somebody wants all incidents of a digest acknowledged."""

    storm_id: str
    by: str
    user: str
    token: str


def pressed(payload: Any) -> Pressed | StormPressed | None:
    """None: nothing that asks anything of us, such as a button that only opened a page. Raises MalformedInteractionError."""
    told = _object(payload, "the payload")
    if _text(told, "type") != "block_actions":
        return None
    actions = told.get("actions")
    if not isinstance(actions, list) or not actions:
        raise MalformedInteractionError("there are no actions")
    action = _object(actions[0], "the action")  # a press is one; only what is typed can come with others
    action_id = _text(action, "action_id")
    if "url" in action or (action_id not in _OFFERS and action_id != ACK_STORM):
        return None
    value, token = _text(action, "value"), f"{_text(action, 'action_ts')}:{action_id}"
    by, user = _person(_object(told.get("user"), "the user"))
    if action_id == ACK_STORM:
        return StormPressed(value, by, user, token)
    if not is_incident_id(value):
        raise MalformedInteractionError("the button's value is no incident id")
    offer = _OFFERS[action_id]
    return Pressed(value, offer, deed(offer, by, DOOR, user, token))


def _person(user: Mapping[str, Any]) -> tuple[str, str]:
    """What to call them, and their id. Slack gives no other name with a press than the one of their account."""
    user_id = _text(user, "id")
    names = (user.get("name"), user.get("username"))
    found = (clean_name(name) for name in names if isinstance(name, str))
    return next((name for name in found if name), user_id), user_id


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise MalformedInteractionError(f"{what} is no object")
    return value


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= MAX_ID:
        raise MalformedInteractionError(f"{name} is missing or odd")
    return value

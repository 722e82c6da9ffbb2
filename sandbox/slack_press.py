"""What Slack makes of a click: which element it was, and the payload that tells of it
(docs.slack.dev/reference/interaction-payloads/block_actions-payload)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from sandbox.slack_channel import Channel, Message

Way = Literal["http", "socket", "link", "none"]
VERIFICATION_TOKEN = "sandbox-verification-token"  # noqa: S105 - deprecated by Slack, still sent


class NothingToPress(LookupError):  # noqa: N818 - a click into the void
    """There is no such message for that person, or no such element in it. The text says which."""


class Click(BaseModel):
    """Who clicks on what. `value` and `block_id` tell buttons of one `action_id` apart; `selected` is the value of the option
    that was chosen in a menu."""

    model_config = ConfigDict(extra="forbid")

    channel: str
    ts: str
    action_id: str
    block_id: str = ""
    value: str | None = None
    selected: str | None = None
    user: str = "U0HUMAN"


@dataclass
class Press:
    """One press and what became of it. `way`: a `link` only opened a page, `none` could be told to nobody. `status` is the
    HTTP answer's, `sent` how many envelopes it took, `request` what was sent by HTTP, for who wants to send it once more.
    """

    at: float
    user: str
    channel: str
    ts: str
    action_id: str
    value: str | None
    way: Way = "none"
    status: int | None = None
    sent: int = 0
    seconds: float = 0
    warning: str = ""
    url: str = ""
    request: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pressed:
    """An element, where it stands (`attachment` from 1, 0 for the message itself), and what was chosen in it."""

    element: dict[str, Any]
    block_id: str
    attachment: int
    option: dict[str, Any] | None = None

    @property
    def chosen(self) -> str | None:
        """A button's value, or that of the option."""
        return (self.option or self.element).get("value")

    @property
    def url(self) -> str:
        """The page that it opens by itself."""
        return str((self.option or self.element).get("url", ""))


def found(message: Message, click: Click) -> Pressed:
    """The first element that fits; raises NothingToPress."""
    for attachment, block in _blocks(message):
        for element in [*block.get("elements", []), block.get("accessory")]:
            if not isinstance(element, dict) or element.get("action_id") != click.action_id:
                continue
            if click.block_id not in ("", block["block_id"]) or click.value not in (
                None,
                element.get("value"),
            ):
                continue
            return Pressed(element, block["block_id"], attachment, _option(element, click))
    raise NothingToPress(f"no {click.action_id} of that kind in the message {click.ts}")


def payload_of(
    pressed: Pressed, channel: Channel, message: Message, user: dict[str, str], times: dict[str, str]
) -> dict[str, Any]:
    """`user`: id, username, name, team_id. `times`: what only the moment gives: action_ts, trigger_id, response_url."""
    team, ephemeral = user["team_id"], bool(message.only_for)
    container = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": ephemeral,
    }
    if pressed.attachment:
        container |= {
            "type": "message_attachment",
            "attachment_id": pressed.attachment,
            "is_app_unfurl": False,
        }
    if message.thread:
        container["thread_ts"] = message.thread
    # Of a message that only one person sees, Slack does not tell the content; of no message its metadata, that we know of.
    shown = {} if ephemeral else {"message": message.shown(metadata=False)}
    action = _action(pressed) | {"action_ts": times["action_ts"]}
    return {
        "type": "block_actions",
        "user": user,
        "api_app_id": message.body.get("app_id", ""),
        "token": VERIFICATION_TOKEN,
        "container": container,
        "trigger_id": times["trigger_id"],
        "team": {"id": team, "domain": "sandbox"},
        "enterprise": None,
        "is_enterprise_install": False,
        "channel": {"id": channel.id, "name": channel.name},
        **shown,
        "state": {"values": _state(pressed)},
        "response_url": times["response_url"],
        "actions": [action],
    }


def _blocks(message: Message) -> Iterator[tuple[int, dict[str, Any]]]:
    body = message.shown()
    for number, part in enumerate([body, *body.get("attachments", [])]):
        for block in part.get("blocks", []):
            yield number, block


def _option(element: dict[str, Any], click: Click) -> dict[str, Any] | None:
    if "options" not in element:
        return None
    for option in element["options"]:
        if option["value"] == click.selected:
            return dict(option)
    raise NothingToPress(f"{click.action_id} has no option {click.selected}")


def _action(pressed: Pressed) -> dict[str, Any]:
    element = pressed.element
    action = {"action_id": element["action_id"], "block_id": pressed.block_id, "type": element["type"]}
    if pressed.option is not None:
        action["selected_option"] = {name: pressed.option[name] for name in ("text", "value")}
    kept = ("text", "value", "url", "style", "placeholder", "confirm")
    return action | {name: element[name] for name in kept if name in element}


def _state(pressed: Pressed) -> dict[str, Any]:
    """What stands chosen in the message. An overflow menu forgets at once."""
    element = pressed.element
    if element["type"] != "static_select" or pressed.option is None:
        return {}
    chosen = {"type": "static_select", "selected_option": pressed.option}
    return {pressed.block_id: {element["action_id"]: chosen}}

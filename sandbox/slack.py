import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from sandbox.calls import KEPT, CallLog
from sandbox.slack_channel import Channel, Message
from sandbox.slack_content import SlackRefusal, check_content, checked_metadata, structured
from sandbox.slack_directory import PEOPLE, conversation_info, user_info
from sandbox.slack_press import Press
from sandbox.slack_rules import Rules
from sandbox.slack_settings import SlackSettings
from sandbox.socket_mode import SocketMode

TEAM, BOT_USER, BOT, APP = "T0SANDBOX", "U0ACKSTREAM", "B0ACKSTREAM", "A0ACKSTREAM"
BOT_NAME = "Ackstream"
TOKENS = ("xoxb-", "xapp-")
CONTENT = ("text", "blocks", "attachments", "metadata")


def app_of(token: str, kind: str = "xoxb-") -> str:
    """Which app a token of that kind belongs to; a rotated token (a new last part) is still the same app."""
    if not token:
        raise SlackRefusal("not_authed")
    if token.startswith(TOKENS) and not token.startswith(kind):
        raise SlackRefusal("not_allowed_token_type")
    if not token.startswith(kind):
        raise SlackRefusal("invalid_auth")
    return token.rpartition("-")[0]


class SlackWorkspace:
    """One workspace and its channels. `channels` maps ids to names; others that look like a channel id come to be when
    first used, unless `only_known`. `people` maps users' ids to names. Methods take Slack's own arguments, return its
    answer, and raise SlackRefusal.
    """

    def __init__(
        self,
        channels: Mapping[str, str] | None = None,
        *,
        only_known: bool = False,
        people: Mapping[str, str] = PEOPLE,
        settings: SlackSettings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._names = dict(channels or {})
        self._only_known = only_known
        self._clock = clock
        self._last_ts = 0
        self.people = dict(people)
        self.rules = Rules(settings or SlackSettings())
        self.calls = CallLog()
        self.channels: dict[str, Channel] = {}
        self.presses: deque[Press] = deque(maxlen=KEPT)
        self.socket_mode = SocketMode()
        self.reset()

    def reset(self) -> None:
        """Forget everything, also settings that were changed. Socket Mode connections stay."""
        self.rules.reset()
        self.channels = {identity: Channel(identity, name) for identity, name in self._names.items()}
        self.calls.clear()
        self.presses.clear()
        self.socket_mode.reset()

    def channel(self, identity: str) -> Channel:
        """A channel by its id or its #name."""
        for channel in self.channels.values():
            if identity in (channel.id, f"#{channel.name}"):
                return channel
        if self._only_known or not identity or identity[0] not in "CDG#":
            raise SlackRefusal("channel_not_found")
        return self.channels.setdefault(identity, Channel(identity, identity.lstrip("#")))

    def messages(self, channel: str) -> list[dict[str, Any]]:
        """What a channel shows now, oldest first, metadata included: the short way for tests."""
        return [message.body for message in list(self.channel(channel).messages.values())]

    def say(self, channel: str, text: str, user: str = "U0HUMAN") -> str:
        """A person writes; returns the message's ts."""
        place, ts = self.channel(channel), self._next_ts()
        place.add(Message("", {"type": "message", "ts": ts, "user": user, "text": text}))
        return ts

    def auth_test(self) -> dict[str, Any]:
        return {
            "ok": True,
            "url": "https://sandbox.slack.com/",
            "team": "Sandbox",
            "user": BOT_NAME.lower(),
            "team_id": TEAM,
            "user_id": BOT_USER,
            "bot_id": BOT,
            "is_enterprise_install": False,
        }

    def post_message(self, app: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        place = self.rules.writable(self._place(arguments), self._clock())
        message, warnings = self._composed(app, place, arguments)
        place.add(message)
        return {"ok": True, "channel": place.id, "ts": message.ts, "message": message.shown()} | warnings

    def post_ephemeral(self, app: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Shown to one person, in no history, and not to be edited."""
        place, user = (
            self.rules.writable(self._place(arguments), self._clock()),
            str(arguments.get("user", "")),
        )
        if user not in self.people:
            raise SlackRefusal("user_not_in_channel")
        message, warnings = self._composed(app, place, arguments)
        message.only_for = user
        place.add(message)
        return {"ok": True, "message_ts": message.ts} | warnings

    def respond(self, app: str, place: Channel, arguments: Mapping[str, Any], only_for: str) -> None:
        """What an app says to a response URL: that needs no scope and no membership."""
        message, _ = self._composed(app, place, arguments)
        message.only_for = only_for
        place.add(message)

    def update_message(self, app: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Replace what is given, keep what is not; new text without blocks takes the old blocks away, as in Slack."""
        place = self.rules.writable(self._place(arguments), self._clock(), archived="is_inactive")
        message = place.messages.get(str(arguments.get("ts", "")))
        if message is None:
            raise SlackRefusal("message_not_found")
        if message.author != app:
            raise SlackRefusal("cant_update_message")
        content, warnings = content_of(arguments)
        check_content(content, text_limit=4_000)
        if "text" in content and "blocks" not in content:
            content["blocks"] = []
        # Slack puts "(edited)" beside text, not beside blocks.
        edited = {} if content.get("blocks") else {"edited": {"user": BOT, "ts": self._next_ts()}}
        message.replace(content | edited)
        text = message.body["text"]
        return {
            "ok": True,
            "channel": place.id,
            "ts": message.ts,
            "text": text,
            "message": message.shown(),
        } | warnings

    def delete_message(self, app: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        place, ts = self._place(arguments), str(arguments.get("ts", ""))
        if ts not in place.messages:
            raise SlackRefusal("message_not_found")
        if place.messages[ts].author != app:
            raise SlackRefusal("cant_delete_message")
        place.remove(ts)
        return {"ok": True, "channel": place.id, "ts": ts}

    def history(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return self.rules.readable(self._place(arguments)).history(arguments)

    def replies(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return self.rules.readable(self._place(arguments)).thread(arguments)

    def conversation(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return conversation_info(self.rules.visible(self._place(arguments)), self.rules.settings, TEAM)

    def user(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return user_info(self.people, str(arguments.get("user", "")), TEAM)

    def as_json(self) -> dict[str, Any]:
        channels = {identity: channel.as_json() for identity, channel in list(self.channels.items())}
        settings = self.rules.settings.model_dump(mode="json", exclude={"signing_secret"})
        return {
            "channels": channels,
            "calls": self.calls.as_json(),
            "settings": settings,
            "rate_limited": dict(self.rules.pace.refused),
            "presses": [asdict(press) for press in list(self.presses)],
            "socket_mode": self.socket_mode.as_json(),
        }

    def _place(self, arguments: Mapping[str, Any]) -> Channel:
        return self.channel(str(arguments.get("channel", "")))

    def _composed(
        self, app: str, place: Channel, arguments: Mapping[str, Any]
    ) -> tuple[Message, dict[str, Any]]:
        content, warnings = content_of(arguments)
        check_content(content, text_limit=40_000)
        thread = str(arguments.get("thread_ts", ""))
        if thread and thread not in place.messages:
            raise SlackRefusal("thread_not_found")
        name = str(arguments.get("username") or BOT_NAME)
        body = {
            "type": "message",
            "ts": self._next_ts(),
            "user": BOT_USER,
            "bot_id": BOT,
            "app_id": APP,
            "team": TEAM,
            "text": "",
            **content,
            "bot_profile": {"id": BOT, "app_id": APP, "name": name},
        }
        return Message(app, body | ({"thread_ts": thread} if thread else {})), warnings

    def _next_ts(self) -> str:
        # One sequence for the whole workspace, in microseconds: unique, and never behind a clock that was set back.
        self._last_ts = max(int(self._clock() * 1_000_000), self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"


def content_of(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The content among the arguments, decoded, and the warnings that its metadata earns."""
    content = {name: structured(arguments, name) for name in CONTENT if arguments.get(name) is not None}
    if "metadata" not in content:
        return content, {}
    metadata, warnings = checked_metadata(content.pop("metadata"))
    return content | ({} if metadata is None else {"metadata": metadata}), warnings

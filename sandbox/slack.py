import time
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.calls import CallLog
from sandbox.slack_channel import Channel, Message
from sandbox.slack_content import SlackRefusal, check_content, checked_metadata, structured

TEAM, BOT_USER, BOT, APP = "T0SANDBOX", "U0ACKSTREAM", "B0ACKSTREAM", "A0ACKSTREAM"
BOT_NAME = "Ackstream"
CONTENT = ("text", "blocks", "attachments", "metadata")


def app_of(token: str) -> str:
    """Which app a bot token belongs to; a rotated token (a new last part) is still the same app."""
    if not token:
        raise SlackRefusal("not_authed")
    if not token.startswith("xoxb-"):
        raise SlackRefusal("invalid_auth")
    return token.rpartition("-")[0]


class SlackWorkspace:
    """One workspace and its channels. `channels` maps ids to names; others that look like a channel id come to be when
    first used, unless `only_known`. Methods take Slack's own arguments, return its answer, and raise SlackRefusal.
    """

    def __init__(
        self,
        channels: Mapping[str, str] | None = None,
        *,
        only_known: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._names = dict(channels or {})
        self._only_known = only_known
        self._clock = clock
        self._last_ts = 0
        self.calls = CallLog()
        self.channels: dict[str, Channel] = {}
        self.reset()

    def reset(self) -> None:
        self.channels = {identity: Channel(identity, name) for identity, name in self._names.items()}
        self.calls.clear()

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
        place.messages[ts] = Message("", {"type": "message", "ts": ts, "user": user, "text": text})
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
        place = self.channel(str(arguments.get("channel", "")))
        content, warnings = _content(arguments)
        check_content(content, text_limit=40_000)
        thread = str(arguments.get("thread_ts", ""))
        if thread and thread not in place.messages:
            raise SlackRefusal("thread_not_found")
        ts = self._next_ts()
        body = {
            "type": "message",
            "ts": ts,
            "user": BOT_USER,
            "bot_id": BOT,
            "app_id": APP,
            "team": TEAM,
            "text": "",
        }
        name = str(arguments.get("username") or BOT_NAME)
        body |= content | {"bot_profile": {"id": BOT, "app_id": APP, "name": name}}
        place.messages[ts] = Message(app, body | ({"thread_ts": thread} if thread else {}))
        return {"ok": True, "channel": place.id, "ts": ts, "message": place.messages[ts].shown()} | warnings

    def update_message(self, app: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Replace what is given, keep what is not; new text without blocks takes the old blocks away, as in Slack."""
        place = self.channel(str(arguments.get("channel", "")))
        message = place.messages.get(str(arguments.get("ts", "")))
        if message is None:
            raise SlackRefusal("message_not_found")
        if message.author != app:
            raise SlackRefusal("cant_update_message")
        content, warnings = _content(arguments)
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
        place, ts = self.channel(str(arguments.get("channel", ""))), str(arguments.get("ts", ""))
        if ts not in place.messages:
            raise SlackRefusal("message_not_found")
        if place.messages[ts].author != app:
            raise SlackRefusal("cant_delete_message")
        del place.messages[ts]
        return {"ok": True, "channel": place.id, "ts": ts}

    def history(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return self.channel(str(arguments.get("channel", ""))).history(arguments)

    def as_json(self) -> dict[str, Any]:
        channels = {identity: channel.as_json() for identity, channel in list(self.channels.items())}
        return {"channels": channels, "calls": self.calls.as_json()}

    def _next_ts(self) -> str:
        # One sequence for the whole workspace, in microseconds: unique, and never behind a clock that was set back.
        self._last_ts = max(int(self._clock() * 1_000_000), self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"


def _content(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The content among the arguments, decoded, and the warnings that its metadata earns."""
    content = {name: structured(arguments, name) for name in CONTENT if arguments.get(name) is not None}
    if "metadata" not in content:
        return content, {}
    metadata, warnings = checked_metadata(content.pop("metadata"))
    return content | ({} if metadata is None else {"metadata": metadata}), warnings

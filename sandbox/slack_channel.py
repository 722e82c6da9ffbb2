import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.slack_content import SlackRefusal

TS = re.compile(r"\d{1,12}(\.\d{1,6})?")
TRUE = ("1", "true")


@dataclass
class Message:
    """`author` is the app that posted it ('' for a person), `body` its current content, `earlier` what edits replaced."""

    author: str
    body: dict[str, Any]
    earlier: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ts(self) -> str:
        return str(self.body["ts"])

    @property
    def thread(self) -> str:
        return str(self.body.get("thread_ts", ""))

    def replace(self, content: Mapping[str, Any]) -> None:
        self.earlier.append(self.body)
        kept = {name: value for name, value in self.body.items() if name != "edited"}
        self.body = {name: value for name, value in (kept | dict(content)).items() if value not in ([], {})}

    def shown(self, *, metadata: bool = True) -> dict[str, Any]:
        """As the API returns it: attachments are numbered and their colours have lost the `#`."""
        body = {name: value for name, value in self.body.items() if metadata or name != "metadata"}
        if attachments := body.get("attachments"):
            body["attachments"] = [_numbered(number, one) for number, one in enumerate(attachments, start=1)]
        return body


@dataclass
class Channel:
    id: str
    name: str
    messages: dict[str, Message] = field(default_factory=dict)

    def replies(self, ts: str) -> list[Message]:
        return [message for message in list(self.messages.values()) if message.thread == ts]

    def roots(self) -> list[Message]:
        """Messages that stand in the channel itself, oldest first."""
        return [message for message in list(self.messages.values()) if message.thread in ("", message.ts)]

    def history(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Newest first, bounds exclusive unless `inclusive`. Without `include_all_metadata` no message shows its own."""
        inclusive = _flag(arguments, "inclusive")
        oldest, latest = _bound(arguments, "oldest"), _bound(arguments, "latest") or float("inf")
        before = _cursor(arguments)
        found = [
            message
            for message in reversed(self.roots())
            if (oldest < float(message.ts) < latest or (inclusive and float(message.ts) in (oldest, latest)))
            and float(message.ts) < before
        ]
        limit = _limit(arguments)
        page, more = found[:limit], len(found) > limit
        cursor = {"response_metadata": {"next_cursor": _next_cursor(page[-1].ts)}} if more else {}
        metadata = _flag(arguments, "include_all_metadata")
        shown = [self._with_thread(message, metadata=metadata) for message in page]
        return {"ok": True, "messages": shown, "has_more": more, "pin_count": 0} | cursor

    def as_json(self) -> dict[str, Any]:
        messages = [
            message.body | {"earlier": message.earlier, "app": message.author}
            for message in list(self.messages.values())
        ]
        return {"name": self.name, "messages": messages}

    def _with_thread(self, message: Message, *, metadata: bool) -> dict[str, Any]:
        count = len(self.replies(message.ts))
        thread = {"thread_ts": message.ts, "reply_count": count} if count else {}
        return message.shown(metadata=metadata) | thread


def _numbered(number: int, attachment: Mapping[str, Any]) -> dict[str, Any]:
    shown = dict(attachment) | {"id": number}
    if "color" in shown:
        shown["color"] = str(shown["color"]).removeprefix("#")
    return shown


def _flag(arguments: Mapping[str, Any], name: str) -> bool:
    return str(arguments.get(name, "")).lower() in TRUE


def _bound(arguments: Mapping[str, Any], name: str) -> float:
    text = str(arguments.get(name) or "0")
    if not TS.fullmatch(text):
        raise SlackRefusal(f"invalid_ts_{name}")
    return float(text)


def _limit(arguments: Mapping[str, Any]) -> int:
    text = str(arguments.get("limit") or "100")
    if not text.isascii() or not text.isdigit():
        raise SlackRefusal("invalid_limit")
    return min(int(text), 999)


def _next_cursor(ts: str) -> str:
    return base64.b64encode(f"next_ts:{ts}".encode()).decode()


def _cursor(arguments: Mapping[str, Any]) -> float:
    cursor = str(arguments.get("cursor") or "")
    if not cursor:
        return float("inf")
    try:
        return float(base64.b64decode(cursor).decode().removeprefix("next_ts:"))
    except (binascii.Error, ValueError):
        raise SlackRefusal("invalid_cursor") from None

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.slack_content import SlackRefusal
from sandbox.slack_paging import flag, limit, next_cursor, reached, within


@dataclass
class Message:
    """`author` is the app that posted it ('' for a person), `body` its current content, `earlier` what edits replaced.
    `only_for` is the one person who sees it, '' where all do. `warning`: what Slack's ⚠ beside it says.
    """

    author: str
    body: dict[str, Any]
    earlier: list[dict[str, Any]] = field(default_factory=list)
    only_for: str = ""
    warning: str = ""

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
        """As the API returns it: attachments are numbered, their colours have lost the `#`, and each block has an id."""
        body = {name: value for name, value in self.body.items() if metadata or name != "metadata"}
        if blocks := body.get("blocks"):
            body["blocks"] = _identified(blocks, 0)
        if attachments := body.get("attachments"):
            body["attachments"] = [_numbered(number, one) for number, one in enumerate(attachments, start=1)]
        return body


@dataclass
class Channel:
    id: str
    name: str
    messages: dict[str, Message] = field(default_factory=dict)
    ephemeral: dict[str, Message] = field(default_factory=dict)
    threads: dict[str, list[str]] = field(default_factory=dict)

    def add(self, message: Message) -> None:
        if message.only_for:
            self.ephemeral[message.ts] = message
            return
        self.messages[message.ts] = message
        if message.thread not in ("", message.ts):
            self.threads.setdefault(message.thread, []).append(message.ts)

    def remove(self, ts: str) -> None:
        self.messages.pop(ts, None)
        self.ephemeral.pop(ts, None)

    def message(self, ts: str) -> Message | None:
        """One that stands here, whoever may see it."""
        return self.messages.get(ts) or self.ephemeral.get(ts)

    def replies(self, ts: str) -> list[Message]:
        found = map(self.messages.get, list(self.threads.get(ts, ())))
        return [message for message in found if message is not None]

    def roots(self) -> list[Message]:
        """Messages that stand in the channel itself, oldest first."""
        return [message for message in list(self.messages.values()) if message.thread in ("", message.ts)]

    def history(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Newest first, bounds exclusive unless `inclusive`. Without `include_all_metadata` no message shows its own."""
        before = reached(arguments) or float("inf")
        found = [
            message
            for message in reversed(self.roots())
            if within(message.ts, arguments) and float(message.ts) < before
        ]
        return self._page(found, arguments, default=100) | {"pin_count": 0}

    def thread(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """One message and what was replied, oldest first; the message itself whatever the bounds are."""
        parent = self.messages.get(str(arguments.get("ts", "")))
        if parent is None:
            raise SlackRefusal("thread_not_found")
        after = reached(arguments)
        found = [message for message in self.replies(parent.ts) if within(message.ts, arguments)]
        if after is None:
            return self._page([parent, *found], arguments, default=1000)
        return self._page([one for one in found if float(one.ts) > after], arguments, default=1000)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "messages": [_kept(message) for message in list(self.messages.values())],
            "ephemeral": [
                _kept(message) | {"only_for": message.only_for} for message in list(self.ephemeral.values())
            ],
        }

    def _page(self, found: list[Message], arguments: Mapping[str, Any], *, default: int) -> dict[str, Any]:
        most = limit(arguments, default)
        page, more = found[:most], len(found) > most
        metadata = flag(arguments, "include_all_metadata")
        shown = [self._with_thread(message, metadata=metadata) for message in page]
        return {"ok": True, "messages": shown, "has_more": more} | (next_cursor(page[-1].ts) if more else {})

    def _with_thread(self, message: Message, *, metadata: bool) -> dict[str, Any]:
        shown = message.shown(metadata=metadata)
        if message.thread not in ("", message.ts):
            parent = self.messages.get(message.thread)
            return shown | ({"parent_user_id": parent.body["user"]} if parent else {})
        replies = self.replies(message.ts)
        if not replies:
            return shown
        users = list(dict.fromkeys(str(reply.body["user"]) for reply in replies))
        return shown | {
            "thread_ts": message.ts,
            "reply_count": len(replies),
            "reply_users": users,
            "reply_users_count": len(users),
            "latest_reply": replies[-1].ts,
        }


def _kept(message: Message) -> dict[str, Any]:
    warning = {"warning": message.warning} if message.warning else {}
    return message.body | {"earlier": message.earlier, "app": message.author} | warning


def _numbered(number: int, attachment: Mapping[str, Any]) -> dict[str, Any]:
    shown = dict(attachment) | {"id": number}
    if "color" in shown:
        shown["color"] = str(shown["color"]).removeprefix("#")
    if "blocks" in shown:
        shown["blocks"] = _identified(shown["blocks"], number)
    return shown


def _identified(blocks: list[dict[str, Any]], attachment: int) -> list[dict[str, Any]]:
    return [{"block_id": f"b{attachment}.{index}"} | block for index, block in enumerate(blocks)]

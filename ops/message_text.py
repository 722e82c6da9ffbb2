"""A Slack message as text for a terminal: what a person would read, from top to bottom."""

import re
from collections.abc import Iterator
from typing import Any

_DATE = re.compile(r"<!date\^[^|<>]*\|([^<>]*)>")
"""Slack shows it in each reader's own time; here it is what Slack would show without that."""

_LINK = re.compile(r"<(https?://[^|<>]*)(?:\|([^<>]*))?>")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_ENTITY = re.compile("|".join(_ENTITIES))


def message_lines(message: dict[str, Any]) -> list[str]:
    """What the lock screen shows, then the blocks; an attachment's behind a bar, under its colour."""
    return list(_lines(message))


def _lines(message: dict[str, Any]) -> Iterator[str]:
    yield from readable(message["text"]).splitlines()
    yield from _block_lines(message.get("blocks", ()))
    for attachment in message.get("attachments", ()):
        yield ""
        yield f"┏ {attachment.get('color', '')}".rstrip()
        for line in _block_lines(attachment.get("blocks", ())):
            yield f"┃ {line}".rstrip()


def _block_lines(blocks: Any) -> Iterator[str]:
    for block in blocks:
        yield from _drawn(block)


def _drawn(block: dict[str, Any]) -> Iterator[str]:
    match block["type"]:
        case "section" | "header":
            texts = [block["text"]] if "text" in block else []
            for text in [*texts, *block.get("fields", ())]:
                yield from readable(text["text"]).splitlines()
            if "accessory" in block:
                yield _pressed(block["accessory"])
        case "context":
            for element in block["elements"]:
                yield "· " + readable(element.get("text") or element.get("alt_text", ""))
        case "actions":
            yield "  ".join(_pressed(element) for element in block["elements"])
        case "divider":
            yield "─" * 20
        case other:
            yield f"({other})"


def _pressed(element: dict[str, Any]) -> str:
    """A button, or a menu with what can be chosen."""
    label = element.get("text") or element.get("placeholder") or {"text": "…"}
    options = " | ".join(option["text"]["text"] for option in element.get("options", ()))
    return f"[{label['text']}{': ' + options if options else ''}]"


def readable(mrkdwn: str) -> str:
    """Mrkdwn as it reads: dates and links written out, entities as the signs that they stand for."""
    text = _LINK.sub(_link, _DATE.sub(r"\1", mrkdwn))
    return _ENTITY.sub(lambda match: _ENTITIES[match[0]], text)


def _link(match: re.Match[str]) -> str:
    url, label = match.groups()
    return f"{label} ({url})" if label and label != url else url

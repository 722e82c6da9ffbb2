"""How Slack hands out long lists: bounds in time, pages with a cursor."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from sandbox.slack_content import SlackRefusal

TS = re.compile(r"\d{1,12}(\.\d{1,6})?")
TRUE = ("1", "true")


def flag(arguments: Mapping[str, Any], name: str) -> bool:
    return str(arguments.get(name, "")).lower() in TRUE


def within(ts: str, arguments: Mapping[str, Any]) -> bool:
    """Between `oldest` and `latest`, themselves excluded unless `inclusive`."""
    oldest, latest = _bound(arguments, "oldest"), _bound(arguments, "latest") or float("inf")
    moment = float(ts)
    return oldest < moment < latest or (flag(arguments, "inclusive") and moment in (oldest, latest))


def limit(arguments: Mapping[str, Any], default: int) -> int:
    text = str(arguments.get("limit") or default)
    if not text.isascii() or not text.isdigit():
        raise SlackRefusal("invalid_limit")
    return min(int(text), 999)


def next_cursor(ts: str) -> dict[str, Any]:
    return {"response_metadata": {"next_cursor": base64.b64encode(f"next_ts:{ts}".encode()).decode()}}


def reached(arguments: Mapping[str, Any]) -> float | None:
    """The ts that the last page ended with; None for the first page."""
    cursor = str(arguments.get("cursor") or "")
    if not cursor:
        return None
    try:
        return float(base64.b64decode(cursor).decode().removeprefix("next_ts:"))
    except (binascii.Error, ValueError):
        raise SlackRefusal("invalid_cursor") from None


def _bound(arguments: Mapping[str, Any], name: str) -> float:
    text = str(arguments.get(name) or "0")
    if not TS.fullmatch(text):
        raise SlackRefusal(f"invalid_ts_{name}")
    return float(text)

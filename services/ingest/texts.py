"""Texts from outside: made plain and kept short, so that an incident's facts stay small whatever a sender puts in."""

import json
from typing import Any, TypeGuard

from pydantic_core import to_json

from shared.notification import Link

TITLE, SUMMARY, ALERT_SUMMARY, VALUE, NAME = 300, 3000, 300, 1000, 200
MAX_LABELS = 64
MAX_URL = 2000
SEVERITIES = {
    "critical": 4,
    "fatal": 4,
    "page": 4,
    "error": 3,
    "high": 3,
    "warning": 2,
    "warn": 2,
    "info": 1,
    "none": 0,
}


def text(value: Any, limit: int = VALUE) -> str:
    """A scalar as plain text without control characters, at most `limit` long. Anything else is no text: empty."""
    if isinstance(value, bool) or value is None or isinstance(value, dict | list):
        return ""
    plain = value if isinstance(value, str) else str(value)
    plain = plain[: 2 * limit]
    if not plain.isprintable():
        plain = "".join(c if c.isprintable() or c in "\n\t" else " " for c in plain)
    plain = plain.strip()
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def first(*values: Any, limit: int = VALUE) -> str:
    """The first value that is a text and not empty."""
    return next((found for value in values if (found := text(value, limit))), "")


def labels(value: Any) -> dict[str, str]:
    """Names to texts. What is no mapping has none."""
    if not isinstance(value, dict):
        return {}
    pairs = list(value.items())[:MAX_LABELS]
    return {text(name, NAME): _label(item) for name, item in pairs if text(name, NAME)}


def _label(item: Any) -> str:
    return ("true" if item else "false") if isinstance(item, bool) else text(item)


def links(*candidates: tuple[str, Any]) -> tuple[Link, ...]:
    """Those candidates (text, URL) that are web addresses."""
    found = (Link(text=words, url=url) for words, url in candidates if is_web_address(url))
    return tuple(dict.fromkeys(found))


def is_web_address(url: Any) -> TypeGuard[str]:
    return (
        isinstance(url, str)
        and url.startswith(("https://", "http://"))
        and len(url) <= MAX_URL
        and url.isprintable()
        and " " not in url
    )


def mapping(value: Any) -> dict[str, Any]:
    """`value` where it is a mapping; else an empty one, so that reaching deep into a stranger's JSON is safe."""
    return value if isinstance(value, dict) else {}


def canonical(value: Any) -> str:
    """The same text for the same JSON value, in whatever order its keys came."""
    return json.dumps(
        json.loads(to_json(value, inf_nan_mode="constants")), sort_keys=True, separators=(",", ":")
    )


def worst(severities: list[str]) -> str:
    return max(severities, key=lambda word: SEVERITIES.get(word.lower(), 1), default="")

"""The filters that every kind of template has. None of them fails on what is missing, on null, or on a value of another kind."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from jinja2 import Undefined
from jinja2.filters import do_title, do_urlencode

from shared.plain_text import one_line, shortened

_MILLISECONDS = 1e11
"""A Unix time above this (the year 5138) counts milliseconds."""


def as_text(value: object) -> str:
    """As a person would write it: nothing for null, JSON for lists and objects."""
    if value is None or callable(value):
        return ""
    if isinstance(value, bool | dict | list):
        return to_json(value)
    return str(value)


def to_json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False, default=str)


def cut_filter(value: object, length: int) -> str:
    return shortened(as_text(value), length)


def moment_of(value: object) -> datetime:
    """Of a moment, an ISO 8601 text, or Unix seconds or milliseconds. Raises ValueError, OverflowError or OSError."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value / 1000 if value > _MILLISECONDS else value, UTC)
    return value if isinstance(value, datetime) else datetime.fromisoformat(as_text(value).strip())


def length(value: Any) -> int:
    return 0 if value is None or isinstance(value, int | float) else len(value)


def format_filter(layout: object, *values: object, **named: object) -> str:
    """printf, as Jinja has it; but what is no number goes in as `{{ … }}` prints it."""
    given = {name: _number_or_text(value) for name, value in named.items()}
    return as_text(layout) % (given or tuple(_number_or_text(value) for value in values))


def _number_or_text(value: object) -> object:
    is_number = isinstance(value, int | float | Undefined) and not isinstance(value, bool)
    return value if is_number else as_text(value)


def pairs(value: object) -> list[tuple[Any, Any]]:
    """What a loop over `value` meets: index and element of a list, key and value of an object in the order of its keys."""
    if isinstance(value, Mapping):
        return sorted(value.items(), key=lambda pair: str(pair[0]))
    elements = value if isinstance(value, Iterable) and not isinstance(value, str) else ()
    return list(enumerate(elements))


def split(value: object, separator: object = "") -> list[str]:
    """Like Go's strings.Split: without a separator, character by character."""
    text, mark = as_text(value), as_text(separator)
    return text.split(mark) if mark else list(text)


def replace(value: object, old: object, new: object, count: int = -1) -> str:
    return as_text(value).replace(as_text(old), as_text(new), count)


def urlencode(value: object) -> str:
    return do_urlencode(value if isinstance(value, list | tuple | Mapping) else as_text(value))


def trim(value: object, letters: object = None) -> str:
    return as_text(value).strip(as_text(letters) or None)


def contains(value: object, part: object) -> bool:
    """Whether a text has `part` in it, a list as an element, an object as a key."""
    if isinstance(value, list | tuple):
        return part in value
    return as_text(part) in (value if isinstance(value, Mapping) else as_text(value))


def of_text(function: Callable[[str], str]) -> Callable[[object], str]:
    return lambda value: function(as_text(value))


def _of_two_texts(function: Callable[[str, str], Any]) -> Callable[[object, object], Any]:
    return lambda value, other: function(as_text(value), as_text(other))


FILTERS: dict[str, Callable[..., Any]] = {
    "contains": contains,
    "count": length,
    "cut": cut_filter,
    "endswith": _of_two_texts(str.endswith),
    "format": format_filter,
    "length": length,
    "lower": of_text(str.lower),
    "oneline": of_text(one_line),
    "pairs": pairs,
    "removeprefix": _of_two_texts(str.removeprefix),
    "removesuffix": _of_two_texts(str.removesuffix),
    "replace": replace,
    "split": split,
    "startswith": _of_two_texts(str.startswith),
    "string": as_text,
    "title": of_text(do_title),
    "tojson": to_json,
    "trim": trim,
    "upper": of_text(str.upper),
    "urlencode": urlencode,
}

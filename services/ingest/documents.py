"""From the bytes of a request to JSON objects. Tolerant of a wrong encoding, which must not cost a page; not of what is no JSON."""

import json
import re
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

MAX_DEPTH = 200

TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"

REPAIRED = "the body was not clean UTF-8; unreadable characters were replaced"

_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)
"""A JSON text's strings, and what lies between them."""


class RefusedBodyError(Exception):
    """A body that no notification can be made of. `message` is the answer's word, `detail` goes with the dead letter."""

    def __init__(self, message: str, detail: str) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class TooDeepError(RefusedBodyError):
    """Nested more than MAX_DEPTH levels deep."""


@dataclass(frozen=True)
class Document:
    """One JSON object with its text; or, as an element of an array, why it is none."""

    value: dict[str, Any] | None
    body: str
    error: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Documents:
    items: tuple[Document, ...]
    is_array: bool


def read_documents(raw: bytes) -> Documents:
    """The objects in `raw`. Raises RefusedBodyError, with the words that Versus uses."""
    if not raw.strip():
        raise RefusedBodyError("Empty body", "empty body")
    try:
        value, clean = read_json(raw)
    except TooDeepError:
        elements = tuple(_element_alone(text) for text in split_array(_decode(raw)))
        if all(element.value is None for element in elements):
            raise
        return Documents(elements, is_array=True)
    warnings = () if clean else (REPAIRED,)
    if isinstance(value, dict):
        text = raw.decode() if clean else _text(value)
        return Documents((Document(value, text, warnings=warnings),), is_array=False)
    if not isinstance(value, list):
        raise RefusedBodyError("Invalid input", f"a JSON {_kind(value)} instead of an object")
    if not value:
        raise RefusedBodyError("No incidents found in array", "empty array")
    return Documents(tuple(_element(item, warnings) for item in value), is_array=True)


def _element(item: Any, warnings: tuple[str, ...]) -> Document:
    if isinstance(item, dict):
        return Document(item, _text(item), warnings=warnings)
    return Document(None, _text(item), error=f"a JSON {_kind(item)} instead of an object")


def _element_alone(text: str) -> Document:
    """An element of an array that could not be read as a whole: those that are too deep must not cost the others."""
    try:
        value, clean = read_json(text.encode("utf-8", "surrogatepass"))
    except TooDeepError as error:
        return Document(None, text.encode(errors="replace").decode(), error=error.detail)
    return _element(value, () if clean else (REPAIRED,))


def split_array(text: str) -> list[str]:
    """The texts of a JSON array's elements, however deep they are; empty for anything else."""
    elements, depth, start = [], 0, 0
    for match in _STRUCTURE.finditer(text if text.lstrip().startswith("[") else ""):
        mark = match[0]
        depth += (mark in ("[", "{")) - (mark in ("]", "}"))
        if mark == "[" and depth == 1:
            start = match.end()
        elif (mark == "," and depth == 1) or (mark == "]" and depth == 0):
            elements.append(text[start : match.start()])
            start = match.end()
    return elements if depth == 0 and not text[start:].strip() else []


def read_json(raw: bytes) -> tuple[Any, bool]:
    """The value, which can be written as JSON again, and whether it could be read as it came. Raises RefusedBodyError."""
    try:
        # pydantic's parser refuses what is nested deeper than 200, a BOM and lone surrogates.
        return from_json(raw), True
    except ValueError as strict:
        try:
            value = json.loads(_decode(raw))
        except RecursionError:
            raise TooDeepError(_refusal(raw), TOO_DEEP) from None
        except ValueError:
            raise RefusedBodyError(_refusal(raw), f"not JSON: {strict}") from None
    if _depth_exceeds(value, MAX_DEPTH):
        raise TooDeepError(_refusal(raw), TOO_DEEP)
    return _scrub(value), False


def _decode(raw: bytes) -> str:
    """UTF-8, -16 or -32 by its first bytes, with or without a BOM; what is unreadable becomes U+FFFD."""
    return raw.decode(json.detect_encoding(raw), "replace")


def _scrub(value: Any) -> Any:
    """Without lone surrogates, which no UTF-8 text can hold."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_scrub(item) for item in value]
    if isinstance(value, dict):
        return {_scrub(key): _scrub(item) for key, item in value.items()}
    return value


def _depth_exceeds(value: Any, limit: int) -> bool:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > limit:
            return True
        inner = [
            item.values() if isinstance(item, dict) else item
            for item in level
            if isinstance(item, dict | list)
        ]
        level = [item for items in inner for item in items]
    return False


def _text(value: Any) -> str:
    return to_json(value, inf_nan_mode="constants").decode()


def _refusal(raw: bytes) -> str:
    return "Invalid JSON array input" if raw.lstrip().startswith(b"[") else "Invalid input"


def _kind(value: Any) -> str:
    names = {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")

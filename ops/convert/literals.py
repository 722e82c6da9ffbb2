"""Go's constants as values, and values as Jinja2's constants."""

import math
import re

from ops.convert.names import UnconvertibleError

_LONGEST_NUMBER = 30
_ESCAPE = re.compile(
    r"\\(x[0-9a-fA-F]{2}|[0-7]{3}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[abfnrtv\\'\"]|.)", re.DOTALL
)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_BYTE = 0x80

# Control characters; what begins a tag; and what the recognition of Go templates looks for.
_UNPLAIN = re.compile(r'[\x00-\x1f\x7f"\\]|\{(?=[{%#])|(?<=:)=')
_SHORT = {"\n": "\\n", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def text_of(literal: str) -> str:
    """A Go string or character. Raises UnconvertibleError."""
    if literal.startswith("`"):
        return literal[1:-1].replace("\r", "")
    try:
        text = _ESCAPE.sub(_unescaped, literal[1:-1])
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except (ValueError, OverflowError):
        raise UnconvertibleError(f"{literal} has an escape that is none") from None


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in _LETTERS:
        return _LETTERS[code[0]]
    if code in ("\\", "'", '"'):
        return code
    value = int(code[1:], 16) if code[0] in "xuU" else int(code, 8)
    is_byte = code[0] not in "uU" and value >= _BYTE
    return chr(0xDC00 + value if is_byte else value)


def number_of(literal: str) -> int | float:
    """Raises UnconvertibleError."""
    try:
        if len(literal) > _LONGEST_NUMBER:
            raise ValueError(literal)
        is_float = re.search(r"\.|(?<!x)[eE]", literal) and "x" not in literal.lower()
        value: int | float = float(literal) if is_float else int(literal, 0)
    except ValueError:
        raise UnconvertibleError(f"{literal} is no number that Jinja2 has") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise UnconvertibleError(f"{literal} is too large")
    return value


def quoted(text: str) -> str:
    """`text` as a constant of Jinja2."""
    return '"' + _UNPLAIN.sub(lambda match: _SHORT.get(match[0]) or f"\\x{ord(match[0]):02x}", text) + '"'

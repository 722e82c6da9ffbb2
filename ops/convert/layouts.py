"""Go's layouts of time (https://pkg.go.dev/time#Layout) in the letters of strftime."""

import re

from ops.convert.names import UnconvertibleError

_LETTERS = {
    "2006": "%Y",
    "06": "%y",
    "January": "%B",
    "Jan": "%b",
    "01": "%m",
    "02": "%d",
    "002": "%j",
    "Monday": "%A",
    "Mon": "%a",
    "15": "%H",
    "03": "%I",
    "04": "%M",
    "05": "%S",
    "PM": "%p",
    "MST": "%Z",
    "-0700": "%z",
}
_PIECE = re.compile(
    r"2006|January|Jan|Monday|Mon|MST|00?2|0[13456]|15|PM|pm|_2|[-Z]07:?00(?::?00)?|[-Z]07|[.,](?:0+|9+)(?!\d)|[12345]|%|[^%]",
    re.DOTALL,
)


def strftime(layout: str) -> str:
    """Raises UnconvertibleError."""
    return "".join(_letter(match[0], layout) for match in _PIECE.finditer(layout))


def _letter(piece: str, layout: str) -> str:
    if piece in _LETTERS:
        return _LETTERS[piece]
    if len(piece) > 1 or piece in "12345":
        raise UnconvertibleError(f"`{piece}` in the layout {layout!r} has no counterpart")
    return "%%" if piece == "%" else piece

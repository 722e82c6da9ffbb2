"""Texts and tags put together, so that Jinja2 keeps the blanks and line ends that Go keeps."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

_CLOSING = {"{": "}", "%": "%", "#": "#"}
_BEGINS_TAG = re.compile(r"\{(?=[{%#]|\Z)")
_INDENT = re.compile(r"\n[^\S\n]+\Z")


@dataclass(frozen=True)
class Tag:
    """`kind`: `{` prints, `%` is a statement, `#` a comment."""

    kind: str
    content: str
    trims_before: bool
    trims_after: bool


def source_of(pieces: Sequence[str | Tag]) -> str:
    merged = _merged(pieces)
    return "".join(_source(merged, index) for index in range(len(merged)))


def _merged(pieces: Sequence[str | Tag]) -> list[str | Tag]:
    """Texts that follow each other as one."""
    merged: list[str | Tag] = []
    for is_text, group in groupby(pieces, lambda piece: isinstance(piece, str)):
        run = list(group)
        merged += ["".join(piece for piece in run if isinstance(piece, str))] if is_text else run
    return merged


def _source(pieces: Sequence[str | Tag], index: int) -> str:
    piece = pieces[index]
    if isinstance(piece, str):
        return _BEGINS_TAG.sub('{{ "{" }}', piece)
    before = pieces[index - 1] if index else ""
    after = pieces[index + 1] if index + 1 < len(pieces) else ""
    begin = "-" if piece.trims_before else "+" if _is_stripped(piece, before, is_first=index == 1) else ""
    end = "-" if piece.trims_after else "+" if _is_swallowed(piece, after) else ""
    return f"{{{piece.kind}{begin} {piece.content} {end}{_CLOSING[piece.kind]}}}"


def _is_stripped(tag: Tag, before: str | Tag, *, is_first: bool) -> bool:
    """Whether Jinja2 would drop the blanks between the beginning of the line and the tag (lstrip_blocks). `is_first`: `before`
    is what the file begins with."""
    if tag.kind == "{" or not isinstance(before, str):
        return False
    return bool(_INDENT.search(before)) or (is_first and before.isspace())


def _is_swallowed(tag: Tag, after: str | Tag) -> bool:
    """Whether Jinja2 would drop the line end behind the tag (trim_blocks)."""
    return tag.kind != "{" and isinstance(after, str) and after.startswith("\n")

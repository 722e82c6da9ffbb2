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
    begin = "-" if piece.trims_before else "+" if _is_stripped(pieces, index) else ""
    end = "-" if piece.trims_after else "+" if _is_swallowed(pieces, index) else ""
    return f"{{{piece.kind}{begin} {piece.content} {end}{_CLOSING[piece.kind]}}}"


def _neighbours(pieces: Sequence[str | Tag], index: int, step: int) -> tuple[str, Tag | None]:
    """The text beside a tag, and the tag beyond it."""
    beside = [pieces[place] for place in (index + step, index + 2 * step) if 0 <= place < len(pieces)]
    if not beside or isinstance(beside[0], Tag):
        return "", None
    beyond = beside[1] if len(beside) > 1 else None
    return beside[0], beyond if isinstance(beyond, Tag) else None


def _kind(piece: str | Tag) -> str:
    return piece.kind if isinstance(piece, Tag) else ""


def _is_stripped(pieces: Sequence[str | Tag], index: int) -> bool:
    """Whether Jinja2 would drop the blanks between the beginning of the line and the tag (lstrip_blocks), and Go would not."""
    text, beyond = _neighbours(pieces, index, -1)
    if _kind(pieces[index]) == "{" or (text.isspace() and beyond and beyond.trims_after):
        return False
    return bool(_INDENT.search(text)) or (beyond is None and text.isspace() and "\n" not in text)


def _is_swallowed(pieces: Sequence[str | Tag], index: int) -> bool:
    """Whether Jinja2 would drop the line end behind the tag (trim_blocks), and Go would not."""
    text, beyond = _neighbours(pieces, index, 1)
    if _kind(pieces[index]) == "{" or (text.isspace() and beyond and beyond.trims_before):
        return False
    return text.startswith("\n")

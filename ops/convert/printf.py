"""Layouts of printf (https://pkg.go.dev/fmt), as an expression and as what is printed in turn."""

import re

from ops.convert import code
from ops.convert.code import Code
from ops.convert.names import UnconvertibleError

_VERB = re.compile(r"%([-+ 0]*)(\d*)(\.\d+)?([a-zA-Z%])|%")
_TEXTS = "svtd"
_REALS = "feEgG"
_WHOLES = "dxXo"


def pieces(layout: str, values: list[Code]) -> list[str | Code]:
    """What is printed one after the other: texts, and values. Raises UnconvertibleError."""
    found: list[str | Code] = []
    for piece in _read(layout, values):
        if isinstance(piece, str):
            found.append(piece)
            continue
        letter, value = piece
        found += ['"', value, '"'] if letter == "%q" else [_formatted(letter, value)]
    return found


def inline(layout: str, values: list[Code]) -> Code:
    """The same as one value. Raises UnconvertibleError."""
    python, given = "", []
    for piece in _read(layout, values):
        if isinstance(piece, str):
            python += piece.replace("%", "%%")
            continue
        letter, value = piece
        python += {"%q": '"%s"'}.get(letter, letter)
        given.append(_number(letter, value))
    return code.text(python).filtered("format", *given) if given else code.text(python.replace("%%", "%"))


def _read(layout: str, values: list[Code]) -> list[str | tuple[str, Code]]:
    """Texts, and values with the letter that Python has for their verb."""
    found: list[str | tuple[str, Code]] = []
    position, rest = 0, list(values)
    for match in _VERB.finditer(layout):
        found.append(layout[position : match.start()])
        position = match.end()
        if match[4] == "%":
            found.append("%")
            continue
        if not rest:
            raise UnconvertibleError(f"printf has too few values for {layout!r}")
        found.append((_letter(match, layout), rest.pop(0)))
    if rest:
        raise UnconvertibleError(f"printf has too many values for {layout!r}")
    return [piece for piece in [*found, layout[position:]] if piece != ""]


def _letter(match: re.Match[str], layout: str) -> str:
    flags, width, precision, verb = match.groups(default="")
    if verb == "q" and not (flags or width or precision):
        return "%q"
    if verb not in (*_TEXTS, *_REALS, *_WHOLES) or len(width) > 3:  # noqa: PLR2004
        raise UnconvertibleError(f"`{match[0]}` in {layout!r} has no counterpart")
    is_plain = verb in _TEXTS and not (flags or width or precision)
    return "%s" if is_plain else f"%{flags}{width}{precision}{'s' if verb in 'vt' else verb}"


def _number(letter: str, value: Code) -> Code:
    return (
        value.filtered("float")
        if letter[-1] in _REALS
        else value.filtered("int")
        if letter[-1] in _WHOLES
        else value
    )


def _formatted(letter: str, value: Code) -> Code:
    return value if letter == "%s" else code.text(letter).filtered("format", _number(letter, value))

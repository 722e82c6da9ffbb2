"""Pieces of Jinja2 expressions, with parentheses where they need them and only there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from ops.convert.literals import quoted
from ops.convert.names import UnconvertibleError, is_plain


class Level(IntEnum):
    """How firmly an expression holds together; a part needs parentheses where it is looser than its place asks for."""

    CONDITIONAL = 0
    OR = 1
    AND = 2
    NOT = 3
    COMPARISON = 4
    SUM = 5
    FILTER = 6
    OPERAND = 7


MAX_DEPTH = 60
"""Neither Jinja2 nor Python takes endless nesting."""


@dataclass(frozen=True)
class Code:
    """`depth`: how many parts are in each other. Raises UnconvertibleError when they are too many."""

    text: str
    level: Level = Level.OPERAND
    depth: int = 0

    def __post_init__(self) -> None:
        if self.depth > MAX_DEPTH:
            raise UnconvertibleError("it is nested too deeply")

    def at(self, level: Level) -> str:
        return self.text if self.level >= level else f"({self.text})"

    def filtered(self, name: str, *arguments: "Code") -> "Code":
        given = f"({', '.join(argument.text for argument in arguments)})" if arguments else ""
        return Code(f"{self.at(Level.FILTER)} | {name}{given}", Level.FILTER, 1 + deepest([self, *arguments]))

    def item(self, key: str) -> "Code":
        """`key`: what stands between the brackets."""
        return Code(f"{self.at(Level.OPERAND)}[{key}]", depth=self.depth + 1)

    def below(self, path: tuple[str, ...]) -> "Code":
        code = self
        for name in path:
            inner = Code(f"{code.at(Level.OPERAND)}.{name}", depth=code.depth + 1)
            code = inner if is_plain(name) else code.item(quoted(name))
        return code


def deepest(parts: Iterable[Code]) -> int:
    return max((part.depth for part in parts), default=0)


def joined(sign: str, level: Level, parts: list[Code]) -> Code:
    """`a sign b sign c`. Parts of the same level get parentheses, but for `and` and `or`, where the order does not matter."""
    if len(parts) == 1:
        return parts[0]
    inner = level if level in (Level.AND, Level.OR) else Level(level + 1)
    return Code(sign.join(part.at(inner) for part in parts), level, len(parts) + deepest(parts))


def listed(parts: Sequence[Code]) -> Code:
    return Code(f"[{', '.join(part.text for part in parts)}]", depth=1 + deepest(parts))


def text(value: str) -> Code:
    return Code(quoted(value))

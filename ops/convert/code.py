"""Pieces of Jinja2 expressions, with parentheses where they need them and only there."""

from dataclasses import dataclass
from enum import IntEnum

from ops.convert.literals import quoted
from ops.convert.names import is_plain


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


@dataclass(frozen=True)
class Code:
    text: str
    level: Level = Level.OPERAND

    def at(self, level: Level) -> str:
        return self.text if self.level >= level else f"({self.text})"

    def filtered(self, name: str, *arguments: "Code") -> "Code":
        given = f"({', '.join(argument.text for argument in arguments)})" if arguments else ""
        return Code(f"{self.at(Level.FILTER)} | {name}{given}", Level.FILTER)

    def item(self, key: str) -> "Code":
        """`key`: what stands between the brackets."""
        return Code(f"{self.at(Level.OPERAND)}[{key}]")

    def below(self, path: tuple[str, ...]) -> "Code":
        code = self
        for name in path:
            code = Code(f"{code.at(Level.OPERAND)}.{name}") if is_plain(name) else code.item(quoted(name))
        return code


def joined(sign: str, level: Level, parts: list[Code]) -> Code:
    """`a sign b sign c`. Parts of the same level get parentheses, but for `and` and `or`, where the order does not matter."""
    inner = level if level in (Level.AND, Level.OR) else Level(level + 1)
    return parts[0] if len(parts) == 1 else Code(sign.join(part.at(inner) for part in parts), level)


def text(value: str) -> Code:
    return Code(quoted(value))

"""What is wrong with a configuration, told to the person who wrote it. Never contains a secret."""

from collections.abc import Iterable
from dataclasses import dataclass

Path = tuple[str, ...]
"""A key and the blocks around it: ("oncall", "wait_minutes")."""

LONGEST_SHOWN = 60


@dataclass(frozen=True)
class Problem:
    """One mistake. `file` is a path, or `environment variable NAME`; `key` is empty when it concerns the file as a whole."""

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigError(Exception):
    """The configuration cannot be used. `problems`: all that is wrong with it; `str()` prints one per line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def in_line_order(problems: Iterable[Problem]) -> list[Problem]:
    """Those without a line come last."""
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.line is None, problem.line or 0))


def dotted(path: Path) -> str:
    return ".".join(path)


def shown(text: str) -> str:
    """`text` so that it can be printed: short, on one line, without control characters."""
    cut = text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in cut)

"""The configuration as written: texts in blocks and lists, and where each of them comes from. Nothing is converted yet."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from shared import config_yaml
from shared.config_errors import Path, Problem, dotted
from shared.config_keys import OVERRIDES, may_be_empty
from shared.config_variables import Variables

MOST_VALUES = 10_000
"""Aliases can make a short file a huge one."""


@dataclass(frozen=True)
class Place:
    """Where a value stands. `unset`: variables that it wanted and that have no value. `variable`: the one that won over the file."""

    line: int | None
    expanded: bool = False
    unset: tuple[str, ...] = ()
    variable: str | None = None


@dataclass
class Draft:
    """`values`: what is there; keys without a value are only in `places`."""

    file: str
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def get(self, path: Path) -> Any:
        """The value, or None."""
        found: Any = self.values
        for name in path:
            if isinstance(found, list):
                found = found[int(name)] if name.isdecimal() and int(name) < len(found) else None
            else:
                found = found.get(name) if isinstance(found, dict) else None
        return found

    def text(self, path: Path) -> str:
        found = self.get(path)
        return found if isinstance(found, str) else ""

    def is_on(self, path: Path) -> bool:
        return self.text(path).lower() in ("true", "1", "yes", "on", "t", "y")

    def drop(self, path: Path) -> None:
        block = self.get(path[:-1])
        if isinstance(block, dict):
            block.pop(path[-1], None)

    def problem(self, path: Path, message: str) -> Problem:
        """About the key, at its line or that of the nearest block around it."""
        place = self.places.get(path)
        if place and place.variable:
            return Problem(f"environment variable {place.variable}", None, dotted(path), message)
        around = (
            self.places[path[:end]].line for end in range(len(path), 0, -1) if path[:end] in self.places
        )
        return Problem(self.file, next(around, None), dotted(path), message)


def draft(file: str, text: str, variables: Variables) -> Draft:
    """Never raises: what is wrong is among the draft's problems."""
    result = Draft(file)
    root = config_yaml.parse(text)
    if isinstance(root, config_yaml.Mistake):
        result.problems.append(Problem(file, root.line, "", root.message))
    elif root is not None and not isinstance(root, yaml.MappingNode):
        result.problems.append(
            Problem(
                file, config_yaml.line_of(root), "", "should be a block of keys, such as `name: ackstream`"
            )
        )
    elif root is not None:
        result.values = _Writer(result, variables).block(root, ())
    _override(result, variables)
    return result


class _Writer:
    def __init__(self, result: Draft, variables: Variables) -> None:
        self._draft = result
        self._variables = variables
        self._count = 0

    def block(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found, mistakes = config_yaml.entries(node)
        for mistake in mistakes:
            key = dotted((*path, mistake.key)) if mistake.key else dotted(path)
            self._draft.problems.append(Problem(self._draft.file, mistake.line, key, mistake.message))
        values = {name: self._value(entry.value, (*path, name), entry.line) for name, entry in found.items()}
        return {name: value for name, value in values.items() if value is not None}

    def _value(self, node: yaml.Node, path: Path, line: int) -> Any:
        """None: as if the key were not there."""
        self._count += 1
        if self._count > MOST_VALUES:
            if self._count == MOST_VALUES + 1:
                self._complain(
                    path, line, f"is one value too many; {MOST_VALUES} are allowed, aliases included"
                )
            return None
        self._draft.places[path] = Place(line)
        if isinstance(node, yaml.MappingNode):
            return self.block(node, path)
        if isinstance(node, yaml.SequenceNode):
            return self._items(node, path)
        return self._scalar(node, path, line) if isinstance(node, yaml.ScalarNode) else None

    def _items(self, node: yaml.SequenceNode, path: Path) -> list[Any]:
        """Those that are there. Each stands in `places` under its number among these."""
        items: list[Any] = []
        for item in node.value:
            value = self._value(item, (*path, str(len(items))), config_yaml.line_of(item))
            items += [] if value is None else [value]
        return items

    def _scalar(self, node: yaml.ScalarNode, path: Path, line: int) -> str | None:
        written = config_yaml.text_of(node)
        if written is None:
            self._complain(path, line, config_yaml.QUOTE_IT)
            return None
        if config_yaml.is_null(node):
            return None
        expanded = self._variables.expand(written)
        self._draft.places[path] = Place(line, bool(expanded.variables), expanded.unset)
        for mistake in expanded.mistakes:
            self._complain(path, line, mistake)
        if expanded.unset and expanded.text:
            self._complain(path, line, " and ".join(map(self._variables.absence, expanded.unset)))
        return expanded.text if expanded.text or (not written and may_be_empty(path)) else None

    def _complain(self, path: Path, line: int, message: str) -> None:
        self._draft.problems.append(Problem(self._draft.file, line, dotted(path), message))


def _override(result: Draft, variables: Variables) -> None:
    """Put the environment's values in the place of the file's."""
    for name, path in OVERRIDES.items():
        found = variables.look_up(name)
        if found.mistake:
            result.problems.append(
                Problem(f"environment variable {found.name}", None, dotted(path), found.mistake)
            )
        if not found.value:
            continue
        blocks = list(_blocks(result.values, path[:-1]))
        if len(blocks) == len(path):
            blocks[-1][path[-1]] = found.value
            result.places[path] = Place(None, expanded=True, variable=name)


def _blocks(values: dict[str, Any], path: Path) -> Iterator[dict[str, Any]]:
    """The blocks along `path`, made where they are missing. Ends early where something else stands, which validation tells."""
    yield values
    inner: Any = values
    for name in path:
        inner = inner.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        yield inner

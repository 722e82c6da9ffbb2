"""What the configuration's model says about its keys: which there are, which are secret, which variables win over them."""

import difflib
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from shared.config import Config
from shared.config_errors import Path, dotted
from shared.config_values import Variable

EACH = "*"


def block_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a key that is a block."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def items_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a key that is a list of blocks, or has blocks by names that people choose."""
    origin, inner = get_origin(field.annotation), get_args(field.annotation)
    kind = inner[0] if origin is tuple else inner[1] if origin is dict else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def walk(model: type[BaseModel] = Config, path: Path = ()) -> Iterator[tuple[Path, FieldInfo]]:
    """Every key with its field, blocks before what is in them; in the place of a number in a list, or
    of a name that people choose, stands EACH."""
    for name, field in model.model_fields.items():
        yield (*path, name), field
        if block := block_of(field):
            yield from walk(block, (*path, name))
        elif item := items_of(field):
            yield from walk(item, (*path, name, EACH))


KEYS: dict[Path, FieldInfo] = dict(walk())


def variable_of(field: FieldInfo) -> str | None:
    """The environment variable that wins over the file."""
    return next((mark.name for mark in field.metadata if isinstance(mark, Variable)), None)


OVERRIDES: dict[str, Path] = {name: path for path, field in KEYS.items() if (name := variable_of(field))}
"""`ACKSTREAM_REDIS_URL` is also how `ackstream up` tells its services about the server that it brought."""


def general(path: Path) -> Path:
    """`path` as KEYS has it, as far as it is known: with EACH for numbers in lists and names that people choose."""
    known: Path = ()
    for part in path:
        chosen = (*known, part) not in KEYS and (known in KEYS) and items_of(KEYS[known]) is not None
        known = (*known, EACH if chosen else part)
    return known


def is_secret(path: Path) -> bool:
    path = general(path)
    return any(
        path[:end] in KEYS and _mentions(KEYS[path[:end]].annotation, SecretStr)
        for end in range(1, len(path) + 1)
    )


def may_be_empty(path: Path) -> bool:
    """Whether `""` is a value of its own here; elsewhere it means that there is none."""
    field = KEYS.get(general(path))
    return field is not None and get_origin(field.annotation) is Literal and "" in get_args(field.annotation)


def told_unknown(path: Path) -> str:
    """What to say about a key that does not exist."""
    path = general(path)
    siblings = [known[-1] for known in KEYS if known[:-1] == path[:-1]]
    elsewhere = [dotted(known) for known in KEYS if known[-1] == path[-1]]
    if elsewhere:
        return f"is not a known key here; it belongs to {' or '.join(elsewhere[:3])}"
    if near := difflib.get_close_matches(path[-1].lower(), siblings, n=1):
        return f"is not a known key; did you mean {near[0]}?"
    near = difflib.get_close_matches(path[-1].lower(), {known[-1] for known in KEYS}, n=1)
    nearest = next((dotted(known) for known in KEYS if near and known[-1] == near[0]), None)
    return (
        f"is not a known key; the nearest is {nearest}"
        if nearest
        else f"is not a known key; known here: {', '.join(siblings)}"
    )


def _mentions(annotation: Any, kind: type) -> bool:
    return annotation is kind or any(_mentions(inner, kind) for inner in get_args(annotation))

"""What a Go template is made of, once it is read."""

from dataclasses import dataclass, field

from ops.convert.actions import Action, Text
from ops.convert.names import Variable

Path = tuple[str, ...]
"""Names of fields, from the outside to the inside."""


@dataclass(frozen=True)
class Dot:
    """`.a.b`: below whatever the dot is at that place."""

    path: Path = ()


@dataclass(frozen=True)
class Root:
    """`$.a.b`: below the body."""

    path: Path = ()


@dataclass(frozen=True)
class Reading:
    """`$x.a.b`"""

    variable: Variable
    path: Path = ()


@dataclass(frozen=True)
class Chain:
    """`(…).a.b`"""

    base: "Expression"
    path: Path


@dataclass(frozen=True)
class Constant:
    value: str | float | bool


@dataclass(frozen=True)
class Call:
    """`name arguments`; `is_piped`: the last argument came through a pipe."""

    name: str
    arguments: tuple["Expression", ...] = ()
    is_piped: bool = False


@dataclass(frozen=True)
class Broken:
    """What could not be read, and why."""

    reason: str


Expression = Dot | Root | Reading | Chain | Constant | Call | Broken


@dataclass
class Printed:
    action: Action
    value: Expression


@dataclass
class Assigned:
    action: Action
    variable: Variable
    value: Expression
    declares: bool


@dataclass
class Left:
    """Stays as it is, in a comment. `source`: all of it, which may be more than its first action."""

    action: Action
    source: str
    reason: str


@dataclass
class Branch:
    """`if`, `with` and their `else if`, `else with`. `declared`: what takes the condition's value."""

    action: Action
    condition: Expression
    declared: Variable | None
    is_with: bool
    body: list["Node"] = field(default_factory=list)
    otherwise: "list[Node] | Branch | None" = None
    else_action: Action | None = None
    end: Action | None = None


@dataclass
class Loop:
    """`range`. `key` is None where nobody asks for it."""

    action: Action
    over: Expression
    key: Variable | None
    value: Variable
    body: list["Node"] = field(default_factory=list)
    otherwise: "list[Node] | None" = None
    else_action: Action | None = None
    end: Action | None = None


@dataclass
class Remark:
    """A comment of the template."""

    action: Action
    text: str


Node = Text | Remark | Printed | Assigned | Left | Branch | Loop

"""The variables of a Go template, and what they are called in Jinja2."""

from dataclasses import dataclass

_WORDS = "and or not in is if else elif true false none True False None"
_NAMES = "range dict lipsum cycler joiner namespace loop self super caller varargs kwargs incident body ack_url AckURL _"
WORDS = frozenset(_WORDS.split())
RESERVED = WORDS | frozenset(_NAMES.split())
"""Jinja2's words and globals, and what templates see of Ackstream."""


class UnconvertibleError(Exception):
    """Says why."""


@dataclass(eq=False)
class Variable:
    name: str
    loops: int
    """In how many loops it was declared."""
    is_changed: bool = False
    """Its value is not for ever that of its declaration."""
    is_boxed: bool = False
    """It is changed in a loop that is inside of its scope. In Jinja2 only a namespace's attribute can be."""

    @property
    def code(self) -> str:
        return f"{self.name}.value" if self.is_boxed else self.name


def is_plain(name: str) -> bool:
    """Whether `name` can stand behind a dot."""
    return name.isascii() and name.isidentifier() and name not in WORDS


class Scopes:
    """Go's scopes. Two variables that can be seen at the same place have different names in Jinja2, whose blocks let theirs out."""

    def __init__(self) -> None:
        self._scopes: list[dict[str, Variable]] = [{}]
        self._loops = [0]
        self.names: set[str] = set()
        """All that were ever given."""

    def open(self, *, is_loop: bool = False) -> None:
        self._scopes.append({})
        self._loops.append(self._loops[-1] + is_loop)

    def close(self) -> None:
        self._scopes.pop()
        self._loops.pop()

    def declare(self, go_name: str, *, wanted: str = "") -> Variable:
        """`go_name` as in `$name`. One that is declared again in the same scope is the same."""
        scope = self._scopes[-1]
        if go_name in scope:
            scope[go_name].is_changed = True
            return scope[go_name]
        visible = {variable.name for scope in self._scopes for variable in scope.values()}
        scope[go_name] = Variable(self._free(wanted or go_name.lstrip("$"), visible), self._loops[-1])
        return scope[go_name]

    def fresh(self, wanted: str) -> str:
        """A name that no variable has."""
        return self._free(wanted, self.names)

    def find(self, go_name: str) -> Variable:
        for scope in reversed(self._scopes):
            if go_name in scope:
                return scope[go_name]
        raise UnconvertibleError(f"{go_name} is declared nowhere before")

    def change(self, go_name: str) -> Variable:
        variable = self.find(go_name)
        variable.is_changed = True
        variable.is_boxed |= variable.loops < self._loops[-1]
        return variable

    def _free(self, wanted: str, taken: set[str]) -> str:
        base = wanted if wanted.isascii() and wanted.isidentifier() else "item"
        name, number = base, 1
        while name in taken or name in RESERVED:
            number += 1
            name = f"{base}_{number}"
        self.names.add(name)
        return name

"""What a function of a template was given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ops.convert.code import Code
from ops.convert.names import UnconvertibleError
from ops.convert.syntax import Call, Constant, Expression

MAX_ELEMENTS = 500
"""Arguments of one function."""


@dataclass(frozen=True)
class Arguments:
    """`value`, `truth`: what makes Jinja2 of one; a truth only where nobody asks for more. `as_truth`: nobody asks for more of the
    whole. `environ` is what `env` reads; `remark` is told what whoever converts should know."""

    call: Call
    value: Callable[[Expression], Code]
    truth: Callable[[Expression], Code]
    environ: Mapping[str, str]
    remark: Callable[[str], None]
    as_truth: bool

    def __len__(self) -> int:
        return len(self.call.arguments)

    def all(self, least: int, most: int | None = None) -> list[Code]:
        """The values of all, which must be so many."""
        self.count(least, most)
        return [self.value(argument) for argument in self.call.arguments]

    def count(self, least: int, most: int | None = None) -> None:
        if not least <= len(self) <= (MAX_ELEMENTS if most is None else most):
            raise UnconvertibleError(f"`{self.call.name}` has too many or too few arguments")

    def constant(self, index: int) -> str | None:
        """The text that an argument is, when it is one."""
        match self.call.arguments[index : index + 1]:
            case (Constant(str() as text),):
                return text
        return None

    def subject_first(self, least: int, most: int | None = None) -> list[Code]:
        """The values of all, what the function works on first. Versus' functions take that first, and so a pipe, which hands
        it over last, does not do what Versus' guide says; here it does."""
        values = self.all(least, most)
        if not self.call.is_piped or len(values) == 1:
            return values
        self.remark(
            f"Go hands what is piped into `{self.call.name}` over as its last argument; here it is the first, "
            "as Versus' guide means it"
        )
        return [values[-1], *values[:-1]]

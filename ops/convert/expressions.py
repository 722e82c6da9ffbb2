"""Expressions of Go in Jinja2."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ops.convert import code
from ops.convert.arguments import Arguments
from ops.convert.code import Code, Level
from ops.convert.functions import FUNCTIONS
from ops.convert.names import RESERVED, UnconvertibleError, is_plain
from ops.convert.syntax import Broken, Call, Chain, Constant, Dot, Expression, Path, Reading, Root

ACK_URL = "AckURL"


@dataclass(frozen=True)
class Translation:
    """`names`: what the template's own variables are called. `dot`: what `.` is; None is the body. `environ`: what `env` reads.
    `remark` is told what whoever converts should know."""

    names: set[str]
    dot: Code | None
    environ: Mapping[str, str]
    remark: Callable[[str], None]

    def value(self, expression: Expression) -> Code:
        """Raises UnconvertibleError."""
        match expression:
            case Broken(reason):
                raise UnconvertibleError(reason)
            case Constant():
                return _constant(expression.value)
            case Root(path):
                return self._of_body(path)
            case Dot(path):
                return self._of_body(path) if self.dot is None else self.dot.below(path)
            case Reading(variable, path):
                return Code(variable.code).below(path)
            case Chain(base, path):
                return self.value(base).below(path)
            case Call():
                return self._call(expression, as_truth=False)

    def truth(self, expression: Expression) -> Code:
        """What is true and false when the expression is; of less words than its value. Raises UnconvertibleError."""
        return (
            self._call(expression, as_truth=True) if isinstance(expression, Call) else self.value(expression)
        )

    def _call(self, call: Call, *, as_truth: bool) -> Code:
        if call.name not in FUNCTIONS:
            raise UnconvertibleError(f"there is nothing like the function `{call.name}`")
        arguments = Arguments(call, self.value, self.truth, self.environ, self.remark, as_truth)
        return FUNCTIONS[call.name](arguments)

    def _of_body(self, path: Path) -> Code:
        if not path:
            return Code("body")
        first, *rest = path
        is_own = first in self.names or first in RESERVED or not is_plain(first)
        outermost = Code(first) if first == ACK_URL or not is_own else Code("body").below((first,))
        return outermost.below(tuple(rest))


def _constant(value: str | float | bool) -> Code:  # noqa: FBT001
    if isinstance(value, str):
        return code.text(value)
    if isinstance(value, bool):
        return Code(str(value).lower())
    return Code(repr(value), Level.SUM if repr(value).startswith("-") else Level.OPERAND)

"""Jinja2 as operators' templates see it, whatever they make: what is missing is empty, what loops ends, what is long is cut off."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jinja2 import (
    ChainableUndefined,
    Template,
    TemplateRuntimeError,
    TemplateSyntaxError,
    meta,
    nodes,
    pass_context,
)
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_ROUNDS = 100_000
"""Of all loops of one rendering together. A body with thousands of alerts times a nested loop must not stop a service."""

_ROUNDS = "rounds left"
"""Where a rendering counts them. No identifier, so that no template and no body can reach it."""

MAX_REPEATED = 1_000_000
"""Characters or elements that a repetition makes, as in `"█" * percent`. The number may come from a body."""

MAX_POWER = 1000
"""Bits of a whole number, about, that `**` makes."""

READERS = ("get", "items", "keys")
"""What a template may call on a mapping. Not `values`: Grafana's alerts have a field of that name."""


class UnusableTemplateError(Exception):
    """A template that cannot be compiled. `line`: of the template; None where Python, and not Jinja, found it."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class Missing(ChainableUndefined):
    """What is not there: empty, false, smaller and larger than nothing, and so is everything below it."""

    def _still_missing(self, *_: Any, **__: Any) -> "Missing":
        return self

    def _never(self, _: object) -> bool:
        return False

    def _zero(self) -> int:
        return 0

    __call__ = __neg__ = __pos__ = __abs__ = __round__ = _still_missing  # type: ignore[assignment]
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _still_missing  # type: ignore[assignment]
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = _still_missing  # type: ignore[assignment]
    __mod__ = __rmod__ = __pow__ = __rpow__ = _still_missing  # type: ignore[assignment]
    __lt__ = __le__ = __gt__ = __ge__ = _never  # type: ignore[assignment]
    __int__ = __index__ = _zero  # type: ignore[assignment]

    def __float__(self) -> float:  # type: ignore[override]
        return 0.0


class LenientEnvironment(ImmutableSandboxedEnvironment):
    """`finalize`: what `{{ value }}` prints."""

    intercepted_binops = frozenset(("*", "**"))

    def __init__(self, filters: Mapping[str, Callable[..., Any]], finalize: Callable[[object], str]) -> None:
        super().__init__(
            undefined=Missing, trim_blocks=True, lstrip_blocks=True, finalize=finalize, autoescape=False
        )
        self.filters |= {**filters, "_rounds": _count_rounds}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`alert.values` is the body's field; only where there is none, and it is one of READERS, a mapping's method."""
        return self._field(obj, attribute) if isinstance(obj, dict) else super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return self._field(obj, argument) if isinstance(obj, dict) else super().getitem(obj, argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """What a body could make endless is refused before it is begun."""
        if (operator == "*" and _repeated(left, right) > MAX_REPEATED) or (
            operator == "**" and _power(left, right) > MAX_POWER
        ):
            raise TemplateRuntimeError(f"{operator} makes more than a message could hold")
        return super().call_binop(context, operator, left, right)

    def _field(self, fields: dict[Any, Any], name: Any) -> Any:
        try:
            return fields[name]
        except (KeyError, TypeError):
            return getattr(fields, name) if name in READERS else self.undefined(obj=fields, name=name)

    def compiled(self, source: str, filename: str) -> Template:
        """Stands by itself, and its loops end. `filename` is where errors say that it stands. Raises UnusableTemplateError."""
        try:
            tree = self.parse(source, filename=filename)
            if any(meta.find_referenced_templates(tree)):
                raise UnusableTemplateError(
                    "include, import and extends are not there; put all into one template"
                )
            self._limit_loops(tree)
            code = self.compile(tree, filename=filename)
        except TemplateSyntaxError as error:
            raise UnusableTemplateError(error.message or "is no template", error.lineno) from error
        except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
            # Python's own limits: 20 loops or 100 blocks in each other, 4,300 digits.
            raise UnusableTemplateError(f"cannot be compiled: {error or 'nested too deeply'}") from error
        return Template.from_code(self, code, self.globals)

    def _limit_loops(self, tree: nodes.Template) -> None:
        """Make every `for` count its rounds."""
        for loop in tree.find_all(nodes.For):
            counted = nodes.Filter(loop.iter, "_rounds", [], [], None, None, lineno=loop.lineno)
            loop.iter = counted.set_environment(self)


def generated(template: Template, names: Mapping[str, Any], most: int) -> str:
    """What the template prints, with `names` to speak of; no more is made once it is longer than `most`. Raises whatever goes
    wrong in a template."""
    pieces, room = [], most
    for piece in template.generate({**names, _ROUNDS: iter(range(MAX_ROUNDS))}):
        pieces.append(piece)
        room -= len(piece)
        if room < 0:
            break
    return "".join(pieces)


def failed_line(error: BaseException, filename: str) -> int:
    """The template's line that raised: Jinja puts it into the traceback."""
    line, frame = 0, error.__traceback__
    while frame:
        if frame.tb_frame.f_code.co_filename == filename:
            line = frame.tb_lineno
        frame = frame.tb_next
    return line


@pass_context
def _count_rounds(context: Context, items: Iterable[Any] | None) -> Iterator[Any]:
    """The items of a `for`. None, which is JSON's null, has none."""
    rounds: Iterator[int] = context.resolve(_ROUNDS)
    for item in () if items is None else items:
        if next(rounds, None) is None:
            raise TemplateRuntimeError(f"the loops take more than {MAX_ROUNDS:,} rounds together")
        yield item


def _repeated(left: Any, right: Any) -> int:
    """How long a text or list that is repeated becomes; 0 for everything else."""
    for many, times in ((left, right), (right, left)):
        if isinstance(many, str | list | tuple) and isinstance(times, int):
            return len(many) * times
    return 0


def _power(base: Any, exponent: Any) -> int:
    return base.bit_length() * exponent if isinstance(base, int) and isinstance(exponent, int) else 0

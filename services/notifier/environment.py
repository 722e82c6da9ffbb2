"""Jinja2 as message templates see it: what is missing is empty, what is printed is escaped for Slack, what loops ends."""

from collections.abc import Iterable, Iterator
from typing import Any

from jinja2 import ChainableUndefined, TemplateRuntimeError, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.notifier.filters import FILTERS, as_mrkdwn
from services.notifier.mrkdwn import Mrkdwn

MAX_ROUNDS = 100_000
"""Of all loops of one rendering together. A body with thousands of alerts times a nested loop must not stop the notifier."""

MAX_REPEATED = 1_000_000
"""Characters or elements that a repetition makes, as in `"█" * percent`. The number may come from a body."""

MAX_POWER = 1000
"""Bits of a whole number, about, that `**` makes."""

ROUNDS = "rounds left"
"""Where a rendering counts them. No identifier, so that no template and no body can reach it."""

GUARD = "\0"
"""Marks a printed value that would call people, were it to stand behind a < of the template. Values cannot contain it."""

READERS = ("get", "items", "keys")
"""What a template may call on a mapping. Not `values`: Grafana's alerts have a field of that name."""


class Missing(ChainableUndefined):
    """What a body does not have: empty, false, smaller and larger than nothing, and so is everything below it."""

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


class MessageEnvironment(ImmutableSandboxedEnvironment):
    """What a macro or a `{% set %}` block captures was escaped on its way in; it is not escaped again when printed."""

    intercepted_binops = frozenset(("*", "**"))
    concat = staticmethod(lambda pieces: Mrkdwn("".join(pieces)))

    def __init__(self) -> None:
        super().__init__(
            undefined=Missing, trim_blocks=True, lstrip_blocks=True, finalize=finalize, autoescape=False
        )
        self.filters |= FILTERS | {"_rounds": count_rounds}

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

    def limit_loops(self, tree: nodes.Template) -> None:
        """Make every `for` of a parsed template count its rounds."""
        for loop in tree.find_all(nodes.For):
            counted = nodes.Filter(loop.iter, "_rounds", [], [], None, None, lineno=loop.lineno)
            loop.iter = counted.set_environment(self)


def _repeated(left: Any, right: Any) -> int:
    """How long a text or list that is repeated becomes; 0 for everything else."""
    for many, times in ((left, right), (right, left)):
        if isinstance(many, str | list | tuple) and isinstance(times, int):
            return len(many) * times
    return 0


def _power(base: Any, exponent: Any) -> int:
    return base.bit_length() * exponent if isinstance(base, int) and isinstance(exponent, int) else 0


def finalize(value: object) -> str:
    """What `{{ value }}` prints."""
    if isinstance(value, Mrkdwn):
        return value
    text = as_mrkdwn(value)
    return GUARD + text if text.startswith(("!", "@", "#")) else text


def without_guards(text: str) -> str:
    """A value cannot become a mention by standing behind a < of the template, as in `<{{ url }}|Source>`."""
    return text.replace("<" + GUARD, "&lt;").replace(GUARD, "")


@pass_context
def count_rounds(context: Context, items: Iterable[Any] | None) -> Iterator[Any]:
    """The items of a `for`. None, which is JSON's null, has none."""
    rounds: Iterator[int] = context.resolve(ROUNDS)
    for item in () if items is None else items:
        if next(rounds, None) is None:
            raise TemplateRuntimeError(f"the loops take more than {MAX_ROUNDS:,} rounds together")
        yield item

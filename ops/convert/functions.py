"""The functions of Go's templates and of Versus', each as what does the same in Jinja2.

Versus' are those of its pkg/utils/func_maps.go; `trim`, `hasPrefix`, `hasSuffix` and `toJson` are in its guide only.
"""

from collections.abc import Callable

from ops.convert import code
from ops.convert.arguments import MAX_ELEMENTS, Arguments
from ops.convert.code import Code, Level, deepest, joined, listed
from ops.convert.layouts import strftime
from ops.convert.names import UnconvertibleError
from ops.convert.patterns import matching
from ops.convert.printf import inline

GO_TIME = "%Y-%m-%d %H:%M:%S"
"""How Versus' `formatTime` prints."""


Function = Callable[[Arguments], Code]


def _filter(name: str, *fixed: Code) -> Function:
    """A function of one value."""
    return lambda arguments: arguments.all(1, 1)[0].filtered(name, *fixed)


def _filter_with(name: str, others: int) -> Function:
    def converted(arguments: Arguments) -> Code:
        subject, *rest = arguments.subject_first(others + 1, others + 1)
        return subject.filtered(name, *rest)

    return converted


def _same(arguments: Arguments) -> Code:
    return arguments.all(1, 1)[0]


def _contains(arguments: Arguments) -> Code:
    if arguments.constant(0) is not None and arguments.constant(1) is None and not arguments.call.is_piped:
        arguments.remark("`contains` looks into its first argument, a constant; perhaps turn them round")
    return _filter_with("contains", 1)(arguments)


def _affix(name: str) -> Function:
    """Versus has none of these, so a constant can only be what is looked for."""

    def converted(arguments: Arguments) -> Code:
        values = arguments.all(2, 2)
        is_turned = arguments.call.is_piped or (
            arguments.constant(0) is not None and arguments.constant(1) is None
        )
        subject, affix = reversed(values) if is_turned else values
        return subject.filtered(name, affix)

    return converted


def _default(arguments: Arguments) -> Code:
    subject, other = arguments.subject_first(2, 2)
    return subject.filtered("default", other, Code("true"))


def _slice(arguments: Arguments) -> Code:
    subject, *bounds = arguments.subject_first(1, 3)
    start, end = [*(bound.text for bound in bounds), "", ""][:2]
    return subject.item(f"{'' if start == '0' else start}:{end}")


def _truncate(arguments: Arguments) -> Code:
    subject, end = arguments.subject_first(2, 2)
    return subject.item(f":{end.text}")


def _index(arguments: Arguments) -> Code:
    subject, *keys = arguments.all(1)
    for key in keys:
        subject = subject.item(key.text)
    return subject


def _list(arguments: Arguments) -> Code:
    return listed(arguments.all(0, MAX_ELEMENTS))


def _append(arguments: Arguments) -> Code:
    subject, *added = arguments.all(1)
    return joined(" + ", Level.SUM, [subject, listed(added)])


def _dict(arguments: Arguments) -> Code:
    values = arguments.all(0, MAX_ELEMENTS)
    if len(values) % 2:
        raise UnconvertibleError("`dict` has a key without a value")
    entries = zip(values[::2], values[1::2], strict=True)
    pairs = ", ".join(f"{key.text}: {value.text}" for key, value in entries)
    return Code(f"{{{pairs}}}", depth=1 + deepest(values))


def _add(arguments: Arguments) -> Code:
    return joined(" + ", Level.SUM, arguments.all(2, 2))


def _comparison(sign: str) -> Function:
    return lambda arguments: joined(f" {sign} ", Level.COMPARISON, arguments.all(2, 2))


def _equal(arguments: Arguments) -> Code:
    first, *others = arguments.all(2)
    if len(others) == 1:
        return joined(" == ", Level.COMPARISON, [first, *others])
    return joined(" in ", Level.COMPARISON, [first, listed(others)])


def _and(arguments: Arguments) -> Code:
    arguments.count(1)
    parts = [arguments.truth(argument) for argument in arguments.call.arguments]
    both = joined(" and ", Level.AND, parts)
    if arguments.as_truth:
        return both
    return Code(
        f"true if {both.at(Level.OR)} else false", Level.CONDITIONAL, 1 + both.depth
    )  # Versus' `and` gives no more


def _or(arguments: Arguments) -> Code:
    arguments.count(1)
    of = arguments.truth if arguments.as_truth else arguments.value
    return joined(" or ", Level.OR, [of(argument) for argument in arguments.call.arguments])


def _not(arguments: Arguments) -> Code:
    arguments.count(1, 1)
    value = arguments.truth(arguments.call.arguments[0])
    return Code(f"not {value.at(Level.SUM)}", Level.NOT, 1 + value.depth)


def _printf(arguments: Arguments) -> Code:
    layout = arguments.constant(0)
    if layout is None:
        raise UnconvertibleError("the layout of `printf` must be a constant")
    if "<" in layout:
        arguments.remark("a `<` in a value is printed as text; use `link`, or write it where it is printed")
    return inline(layout, arguments.all(1)[1:])


def _print(arguments: Arguments) -> Code:
    """Go puts a space between two values of which neither is a text, and only constants are known to be one."""
    values = arguments.all(1)
    for index in range(len(values) - 1):
        if arguments.constant(index) is None and arguments.constant(index + 1) is None:
            raise UnconvertibleError("`print` of several values: say which, with printf")
    return joined(" ~ ", Level.SUM, values)


def _format(arguments: Arguments) -> Code:
    _, moment = arguments.all(2, 2)
    layout = arguments.constant(0)
    if layout is None:
        raise UnconvertibleError("the layout of `format` must be a constant")
    return moment.filtered("time", code.text(strftime(layout)))


def _now(arguments: Arguments) -> Code:
    arguments.count(0, 0)
    arguments.remark("`now` is when the incident was opened: a message is rendered again whenever it changes")
    return Code("incident.opened_at")


def _env(arguments: Arguments) -> Code:
    name = arguments.constant(0)
    if name is None or len(arguments) != 1:
        raise UnconvertibleError("`env` of what is not a constant")
    value = arguments.environ.get(name, "")
    here = "as it is set here" if value else "as empty: it is not set here"
    arguments.remark(f"templates read no environment; {name} is written in {here}")
    return code.text(value)


def _regex_match(arguments: Arguments) -> Code:
    _, subject = arguments.all(2, 2)
    pattern = arguments.constant(0)
    if pattern is None:
        raise UnconvertibleError("the pattern of `regexMatch` must be a constant")
    return matching(pattern, subject)


FUNCTIONS: dict[str, Function] = {
    "add": _add,
    "and": _and,
    "append": _append,
    "contains": _contains,
    "default": _default,
    "dict": _dict,
    "env": _env,
    "eq": _equal,
    "escapeHTML": _same,  # all that is printed is escaped
    "format": _format,
    "formatTime": _filter("time", code.text(GO_TIME)),
    "ge": _comparison(">="),
    "gt": _comparison(">"),
    "hasPrefix": _affix("startswith"),
    "hasSuffix": _affix("endswith"),
    "html": _same,
    "index": _index,
    "join": _filter_with("join", 1),
    "le": _comparison("<="),
    "len": _filter("length"),
    "list": _list,
    "lower": _filter("lower"),
    "lt": _comparison("<"),
    "ne": _comparison("!="),
    "not": _not,
    "now": _now,
    "or": _or,
    "print": _print,
    "printf": _printf,
    "regexMatch": _regex_match,
    "replace": _filter_with("replace", 2),
    "replaceAll": _filter_with("replace", 2),
    "slice": _slice,
    "split": _filter_with("split", 1),
    "stringSlice": _same,
    "title": _filter("title"),
    "toJson": _filter("tojson"),
    "toLower": _filter("lower"),
    "toString": _filter("string"),
    "toUpper": _filter("upper"),
    "trim": _filter("trim"),
    "trimPrefix": _filter_with("removeprefix", 1),
    "trimSuffix": _filter_with("removesuffix", 1),
    "truncate": _truncate,
    "upper": _filter("upper"),
    "urlquery": _filter("urlencode"),
}

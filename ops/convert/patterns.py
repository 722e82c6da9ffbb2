"""Regular expressions that say no more than "contains", "starts with" and "ends with". Others would let a log line decide how
long the notifier thinks."""

import re

from ops.convert import code
from ops.convert.code import Code, Level, joined
from ops.convert.names import UnconvertibleError

_ANYTHING = r"(?:\.\*)?"
_WORDS = r"((?:[^\\.+*?()|\[\]{}^$]|\\[^a-zA-Z0-9])+)"
_PATTERN = re.compile(rf"(\^)?{_ANYTHING}{_WORDS}{_ANYTHING}(\$)?")
_ANCHORED_ANYTHING = re.compile(r"^\^\.\*|\.\*\$$")


def matching(pattern: str, subject: Code) -> Code:
    """Whether `subject` matches. Raises UnconvertibleError."""
    bare = pattern.removeprefix("(?i)")
    ignores_case = bare != pattern
    subject = subject.filtered("lower") if ignores_case else subject
    tests = [_test(part.lower() if ignores_case else part, subject, pattern) for part in bare.split("|")]
    return joined(" or ", Level.OR, tests)


def _test(part: str, subject: Code, pattern: str) -> Code:
    match = _PATTERN.fullmatch(_ANCHORED_ANYTHING.sub("", part))
    if match is None:
        raise UnconvertibleError(
            f"there are no regular expressions; say {pattern!r} with contains, startswith, …"
        )
    begins, words, ends = match.groups()
    wanted = code.text(re.sub(r"\\(.)", r"\1", words))
    if begins and ends:
        return joined(" == ", Level.COMPARISON, [subject, wanted])
    return subject.filtered("startswith" if begins else "endswith" if ends else "contains", wanted)

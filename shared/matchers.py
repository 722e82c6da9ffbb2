"""Label matchers in Alertmanager's syntax: `severity="critical"`, `team=~"db.*"`, `{env!=dev, service!~"test-.*"}`.

As Alertmanager reads them (prometheus/alertmanager pkg/labels/parse.go, and matchers/parse for names in quotes), but for two
things that are always mistakes: a value that is missing, and a brace that has no partner.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared.label_patterns import Pattern, compile_pattern

_MATCHER = re.compile(
    r"""\s*(?P<name>"(?:[^"\\]|\\.)*"|[^\s{}!=~,\\"'`]+)\s*(?P<operator>=~|!=|!~|=)\s*(?P<value>.*?)\s*""",
    re.VERBOSE | re.DOTALL,
)
_PIECES = re.compile(r'(?:[^,"\\]|\\.|\\$|"(?:[^"\\]|\\.)*(?:"|$))+', re.DOTALL)
"""What stands between commas; those in quotes do not count."""

_ESCAPE = re.compile(r'\\([n"\\])')
_EXAMPLE = 'severity="critical"'


class Operator(StrEnum):
    EQUAL = "="
    NOT_EQUAL = "!="
    LIKE = "=~"
    NOT_LIKE = "!~"


@dataclass(frozen=True)
class Matcher:
    """`pattern`: the value of `=~` and `!~`, which must fit the whole label."""

    name: str
    operator: Operator
    value: str
    pattern: Pattern | None = None

    def matches(self, labels: Mapping[str, str]) -> bool:
        """A label that is not there counts as empty."""
        text = labels.get(self.name, "")
        return self._fits(text) is (self.operator in (Operator.EQUAL, Operator.LIKE))

    def _fits(self, text: str) -> bool:
        return self.pattern.fits(text) if self.pattern else text == self.value


def match_all(matchers: tuple[Matcher, ...], labels: Mapping[str, str]) -> bool:
    return all(matcher.matches(labels) for matcher in matchers)


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Those in `text`, separated by commas, with or without braces around them: at least one. Raises ValueError, which says
    what to mend."""
    inner = text.strip()
    if inner.startswith("{") != inner.endswith("}"):
        raise ValueError(
            "has a { without its }, or the other way round; a value with braces must be in double quotes"
        )
    if inner.startswith("{"):
        inner = inner[1:-1].strip()
    inner = inner.removesuffix(",").rstrip()
    if not inner:
        raise ValueError(f"has no matcher in it; one is {_EXAMPLE}")
    return tuple(_parse(piece) for piece in _split(inner))


def _split(text: str) -> list[str]:
    pieces, at = [], 0
    while True:
        found = _PIECES.match(text, at)
        pieces.append(found[0] if found else "")
        at = found.end() if found else at
        if at >= len(text):
            return pieces
        at += 1  # the comma


def _parse(text: str) -> Matcher:
    found = _MATCHER.fullmatch(text)
    if not found:
        raise ValueError(
            f"is not a matcher: a label's name, one of = != =~ !~, and a value, as in {_EXAMPLE}"
        )
    name, operator = _name(found["name"]), Operator(found["operator"])
    value = _value(found["value"], name)
    pattern = compile_pattern(value) if operator in (Operator.LIKE, Operator.NOT_LIKE) else None
    return Matcher(name, operator, value, pattern)


def _name(written: str) -> str:
    name = _unescaped(written[1:-1]) if written.startswith('"') else written
    if not name:
        raise ValueError(f"has a matcher without a label's name; one is {_EXAMPLE}")
    return name


def _value(written: str, name: str) -> str:
    if not written:
        raise ValueError(f'has no value for {name}; an empty one is {name}=""')
    quoted = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', written, re.DOTALL)
    if quoted:
        return _unescaped(quoted[1])
    if re.search(r'(?<!\\)(?:\\\\)*"', written):
        raise ValueError(
            f'has a double quote too few or too many in the value of {name}; within quotes it is \\"'
        )
    if written[0] in "'`":
        raise ValueError(f"has a value of {name} in other than double quotes")
    return _unescaped(written)


def _unescaped(text: str) -> str:
    r"""Any other \ stands for itself, so that \d in a regular expression may be written as it is."""
    return _ESCAPE.sub(lambda match: "\n" if match[1] == "n" else match[1], text)

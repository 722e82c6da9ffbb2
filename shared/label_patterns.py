"""Regular expressions of label matchers: what RE2 (Go, Alertmanager) and Python understand alike, and no label value can keep busy.

Python's engine tries one way of reading a text after the other: `(a+)+b` takes minutes for forty a's. So the ways are counted
beforehand, from above; who has many sees less of a long value, and who has too many is refused.
"""

import math
import re
import warnings
from dataclasses import dataclass

MAX_PATTERN = 1000
LENGTHS = (1000, 400, 100)
"""Characters of a value that a pattern sees: the most for which it has few enough ways. The first is all that ingest keeps."""

MAX_WAYS = 2e8
"""Four `.*` in a row on the fewest characters. The worst that random patterns came to was a second."""

_TOKEN = re.compile(
    r"""\\. | \[\^?\]?(?:\\.|[^\]\\])*\] | \(\?P?<\w+> | \(\?[a-zA-Z-]*[:)] | \(\?..? | [()|]
      | (?P<quantifier>(?:[*+?] | \{(?:\d+(?:,\d*)?|,\d*)\})\??) | .""",
    re.VERBOSE | re.DOTALL,
)
_GROUP = re.compile(r"\((?:\?(?:P<\w+>|[ims]*(?:-[ims]+)?:))?")
_FLAGS = re.compile(r"\(\?[ims]+\)")
_PYTHONS_OWN = re.compile(r"\\[1-9ZNuU]|\{,")
"""Back references, and other things that RE2 does not have, or does not mean."""


@dataclass(frozen=True)
class Pattern:
    """`sees`: characters of a value."""

    compiled: re.Pattern[str]
    sees: int

    def fits(self, text: str) -> bool:
        """The whole of `text`."""
        return self.compiled.fullmatch(text[: self.sees]) is not None


def compile_pattern(pattern: str) -> Pattern:
    """Raises ValueError, which says what to mend, and not what the pattern is."""
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"has a regular expression of more than {MAX_PATTERN} characters")
    sees = next((length for length in LENGTHS if _ways(pattern, length) <= MAX_WAYS), None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "error"
            )  # about [[:alpha:]] and the like, which mean something else in Python
            compiled = re.compile(pattern, re.ASCII)  # as in RE2, \d and \w are ASCII
    except (re.error, Warning, OverflowError, RecursionError, ValueError) as error:
        raise ValueError(f"has a regular expression that cannot be used: {error}") from None
    if sees is None:
        raise ValueError(
            "has a regular expression that could take too long: it repeats (* or +) more than four times in a row, or a "
            "group that itself repeats or chooses; write it without, or as several matchers"
        )
    return Pattern(compiled, sees)


class _Group:
    """A group as far as it has been read: in how many ways a text of `length` may be read by it."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._branches = 0.0
        self._branch = 1.0
        self._last = 1.0

    @property
    def ways(self) -> float:
        return self._branches + self._branch * self._last

    def follow(self, ways: float) -> None:
        self._branch, self._last = self._branch * self._last, ways

    def choose(self) -> None:
        self._branches, self._branch, self._last = self.ways, 1.0, 1.0

    def repeat(self, quantifier: str) -> None:
        """What was last."""
        bounds = [int(bound) for bound in re.findall(r"\d+", quantifier)]
        if quantifier.startswith("?"):
            self._last += 1
        elif quantifier[0] in "*+" or len(bounds) == quantifier.count(","):
            self._last = self._length if self._last == 1 else math.inf
        else:
            self._last = _power(self._last, bounds[-1]) * (bounds[-1] - bounds[0] + 1)


def _power(ways: float, times: int) -> float:
    try:
        return ways**times
    except OverflowError:
        return math.inf


def _ways(pattern: str, length: int) -> float:
    """Raises ValueError for what RE2 does not have. What Python does not have may have any number of ways."""
    groups, previous_is_quantifier = [_Group(length)], False
    for token in _TOKEN.finditer(pattern):
        text, quantifier = token[0], token["quantifier"]
        _refuse_foreign(text)
        if quantifier and previous_is_quantifier:
            raise ValueError(f"has a regular expression with {quantifier} behind another repetition")
        previous_is_quantifier = bool(quantifier)
        if quantifier:
            groups[-1].repeat(quantifier)
        elif text == "|":
            groups[-1].choose()
        elif text == ")" and len(groups) > 1:
            closed = groups.pop()
            groups[-1].follow(closed.ways)
        elif _GROUP.fullmatch(text):
            groups.append(_Group(length))
        elif not _FLAGS.fullmatch(text):
            groups[-1].follow(1.0)
    return groups[0].ways


def _refuse_foreign(token: str) -> None:
    is_group = _GROUP.fullmatch(token) or _FLAGS.fullmatch(token)
    if _PYTHONS_OWN.match(token) or (token.startswith("(?") and not is_group):
        raise ValueError(f"has a regular expression with {token}, which Alertmanager's do not have")

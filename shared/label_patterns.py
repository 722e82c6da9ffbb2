"""Regular expressions of label matchers: what RE2 (Go, Alertmanager) and Python understand alike, and no label value can keep busy.

Python's engine tries one way of reading a text after the other: `(a+)+b` takes minutes for forty a's. So the ways are counted
beforehand, from above, and patterns that have too many are refused; values are cut before they are compared.
"""

import math
import re
import warnings

MAX_PATTERN = 1000
MAX_VALUE = 200
"""Characters of a value that a pattern sees."""

MAX_WAYS = 2.0 * MAX_VALUE**4
"""Four `.*` in a row, and something beside: half a second at worst."""

_TOKEN = re.compile(
    r"""\\. | \[\^?\]?(?:\\.|[^\]\\])*\] | \(\?P?<\w+> | \(\?[a-zA-Z-]*[:)] | \(\?..? | [()|]
      | (?P<quantifier>(?:[*+?] | \{(?:\d+(?:,\d*)?|,\d*)\})\??) | .""",
    re.VERBOSE | re.DOTALL,
)
_GROUP = re.compile(r"\((?:\?(?:P<\w+>|[ims]*(?:-[ims]+)?:))?")
_FLAGS = re.compile(r"\(\?[ims]+\)")
_PYTHONS_OWN = re.compile(r"\\[1-9ZNuU]|\{,")
"""Back references, and other things that RE2 does not have, or does not mean."""


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """For `fullmatch`. Raises ValueError, which says what to mend, and not what the pattern is."""
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"has a regular expression of more than {MAX_PATTERN} characters")
    ways = _ways(pattern)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "error"
            )  # about [[:alpha:]] and the like, which mean something else in Python
            compiled = re.compile(pattern, re.ASCII)  # as in RE2, \d and \w are ASCII
    except (re.error, Warning, OverflowError, RecursionError, ValueError) as error:
        raise ValueError(f"has a regular expression that cannot be used: {error}") from None
    if ways > MAX_WAYS:
        raise ValueError(
            "has a regular expression that could take too long: it repeats (* or +) more than four times in a row, or a "
            "group that itself repeats or chooses; write it without, or as several matchers"
        )
    return compiled


class _Group:
    """A group as far as it has been read: in how many ways a text may be read by it."""

    def __init__(self) -> None:
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
            self._last = MAX_VALUE if self._last == 1 else math.inf
        else:
            self._last = _power(self._last, bounds[-1]) * (bounds[-1] - bounds[0] + 1)


def _power(ways: float, times: int) -> float:
    try:
        return ways**times
    except OverflowError:
        return math.inf


def _ways(pattern: str) -> float:
    """Raises ValueError for what RE2 does not have. What Python does not have may have any number of ways."""
    groups, previous_is_quantifier = [_Group()], False
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
            groups.append(_Group())
        elif not _FLAGS.fullmatch(text):
            groups[-1].follow(1.0)
    return groups[0].ways


def _refuse_foreign(token: str) -> None:
    is_group = _GROUP.fullmatch(token) or _FLAGS.fullmatch(token)
    if _PYTHONS_OWN.match(token) or (token.startswith("(?") and not is_group):
        raise ValueError(f"has a regular expression with {token}, which Alertmanager's do not have")

"""Leaves an instance alone that does not answer, and finds out with one attempt at a time whether it does again. Pure.

Each process has its own: it knows after a few calls what it would otherwise have to ask Redis before each, and what it knows
ends with it.
"""

import time
from collections import Counter
from collections.abc import Callable

FAILURES = 5
"""In a row, of one kind of call. A search that works says little about writing."""

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 30.0
"""Seconds; doubled with each test that fails. An instance that is back is in use again after the longest at the latest."""


class Circuit:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: Counter[str] = Counter()
        self._since: dict[str, float] = {}
        self._pause = FIRST_PAUSE
        self._opens_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Also while it is being tested."""
        return self._opens_at is not None

    @property
    def wait(self) -> float:
        """Seconds until a call may be made; zero: now."""
        return max(0.0, self._opens_at - self._clock()) if self._opens_at is not None else 0.0

    @property
    def silent_for(self) -> float:
        """Seconds since the first of the failures for which it is open; zero: it is not."""
        begun = [since for kind, since in self._since.items() if self._failures[kind] >= FAILURES]
        return self._clock() - min(begun) if begun else 0.0

    def failed(self, kind: str) -> None:
        """A call of that kind got no answer, or that of a server in trouble."""
        self._failures[kind] += 1
        self._since.setdefault(kind, self._clock())
        if (
            self._failures[kind] < FAILURES or self.wait
        ):  # what was under way when it opened tells nothing new
            return
        self._pause = min(self._pause * 2, LONGEST_PAUSE) if self.is_open else FIRST_PAUSE
        self._opens_at = self._clock() + self._pause

    def succeeded(self, kind: str) -> None:
        self._failures.pop(kind, None)
        self._since.pop(kind, None)
        if not any(count >= FAILURES for count in self._failures.values()):
            self._opens_at = None

"""How long to wait before the next try. A value that someone else applies."""

import random
from datetime import timedelta

FIRST = timedelta(seconds=2)
CAP = timedelta(minutes=5)
NEEDS_PERSON = timedelta(minutes=1)
"""A wrong token does not heal by itself, yet somebody may be mending it right now."""

LONGEST_RETRY_AFTER = timedelta(hours=1)
"""Nobody means more than that; a slip in a header must not park a page for days."""


def backoff(
    attempts: int,
    *,
    retry_after: timedelta = timedelta(0),
    needs_person: bool = False,
    jitter: float | None = None,
) -> timedelta:
    """Wait after `attempts` earlier failures in a row: doubling, capped, with jitter so that a crowd spreads out.

    `retry_after` is the other side's own word: then it is that, and a little more. `jitter` in [0, 1) replaces the dice in tests.
    """
    dice = random.random() if jitter is None else jitter
    ceiling: timedelta = min(CAP, FIRST * (1 << min(attempts, 10)))
    wait = ceiling * (0.5 + dice / 2)
    if needs_person:
        wait = max(wait, NEEDS_PERSON * (1 + dice))
    if retry_after and not needs_person:
        wait = min(retry_after, LONGEST_RETRY_AFTER) * (1 + dice / 10)
    return wait

"""How long to wait before the next try. A value that someone else applies."""

import random
from datetime import timedelta

FIRST = timedelta(seconds=2)
CAP = timedelta(minutes=5)
SHORTEST = timedelta(milliseconds=200)
"""However the dice fall: a try that comes at once finds what the last one found."""

NEEDS_PERSON = timedelta(minutes=1)
"""A wrong token does not heal by itself, yet somebody may be mending it right now."""

RAREST = timedelta(minutes=30)
"""What nobody waits for, as what a record is told: there may be thousands that the same thing stands in the way of."""

LONGEST_RETRY_AFTER = timedelta(hours=1)
"""Nobody means more than that; a slip in a header must not park a page for days."""


def backoff(
    attempts: int,
    *,
    retry_after: timedelta = timedelta(0),
    needs_person: bool = False,
    patient: bool = False,
    jitter: float | None = None,
) -> timedelta:
    """Wait after `attempts` earlier failures in a row: anything up to a ceiling that doubles and is capped, so that a crowd
    spreads over the whole of it (full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).

    `retry_after` is the other side's own word: then it is that, and a little more. `patient`: nobody is called by it, and what needs a
    person is tried ever more rarely. `jitter` in [0, 1] replaces the dice in tests.
    """
    dice = random.random() if jitter is None else jitter
    told = min(retry_after, LONGEST_RETRY_AFTER) * (1 + dice / 10)
    if needs_person:
        wait = min(RAREST, NEEDS_PERSON * (1 << min(attempts, 10))) if patient else NEEDS_PERSON
        return max(told, wait * (1 + dice))
    ceiling: timedelta = min(CAP, FIRST * (1 << min(attempts, 10)))
    return told or max(SHORTEST, ceiling * dice)

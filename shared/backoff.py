"""How long to wait before the next try. A value that someone else applies."""

import random
from datetime import timedelta

FIRST = timedelta(seconds=2)
CAP = timedelta(minutes=5)
SHORTEST = timedelta(milliseconds=200)
"""However the dice fall: a try that comes at once finds what the last one found."""

NEEDS_PERSON = timedelta(minutes=1)
"""A wrong token does not heal by itself, yet somebody may be mending it right now."""

LONGEST_UNTIL_MENDED = timedelta(hours=1)
"""For what calls nobody: a thousand records that cannot be closed must not keep those waiting that are to be opened."""

LONGEST_RETRY_AFTER = timedelta(hours=1)
"""Nobody means more than that; a slip in a header must not park a page for days."""


def backoff(
    attempts: int,
    *,
    retry_after: timedelta = timedelta(0),
    needs_person: bool = False,
    pages: bool = True,
    jitter: float | None = None,
) -> timedelta:
    """Wait after `attempts` earlier failures in a row: anything up to a ceiling that doubles and is capped, so that a crowd
    spreads over the whole of it (full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).

    What needs a person is tried every minute or two, for as long as it takes; where nobody is to be called by it (`pages`), ever more
    rarely. `retry_after` is the other side's own word: then it is that, and a little more. `jitter` in [0, 1] replaces the dice in tests.
    """
    dice = random.random() if jitter is None else jitter
    told = min(retry_after, LONGEST_RETRY_AFTER) * (1 + dice / 10)
    if needs_person:
        slower = 1 if pages else 1 << min(attempts, 10)
        return max(told, min(NEEDS_PERSON * slower, LONGEST_UNTIL_MENDED) * (1 + dice))
    ceiling: timedelta = min(CAP, FIRST * (1 << min(attempts, 10)))
    return told or max(SHORTEST, ceiling * dice)

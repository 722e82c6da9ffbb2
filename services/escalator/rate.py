"""How many calls an instance gets a second: a bucket of tokens in Redis, shared by all replicas (decision 013).

An attempt begins when there are tokens for its calls. What it spends beyond them the next attempts wait for; what it does not
need goes back. So nobody who holds a lease waits for a token, and every call counts once.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.keys import servicenow_bucket, servicenow_hold
from shared.redis_client import Script, Scripts, StoreUnavailableError

CALLS = 2
"""Of an attempt: it looks, and it writes."""

BURST = 20
"""Calls that may come at once after a pause, so that who is due alone is not made late; a second's calls where those are more."""

_DRAW = Script.named("bucket", "draw")
_SPEND = Script.named("bucket", "spend")


class Rate:
    """`per_second`: calls; zero: as many as come. `scripts`: None where there is nobody to share them with, and no limit."""

    def __init__(self, scripts: Scripts | None, name: str, per_second: float) -> None:
        self._scripts = scripts if per_second else None
        self._keys = [servicenow_bucket(name), servicenow_hold(name)]
        self._interval = f"{1000 / per_second:.3f}" if per_second else "0"
        self._burst = max(BURST, round(per_second))
        self._drawn = False
        self._under_way = 0
        self._in_hand = 0
        """Tokens of attempts under way that are not spent yet; below zero: spent without having them."""

    @property
    def limits(self) -> bool:
        return self._scripts is not None

    async def draw(self) -> float:
        """Seconds until an attempt may begin; zero: it may, and its tokens stay drawn until it does. Raises StoreUnavailableError."""
        if self._scripts is None or self._drawn:
            return 0
        wait = int(await self._scripts.run(_DRAW, self._keys, [self._interval, self._burst, CALLS]))
        self._drawn = not wait
        return wait / 1000

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """Within it the tokens that were drawn are spent; what is over, or owed, is settled at its end."""
        if self._drawn:
            self._drawn = False
            self._in_hand += CALLS
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            await self._settle()

    def spend(self) -> None:
        """One call."""
        self._in_hand -= 1

    async def _settle(self) -> None:
        kept = min(max(self._in_hand, 0), CALLS * self._under_way)
        owed, self._in_hand = kept - self._in_hand, kept
        if self._scripts is None or not owed:
            return
        try:
            await self._scripts.run(_SPEND, self._keys[:1], [self._interval, owed])
        except StoreUnavailableError:
            self._in_hand -= owed  # whoever ends next settles it

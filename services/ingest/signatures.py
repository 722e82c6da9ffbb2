"""Signatures of links, checked with the keys that we know and, when one is not known, with those that hold by now."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import structlog
from starlette.requests import Request

from shared.links import AckLinks, Verdict
from shared.redis_client import StoreUnavailableError

KEYS_EVERY = 1.0
"""Seconds."""

DEADLINE = 1.5
"""Seconds for Redis to answer, as senders of notifications are given: somebody is looking at an empty page meanwhile."""

ReadKeys = Callable[[Sequence[str]], Awaitable[tuple[str, ...]]]
"""From the keys that we have to those that hold now."""

_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class Signatures:
    """`read_keys`: we may have started before Redis, or it lost its data and others sign with a new key."""

    def __init__(self, links: AckLinks, read_keys: ReadKeys | None) -> None:
        self._links = links
        self._read_keys = read_keys
        self._read_at = -KEYS_EVERY
        self.are_known = read_keys is None
        """Who has not read the keys cannot call anybody a forger."""

    async def are_ours(self, request: Request, id_: str) -> bool:
        if self.verdict(request, id_, _ANY_TIME) is Verdict.FORGED:
            await self._learn()
        return self.verdict(request, id_, _ANY_TIME) is not Verdict.FORGED

    def verdict(self, request: Request, id_: str, now: datetime) -> Verdict:
        query = request.query_params
        return self._links.check(id_, query.get("exp"), query.get("sig"), now)

    async def _learn(self) -> None:
        """At most once in KEYS_EVERY: forgers must not make us ask."""
        if self._read_keys is None or time.monotonic() - self._read_at < KEYS_EVERY:
            return
        self._read_at = time.monotonic()
        try:
            async with asyncio.timeout(DEADLINE):
                self._links = self._links.accepting(await self._read_keys(self._links.keys))
            self.are_known = True
        except (StoreUnavailableError, TimeoutError) as error:
            structlog.get_logger().warning("signing_keys_not_read", error=str(error) or "Redis took too long")

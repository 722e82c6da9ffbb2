"""The one consumer loop: own history first, then what others left behind, then new entries."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import structlog
from redis.exceptions import RedisError, ResponseError

from shared import metrics
from shared.dead_letters import DeadLetters
from shared.redis_client import StoreUnavailableError
from shared.stream import Entry, NewerSchemaError, StreamReader, UndecodableError

Handler = Callable[[Entry], Awaitable[None]]
"""Returns when the entry is dealt with; what cannot be done now it has put off durably (the incident's due times). Raises
UndecodableError for a dead letter, StoreUnavailableError when Redis is away: the entry then stays pending."""

RECLAIM_IDLE = 60_000
"""Milliseconds after which another consumer's pending entry counts as abandoned. Longer than any handler holds one."""

RECLAIM_EVERY = 15.0
PAUSE_AFTER_TROUBLE = 0.5
"""Seconds."""


class Consumer:
    """Feeds a stream's entries to `handle`, up to `concurrency` at once, until `stopping` is set."""

    def __init__(
        self,
        reader: StreamReader,
        handle: Handler,
        dead_letters: DeadLetters,
        stopping: asyncio.Event,
        *,
        group: str,
        concurrency: int,
    ) -> None:
        self._reader = reader
        self._handle = handle
        self._dead_letters = dead_letters
        self._stopping = stopping
        self._concurrency = concurrency
        self._group = group
        self._log = structlog.get_logger(group=group)
        self.healthy = False

    async def run(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._reader.ensure_group()
                await self._drain_history()
                self.healthy = True
                await self._follow()
            except (RedisError, OSError, StoreUnavailableError) as error:
                self.healthy = False
                self._log.warning("stream_unavailable", error=str(error))
                await asyncio.sleep(PAUSE_AFTER_TROUBLE * (1 + random.random()))

    async def _drain_history(self) -> None:
        after = "0"
        while not self._stopping.is_set() and (
            entries := await self._reader.own_history(after, self._concurrency)
        ):
            await self._deal_with(entries)
            after = entries[-1].id

    async def _follow(self) -> None:
        next_reclaim = time.monotonic() + RECLAIM_EVERY * random.random()
        while not self._stopping.is_set():
            if time.monotonic() >= next_reclaim:
                await self._deal_with(await self._reader.reclaim(RECLAIM_IDLE, self._concurrency))
                next_reclaim = time.monotonic() + RECLAIM_EVERY
            await self._deal_with(await self._reader.read_new(self._concurrency))

    async def _deal_with(self, entries: list[Entry]) -> None:
        outcomes = await asyncio.gather(*(self._deal_with_one(entry) for entry in entries))
        await self._reader.done(entry.id for entry, done in zip(entries, outcomes, strict=True) if done)

    async def _deal_with_one(self, entry: Entry) -> bool:
        """Whether the entry is dealt with. One that is not stays pending and comes again."""
        try:
            if entry.fields:
                entry.check_schema()
                await self._handle(entry)
        except NewerSchemaError as error:
            self._log.warning("left_for_a_newer_version", entry=entry.id, error=str(error))
            return False
        except UndecodableError as error:
            await self._dead_letters.add(f"stream:{self._group}", entry.as_json().encode(), str(error))
            return True
        metrics.EVENTS_CONSUMED.labels(self._group).inc()
        return True

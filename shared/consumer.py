"""The one consumer loop: own history first, then what others left behind, then new entries."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable

import structlog
from redis.exceptions import RedisError

from shared import metrics
from shared.dead_letters import DeadLetters
from shared.redis_client import StoreUnavailableError
from shared.store import NewerStateError
from shared.stream import Entry, NewerSchemaError, StreamReader, UndecodableError

Handler = Callable[[Entry], Awaitable[None]]
"""Returns when the entry is dealt with; what cannot be done now it has put off durably, as a due time of the incident. Raises
UndecodableError for a dead letter, StoreUnavailableError when Redis is away: the entry then stays pending and comes again.
Handling an entry twice, or at two places at once, must be harmless: the incident's version sees to that."""

RECLAIM_IDLE = 5_000
"""Milliseconds after which another consumer's pending entry counts as abandoned. It may be shorter than a slow handler takes:
whoever takes over finds the incident leased, and the lease outlives a crash as a due time."""

MAX_DELIVERIES = 30
"""A handler that fails so often, over some minutes, will not make sense of the entry: a dead letter, which people can retry."""

PATIENCE_WITH_NEWER = 5
"""How many times longer than usual we wait before the next reclaim, so that a newer sibling comes first."""

RECLAIM_EVERY = 2.0
PAUSE_AFTER_TROUBLE = 0.5
"""Seconds."""


class Consumer:
    """Feeds the entries of `group` to `handle`, up to `concurrency` at once, until `stopping` is set."""

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
        self._running: dict[str, asyncio.Task[None]] = {}
        self._trouble: StoreUnavailableError | None = None
        self._met_newer = False
        self.healthy = False

    async def run(self) -> None:
        """Ends once `stopping` is set and what is under way is finished; what is not, it hands back to its siblings."""
        try:
            while not self._stopping.is_set():
                await self._read_until_trouble()
        finally:  # also when there is no time left to finish
            await self._leave()

    async def _read_until_trouble(self) -> None:
        try:
            await self._reader.ensure_group()
            await self._drain_history()
            self.healthy = True
            await self._follow()
        except (RedisError, OSError, StoreUnavailableError) as error:
            self.healthy, self._trouble = False, None
            self._log.warning("stream_unavailable", error=str(error))
            await asyncio.sleep(PAUSE_AFTER_TROUBLE * (1 + random.random()))
        await self._finish_running()

    async def _leave(self) -> None:
        with contextlib.suppress(StoreUnavailableError):  # then a sibling waits until they count as abandoned
            if left := await self._reader.leave(RECLAIM_IDLE):
                self._log.warning("handed_back", entries=left)

    async def check(self) -> str:
        """For /readyz."""
        return "ok" if self.healthy else "not reading the stream"

    async def _drain_history(self) -> None:
        after = "0"
        while not self._stopping.is_set() and (
            entries := await self._reader.own_history(after, self._concurrency)
        ):
            self._start(entries)
            await self._finish_running()
            after = entries[-1].id

    async def _follow(self) -> None:
        next_reclaim = time.monotonic() + RECLAIM_EVERY * random.random()
        while not self._stopping.is_set() and self._trouble is None:
            room = await self._room()
            if time.monotonic() >= next_reclaim:
                self._start(await self._reader.reclaim(RECLAIM_IDLE, room))
                next_reclaim = time.monotonic() + self._reclaim_pause()
            else:
                self._start(await self._reader.read_new(room))
        if self._trouble:
            raise self._trouble

    def _reclaim_pause(self) -> float:
        """Never in step with a sibling; and long after we met what only a newer one understands, or we would take it from it again."""
        patience = PATIENCE_WITH_NEWER if self._met_newer else 1
        self._met_newer = False
        return patience * RECLAIM_EVERY * (0.5 + random.random())

    async def _room(self) -> int:
        if len(self._running) >= self._concurrency:
            await asyncio.wait(self._running.values(), return_when=asyncio.FIRST_COMPLETED)
        return max(1, self._concurrency - len(self._running))

    async def _finish_running(self) -> None:
        if self._running:
            await asyncio.wait(self._running.values())

    def _start(self, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.id in self._running:  # reclaimed from ourselves
                continue
            self._running[entry.id] = asyncio.create_task(self._deal_with(entry))

    async def _deal_with(self, entry: Entry) -> None:
        try:
            if entry.fields:
                await self._decode_and_handle(entry)
            else:
                self._tell_loss(entry)
            await self._reader.done(entry)
            metrics.EVENTS_CONSUMED.labels(self._group).inc()
        except (NewerSchemaError, NewerStateError) as error:
            self._met_newer = True
            self._log.warning("left_for_a_newer_version", entry=entry.id, error=str(error))
        except StoreUnavailableError as error:
            self._trouble = error
        except Exception as error:
            self._log.exception("handler_failed", entry=entry.id)
            await self._give_up_on_poison(entry, error)
        finally:
            del self._running[entry.id]

    def _tell_loss(self, entry: Entry) -> None:
        """It was trimmed or deleted before we could read it. What it said stands in its incident, which the due times bring up."""
        metrics.EVENTS_LOST.labels(self._group).inc()
        self._log.error("event_lost", entry=entry.id)

    async def _give_up_on_poison(self, entry: Entry, error: Exception) -> None:
        """Else it stays pending, and comes again."""
        metrics.HANDLER_FAILURES.labels(self._group).inc()
        try:
            deliveries = await self._reader.deliveries(entry)
            if deliveries >= MAX_DELIVERIES:
                await self._bury(entry, f"{type(error).__name__} at each delivery: {error}", deliveries)
                await self._reader.done(entry)
        except StoreUnavailableError as trouble:
            self._trouble = trouble

    async def _decode_and_handle(self, entry: Entry) -> None:
        try:
            entry.check_schema()
            await self._handle(entry)
        except UndecodableError as error:
            await self._bury(entry, str(error))

    async def _bury(self, entry: Entry, why: str, attempts: int = 1) -> None:
        origin, payload = f"stream:{self._group}", entry.as_json().encode()
        await self._dead_letters.add(origin, payload, why, attempts=attempts, entry=entry.id)

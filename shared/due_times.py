"""Incidents that somebody must look at again at a given time: a sorted set, leased so that a crash loses none."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, Self

import structlog

from shared.redis_client import Script, Scripts, StoreUnavailableError

LEASE = timedelta(seconds=10)
"""Time for the one who took an id to load, decide and commit; the commit then sets the next due time itself."""

LONGEST_NAP = 1.0
"""Seconds. An earlier entry that nobody told us of waits at most this long."""

PAUSE_AFTER_TROUBLE = 0.5

_LEASE = Script.named("lease")


@dataclass(frozen=True)
class Due:
    ids: tuple[str, ...]
    next_in: timedelta | None
    """Until the earliest entry that is left, zero if it is due already; None: nothing is waiting."""

    @classmethod
    def of(cls, reply: list[bytes]) -> Self:
        """What lease.lua and its like answer."""
        now, following, *ids = reply
        next_in = timedelta(milliseconds=max(0.0, float(following) - int(now))) if following else None
        return cls(tuple(id_.decode() for id_ in ids), next_in)


class Source(Protocol):
    """Where a poller has its incidents from."""

    async def lease(self, limit: int) -> Due:
        """Those that are due, for this one alone. Should it die over one, that comes again. Raises StoreUnavailableError."""
        ...


class DueTimes:
    """`age`: how long after its moment in the set an incident is due."""

    def __init__(self, scripts: Scripts, key: str, age: timedelta = timedelta(0)) -> None:
        self._scripts = scripts
        self._key = key
        self._age = age

    async def lease(self, limit: int) -> Due:
        times = [round(span.total_seconds() * 1000) for span in (LEASE, self._age)]
        return Due.of(await self._scripts.run(_LEASE, [self._key], [limit, *times]))


@dataclass(frozen=True)
class Allowance:
    """How many may be in the works at once; when none may, how many seconds later it makes sense to ask again. `new`: how many may
    begin before it is asked again; None: all of them."""

    at_once: int
    wait: float = 0.0
    new: int | None = None


class Poller:
    """Hands due incidents to `handle`, up to `concurrency` at once, until `stopping` is set. `woken` ends a nap early.
    `allowance`: asked before each turn, where it may be fewer; may raise StoreUnavailableError."""

    def __init__(
        self,
        due_times: Source,
        handle: Callable[[str], Awaitable[None]],
        stopping: asyncio.Event,
        *,
        name: str,
        concurrency: int,
        woken: asyncio.Event | None = None,
        allowance: Callable[[], Awaitable[Allowance]] | None = None,
    ) -> None:
        self._due_times = due_times
        self._handle = handle
        self._stopping = stopping
        self._concurrency = concurrency
        self._allowance = allowance
        self._log = structlog.get_logger(poller=name)
        self._woken = woken or asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self.healthy = False

    async def check(self) -> str:
        """For /readyz."""
        return "ok" if self.healthy else "not reading due times"

    async def run(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._nap(await self._turn())
                self.healthy = True
            except StoreUnavailableError as error:
                self.healthy = False
                self._log.warning("due_times_unavailable", error=str(error))
                await asyncio.sleep(PAUSE_AFTER_TROUBLE * (1 + random.random()))
        if self._running:
            await asyncio.wait(self._running)

    async def _turn(self) -> float:
        """Start what is due and there is room for. Seconds until the next turn makes sense."""
        self._woken.clear()
        allowed = await self._allowance() if self._allowance else Allowance(self._concurrency)
        if not allowed.at_once:
            return allowed.wait
        room = min(allowed.at_once, self._concurrency) - len(self._running)
        if room <= 0:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            return 0
        due = await self._due_times.lease(room if allowed.new is None else min(room, allowed.new))
        for incident_id in due.ids:
            task = asyncio.create_task(self._one(incident_id))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return LONGEST_NAP if due.next_in is None else min(due.next_in.total_seconds(), LONGEST_NAP)

    async def _one(self, incident_id: str) -> None:
        """A failure here costs nothing but time: the lease runs out and the incident is due again."""
        try:
            await self._handle(incident_id)
        except StoreUnavailableError as error:
            self._log.warning("put_off", incident=incident_id, error=str(error))
        except Exception:
            self._log.exception("handler_failed", incident=incident_id)

    async def _nap(self, seconds: float) -> None:
        if seconds > 0 and not self._stopping.is_set():
            try:
                await asyncio.wait_for(self._woken.wait(), seconds)
            except TimeoutError:
                return

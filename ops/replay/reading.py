"""Reads the past out of the stream: page by page, all partitions that there are, and every incident from its beginning."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from ops.replay.history import History, Moment
from ops.replay.progress import Patience, Progress
from ops.replay.selection import Range, opening, order
from ops.timeline import happening
from shared.identity import MAX_PARTITIONS, is_incident_id, partition_of_incident
from shared.keys import Keys
from shared.redis_client import Scripts
from shared.stream import Entry, UndecodableError

PAGE = 1000
"""Entries read at once."""


async def redis_now(scripts: Scripts) -> datetime:
    """Redis' clock, which named the entries."""
    seconds, microseconds = await scripts.execute("TIME")
    return datetime.fromtimestamp(int(seconds) + int(microseconds) / 1e6, UTC)


async def partitions(scripts: Scripts) -> list[Keys]:
    """Those that have an event stream."""
    every = [Keys(number) for number in range(MAX_PARTITIONS)]
    there = await asyncio.gather(*(scripts.execute("EXISTS", keys.events) for keys in every))
    return [keys for keys, is_there in zip(every, there, strict=True) if is_there]


class Past:
    """The events of `range_`. Raises StoreUnavailableError, and StoppedError between two pages."""

    def __init__(self, scripts: Scripts, range_: Range, patience: Patience, progress: Progress) -> None:
        self._scripts = scripts
        self._range = range_
        self._patience = patience
        self._progress = progress
        self.events = 0
        """Read within the range."""
        self.unreadable = 0
        """Entries of the range that no version of ours wrote."""
        self.incomplete: frozenset[str] = frozenset()
        """Incidents whose beginning is no longer in the stream."""

    async def entries(self, keys: Keys, start: str, end: str) -> AsyncIterator[Entry]:
        """Also those of other incidents than the wanted ones."""
        first = order(start)[0] if start != "-" else None
        last = order(end)[0] if end != "+" else (await redis_now(self._scripts)).timestamp() * 1000
        read = 0
        while page := await self._scripts.execute("XRANGE", keys.events, start, end, "COUNT", PAGE):
            for id_, fields in page:
                yield Entry(id_.decode(), fields)
            read += len(page)
            reached = order(page[-1][0].decode())[0]
            first = order(page[0][0].decode())[0] if first is None else first
            self._progress.tell(f"{read:,} events read", (reached - first) / max(1.0, last - first))
            self._patience.step()
            start = f"({page[-1][0].decode()}"

    async def wanted_entries(self) -> AsyncIterator[tuple[Keys, Entry]]:
        """The range's entries that are about a wanted incident, as they lie in the stream, with where they lie."""
        for keys in await self.partitions():
            async for entry in self.entries(keys, self._range.start, self._range.end):
                if self._id(entry) is not None:
                    self.events += 1
                    yield keys, entry

    async def mentioned(self) -> frozenset[str]:
        """Ids of the incidents that the range mentions."""
        found = set()
        for keys in await self.partitions():
            async for entry in self.entries(keys, self._range.start, self._range.end):
                found.add(self._id(entry))
        return frozenset(id_ for id_ in found if id_ is not None)

    async def moments(self, *, whole_lives: bool = False) -> AsyncIterator[Moment]:
        """The range's events, each with its incident before and after. `whole_lives`: and what the same incidents lived through
        before the range."""
        # Who reads from the very beginning sees every incident's.
        wanted = None if self._range.start == "-" else await self.mentioned()
        history = History()
        for keys in await self.partitions():
            mine = frozenset(id_ for id_ in wanted or () if partition_of_incident(id_) == keys.partition)
            async for entry in self.entries(keys, self._beginning(mine), self._range.end):
                moment = self._told(history, entry, wanted)
                inside = not self._range.begins_after(entry.id)
                self.events += inside and moment is not None
                if moment and (inside or whole_lives):
                    yield moment
        self.incomplete = frozenset(history.incomplete)

    def _beginning(self, incidents: frozenset[str]) -> str:
        if not incidents:
            return self._range.start
        begin = opening(incidents)
        return begin if self._range.begins_after(begin) else self._range.start

    def _told(self, history: History, entry: Entry, wanted: frozenset[str] | None) -> Moment | None:
        id_ = self._id(entry)
        if id_ is None or (wanted is not None and id_ not in wanted):
            return None
        try:
            return history.tell(happening(entry))
        except UndecodableError:
            self.unreadable += 1
            return None

    def _id(self, entry: Entry) -> str | None:
        """None where it is not wanted, or no incident's."""
        try:
            id_ = entry.incident_id
        except UndecodableError:
            return None
        wanted = self._range.incidents
        return id_ if is_incident_id(id_) and (not wanted or id_ in wanted) else None

    async def partitions(self) -> list[Keys]:
        """Those that the wanted incidents can be in."""
        wanted = {partition_of_incident(id_) for id_ in self._range.incidents}
        found = await partitions(self._scripts)
        return [keys for keys in found if not wanted or keys.partition in wanted]

"""Goes through all incidents that Redis has, and all open records of ServiceNow, a handful at a time, and compares them both ways."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

from pydantic import ValidationError

from ops.reconcile.comparison import (
    Difference,
    Kind,
    Row,
    Ways,
    compare,
    is_homeless,
    is_id_of_ours,
    names,
    places,
    strange,
)
from ops.reconcile.rows import Rows
from ops.replay.progress import Patience, Progress
from ops.replay.reading import partitions, redis_now
from services.escalator.instances import Instance
from shared.incident import Incident
from shared.redis_client import Scripts
from shared.store import NewerStateError, Store
from shared.storms import Storms

AT_ONCE = 50
"""Incidents that are compared together: so many ids an address still takes."""

SCANNED = 1000


@dataclass
class Findings:
    """`incidents`, `open_records`: how many were compared. `unreadable`: incidents that this version cannot read. `unasked`: by an
    instance's label, why."""

    differences: list[Difference] = field(default_factory=list)
    incidents: int = 0
    open_records: int = 0
    unreadable: int = 0
    unasked: dict[str, str] = field(default_factory=dict)


class Survey:
    """`ways.asked` is worked out here. Raises StoreUnavailableError, and StoppedError between two steps."""

    def __init__(
        self, scripts: Scripts, store: Store, rows: Rows, ways: Ways, patience: Patience, progress: Progress
    ) -> None:
        self._scripts = scripts
        self._store = store
        self._storms = Storms(scripts)
        self._rows = rows
        self._ways = ways
        self._patience = patience
        self._progress = progress
        self._found: dict[tuple[str, ...], Difference] = {}
        self._parents: set[str] = set()
        self._incidents = self._open_records = self._unreadable = 0

    async def run(self) -> Findings:
        async for some in self._ids():
            for difference in await self._confirmed(some):
                self._found.setdefault(difference.key, difference)
        for instance in self._rows.asked:
            await self._strangers(instance)
        self._progress.clear()
        found = sorted(self._found.values(), key=lambda one: one.key)
        return Findings(found, self._incidents, self._open_records, self._unreadable, self._rows.unasked)

    async def _ids(self) -> AsyncIterator[list[str]]:
        """Of all incidents that Redis has: the open ones, and those that were closed lately. One may come twice."""
        total = max(1, int(await self._scripts.execute("DBSIZE")))
        for keys in await partitions(self._scripts):
            cursor, some = b"0", list[str]()
            while True:
                arguments = ("MATCH", f"{keys.incident_prefix}*", "COUNT", SCANNED)
                cursor, found = await self._scripts.execute("SCAN", cursor, *arguments)
                some += [name.decode().removeprefix(keys.incident_prefix) for name in found]
                for start in range(0, len(some), AT_ONCE):
                    yield some[start : start + AT_ONCE]
                    self._progress.tell(f"{self._incidents:,} incidents compared", self._incidents / total)
                some = []
                if int(cursor) == 0:
                    break

    async def _confirmed(self, ids: Sequence[str]) -> list[Difference]:
        """What differs also at a second look: between two readings an escalation may have come to its end."""
        incidents = await self._load(ids)
        self._incidents += len(incidents)
        for record in (record for incident in incidents for record in incident.records):
            self._parents.add(record.parent)
            if is_homeless(record, self._ways):
                self._rows.unasked[record.instance or ""] = "it is not configured (any more), and has records"
        first = {one.key: one.incident for one in await self._differences(incidents)}
        if not first:
            return []
        second = await self._differences(await self._load(sorted(set(first.values()))))
        return [one for one in second if one.key in first and not await self._is_hidden(one)]

    async def _load(self, ids: Sequence[str]) -> list[Incident]:
        self._patience.step()
        loaded = await asyncio.gather(*(self._loaded(id_) for id_ in ids))
        return [one for one in loaded if one]

    async def _loaded(self, incident_id: str) -> Incident | None:
        try:
            return (await self._store.load(incident_id)).incident
        except (ValidationError, NewerStateError):
            self._unreadable += 1
            return None

    async def _differences(self, incidents: Sequence[Incident]) -> list[Difference]:
        rows = list[Row]()
        for instance in self._rows.asked:
            ids = {
                name for one in incidents if instance.name in places(one, self._ways) for name in names(one)
            }
            rows += await self._rows.among(instance, ids) if ids else []
        ways = replace(self._ways, asked={instance.name for instance in self._rows.asked})
        now = await redis_now(self._scripts)
        return [found for one in incidents for found in compare(one, rows, ways, now)]

    async def _is_hidden(self, difference: Difference) -> bool:
        """Whether what is missing is there all the same, and only not found."""
        if difference.kind is not Kind.MISSING:
            return False
        where = [one for one in self._rows.asked if one.name == difference.instance]
        return not where or await self._rows.is_there(where[0], difference.sys_id, difference.incident)

    async def _strangers(self, instance: Instance) -> None:
        """Open records with an id of ours that `compare` has not seen to."""
        now = await redis_now(self._scripts)
        async for row in self._rows.open_ones(instance):
            if is_id_of_ours(row.correlation_id, now):
                self._open_records += 1
                self._progress.tell(f"{self._open_records:,} open records compared", 1.0)
                await self._look_at(row)

    async def _look_at(self, row: Row) -> None:
        try:
            incident = (await self._store.load(row.correlation_id)).incident
        except (ValidationError, NewerStateError):
            return
        is_storm = incident is None and (
            row.correlation_id in self._parents or await self._storms.load(row.correlation_id)
        )
        if is_storm:  # Redis forgets those before the incidents that their record lists
            return
        if found := strange(incident, row, self._ways):
            self._found.setdefault(found.key, found)

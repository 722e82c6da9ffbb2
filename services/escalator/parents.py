"""Incidents that one digest tells of go into one record, the parent: each is listed there, in a work note (decision 021).

Those that are due at the same moment share their calls. Whom no digest tells of, and who comes when the parent is closed or takes no
more notes, gets a record alone.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from services.escalator.family import Family
from services.escalator.gate import Gate
from services.escalator.instances import Instance, Instances
from services.escalator.mapping import Mappings
from services.escalator.parent_closing import Closing
from services.escalator.parent_fields import ParentFields
from services.escalator.parent_record import ParentRecord
from services.escalator.parent_text import listed, listing
from services.escalator.servicenow import Row, ServiceNow
from services.escalator.servicenow_target import ServiceNowTarget
from services.escalator.side_gate import SideGate
from services.escalator.target import Attempt, EscalationError, Found, lease
from services.escalator.together import Together
from shared.config import ServiceNowConfig
from shared.incident import Incident, News, NewsKind, Record
from shared.notification import SERVICENOW
from shared.redis_client import Scripts
from shared.storms import Storms

AT_A_TIME = 50
"""That one look asks about: each id takes 33 characters of a URL."""

CONCURRENCY = 3 * AT_A_TIME
"""So that a full note is ready to be written while others look, or commit."""

Outcomes = Sequence[Found | EscalationError]


class Parents:
    """Those in one instance, as a target beside `single`, which writes a record for each incident. `page`: where people see one;
    empty: nowhere. `longest`: characters that a work note takes."""

    kind = SERVICENOW
    concurrency = CONCURRENCY

    def __init__(
        self,
        single: ServiceNowTarget,
        instance: Instance,
        scripts: Scripts,
        servicenow: ServiceNow,
        settings: ServiceNowConfig,
        fields: ParentFields,
        page: Callable[[Incident], str],
    ) -> None:
        self.instance, self.timeout, self.grace = instance.name, single.timeout, single.grace
        self._gate = SideGate(instance.gate)
        self._single, self._page, self._fields = single, page, fields
        self._scripts, self._servicenow, self._instance = scripts, servicenow, instance
        self._life, self._longest = settings.life_for(instance.name), settings.longest("work_notes")
        self._closing = Closing(self._life, servicenow, instance, Storms(scripts))
        self._looks = Together(self._look, AT_A_TIME)
        self._writes = Together(self._write, CONCURRENCY)
        self._log = structlog.get_logger()

    @property
    def gate(self) -> Gate:
        return self._gate

    @property
    def wants(self) -> tuple[NewsKind, ...]:
        return self._closing.wants

    async def find(self, incident: Incident, step: int, record: Record | None = None) -> Found | None:
        if record:
            return await self._closing.look(self._record(record.parent).family, incident, record)
        known = (one for one in incident.records if one.parent and one.instance == self.instance)
        if one := next(known, None):  # another step has brought it there
            return Found(one.sys_id, one.number, one.url, parent=one.parent)
        return await self._looks.ask(_storm_of(incident), (incident, step))

    async def create(self, attempt: Attempt) -> Found:
        return await self._writes.ask(_storm_of(attempt.incident), attempt)

    async def update(self, attempt: Attempt, record: Record, news: Sequence[News]) -> str:  # noqa: ARG002
        return await self._closing.close(record)

    async def _look(self, storm: str, asked: Sequence[tuple[Incident, int]]) -> Sequence[Found | None]:
        """Whoever has a record alone; and, of those whose attempt is in doubt, whoever the parent lists."""
        parent = self._record(storm)
        place, alone = await parent.look([incident.id for incident, _ in asked])
        found = {id_: self._of_one(self._found(row)) for id_, row in alone.items()}
        doubtful = [one.id for one, step in asked if one.effort(step).doubt_until and one.id not in alone]
        if place and place.row and doubtful:
            there = await self._listed(parent, place.row, doubtful)
            found |= dict.fromkeys(there, self._found(place.row, storm))
        return [found.get(incident.id) for incident, _ in asked]

    async def _listed(self, parent: ParentRecord, row: Row, ids: Collection[str]) -> Collection[str]:
        seen = await self._servicenow.look(self._instance, row.sys_id)
        if seen is None or seen.work_notes is None:
            self._log.warning("listed_in_doubt", parent=parent.id, record=row.number, incidents=len(ids))
            return ()
        if there := listed(seen.work_notes, ids):
            await parent.family.add(sorted(there))
        return there

    async def _write(self, storm: str, attempts: Sequence[Attempt]) -> Outcomes:
        """One note, with as many as it takes."""
        parent = self._record(storm)
        place = await parent.place(self._fields, attempts)
        if place.is_left_alone:
            return await self._alone(attempts)
        punctual = [attempt for attempt in attempts if not attempt.is_late()]
        if not punctual:
            return [_stalled() for _ in attempts]
        note, count = listing([one.incident for one in punctual], self._longest, self._page)
        told = punctual[:count]
        outcome: Found | EscalationError
        try:
            outcome = self._found(await parent.list(place, note, told), storm)
        except EscalationError as error:
            if (
                place.row and error.refused
            ):  # we may create, and not write; or it is closed in a way that we do not know
                self._log.error("parent_refuses", parent=parent.id, record=place.row.number, error=str(error))
                return await self._alone(attempts)
            outcome = error
        else:
            await parent.family.add([one.incident.id for one in told])
        tokens = {one.token for one in told}
        reached = attempts if count == len(punctual) else attempts[: attempts.index(told[-1]) + 1]
        return [outcome if one.token in tokens else _stalled() for one in reached]

    async def _alone(self, attempts: Sequence[Attempt]) -> Outcomes:
        """As many as the instance works at together."""
        return await asyncio.gather(*(self._one_alone(one) for one in attempts[: self._single.concurrency]))

    async def _one_alone(self, attempt: Attempt) -> Found | EscalationError:
        try:
            return _stalled() if attempt.is_late() else self._of_one(await self._single.create(attempt))
        except EscalationError as error:
            return error

    def _record(self, storm: str) -> ParentRecord:
        return ParentRecord(
            storm,
            Family(self._scripts, storm, self.instance),
            self._servicenow,
            self._instance,
            self._life.closed_states,
            lease(self) + self.grace,
        )

    def _of_one(self, found: Found) -> Found:
        return replace(found, wants=self._single.wants)

    def _found(self, row: Row, storm: str = "") -> Found:
        return Found(row.sys_id, row.number, self._servicenow.link(self._instance, row), parent=storm)


def _storm_of(incident: Incident) -> str:
    assert incident.digest  # noqa: S101  for the type checker: nobody else is sent here
    return incident.digest.storm


def _stalled() -> EscalationError:
    return EscalationError("stalled before the request", put_off=True, retry_after=timedelta(seconds=1))


def parents(
    settings: ServiceNowConfig,
    instances: Instances,
    mappings: Mappings,
    singles: Sequence[ServiceNowTarget],
    scripts: Scripts,
    console_url: str = "",
) -> list[Parents]:
    """One for each of `singles`, which are those of `instances`."""
    servicenow, storms = ServiceNow.of(settings), Storms(scripts)

    def page(incident: Incident) -> str:
        return f"{console_url}/incidents/{incident.id}" if console_url else ""

    return [
        Parents(
            single,
            instance,
            scripts,
            servicenow,
            settings,
            ParentFields(storms, mappings, instance.name, settings.longest),
            page,
        )
        for single, instance in zip(singles, instances.all, strict=True)
    ]

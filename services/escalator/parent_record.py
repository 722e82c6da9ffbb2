"""The one record of a storm in an instance: whether it is there, and how it comes to be there once.

Of all escalators one at a time may write it. An answer that was lost keeps the others from it for as long as the record may yet come.
"""

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from services.escalator.family import Family
from services.escalator.flaws import tell_refusal
from services.escalator.instances import Instance
from services.escalator.parent_fields import Fields, ParentFields
from services.escalator.servicenow import Row, ServiceNow
from services.escalator.servicenow_answers import is_sys_id
from services.escalator.target import Attempt, EscalationError

WHILE_OTHERS_WRITE = timedelta(seconds=5)
"""Longer than that they hardly take: something is wrong, and it is looked again later."""

ASK_AGAIN = 0.2
LATER = timedelta(seconds=15)
SOON = timedelta(seconds=1)

FIELDS = ("sys_id", "number", "correlation_id", "state", "active")
MOST_ROWS = 500
"""Of an answer. An instance that does not understand the query shows its whole table."""


@dataclass(frozen=True)
class Place:
    """Where incidents are to be listed. Without `row`: in a record that is yet to be written, with `fields`; we may."""

    row: Row | None = None
    is_left_alone: bool = False
    """A person has closed or deleted it."""
    fields: Fields | None = None


class ParentRecord:
    """`id_`: that of the storm, which is the record's correlation_id. `lease`: how long the attempts may take that write it, and the instance after them."""

    def __init__(
        self,
        id_: str,
        family: Family,
        servicenow: ServiceNow,
        instance: Instance,
        closed_states: Collection[str],
        lease: timedelta,
    ) -> None:
        self.id = id_
        self.family = family
        self._servicenow = servicenow
        self._instance = instance
        self._closed_states = closed_states
        self._lease = lease

    async def look(self, ids: Sequence[str] = ()) -> tuple[Place | None, dict[str, Row]]:
        """The record, if it is there; and the rows that belong to incidents of these ids alone. Raises EscalationError."""
        return await self._look(ids, (await self.family.remembered()).sys_id)

    async def _look(self, ids: Sequence[str], known: str) -> tuple[Place | None, dict[str, Row]]:
        query = f"correlation_idIN{','.join((self.id, *ids))}" + (f"^ORsys_id={known}" if known else "")
        place, rows, seen = None, dict[str, Row](), 0
        async for found in self._servicenow.search(self._instance, query, FIELDS):
            row = Row(found.get("sys_id", ""), found.get("number") or found.get("sys_id", ""))
            whose = found.get("correlation_id", "")
            if not is_sys_id(row.sys_id):
                continue
            if place is None and (row.sys_id == known or whose == self.id):
                place = Place(row, self._is_closed(found))
            elif whose in ids:
                rows.setdefault(whose, row)
            if (seen := seen + 1) >= MOST_ROWS:
                break
        return place, rows

    async def place(self, fields: ParentFields, attempts: Sequence[Attempt]) -> Place:
        """Raises EscalationError."""
        remembered = await self.family.remembered()
        if place := (await self._look((), remembered.sys_id))[0]:
            return place
        if remembered.sys_id:
            return Place(is_left_alone=True)
        if remembered.unseen:
            raise EscalationError(remembered.unseen, needs_person=True)
        if not await self.family.open(self._lease):
            return await self._after_others()
        return await self._opening(fields, attempts)

    async def list(self, place: Place, note: str, attempts: Sequence[Attempt]) -> Row:
        """Write `note`, and the record with it, where it is not there yet. Raises EscalationError."""
        if place.row:
            await self._servicenow.update(self._instance, place.row.sys_id, {"work_notes": note})
            return place.row
        assert place.fields  # noqa: S101  for the type checker
        row = await self._insert(place.fields, {"work_notes": note}, attempts)
        structlog.get_logger().info("parent_written", parent=self.id, record=row.number)
        return row

    async def _after_others(self) -> Place:
        until, is_opening = time.monotonic() + WHILE_OTHERS_WRITE.total_seconds(), True
        while is_opening and time.monotonic() < until:
            await asyncio.sleep(ASK_AGAIN)
            is_opening = (await self.family.remembered()).is_opening
        if not is_opening and (place := (await self.look())[0]):
            return place
        words = "the storm's record is being written, or may have been: looked for again later"
        raise EscalationError(words, put_off=True, retry_after=LATER if is_opening else SOON)

    async def _opening(self, fields: ParentFields, attempts: Sequence[Attempt]) -> Place:
        """We hold the lease. Somebody may have written it between our look and that."""
        try:
            if place := (await self.look())[0]:
                await self._is(place.row)
                return place
            incidents = [attempt.incident for attempt in attempts]
            return Place(fields=await fields.of(self.id, incidents, attempts[0].at))
        except EscalationError:
            await self.family.not_opened()
            raise

    async def _insert(self, fields: Fields, note: dict[str, str], attempts: Sequence[Attempt]) -> Row:
        """With the fields that are configured; where they are refused, with the plain ones."""
        try:
            return await self._create(fields.mapped | note)
        except EscalationError as error:
            if not error.refused:
                raise
            refusal = error
        place, _ = await self.look()  # a rule may have refused what was already inserted
        if place:
            await self._is(place.row)
            raise EscalationError(str(refusal), in_doubt=True)
        if fields.mapped == fields.plain or any(attempt.is_late() for attempt in attempts):
            await self.family.not_opened()
            raise refusal
        row = await self._create(fields.plain | note)
        tell_refusal(self.id, str(refusal), fields.mapped.keys() - fields.plain.keys())
        return row

    async def _create(self, values: dict[str, str]) -> Row:
        try:
            row = await self._servicenow.create(self._instance, self.id, values)
        except EscalationError as error:
            if error.unseen:
                await self.family.not_shown(str(error))
            elif not (error.in_doubt or error.refused):
                await self.family.not_opened()
            raise
        await self._is(row)
        return row

    async def _is(self, row: Row | None) -> None:
        if row:
            await self.family.opened(row.sys_id)

    def _is_closed(self, found: dict[str, str]) -> bool:
        return found.get("active") == "false" or found.get("state") in self._closed_states

"""Reads records from ServiceNow for a comparison, a page at a time, and waits as long as an instance wants to be left alone."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from ops.reconcile.comparison import Row
from ops.replay.progress import Patience
from services.escalator.instances import Instance
from services.escalator.servicenow import ServiceNow
from services.escalator.target import EscalationError
from shared.config import ServiceNowConfig

TRIES = 5
LONGEST_PAUSE = 120.0
"""Seconds. An instance that wants to be left alone for longer, or does not answer, is told of as not asked."""

AT_LEAST = 1.0

FIELDS = ("sys_id", "number", "correlation_id", "active", "state", "short_description", "sys_created_on")


class Rows:
    """Of all instances that are configured. `unasked`: by an instance's label, why it was given up."""

    def __init__(
        self,
        servicenow: ServiceNow,
        settings: ServiceNowConfig,
        instances: Sequence[Instance],
        patience: Patience,
    ) -> None:
        self._servicenow = servicenow
        self._settings = settings
        self._instances = tuple(instances)
        self._patience = patience
        self.unasked: dict[str, str] = {}

    @property
    def asked(self) -> tuple[Instance, ...]:
        return tuple(one for one in self._instances if one.gate.label not in self.unasked)

    async def among(self, instance: Instance, ids: Collection[str]) -> list[Row]:
        """Those with one of these as correlation_id, oldest first. Raises StoreUnavailableError, and StoppedError."""
        query = f"correlation_idIN{','.join(sorted(ids))}"
        found = list[Row]()
        async for row in self._search(instance, query):
            if row.correlation_id not in ids:
                self.unasked[instance.gate.label] = (
                    "does not search by correlation_id: has the table that column?"
                )
                return []
            if row not in found:
                found.append(row)
        return found if instance in self.asked else []

    async def open_ones(self, instance: Instance) -> AsyncIterator[Row]:
        """All that say whose they are. One may come twice. Raises as `among` does."""
        async for row in self._search(instance, "active=true^correlation_idISNOTEMPTY"):
            if row.is_over is False:
                yield row

    async def is_there(self, instance: Instance, sys_id: str, correlation_id: str) -> bool:
        """Whether what no search brings is there all the same."""
        try:
            seen = await self._servicenow.look(instance, sys_id)
        except EscalationError as error:
            self.unasked[instance.gate.label] = str(error)
            return True
        return seen is not None and seen.correlation_id == correlation_id

    async def _search(self, instance: Instance, query: str) -> AsyncIterator[Row]:
        """From the beginning again where it was interrupted."""
        for attempt in range(1, TRIES + 1):
            self._patience.step()
            if not instance.gate.wait:
                await instance.gate.learn()
            try:
                async with aclosing(self._servicenow.search(instance, query, FIELDS)) as found:
                    async for fields in found:
                        yield self._row(instance, fields)
            except EscalationError as error:
                pause = max(error.retry_after.total_seconds(), AT_LEAST)
                if error.needs_person or attempt == TRIES or pause > LONGEST_PAUSE:
                    self.unasked[instance.gate.label] = str(error)
                    return
                await self._patience.sleep(pause)
            else:
                return

    def _row(self, instance: Instance, fields: Mapping[str, str]) -> Row:
        sys_id = fields.get("sys_id", "")
        return Row(
            instance.name,
            sys_id,
            fields.get("number") or sys_id,
            fields.get("correlation_id", ""),
            is_over=self._is_over(instance, fields),
            title=fields.get("short_description", ""),
            created_at=_moment(fields.get("sys_created_on", "")),
        )

    def _is_over(self, instance: Instance, fields: Mapping[str, str]) -> bool | None:
        active, state = fields.get("active"), fields.get("state")
        if not (active or state):
            return None
        life = self._settings.life_for(instance.name)
        # A resolved record of the table incident is still active.
        return active == "false" or state in (*life.closed_states, life.states.resolved)


def _moment(text: str) -> datetime | None:
    """As ServiceNow writes it: in UTC."""
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None

"""A ServiceNow instance as something that an escalation can lead to."""

from collections.abc import Sequence
from datetime import timedelta

import structlog

from services.escalator.course import ending
from services.escalator.flaws import tell_flaws, tell_refusal
from services.escalator.gate import Gate
from services.escalator.instances import Instance, Instances
from services.escalator.life import Life
from services.escalator.mapping import Mappings, default_fields
from services.escalator.servicenow import Row, ServiceNow
from services.escalator.target import Attempt, EscalationError, Found
from shared.config import ServiceNowConfig
from shared.incident import Incident, News, NewsKind, Record
from shared.notification import SERVICENOW

SERVER_GRACE = timedelta(seconds=65)
"""ServiceNow may finish a transaction up to 60 s after we stopped waiting for it."""


class ServiceNowTarget:
    kind = SERVICENOW

    def __init__(
        self, instance: Instance, servicenow: ServiceNow, mappings: Mappings, settings: ServiceNowConfig
    ) -> None:
        self.timeout = settings.timeout
        self.concurrency = settings.concurrency_per_instance
        self._instance = instance
        self._servicenow = servicenow
        self._mappings = mappings
        self._life = Life(settings.life_for(instance.name), SERVER_GRACE)
        self._longest_note = settings.longest("work_notes")

    @property
    def grace(self) -> timedelta:
        return SERVER_GRACE

    @property
    def instance(self) -> str | None:
        return self._instance.name

    @property
    def gate(self) -> Gate:
        return self._instance.gate

    @property
    def wants(self) -> tuple[NewsKind, ...]:
        return self._life.wants

    async def find(self, incident: Incident, step: int, record: Record | None = None) -> Found | None:
        if record:
            return await self._look(incident, record)
        in_doubt = incident.effort(step).doubt_until is not None
        row = await self._servicenow.find(self._instance, incident.id, in_doubt=in_doubt)
        return self._found(row) if row else None

    async def create(self, attempt: Attempt) -> Found:
        """With the fields that are configured; where ServiceNow refuses them, with the default ones."""
        incident, at = attempt.incident, attempt.at
        fields = self._mappings.render(incident, at, self.instance, attempt.step)
        default = default_fields(incident, at, attempt.step)
        tell_flaws(incident.id, fields.flaws)
        try:
            return self._found(await self._servicenow.create(self._instance, incident.id, fields.values))
        except EscalationError as error:
            if not error.refused:
                raise
            refusal = error
        # A rule may have refused what was already inserted, or a second one: as ever, only who has looked may write.
        if row := await self._servicenow.find(self._instance, incident.id):
            return self._found(row)
        if attempt.is_late() or fields.values == default:
            raise refusal
        row = await self._servicenow.create(self._instance, incident.id, default)
        refused = [field for field, _ in fields.values.items() - default.items()]
        tell_refusal(incident.id, str(refusal), refused)
        return self._found(row)

    async def update(self, attempt: Attempt, record: Record, news: Sequence[News]) -> str:
        """All at once, so that the record has all of it or nothing."""
        incident, wanted = attempt.incident, self._life.wanted(news)
        if not wanted:
            return "not wanted any more"
        values = self._life.change(incident, record, wanted, self._longest_note)
        if self._life.closes(incident, record, wanted):
            closing = self._mappings.render_closing(incident, record.at, self.instance)
            tell_flaws(incident.id, closing.flaws)
            values = {"close_notes": ending(incident)} | closing.values | values
        await self._servicenow.update(self._instance, record.sys_id, values)
        return f"noted, state set to {values['state']}" if "state" in values else "noted"

    async def _look(self, incident: Incident, record: Record) -> Found | None:
        """None: it was deleted."""
        seen = await self._servicenow.look(self._instance, record.sys_id)
        if seen is None:
            return None
        known = self._life.known(seen, incident, record)
        if known.guessed:
            log = structlog.get_logger()
            log.warning(
                "work_notes_not_shown", incident=incident.id, record=record.number, taken_as_told=known.upto
            )
        return Found(
            record.sys_id,
            record.number,
            record.url,
            known.upto,
            is_closed=known.is_closed,
            parent=record.parent,
        )

    def _found(self, row: Row) -> Found:
        return Found(row.sys_id, row.number, self._servicenow.link(self._instance, row))


def servicenow_targets(
    settings: ServiceNowConfig, instances: Instances, mappings: Mappings
) -> list[ServiceNowTarget]:
    """One for each instance that is configured, the default one first."""
    servicenow = ServiceNow.of(settings)
    return [ServiceNowTarget(instance, servicenow, mappings, settings) for instance in instances.all]

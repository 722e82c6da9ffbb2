"""A ServiceNow instance as something that an escalation can lead to."""

from collections.abc import Sequence
from datetime import timedelta

from services.escalator.flaws import tell_flaws, tell_refusal
from services.escalator.gate import Gate
from services.escalator.instances import Instance, Instances
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
        return ()

    async def find(self, incident: Incident, step: int, record: Record | None = None) -> Found | None:  # noqa: ARG002
        row = await self._servicenow.find(self._instance, incident.id)
        return self._found(row) if row else None

    async def create(self, attempt: Attempt) -> Found:
        """With the fields that are configured; where ServiceNow refuses them, with the default ones."""
        incident, at = attempt.incident, attempt.at
        fields = self._mappings.render(incident, at, self.instance)
        default = default_fields(incident, at)
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
        raise NotImplementedError

    def _found(self, row: Row) -> Found:
        return Found(row.sys_id, row.number, self._servicenow.link(self._instance, row))


def servicenow_targets(
    settings: ServiceNowConfig, instances: Instances, mappings: Mappings
) -> list[ServiceNowTarget]:
    """One for each instance that is configured, the default one first."""
    servicenow = ServiceNow(settings.table_for)
    return [ServiceNowTarget(instance, servicenow, mappings, settings) for instance in instances.all]

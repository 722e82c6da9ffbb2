"""All that escalations can lead to, by what an incident's step or record says."""

from collections.abc import Iterable

import structlog

from services.escalator.target import Target
from shared.incident import Duty, Incident, Task
from shared.notification import SERVICENOW


class Targets:
    """`targets`: the first one stands in for what is not configured (any more): somebody is better called elsewhere than not at
    all. Of each kind, the one without an instance's name stands in for names that are unknown."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self.all = tuple(targets)
        self._by_name = {(target.kind, (target.instance or "").lower()): target for target in self.all}
        self._log = structlog.get_logger()

    def named(self, kind: str, instance: str | None) -> Target:
        """Raises LookupError when there is none at all."""
        found = self._by_name.get((kind, (instance or "").lower())) or self._by_name.get((kind, ""))
        if found is None and not self.all:
            raise LookupError(
                "no target is configured: oncall.servicenow.instance_url, or oncall.webhook.url"
            )
        return found or self.all[0]

    def of(self, incident: Incident, duty: Duty) -> Target:
        """Where to go for it. Raises LookupError."""
        kind, instance = incident.target_of(duty.step)
        if duty.task is Task.UPDATE_RECORD and (record := incident.record_of(duty.step)):
            kind, instance = record.target, record.instance
        target = self.named(kind, instance)
        if (target.kind, target.instance or "") != (kind, instance or ""):
            event = (
                "instance_not_configured" if target.kind == SERVICENOW == kind else "target_not_configured"
            )
            self._log.warning(event, incident=incident.id, target=kind, instance=instance)
        return target


def needs_target(duty: Duty) -> bool:
    """Whether somebody outside is needed for it."""
    return duty.task in (Task.ESCALATE, Task.UPDATE_RECORD)

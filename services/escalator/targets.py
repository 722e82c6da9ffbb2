"""All that escalations can lead to, by what an incident's step or record says."""

from collections.abc import Iterable

import structlog

from services.escalator.target import Target
from shared.incident import Duty, Incident, Task
from shared.notification import SERVICENOW


class Targets:
    """`targets`: the first one stands in for what is not configured (any more): somebody is better called elsewhere than not at
    all. Of each kind, the one without an instance's name stands in for names that are unknown. `for_storms`: what takes the place of
    the ServiceNow target of the same instance for incidents that a storm's digest tells of."""

    def __init__(self, targets: Iterable[Target], for_storms: Iterable[Target] = ()) -> None:
        singles = tuple(targets)
        self._for_storms = {target.instance: target for target in for_storms}
        self.all = (*singles, *self._for_storms.values())
        self._by_name = {(target.kind, (target.instance or "").lower()): target for target in singles}
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
        in_storm = incident.digest is not None
        if duty.task is Task.UPDATE_RECORD and (record := incident.record_of(duty.step)):
            kind, instance, in_storm = record.target, record.instance, bool(record.parent)
        target = self.named(kind, instance)
        if (target.kind, target.instance or "") != (kind, instance or ""):
            event = (
                "instance_not_configured" if target.kind == SERVICENOW == kind else "target_not_configured"
            )
            self._log.warning(event, incident=incident.id, target=kind, instance=instance)
        is_parent = in_storm and target.kind == SERVICENOW
        return self._for_storms.get(target.instance, target) if is_parent else target


def needs_target(duty: Duty) -> bool:
    """Whether somebody outside is needed for it."""
    return duty.task in (Task.ESCALATE, Task.UPDATE_RECORD)

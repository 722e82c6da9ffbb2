"""Notifications and incidents for tests, with sensible defaults."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.escalator.instances import Instances
from services.escalator.mapping import Mappings
from services.escalator.servicenow_target import servicenow_targets
from services.escalator.targets import Targets
from shared.config import ServiceNowConfig
from shared.identity import digest
from shared.incident import Incident
from shared.notification import Alert, Call, Facts, Notification

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def alert(name: str = "a", started: datetime | None = NOON, *, firing: bool = True) -> Alert:
    return Alert(key=digest(name)[:16], firing=firing, started_at=started, name=name)


def notification(
    *alerts: Alert,
    firing: bool = True,
    wait: timedelta | None = 3 * MINUTE,
    group: str = "group",
    title: str = "HighLatency",
    **more: Any,
) -> Notification:
    call = Call(
        wait=wait, **{name: more.pop(name) for name in ("instance", "channel", "steps") if name in more}
    )
    severity, truncated = more.pop("severity", "critical"), more.pop("truncated", 0)
    facts = Facts(source="alertmanager", title=title, severity=severity, truncated=truncated)
    return Notification(
        dedup_key=digest(group),
        firing=firing,
        facts=facts,
        alerts=alerts or (alert(firing=firing),),
        call=call,
        body=more.pop("body", '{"status":"firing"}'),
        **more,
    )


def resolved(*alerts: Alert, **more: Any) -> Notification:
    return notification(*(alerts or (alert(firing=False),)), firing=False, **more)


def incident_id(number: int = 1) -> str:
    return f"{number:030x}00"


def reread(incident: Incident) -> Incident:
    """As it comes back from the store."""
    return Incident.model_validate_json(incident.model_dump_json(exclude_defaults=True))


def unmapped() -> Mappings:
    """Records with their default fields."""
    return Mappings(ServiceNowConfig(), lambda _: "")


def targets(instances: Instances, mappings: Mappings | None = None, **settings: Any) -> Targets:
    """The ServiceNow instances, as their service makes targets of them. `settings`: of `oncall.servicenow`."""
    config = ServiceNowConfig.model_validate(settings)
    return Targets(servicenow_targets(config, instances, mappings or unmapped()))

"""What is still to come of an incident's on-call, and what it has spared people, for whoever tells them. Pure."""

from datetime import datetime
from typing import NamedTuple

from shared.incident import Incident, NewsKind
from shared.notification import SERVICENOW, SLACK


class Coming(NamedTuple):
    """A step that comes at `at`, by the plan, unless somebody acknowledges."""

    at: datetime
    step: int
    target: str
    instance: str | None

    @property
    def calls_people(self) -> bool:
        return self.target == SLACK


def may_be_acknowledged_in_time(incident: Incident) -> bool:
    """Whether a link makes sense: there is on-call, and somebody is given the time. A wait of zero leaves nobody any, as in Versus,
    unless there are further steps to stop."""
    deadline = incident.deadline
    return deadline is not None and (deadline > incident.opened_at or bool(incident.further))


def coming(incident: Incident) -> list[Coming]:
    """The soonest first. What has failed so far is still to come."""
    found = [
        Coming(due, step, *incident.target_of(step))
        for step in incident.steps
        if incident.awaits(step) and (due := incident.due_at(step))
    ]
    return sorted(found, key=lambda one: (one.at, one.step))


def spared(incident: Incident) -> list[str]:
    """Names of the targets that are not reached because somebody has the incident, or it is over."""
    left = (step for step in incident.steps if not incident.is_taken(step))
    targets = dict.fromkeys(incident.target_of(step) for step in left)
    return [target_name(*target) for target in targets]


def is_in_doubt(incident: Incident) -> bool:
    """An attempt whose answer was lost may have left a record that we do not know of."""
    return any(incident.effort(step).doubt_until and not incident.record_of(step) for step in incident.steps)


def is_told(incident: Incident, kind: NewsKind) -> bool:
    """Whether a record of it wants to know."""
    return any(kind in record.wants for record in incident.records)


def target_name(target: str, instance: str | None = None) -> str:
    """As in "ServiceNow (infra)" and "the webhook". Not escaped."""
    name = {SERVICENOW: "ServiceNow", SLACK: "Slack"}.get(target, f"the {target}")
    return f"{name} ({instance})" if instance else name

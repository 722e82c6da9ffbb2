"""The course of things under one configuration: what came in and what people did, decided anew. Pure.

Every target is taken to answer at once: a record is there when its step is due, unless somebody had acknowledged by then.
"""

import heapq
from dataclasses import dataclass
from datetime import datetime

from ops.replay.history import has_notification, moment_of, notification_of
from ops.timeline import Happening
from services.ingest.parameters import OnCallDefaults, weigh
from shared.commands import (
    Acknowledge,
    CallAgain,
    Command,
    EscalateNow,
    EventType,
    Fire,
    Lapse,
    Reason,
    RecordWritten,
    Resolve,
    ResolveByHand,
    Rules,
    SnoozeFor,
    Unacknowledge,
)
from shared.identity import digest, partition_of_incident
from shared.incident import Duty, Incident, Record, Task
from shared.notification import SERVICENOW, Notification
from shared.transitions import advance


@dataclass(frozen=True)
class Life:
    """One incident: as it was opened, and as it is by now, each with the body that its message is made of."""

    opening: Incident
    opening_body: str
    incident: Incident
    body: str


class Course:
    """`tell` it the events in their order; then `finish`."""

    def __init__(self, oncall: OnCallDefaults, rules: Rules) -> None:
        self._oncall = oncall
        self._rules = rules
        self._latest: dict[str, str] = {}
        self._due: list[tuple[datetime, str]] = []
        self.lives: dict[str, Life] = {}

    def tell(self, event: Happening) -> None:
        self.finish(event.at)
        if has_notification(event):
            self._receive(event)
        elif event.incident in self.lives and (deed := _deed_of(event)):
            self._apply(event.incident, deed, event.at)

    def finish(self, until: datetime) -> None:
        """Escalate what is due by then, call people again, and let acknowledgements lapse."""
        while self._due and self._due[0][0] <= until:
            due, incident_id = heapq.heappop(self._due)
            incident = self.lives[incident_id].incident
            duty = min(incident.duties, key=lambda duty: duty.at, default=None)
            if duty and duty.at == due:
                self._apply(incident_id, _done(incident, duty), due)

    def _receive(self, event: Happening) -> None:
        notification = self._weighed(event)
        known = self._latest.get(notification.dedup_key)
        incident = self.lives[known].incident if known else None
        new_id = self._new_id(event)
        kind = Fire if notification.firing else Resolve
        step = advance(incident, kind(notification, new_id), event.at, self._rules)
        for change in step.changes:
            self._keep(change.incident, change.body)
            if change.incident.id == new_id:
                self._latest[notification.dedup_key] = new_id

    def _weighed(self, event: Happening) -> Notification:
        call, warnings = weigh(event.data.get("query", {}), self._oncall)
        notification = notification_of(event, call)
        return notification.model_copy(update={"warnings": tuple(one.text for one in warnings)})

    def _new_id(self, event: Happening) -> str:
        """The one that it got in truth, if it still names nothing else: then the courses can be compared by it."""
        if event.incident not in self.lives:
            return event.incident
        return f"{event.incident[:12]}{digest(event.entry)[:18]}{partition_of_incident(event.incident):02x}"

    def _apply(self, incident_id: str, command: Command, now: datetime) -> None:
        for change in advance(self.lives[incident_id].incident, command, now, self._rules).changes:
            self._keep(change.incident, change.body)

    def _keep(self, incident: Incident, body: str | None) -> None:
        past = self.lives.get(incident.id)
        if past is None:
            self.lives[incident.id] = Life(incident, body or "{}", incident, body or "{}")
        else:
            self.lives[incident.id] = Life(past.opening, past.opening_body, incident, body or past.body)
        if incident.attention_due:
            heapq.heappush(self._due, (incident.attention_due, incident.id))


def _deed_of(event: Happening) -> Command | None:
    """What a person did, as far as it was not refused. That an acknowledgement lapsed is for the configuration to say."""
    who = (event.data.get("by", ""), event.data.get("door", ""))
    match event.type:
        case EventType.ACKNOWLEDGED:
            return Acknowledge(*who)
        case EventType.UNACKNOWLEDGED:
            return Unacknowledge(*who)
        case EventType.SNOOZED:
            return SnoozeFor(*who, span=(moment_of(event.data, "deadline") or event.at) - event.at)
        case EventType.ESCALATION_ASKED:
            return EscalateNow(*who)
        case EventType.RESOLVED if event.reason == Reason.RESOLVED_BY_HAND:
            return ResolveByHand(*who)
    return None


def _done(incident: Incident, duty: Duty) -> Command:
    """Its records want to be told nothing, so that is never due."""
    if duty.task is Task.LAPSE:
        return Lapse()
    if duty.task is Task.CALL_AGAIN:
        return CallAgain(duty.step)
    target, instance = incident.target_of(duty.step)
    number = "(record)" if target == SERVICENOW else ""
    record = Record(sys_id="0" * 32, number=number, url="", instance=instance, at=duty.at, target=target)
    return RecordWritten("", record, duty.step)

"""The course of things under one configuration: what came in and who acknowledged, decided anew. Pure.

ServiceNow is taken to answer at once: a record is there at its deadline, unless somebody had acknowledged by then.
"""

import heapq
from dataclasses import dataclass
from datetime import datetime

from ops.replay.history import has_notification, notification_of
from ops.timeline import Happening
from services.ingest.parameters import OnCallDefaults, weigh
from shared.commands import Acknowledge, Command, EventType, Fire, RecordWritten, Resolve
from shared.identity import digest, partition_of_incident
from shared.incident import Incident, Record
from shared.notification import Notification
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

    def __init__(self, oncall: OnCallDefaults) -> None:
        self._oncall = oncall
        self._latest: dict[str, str] = {}
        self._due: list[tuple[datetime, str]] = []
        self.lives: dict[str, Life] = {}

    def tell(self, event: Happening) -> None:
        self.finish(event.at)
        if has_notification(event):
            self._receive(event)
        elif event.type == EventType.ACKNOWLEDGED and event.incident in self.lives:
            command = Acknowledge(event.data["by"], event.data["door"])
            self._apply(event.incident, command, event.at)

    def finish(self, until: datetime) -> None:
        """Escalate what is due by then."""
        while self._due and self._due[0][0] <= until:
            deadline, incident_id = heapq.heappop(self._due)
            incident = self.lives[incident_id].incident
            if incident.awaits_escalation and incident.deadline == deadline:
                self._apply(incident_id, RecordWritten("", _record(incident, deadline)), deadline)

    def _receive(self, event: Happening) -> None:
        notification = self._weighed(event)
        known = self._latest.get(notification.dedup_key)
        incident = self.lives[known].incident if known else None
        new_id = self._new_id(event)
        kind = Fire if notification.firing else Resolve
        step = advance(incident, kind(notification, new_id), event.at)
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
        for change in advance(self.lives[incident_id].incident, command, now).changes:
            self._keep(change.incident, change.body)

    def _keep(self, incident: Incident, body: str | None) -> None:
        past = self.lives.get(incident.id)
        if past is None:
            self.lives[incident.id] = Life(incident, body or "{}", incident, body or "{}")
        else:
            self.lives[incident.id] = Life(past.opening, past.opening_body, incident, body or past.body)
        if incident.awaits_escalation and incident.deadline:
            heapq.heappush(self._due, (incident.deadline, incident.id))


def _record(incident: Incident, at: datetime) -> Record:
    return Record(sys_id="0" * 32, number="(record)", url="", instance=incident.call.instance, at=at)

"""An incident after what happened to it, for tests of what is decided next."""

from datetime import datetime, timedelta
from typing import Any

from shared.commands import (
    BeginDelivery,
    Claim,
    Command,
    Delivered,
    Fire,
    NotesTold,
    Reason,
    Resolve,
    Rules,
    Step,
)
from shared.incident import Incident, Note, NoteKind, Record
from shared.notification import Alert
from shared.transitions import NO_RULES, advance
from tests.episodes import MINUTE, NOON, incident_id, notification, reread, resolved

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
LEASE, GRACE = 50 * SECOND, 65 * SECOND
DUE = NOON + 3 * MINUTE
CLAIM = Claim("w1", LEASE, GRACE)
RECORD = Record(sys_id="a" * 32, number="INC1", url="https://x/1", instance=None, at=DUE)


def fire(*alerts: Alert, number: int = 2, **more: Any) -> Fire:
    return Fire(notification(*alerts, **more), incident_id(number))


def resolve(*alerts: Alert, number: int = 3, **more: Any) -> Resolve:
    return Resolve(resolved(*alerts, **more), incident_id(number))


def decided(step: Step) -> Incident:
    assert step.incident is not None
    return reread(step.incident)


def opened(wait: timedelta | None = 3 * MINUTE, rules: Rules = NO_RULES) -> Incident:
    return decided(advance(None, fire(number=1, wait=wait), NOON, rules))


def after(incident: Incident, *commands: tuple[Command, datetime], rules: Rules = NO_RULES) -> Incident:
    for command, now in commands:
        incident = decided(advance(incident, command, now, rules))
    return incident


def shown(incident: Incident, now: datetime, ts: str = "1.0") -> Incident:
    """As it is once Slack shows it and its thread has been told everything."""
    ts = incident.message.ts if incident.message else ts
    while not incident.is_shown:
        incident = after(incident, (BeginDelivery("n", LEASE), now))
        told = incident.message and incident.message.shown == incident.revision
        done: Command = (
            NotesTold("n", incident.notes[-1].seq, "1.1")
            if told
            else Delivered("n", "C1", ts, incident.revision)
        )
        incident = after(incident, (done, now))
    return incident


def noted(step: Step) -> dict[NoteKind, Note]:
    """What the step added to what the thread is to be told."""
    incident = step.incident
    assert incident
    return {note.kind: note for note in incident.notes if note.seq == incident.version}


def answer(incident: Incident, command: Command, now: datetime, rules: Rules = NO_RULES) -> Reason:
    return advance(incident, command, now, rules).reason

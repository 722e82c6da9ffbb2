"""What people do to an incident: acknowledge it and take that back, put it off, hasten it, resolve it. Pure."""

from datetime import datetime, timedelta
from typing import Any

from shared.commands import (
    Acknowledge,
    Deed,
    EscalateNow,
    EventType,
    Reason,
    ResolveByHand,
    Rules,
    SnoozeFor,
    Step,
    Unacknowledge,
)
from shared.incident import Acknowledgement, Closure, Haste, Incident, Snooze, State
from shared.plan import armed_again, moved
from shared.steps import changed, moments

MAX_DEEDS = 10
"""Tokens that are remembered. Slack and browsers repeat a request within minutes; meanwhile few others act."""

_NO_LONGER = {
    State.ACKNOWLEDGED: Reason.ALREADY_ACKNOWLEDGED,
    State.ESCALATING: Reason.ESCALATION_IN_PROGRESS,
    State.ESCALATED: Reason.ALREADY_ESCALATED,
    State.RESOLVED: Reason.ALREADY_CLOSED,
    State.SUPERSEDED: Reason.ALREADY_CLOSED,
    State.EXPIRED: Reason.ALREADY_CLOSED,
}
"""Why what is for open incidents comes too late."""


def acknowledge(incident: Incident, command: Acknowledge, now: datetime, rules: Rules) -> Step:
    if not incident.can_acknowledge:
        return _refused(incident, command, now, _why_not_acknowledge(incident))
    lapses_at = None
    if rules.ack_timeout is not None and incident.deadline is not None and not incident.records:
        lapses_at = now + rules.ack_timeout
    acknowledgement = Acknowledgement(
        at=now, by=command.by, door=command.door, user=command.user, lapses_at=lapses_at
    )
    told = moments(lapses_at=lapses_at)
    update = {"acknowledgement": acknowledgement, "snooze": None, "haste": None}
    return _done(incident, command, now, Reason.ACKNOWLEDGED, told, **update)


def _why_not_acknowledge(incident: Incident) -> Reason:
    if incident.closure:
        return Reason.ALREADY_CLOSED
    if incident.is_being_escalated:
        return Reason.ESCALATION_IN_PROGRESS
    return Reason.ALREADY_ACKNOWLEDGED


def unacknowledge(incident: Incident, command: Unacknowledge, now: datetime) -> Step:
    if incident.closure:
        return _refused(incident, command, now, Reason.ALREADY_CLOSED)
    if incident.is_being_escalated:
        return _refused(incident, command, now, Reason.ESCALATION_IN_PROGRESS)
    if incident.acknowledgement is None:
        return _refused(incident, command, now, Reason.NOT_ACKNOWLEDGED)
    update = _armed_again(incident, now)
    told = moments(deadline=update["deadline"])
    return _done(incident, command, now, Reason.UNACKNOWLEDGED, told, **update)


def _armed_again(incident: Incident, now: datetime) -> dict[str, Any]:
    """What becomes of an incident that nobody has any more: its deadline is as long as it was given at first. Once it was escalated,
    its further steps come when they would have come."""
    deadline, given = incident.deadline, incident.call.wait
    if deadline is not None and not incident.record:
        deadline = now + (max(deadline - incident.opened_at, timedelta(0)) if given is None else given)
    return open_again(incident, deadline)


def open_again(incident: Incident, deadline: datetime | None) -> dict[str, Any]:
    """With that deadline. What was tried before does not bring it nearer."""
    escalation = incident.escalation.model_copy(update={"retry_at": None})
    update = {"acknowledgement": None, "deadline": deadline, "escalation": escalation}
    return update | {"further": armed_again(incident)}


def put_off(incident: Incident, deadline: datetime | None, snooze: Snooze) -> dict[str, Any]:
    escalation = incident.escalation.model_copy(update={"retry_at": None})
    update = {"deadline": deadline, "snooze": snooze, "haste": None, "escalation": escalation}
    return update | {"further": moved(incident)}


def hastened(incident: Incident, deadline: datetime | None, haste: Haste) -> dict[str, Any]:
    """An attempt that waits to be tried again is due at once, too."""
    effort = incident.escalation
    escalation = effort.model_copy(update={"retry_at": haste.at if effort.retry_at else None})
    update = {"deadline": deadline, "snooze": None, "haste": haste, "escalation": escalation}
    return update | {"further": moved(incident)}


def snooze(incident: Incident, command: SnoozeFor, now: datetime) -> Step:
    if refusal := _NO_LONGER.get(incident.state):
        return _refused(incident, command, now, refusal)
    until = now + command.span
    if incident.deadline is None:
        return _refused(incident, command, now, Reason.NOT_ON_CALL)
    if incident.deadline >= until:
        return _refused(incident, command, now, Reason.LATER_ALREADY)
    update = put_off(incident, until, Snooze(at=now, by=command.by, until=until))
    return _done(incident, command, now, Reason.SNOOZED, moments(deadline=until), **update)


def escalate_now(incident: Incident, command: EscalateNow, now: datetime) -> Step:
    if refusal := _NO_LONGER.get(incident.state):
        return _refused(incident, command, now, refusal)
    due, effort = incident.escalation_due, incident.escalation
    if due is None:
        return _refused(incident, command, now, Reason.NOT_ON_CALL)
    if due <= now or effort.lease:
        return _refused(incident, command, now, Reason.ESCALATION_IN_PROGRESS)
    deadline = min(incident.deadline or now, now)
    update = hastened(incident, deadline, Haste(at=now, by=command.by))
    return _done(incident, command, now, Reason.ESCALATION_ASKED, moments(deadline=deadline), **update)


def resolve(incident: Incident, command: ResolveByHand, now: datetime) -> Step:
    """Should it still be firing, the next notification after the time of late copies opens a new incident."""
    if incident.closure:
        return _refused(incident, command, now, Reason.ALREADY_CLOSED)
    closure = Closure(at=now, state=State.RESOLVED, by=command.by)
    return _done(incident, command, now, Reason.RESOLVED_BY_HAND, {}, closure=closure)


def lapse(incident: Incident, now: datetime) -> Step:
    """Nobody has come back to what they acknowledged: it is everybody's again."""
    due = incident.lapse_due
    if due is None or due > now:
        return Step(incident, Reason.NOT_LAPSED)
    update, forgotten = _armed_again(incident, now), incident.acknowledgement
    data = {"by": forgotten.by if forgotten else ""} | moments(deadline=update["deadline"])
    return changed(incident, now, Reason.LAPSED, EventType.LAPSED, data, visible=True, **update)


_EVENTS = {
    Reason.ACKNOWLEDGED: EventType.ACKNOWLEDGED,
    Reason.UNACKNOWLEDGED: EventType.UNACKNOWLEDGED,
    Reason.SNOOZED: EventType.SNOOZED,
    Reason.ESCALATION_ASKED: EventType.ESCALATION_ASKED,
    Reason.RESOLVED_BY_HAND: EventType.RESOLVED,
}


def _done(
    incident: Incident, command: Deed, now: datetime, reason: Reason, told: dict[str, Any], **update: Any
) -> Step:
    update |= {"deeds": remembered(incident, command.token)}
    data = _who(command) | told
    return changed(incident, now, reason, _EVENTS[reason], data, visible=True, **update)


def _refused(incident: Incident, command: Deed, now: datetime, reason: Reason) -> Step:
    """Who pressed a button in Slack sees no answer page: the refusal is an event, and told to them."""
    if not command.user:
        return Step(incident, reason)
    data = _who(command) | {"deed": command.name}
    deeds = remembered(incident, command.token)
    return changed(incident, now, reason, EventType.DEED_REFUSED, data, deeds=deeds)


def remembered(incident: Incident, token: str) -> tuple[str, ...]:
    return (*incident.deeds, token)[-MAX_DEEDS:] if token else incident.deeds


def _who(command: Deed) -> dict[str, Any]:
    given = {"user": command.user, "token": command.token}
    return {"by": command.by, "door": command.door} | {name: value for name, value in given.items() if value}

"""Claims, attempts and what came of them: the way of an incident to its record. Pure."""

from datetime import datetime

from shared.commands import Claim, EscalationFailed, EventType, Reason, RecordWritten, Step
from shared.incident import Effort, Incident, Lease, State
from shared.steps import changed, failure, is_parked, moments


def claim(incident: Incident, command: Claim, now: datetime) -> Step:
    """Once claimed, an acknowledgement can no longer slip in between our look and the record."""
    effort = incident.escalation
    due = incident.escalation_due
    if effort.held_by_another(command.token, now):
        return Step(incident, Reason.CLAIMED_BY_ANOTHER)
    if effort.held_by(command.token, now):  # the answer to this very claim was lost
        return Step(incident, Reason.CLAIMED)
    if due is None or due > now:  # `due` is not when an acknowledgement lapses
        return Step(incident, _why_not_due(incident))
    taken_over = effort.lease is not None
    doubt_until = effort.doubt_until
    if effort.lease:  # its holder fell silent, perhaps in the middle of the request
        silent_until = effort.lease.until + command.grace
        doubt_until = max(doubt_until, silent_until) if doubt_until else silent_until
    lease = Lease(token=command.token, at=now, until=now + command.lease)
    effort = effort.model_copy(update={"lease": lease, "retry_at": None, "doubt_until": doubt_until})
    reason = Reason.TAKEN_OVER if taken_over else Reason.CLAIMED
    data = {"token": command.token, "attempt": effort.attempts + 1}
    data |= moments(until=lease.until, doubt_until=doubt_until)
    return changed(
        incident, now, reason, EventType.ESCALATION_CLAIMED, data, visible=taken_over, escalation=effort
    )


def _why_not_due(incident: Incident) -> Reason:
    if incident.record:
        return Reason.ALREADY_ESCALATED
    if incident.closure:
        return Reason.ALREADY_CLOSED
    return Reason.ALREADY_ACKNOWLEDGED if incident.acknowledgement else Reason.NOT_DUE


def record_written(incident: Incident, command: RecordWritten, now: datetime) -> Step:
    """The record exists whoever wrote it, so this counts even from a worker that has lost its lease."""
    record = command.record
    if incident.record and incident.record.sys_id == record.sys_id:
        return Step(incident, Reason.ALREADY_ESCALATED)
    if incident.record:
        second = record.model_dump(mode="json")
        return changed(incident, now, Reason.DUPLICATE_RECORD, EventType.ESCALATED, second)
    data = record.model_dump(mode="json") | {"late_seconds": incident.lateness(record.at).total_seconds()}
    return changed(
        incident,
        now,
        Reason.ESCALATED,
        EventType.ESCALATED,
        data,
        visible=True,
        record=record,
        escalation=Effort(attempts=incident.escalation.attempts),
    )


def _put_off(incident: Incident) -> bool:
    """Whether the deadline was moved since the claim: then it is that deadline's turn."""
    lease, deadline = incident.escalation.lease, incident.deadline
    return lease is not None and deadline is not None and deadline > lease.at


def escalation_failed(incident: Incident, command: EscalationFailed, now: datetime) -> Step:
    effort = incident.escalation
    if incident.record or effort.lease is None or effort.lease.token != command.token:
        return Step(incident, Reason.LEASE_LOST)
    tried = effort.attempts + (not command.looked_only)
    settled = Effort(
        attempts=tried,
        error=command.error,
        parked=is_parked(effort, command.looked_only, command.needs_person),
    )
    reason = Reason.CALLED_OFF
    if command.doubt is not None:
        reason = Reason.ESCALATION_IN_DOUBT
        doubt_until = now + command.doubt
        settled = settled.model_copy(update={"retry_at": now + command.retry_in, "doubt_until": doubt_until})
    elif incident.awaits_escalation and not _put_off(incident):
        reason = Reason.ESCALATION_FAILED
        settled = settled.model_copy(update={"retry_at": now + command.retry_in})
    data = failure(settled)
    visible = not command.looked_only or incident.state is State.ESCALATING  # which a message may say by now
    return changed(
        incident, now, reason, EventType.ESCALATION_FAILED, data, visible=visible, escalation=settled
    )

"""Claims, attempts and what came of them: the way of an incident to its record, at each step of on-call. Pure."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.commands import CallAgain, Claim, EscalationFailed, EventType, Reason, RecordWritten, Step
from shared.efforts import failed, is_over_long, leased
from shared.incident import Effort, Incident, Record, State
from shared.notification import SLACK
from shared.steps import at_step, changed, failure, moments


def claim(incident: Incident, command: Claim, now: datetime) -> Step:
    """Once claimed, an acknowledgement can no longer slip in between our look and the record."""
    step = command.step
    if step not in incident.steps or incident.target_of(step)[0] == SLACK:
        return Step(incident, Reason.NOT_DUE)
    effort, due = incident.effort(step), incident.step_due(step)
    if effort.held_by_another(command.token, now):
        return Step(incident, Reason.CLAIMED_BY_ANOTHER)
    if effort.held_by(command.token, now):  # the answer to this very claim was lost
        return Step(incident, Reason.CLAIMED)
    if due is None or due > now:
        return Step(incident, _why_not_due(incident, step))
    taken_over = effort.lease is not None
    effort = leased(effort, command, now)
    reason = Reason.TAKEN_OVER if taken_over else Reason.CLAIMED
    data = {"token": command.token, "attempt": effort.attempts + 1} | at_step(step)
    data |= moments(until=now + command.lease, doubt_until=effort.doubt_until)
    update = incident.with_step(step, effort=effort)
    return changed(incident, now, reason, EventType.ESCALATION_CLAIMED, data, visible=taken_over, **update)


def _why_not_due(incident: Incident, step: int) -> Reason:
    if incident.record_of(step):
        return Reason.ALREADY_ESCALATED
    if incident.closure:
        return Reason.ALREADY_CLOSED
    return Reason.ALREADY_ACKNOWLEDGED if incident.acknowledgement else Reason.NOT_DUE


def record_written(incident: Incident, command: RecordWritten, now: datetime) -> Step:
    """The record exists whoever wrote it, so this counts even from a worker that has lost its lease."""
    record, step = command.record, command.step
    if step not in incident.steps:
        return Step(incident, Reason.NOT_DUE)
    known = incident.record_of(step)
    if known and known.sys_id == record.sys_id:
        return Step(incident, Reason.ALREADY_ESCALATED)
    data = _told(record) | at_step(step)
    if known:
        return changed(incident, now, Reason.DUPLICATE_RECORD, EventType.ESCALATED, data)
    data |= {"late_seconds": incident.lateness(record.at, step).total_seconds()}
    settled = Effort(attempts=incident.effort(step).attempts)
    update = incident.with_step(step, record=record, effort=settled)
    return changed(incident, now, Reason.ESCALATED, EventType.ESCALATED, data, visible=True, **update)


_ALWAYS_TOLD = {"sys_id", "number", "url", "instance", "at"}


def _told(record: Record) -> dict[str, Any]:
    said = record.model_dump(mode="json", exclude={"news", "update"}, exclude_defaults=True)
    return record.model_dump(mode="json", include=_ALWAYS_TOLD) | said


def _put_off(incident: Incident, step: int) -> bool:
    """Whether the deadline was moved since the claim: then it is that deadline's turn."""
    lease, deadline = incident.effort(step).lease, incident.due_at(step)
    return lease is not None and deadline is not None and deadline > lease.at


def escalation_failed(incident: Incident, command: EscalationFailed, now: datetime) -> Step:
    step = command.step
    effort = incident.effort(step) if step in incident.steps else Effort()
    if effort.lease is None or effort.lease.token != command.token or incident.record_of(step):
        return Step(incident, Reason.LEASE_LOST)
    if is_over_long(incident, now):
        command = replace(command, doubt=None)
    wanted = incident.awaits(step) and not _put_off(incident, step)
    settled = failed(effort, command, now, wanted=wanted)
    reason = Reason.ESCALATION_FAILED if wanted else Reason.CALLED_OFF
    if command.doubt is not None:
        reason = Reason.ESCALATION_IN_DOUBT
    data = failure(settled) | at_step(step)
    visible = not command.looked_only or incident.state is State.ESCALATING  # which a message may say by now
    update = incident.with_step(step, effort=settled)
    return changed(incident, now, reason, EventType.ESCALATION_FAILED, data, visible=visible, **update)


def call_again(incident: Incident, command: CallAgain, now: datetime) -> Step:
    """Slack is told by the note that comes with the event: once, however often that has to be tried."""
    calls = command.step in incident.steps and incident.target_of(command.step)[0] == SLACK
    due = incident.step_due(command.step) if calls else None
    if due is None or due > now:
        return Step(incident, Reason.NOT_DUE)
    if incident.digest:  # it has no thread of its own, and nobody may believe that somebody was called
        told, skipped = at_step(command.step), incident.with_step(command.step, skipped=True)
        return changed(incident, now, Reason.NO_THREAD, EventType.CALLED_AGAIN, told, **skipped)
    data = {"mention": list(incident.call.steps[command.step - 1].mention)} | at_step(command.step)
    data |= moments(deadline=incident.deadline if incident.awaits_escalation else None)
    update = incident.with_step(command.step, called_at=now)
    return changed(incident, now, Reason.CALLED_AGAIN, EventType.CALLED_AGAIN, data, visible=True, **update)

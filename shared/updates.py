"""What a record is told of its incident's life: claims, attempts, and what came of them. Pure."""

from datetime import datetime
from typing import Any

from shared.commands import ClaimUpdate, EventType, Reason, RecordUpdated, Step, UpdateFailed
from shared.efforts import failed, is_over_long, leased
from shared.incident import Effort, Incident, Record
from shared.steps import at_step, changed, failure


def claim_update(incident: Incident, command: ClaimUpdate, now: datetime) -> Step:
    record = _record(incident, command.step)
    if record is None or not record.news:
        return Step(incident, Reason.ALREADY_UPDATED)
    effort = record.update
    if effort.held_by_another(command.token, now):
        return Step(incident, Reason.CLAIMED_BY_ANOTHER)
    if effort.held_by(command.token, now):
        return Step(incident, Reason.UPDATE_CLAIMED)
    if record.update_due is None or record.update_due > now:
        return Step(incident, Reason.NOT_DUE)
    reason = Reason.UPDATE_TAKEN_OVER if effort.lease else Reason.UPDATE_CLAIMED
    update = _with(incident, command.step, update=leased(effort, command, now))
    return changed(incident, now, reason, **update)


def record_updated(incident: Incident, command: RecordUpdated, now: datetime) -> Step:
    """It knows, whoever told it, so this counts even from a worker that has lost its lease."""
    record = _record(incident, command.step)
    if record is None:
        return Step(incident, Reason.ALREADY_UPDATED)
    left = tuple(one for one in record.news if one.seq > command.upto)
    lease = record.update.lease
    settled = record.update if lease and lease.token != command.token else Effort()
    if left == record.news and settled == record.update:
        return Step(incident, Reason.ALREADY_UPDATED)
    data = {"upto": command.upto, "outcome": command.outcome} | at_step(command.step)
    update = _with(incident, command.step, news=left, update=settled)
    return changed(incident, now, Reason.RECORD_UPDATED, EventType.RECORD_UPDATED, data, **update)


def update_failed(incident: Incident, command: UpdateFailed, now: datetime) -> Step:
    record = _record(incident, command.step)
    lease = record.update.lease if record else None
    if record is None or lease is None or lease.token != command.token:
        return Step(incident, Reason.LEASE_LOST)
    settled, left = failed(record.update, command, now, wanted=True), record.news
    reason = Reason.UPDATE_FAILED if command.doubt is None else Reason.UPDATE_IN_DOUBT
    data = failure(settled) | at_step(command.step)
    if is_over_long(incident, now):
        settled, left, reason = Effort(), (), Reason.UPDATE_GIVEN_UP
    update = _with(incident, command.step, update=settled, news=left)
    return changed(incident, now, reason, EventType.RECORD_UPDATE_FAILED, data, **update)


def _record(incident: Incident, step: int) -> Record | None:
    return incident.record_of(step) if step in incident.steps else None


def _with(incident: Incident, step: int, **update: Any) -> dict[str, Any]:
    record = incident.record_of(step)
    return incident.with_step(step, record=record and record.model_copy(update=update))

"""Leases, doubts and failures of one outside effect, whichever it is: an escalation, or what its record is told. Pure."""

from datetime import datetime, timedelta
from typing import Any

from shared.commands import Claim, ClaimUpdate, EscalationFailed, Stage
from shared.incident import Effort, Incident, Lease
from shared.steps import is_parked

GIVEN_UP_AFTER = timedelta(days=30)
"""Since its end: what has not come through by then, nobody wants to know any more. Redis must not keep it for ever."""


def is_over_long(incident: Incident, now: datetime) -> bool:
    return incident.closure is not None and now - incident.closure.at > GIVEN_UP_AFTER


def leased(effort: Effort, command: Claim | ClaimUpdate, now: datetime) -> Effort:
    """`effort`, held by who claims it. Its holder until now fell silent, perhaps in the middle of the request: then it is in doubt
    for as long as that may take effect."""
    doubt_until = effort.doubt_until
    if effort.lease:
        silent_until = effort.lease.until + command.grace
        doubt_until = max(doubt_until, silent_until) if doubt_until else silent_until
    lease = Lease(token=command.token, at=now, until=now + command.lease)
    return effort.model_copy(update={"lease": lease, "retry_at": None, "doubt_until": doubt_until})


def failed(effort: Effort, command: EscalationFailed, now: datetime, *, wanted: bool) -> Effort:
    """What is left of `effort` after a failure. `wanted`: it is to be tried again."""
    settled = Effort(
        attempts=effort.attempts + (not command.looked_only),
        error=command.error,
        parked=is_parked(effort, command.looked_only, command.needs_person),
    )
    if command.doubt is not None:
        again = {"retry_at": now + command.retry_in, "doubt_until": now + command.doubt}
        return settled.model_copy(update=again)
    return settled.model_copy(update={"retry_at": now + command.retry_in}) if wanted else settled


def retried(incident: Incident, stage: Stage, now: datetime) -> dict[str, Any]:
    """What to set so that whatever waits for its next try at that stage is due now. Empty: nothing waits."""
    if stage is Stage.DELIVERY:
        return {"delivery": _at_once(incident.delivery, now)} if incident.delivery.backing_off(now) else {}
    after = incident
    for step in incident.steps:
        if (effort := after.effort(step)).backing_off(now):
            after = after.model_copy(update=after.with_step(step, effort=_at_once(effort, now)))
        if (record := after.record_of(step)) and record.update.backing_off(now):
            hasty = record.model_copy(update={"update": _at_once(record.update, now)})
            after = after.model_copy(update=after.with_step(step, record=hasty))
    names = ("escalation", "record", "further")
    return {name: getattr(after, name) for name in names if getattr(after, name) != getattr(incident, name)}


def _at_once(effort: Effort, now: datetime) -> Effort:
    return effort.model_copy(update={"retry_at": now})

"""Brings an incident that nobody acknowledged to where it is to go: claim, look, write, record. One record, whatever happens.

What a record is to be told afterwards takes the same way.
"""

import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from services.escalator.outcomes import AT_ONCE, doubt_after, doubt_left, not_reached, put_off, report
from services.escalator.target import Attempt, EscalationError, Found, Target, lease
from services.escalator.targets import Targets, needs_target
from shared.commands import (
    CallAgain,
    Claim,
    ClaimUpdate,
    Command,
    EscalationFailed,
    Lapse,
    Reason,
    RecordUpdated,
    RecordWritten,
    UpdateFailed,
)
from shared.identity import is_incident_id
from shared.incident import Duty, Effort, Incident, Record, Task
from shared.store import Store
from shared.stream import Entry, UndecodableError

SOON = timedelta(seconds=1.5)
"""A deadline nearer than this must not wait for the poller's nap to end."""

_OURS = (Reason.CLAIMED, Reason.TAKEN_OVER, Reason.UPDATE_CLAIMED, Reason.UPDATE_TAKEN_OVER)


class Escalator:
    """`wake`: called when something is due soon."""

    def __init__(self, store: Store, targets: Targets, wake: Callable[[], None]) -> None:
        self._store = store
        self._targets = targets
        self._wake = wake
        self._log = structlog.get_logger()

    async def handle(self, entry: Entry) -> None:
        """Arm or clear the incident's deadline, as its current state says."""
        if not is_incident_id(entry.incident_id):
            raise UndecodableError(f"entry {entry.id}: {entry.incident_id[:80]!r} is not an incident id")
        loaded = await self._store.load(entry.incident_id)
        if loaded.incident is None:
            return
        await self._store.schedule(loaded.incident)
        due = loaded.incident.attention_due
        if due is not None and due - loaded.now < SOON:
            self._wake()

    async def escalate(self, incident_id: str, target: Target | None = None) -> None:
        """All that is due for this incident, or what of it leads to that target; nothing, when somebody else was faster or it is
        over."""
        incident, due = await self._due(incident_id)
        done = False
        for duty in due:
            whose = self._targets.of(incident, duty) if incident and needs_target(duty) else None
            if target is None or target is whose:
                done |= await (
                    self._reach(incident_id, duty, whose) if whose else self._decide(incident_id, duty)
                )
        if not done:
            await self._store.settle(incident_id)

    async def tend(self, incident_id: str) -> None:
        """What is due for this incident and needs nobody outside."""
        _, due = await self._due(incident_id)
        done = [await self._decide(incident_id, duty) for duty in due if not needs_target(duty)]
        if not any(done):
            await self._store.settle(incident_id)

    async def _due(self, incident_id: str) -> tuple[Incident | None, list[Duty]]:
        loaded = await self._store.load(incident_id)
        duties = loaded.incident.duties if loaded.incident else ()
        return loaded.incident, [duty for duty in duties if duty.at <= loaded.now]

    async def _decide(self, incident_id: str, duty: Duty) -> bool:
        """False: there was nothing to do."""
        command = Lapse() if duty.task is Task.LAPSE else CallAgain(duty.step)
        step = await self._store.apply(incident_id, command)
        self._log.info(str(duty.task), incident=incident_id, reason=step.reason)
        return bool(step.changes)

    async def _is_called_off(self, incident_id: str, step: int) -> bool:
        """Acknowledged, and no attempt from before that has yet to be found out about."""
        if not await self._store.is_acknowledged(incident_id):
            return False
        incident = (await self._store.load(incident_id)).incident
        return incident is None or incident.step_due(step) is None

    async def _reach(self, incident_id: str, duty: Duty, target: Target) -> bool:
        """False: there was nothing to do."""
        if duty.task is Task.ESCALATE and await self._is_called_off(incident_id, duty.step):
            self._log.info("not_escalated", incident=incident_id, reason=Reason.ALREADY_ACKNOWLEDGED)
            return False
        token, started, span = secrets.token_hex(8), time.monotonic(), lease(target)
        kind = ClaimUpdate if duty.task is Task.UPDATE_RECORD else Claim
        claim = await self._store.apply(incident_id, kind(token, span, target.grace, duty.step))
        if claim.incident is None or claim.reason not in _OURS:
            self._log.info("not_escalated", incident=incident_id, reason=claim.reason)
            return False
        latest = started + (span - target.timeout).total_seconds()
        effort = _effort(claim.incident, duty)
        at = effort.lease.at if effort.lease else duty.at
        attempt = Attempt(
            claim.incident, duty.step, at, token, effort, is_late=lambda: time.monotonic() > latest
        )
        act = _tell if duty.task is Task.UPDATE_RECORD else _bring
        outcome = await act(attempt, target, started)
        done = await self._store.apply(incident_id, outcome)
        report(attempt, target, outcome, done.reason)
        return True


async def _bring(attempt: Attempt, target: Target, started: float) -> Command:
    """Look for the record; write it when it is not there and we may. `started`: monotonic time before the claim."""
    incident, step, doubt = attempt.incident, attempt.step, doubt_left(attempt)
    try:
        found = await target.find(incident, step)
    except EscalationError as error:
        return not_reached(EscalationFailed, attempt, error, doubt)
    if found is None:
        if refusal := _why_not_write(attempt, target):
            return refusal
        sent = time.monotonic()
        try:
            found = await target.create(attempt)
        except EscalationError as error:
            doubt = doubt_after(error, attempt, target, _spent(sent))
            return not_reached(EscalationFailed, attempt, error, doubt)
    at = attempt.at + timedelta(seconds=time.monotonic() - started)
    return RecordWritten(attempt.token, record_of(found, target, at), step)


def _why_not_write(attempt: Attempt, target: Target) -> Command | None:
    """The record is not there. None: write it."""
    incident, step = attempt.incident, attempt.step
    due = incident.due_at(step)
    moved = due is not None and due > attempt.at
    if due and moved and incident.awaits(step) and attempt.effort.doubt_until and not target.grace:
        # Whether it was told cannot be found out; so it is told (again) at its new time, and stays in doubt until then.
        error, wait = attempt.effort.error or "called off", due - attempt.at
        return EscalationFailed(attempt.token, error, wait, doubt=AT_ONCE, looked_only=True, step=step)
    if (moved or not incident.awaits(step)) and not doubt_left(attempt):
        return EscalationFailed(attempt.token, "called off", timedelta(0), step=step)
    return put_off(EscalationFailed, attempt, target)


async def _tell(attempt: Attempt, target: Target, _started: float) -> Command:
    """Look what the record knows; tell it the rest when we may."""
    record, step, token = attempt.incident.record_of(attempt.step), attempt.step, attempt.token
    assert record is not None  # noqa: S101  for the type checker: it was just claimed
    last = record.news[-1].seq
    try:
        _check_place(record, target)
        found = await target.find(attempt.incident, step, record)
    except EscalationError as error:
        return not_reached(UpdateFailed, attempt, error, doubt_left(attempt))
    if found is None or found.is_closed:
        return RecordUpdated(token, last, "closed by hand" if found else "gone", step)
    if found.told >= record.news[0].seq:
        # So an attempt in doubt has taken effect, and what it did not say yet need not wait for the end of the doubt.
        return RecordUpdated(token, found.told, "knows already", step)
    if refusal := put_off(UpdateFailed, attempt, target):
        return refusal
    sent = time.monotonic()
    try:
        return RecordUpdated(token, last, await target.update(attempt, record, record.news), step)
    except EscalationError as error:
        return not_reached(UpdateFailed, attempt, error, doubt_after(error, attempt, target, _spent(sent)))


def _check_place(record: Record, target: Target) -> None:
    """Who stands in where something is not configured any more can open another record, and knows nothing of this one. Raises
    EscalationError."""
    name, known = record.instance or "", target.instance or ""
    if (record.target, name.lower()) != (target.kind, known.lower()):
        place = f"oncall.{record.target}" + (f".other_instance_urls.{name}" if name else "")
        words = f"{place} is not configured (any more), and {record.number or 'the record'} is there"
        raise EscalationError(words, needs_person=True)


def _spent(since: float) -> timedelta:
    return timedelta(seconds=time.monotonic() - since)


def _effort(incident: Incident, duty: Duty) -> Effort:
    record = incident.record_of(duty.step)
    return record.update if duty.task is Task.UPDATE_RECORD and record else incident.effort(duty.step)


def record_of(found: Found, target: Target, at: datetime) -> Record:
    return Record(
        sys_id=found.sys_id,
        number=found.number,
        url=found.url,
        instance=target.instance,
        at=at,
        target=target.kind,
        parent=found.parent,
        wants=target.wants if found.wants is None else found.wants,
    )

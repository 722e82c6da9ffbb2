"""Brings an incident that nobody acknowledged to ServiceNow: claim, look, write, record. One record, whatever happens."""

import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from services.escalator.flaws import tell_flaws, tell_refusal
from services.escalator.instances import Instance, Instances
from services.escalator.mapping import Mappings, default_fields
from services.escalator.servicenow import EscalationError, Row, ServiceNow
from shared import metrics
from shared.backoff import NEEDS_PERSON, backoff
from shared.commands import Claim, Command, EscalationFailed, Lapse, Reason, RecordWritten
from shared.failures import tell_failure
from shared.identity import is_incident_id
from shared.incident import Incident, Record
from shared.keys import OPEN_LIFETIME
from shared.store import Store
from shared.stream import Entry, UndecodableError

SERVER_GRACE = timedelta(seconds=65)
"""ServiceNow may finish a transaction up to 60 s after we stopped waiting for it."""

LOOK_AGAIN = timedelta(seconds=10)
"""How often to look for a record that an attempt in doubt may have made."""

TIME_TO_COMMIT = timedelta(seconds=10)
"""What a lease allows beyond the calls themselves."""

SOON = timedelta(seconds=1.5)
"""A deadline nearer than this must not wait for the poller's nap to end."""


class Escalator:
    """`timeout`: of one call to ServiceNow."""

    def __init__(
        self,
        store: Store,
        servicenow: ServiceNow,
        instances: Instances,
        mappings: Mappings,
        timeout: timedelta,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._servicenow = servicenow
        self._instances = instances
        self._mappings = mappings
        self._timeout = timeout
        # Looking and writing, each with its own time limit, and time to commit. An attempt is over before its lease is.
        self._lease = 2 * timeout + TIME_TO_COMMIT
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

    async def escalate(self, incident_id: str) -> None:
        """What is due for this incident: a claim and an attempt; nothing, when somebody else was faster or it is over."""
        token, started = secrets.token_hex(8), time.monotonic()
        if await self._store.is_acknowledged(incident_id) and not await self._is_in_doubt(incident_id):
            reason, incident = await self._lapse(incident_id), None
        else:
            claim = await self._store.apply(incident_id, Claim(token, self._lease, SERVER_GRACE))
            reason, incident = claim.reason, claim.incident
        if incident is None or reason not in (Reason.CLAIMED, Reason.TAKEN_OVER):
            self._log.info("not_escalated", incident=incident_id, reason=reason)
            await self._store.settle(incident_id)
            return
        outcome = await self._attempt(incident, token, started)
        done = await self._store.apply(incident_id, outcome)
        self._report(incident, outcome, done.reason)

    async def _lapse(self, incident_id: str) -> Reason:
        """Whether it was the acknowledgement that was due: to be forgotten."""
        reason = (await self._store.apply(incident_id, Lapse())).reason
        return Reason.ALREADY_ACKNOWLEDGED if reason is Reason.NOT_LAPSED else reason

    async def _is_in_doubt(self, incident_id: str) -> bool:
        """Whether an attempt from before the acknowledgement has yet to be found out about."""
        incident = (await self._store.load(incident_id)).incident
        return incident is not None and incident.escalation_due is not None

    async def _attempt(self, incident: Incident, token: str, started: float) -> Command:
        """Look for the record; write it when it is not there and we may. `started`: monotonic time before the claim."""
        instance = self._instances.named(incident.call.instance)
        if instance.name != incident.call.instance:
            self._log.warning(
                "instance_not_configured", incident=incident.id, instance=incident.call.instance
            )
        try:
            row = await self._servicenow.find(instance, incident.id)
        except EscalationError as error:
            return _failed(incident, token, error, doubt=_doubt_left(incident))
        if row is None:
            if refusal := self._why_not_write(incident, token, started):
                return refusal
            try:
                row = await self._write(instance, incident, started)
            except EscalationError as error:
                return _failed(incident, token, error, doubt=_doubt_after(error))
        link = self._servicenow.link(instance, row)
        at = _claimed_at(incident) + timedelta(seconds=time.monotonic() - started)
        return RecordWritten(token, record_of(row, link, instance.name, at))

    def _why_not_write(self, incident: Incident, token: str, started: float) -> Command | None:
        """The record is not there. None: write it."""
        doubt = _doubt_left(incident)
        put_off = incident.deadline is not None and incident.deadline > _claimed_at(incident)
        if (put_off or not incident.awaits_escalation) and not doubt:
            return EscalationFailed(token, "called off", timedelta(0))
        if doubt:
            error = incident.escalation.error or "an earlier attempt was cut short"
            again = LOOK_AGAIN if doubt <= SERVER_GRACE + self._lease else NEEDS_PERSON
            return EscalationFailed(token, error, min(again, doubt), doubt=doubt, looked_only=True)
        if self._is_late(started):
            return EscalationFailed(token, "stalled before the request", timedelta(0), looked_only=True)
        return None

    def _is_late(self, started: float) -> bool:
        """We were stalled: somebody else may have taken over by the time that a request of ours arrives."""
        return time.monotonic() - started > (self._lease - self._timeout).total_seconds()

    async def _write(self, instance: Instance, incident: Incident, started: float) -> Row:
        """With the fields that are configured; where ServiceNow refuses them, with the default ones. Raises EscalationError."""
        at = _claimed_at(incident)
        fields, default = self._mappings.render(incident, at, instance.name), default_fields(incident, at)
        tell_flaws(incident.id, fields.flaws)
        try:
            return await self._servicenow.create(instance, incident.id, fields.values)
        except EscalationError as error:
            if not error.refused or fields.values == default:
                raise
            refusal = error
        # A rule may have refused what was already inserted: as ever, only who has looked may write.
        if row := await self._servicenow.find(instance, incident.id):
            return row
        if self._is_late(started):
            raise refusal
        row = await self._servicenow.create(instance, incident.id, default)
        refused = [field for field, _ in fields.values.items() - default.items()]
        tell_refusal(incident.id, str(refusal), refused)
        return row

    def _report(self, incident: Incident, outcome: Command, reason: Reason) -> None:
        metrics.ESCALATIONS.labels(reason).inc()
        if isinstance(outcome, RecordWritten):
            late = incident.lateness(outcome.record.at)
            metrics.ESCALATION_LATENESS.observe(late.total_seconds())
            number = outcome.record.number
            self._log.info("escalated", incident=incident.id, reason=reason, record=number, late=str(late))
        elif isinstance(outcome, EscalationFailed):
            tell_failure("not_escalated", "servicenow", incident.id, outcome, reason)


def record_of(row: Row, link: str, instance: str | None, at: datetime) -> Record:
    return Record(sys_id=row.sys_id, number=row.number, url=link, instance=instance, at=at)


def _failed(
    incident: Incident, token: str, error: EscalationError, doubt: timedelta | None
) -> EscalationFailed:
    if error.put_off:
        told = incident.escalation.error or str(error)
        return EscalationFailed(token, told, error.retry_after, doubt=doubt, looked_only=True)
    wait = backoff(
        incident.escalation.attempts, retry_after=error.retry_after, needs_person=error.needs_person
    )
    wait = min(wait, LOOK_AGAIN) if doubt and not error.retry_after and not error.needs_person else wait
    return EscalationFailed(token, str(error), wait, doubt=doubt, needs_person=error.needs_person)


def _doubt_after(error: EscalationError) -> timedelta | None:
    if error.unseen:
        return OPEN_LIFETIME  # for as long as the incident lives: we look, and never write again
    return SERVER_GRACE if error.in_doubt else None


def _doubt_left(incident: Incident) -> timedelta | None:
    """How long an earlier attempt may still take effect, at the time of the claim; zero when only a look is missing."""
    until = incident.escalation.doubt_until
    return max(until - _claimed_at(incident), timedelta(0)) if until else None


def _claimed_at(incident: Incident) -> datetime:
    assert incident.escalation.lease is not None  # noqa: S101  for the type checker: it was just claimed
    return incident.escalation.lease.at

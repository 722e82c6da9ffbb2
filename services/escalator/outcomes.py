"""What an attempt that brought nothing means for the next one: when, and after which doubts. Pure, but for the report."""

from datetime import timedelta

import structlog

from services.escalator.target import Attempt, EscalationError, Target, lease
from shared import metrics
from shared.backoff import NEEDS_PERSON, RAREST, backoff
from shared.commands import Command, EscalationFailed, Reason, RecordUpdated, RecordWritten, UpdateFailed
from shared.failures import tell_failure
from shared.keys import OPEN_LIFETIME

LOOK_AGAIN = timedelta(seconds=10)
"""How often to look for what an attempt in doubt may have left."""

AT_ONCE = timedelta(0)
Failure = type[EscalationFailed]


def not_reached(
    kind: Failure, attempt: Attempt, error: EscalationError, doubt: timedelta | None
) -> EscalationFailed:
    """`doubt`: how long an attempt may still take effect; zero: only a look is missing; None: it surely did not."""
    effort, token, step = attempt.effort, attempt.token, attempt.step
    if error.put_off:
        told = effort.error or str(error)
        return kind(token, told, error.retry_after, doubt=doubt, looked_only=True, step=step)
    patient = kind is UpdateFailed or attempt.incident.closure is not None
    wait = backoff(
        effort.attempts, retry_after=error.retry_after, needs_person=error.needs_person, patient=patient
    )
    wait = min(wait, LOOK_AGAIN) if doubt and not error.retry_after and not error.needs_person else wait
    return kind(token, str(error), wait, doubt=doubt, needs_person=error.needs_person, step=step)


def put_off(kind: Failure, attempt: Attempt, target: Target) -> EscalationFailed | None:
    """What is looked for is not there. None: no earlier attempt can bring it any more, so it may be written."""
    if doubt := doubt_left(attempt):
        error = attempt.effort.error or "an earlier attempt was cut short"
        again = LOOK_AGAIN if doubt <= target.grace + lease(target) else _ever_more_rarely(doubt)
        return kind(attempt.token, error, min(again, doubt), doubt=doubt, looked_only=True, step=attempt.step)
    if attempt.is_late():
        words = "stalled before the request"
        return kind(attempt.token, words, AT_ONCE, doubt=doubt, looked_only=True, step=attempt.step)
    return None


def _ever_more_rarely(doubt: timedelta) -> timedelta:
    """What is not shown to us is seldom shown later."""
    return min(max((OPEN_LIFETIME - doubt) / 10, NEEDS_PERSON), RAREST)


def doubt_after(
    error: EscalationError, attempt: Attempt, target: Target, spent: timedelta
) -> timedelta | None:
    """Who was looked for in vain was not there; what cannot be looked for stays in doubt until an answer comes. `spent`: since the
    request was sent. A connection that breaks at once does not stop the other side any sooner than our time limit would have."""
    if error.unseen:
        return OPEN_LIFETIME  # for as long as the incident lives: we look, and never write again
    if error.in_doubt:
        return target.grace and target.grace + max(target.timeout - spent, AT_ONCE)
    return None if target.grace else doubt_left(attempt)


def doubt_left(attempt: Attempt) -> timedelta | None:
    """How long an earlier attempt may still take effect, at the time of the claim; zero when only a look is missing."""
    until = attempt.effort.doubt_until
    return max(until - attempt.at, AT_ONCE) if until else None


def report(attempt: Attempt, target: Target, outcome: Command, reason: Reason) -> None:
    incident, log = attempt.incident, structlog.get_logger()
    if isinstance(outcome, RecordUpdated):
        log.info(
            "record_updated",
            incident=incident.id,
            target=target.gate.label,
            reason=reason,
            how=outcome.outcome,
        )
    elif isinstance(outcome, UpdateFailed):
        tell_failure("record_not_updated", target.kind, incident.id, outcome, reason)
    else:
        metrics.ESCALATIONS.labels(reason).inc()
    if isinstance(outcome, RecordWritten):
        late = incident.lateness(outcome.record.at, outcome.step)
        metrics.ESCALATION_LATENESS.observe(late.total_seconds())
        number = outcome.record.number
        log.info("escalated", incident=incident.id, reason=reason, record=number, late=str(late))
    elif isinstance(outcome, EscalationFailed) and not isinstance(outcome, UpdateFailed):
        tell_failure("not_escalated", target.kind, incident.id, outcome, reason)

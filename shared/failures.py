"""An attempt that failed, told in the log and in the metrics the same way whatever it was an attempt at."""

import structlog

from shared import metrics
from shared.commands import DeliveryFailed, EscalationFailed, Reason


def tell_failure(
    event: str, target: str, incident_id: str, outcome: DeliveryFailed | EscalationFailed, reason: Reason
) -> None:
    """`event`: what did not happen, as in `not_escalated`. `target`: who did not take it. What needs a person is an error."""
    details = {
        "incident": incident_id,
        "reason": reason,
        "error": outcome.error,
        "retry_in": round(outcome.retry_in.total_seconds(), 1),
    }
    if outcome.needs_person:
        metrics.PARKED.labels(target).inc()
        structlog.get_logger().error("parked", target=target, **details)
    else:
        structlog.get_logger().warning(event, **details)

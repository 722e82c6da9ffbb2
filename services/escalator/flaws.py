"""What is not right about the fields of a record, told in the log and in the metrics. The record is written all the same."""

from collections.abc import Collection, Iterable

import structlog

from services.escalator.mapping import Flaw
from shared import metrics


def tell_flaws(incident_id: str, flaws: Iterable[Flaw]) -> None:
    for flaw in flaws:
        if flaw.left_out:
            metrics.FIELDS_LEFT_OUT.labels(flaw.field).inc()
        event = "field_left_out" if flaw.left_out else "field_cut"
        structlog.get_logger().warning(event, incident=incident_id, field=flaw.field, error=flaw.why)


def tell_refusal(incident_id: str, error: str, fields: Collection[str]) -> None:
    """ServiceNow refused the record with its mapped fields, and took it without these. A person must mend the mapping."""
    for field in fields:
        metrics.FIELDS_LEFT_OUT.labels(field).inc()
    structlog.get_logger().error("fields_refused", incident=incident_id, error=error, fields=sorted(fields))

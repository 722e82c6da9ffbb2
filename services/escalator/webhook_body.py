"""What a webhook is told: a JSON object for each thing that happened to an incident. Pure; docs/oncall.md describes it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.escalator.vocabulary import Escalation, vocabulary
from shared.incident import Incident, News, NewsKind

ESCALATED = "escalated"

MAX_ALERTS = 100
"""Beyond them only their number is told: receivers limit how much they take."""

_TOLD = (
    *("id", "title", "severity", "severity_rank", "summary", "resource", "source", "labels", "annotations"),
    *("firing", "truncated", "links", "opened_at", "timeline", "slack_url", "ack_url", "console_url"),
)
"""Names of services/escalator/vocabulary.py."""


@dataclass(frozen=True)
class Event:
    """`id`: the same each time that the same thing is told. `body`: as it is signed and sent."""

    id: str
    name: str
    body: bytes


def escalation(incident: Incident, step: int, told: Escalation) -> Event:
    """Nobody has acknowledged, and it is this step's turn."""
    data = {"step": step, "incident": _incident(incident, told)}
    return _event(escalation_id(incident, step), ESCALATED, told.at, data)


def update(incident: Incident, step: int, news: Sequence[News], told: Escalation) -> Event:
    """What happened since, in one call, named after what counts most. `news`: oldest first, at least one; none without a number
    higher than all before."""
    latest = news[-1]
    data = {
        "step": step,
        "incident": _incident(incident, told),
        "news": [{"seq": one.seq, "at": one.at, "kind": str(one.kind), **one.data} for one in news],
    }
    return _event(f"{incident.id}-{step}-{latest.seq}", str(_what_counts(news)), latest.at, data)


def escalation_id(incident: Incident, step: int) -> str:
    return f"{incident.id}-{step}-{ESCALATED}"


def _what_counts(news: Sequence[News]) -> NewsKind:
    """Over is over; who has it now is what the latest word on it says; that alerts changed comes last."""
    kinds = [one.kind for one in reversed(news)]
    if NewsKind.CLOSED in kinds:
        return NewsKind.CLOSED
    return next((kind for kind in kinds if kind is not NewsKind.UPDATED), NewsKind.UPDATED)


def _incident(incident: Incident, told: Escalation) -> dict[str, Any]:
    names = vocabulary(incident, told)
    acknowledgement, closure = incident.acknowledgement, incident.closure
    return {
        **{name: names[name] for name in _TOLD},
        "state": str(incident.state),
        "alerts": names["alerts"][:MAX_ALERTS],
        "alert_count": len(incident.alerts),
        "acknowledged": acknowledgement and {"at": acknowledgement.at, "by": acknowledgement.by},
        "closed": closure and {"at": closure.at, "state": str(closure.state), "by": closure.by},
        "records": [
            {"target": record.target, "instance": record.instance, "number": record.number, "url": record.url}
            for record in incident.records
        ],
    }


def _event(id_: str, name: str, at: datetime, data: dict[str, Any]) -> Event:
    body = {"type": f"incident.{name}", "timestamp": at, "data": data}
    return Event(id_, name, json.dumps(body, separators=(",", ":"), default=datetime.isoformat).encode())

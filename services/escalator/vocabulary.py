"""What the template of a record's field can speak of: names, and what they stand for. Pure."""

import re
from datetime import datetime
from typing import Any, NamedTuple

from services.escalator.course import course, ending
from shared import severities
from shared.incident import Incident, Message
from shared.wording import is_web, lateness

_CHANNEL = re.compile("[CDG][A-Z0-9]{2,30}")
_TS = re.compile("[0-9]{1,16}\\.[0-9]{1,16}")


class Escalation(NamedTuple):
    """`instance`: name of the one that gets the record; None for the default one. `page_url`: where the incident can be acted upon.
    `step`: which of on-call it is."""

    at: datetime
    instance: str | None = None
    page_url: str = ""
    console_url: str = ""
    step: int = 0


def vocabulary(incident: Incident, escalation: Escalation) -> dict[str, Any]:
    """By name. Plain values alone: texts, numbers, moments, and lists and dicts of them."""
    facts, at = incident.facts, escalation.at
    console = escalation.console_url
    return {
        "id": incident.id,
        "title": facts.title,
        "severity": facts.severity,
        "severity_rank": severities.rank(facts.severity),
        "summary": facts.summary,
        "resource": facts.resource,
        "source": facts.source,
        "labels": facts.labels,
        "annotations": facts.annotations,
        "alerts": [
            alert.model_dump(include={"name", "summary", "firing", "started_at"}) for alert in incident.alerts
        ],
        "firing": incident.firing_count,
        "truncated": facts.truncated,
        "links": [link.model_dump(include={"text", "url"}) for link in facts.links if is_web(link.url)],
        "opened_at": incident.opened_at,
        "deadline": incident.deadline,
        "escalated_at": at,
        "late": lateness(incident.lateness(at, escalation.step)),
        "timeline": course(incident, at, escalation.step),
        "acknowledged_by": incident.acknowledgement.by if incident.acknowledgement else "",
        "ended": ending(incident),
        "instance": escalation.instance or "",
        "slack_url": permalink(incident.message),
        "ack_url": escalation.page_url,
        "console_url": f"{console}/incidents/{incident.id}" if console else "",
    }


NAMES = frozenset(
    (
        *(
            "id",
            "title",
            "severity",
            "severity_rank",
            "summary",
            "resource",
            "source",
            "labels",
            "annotations",
        ),
        *(
            "alerts",
            "firing",
            "truncated",
            "links",
            "opened_at",
            "deadline",
            "escalated_at",
            "late",
            "timeline",
        ),
        *("acknowledged_by", "ended", "instance", "slack_url", "ack_url", "console_url"),
    )
)
"""All of them, for whoever checks a template without an incident."""


def permalink(message: Message | None) -> str:
    """Where Slack shows the message; Slack itself leads on to the workspace, so that nobody need know its name. Empty without one."""
    if message is None or not (_CHANNEL.fullmatch(message.channel) and _TS.fullmatch(message.ts)):
        return ""
    return f"https://slack.com/archives/{message.channel}/p{message.ts.replace('.', '')}"

"""Incidents as each kind of sender makes them, with the body that they came from."""

from typing import Any

from shared.incident import Incident
from shared.notification import Alert, Call, Facts, Link
from tests.episodes import MINUTE, NOON, incident_id

CHANNEL = "C0ALERTS"


def incident(facts: Facts | None = None, *alerts: Alert, **update: Any) -> Incident:
    """An open incident with three minutes to acknowledge."""
    made = Incident(
        id=incident_id(),
        dedup_key="d",
        opened_at=NOON,
        seen_at=NOON,
        facts=facts or Facts(source="alertmanager", title="HighLatency", severity="critical"),
        alerts=alerts or (Alert(key="1", firing=True, started_at=NOON, name="HighLatency"),),
        call=Call(wait=3 * MINUTE),
        deadline=NOON + 3 * MINUTE,
    )
    return made.model_copy(update=update)


def alertmanager(count: int = 2, truncated: int = 0) -> tuple[Incident, dict[str, Any]]:
    labels = {"alertname": "HighLatency", "severity": "critical", "service": "checkout"}
    summaries = [f"p99 of api-{number} above 2s" for number in range(1, count + 1)]
    alerts = [
        Alert(key=str(number), firing=True, started_at=NOON, name="HighLatency", summary=summary)
        for number, summary in enumerate(summaries)
    ]
    facts = Facts(
        source="alertmanager",
        title="HighLatency",
        severity="critical",
        summary="api p99 above 2s",
        resource="checkout",
        labels=labels,
        links=(Link(text="Graph", url="http://prometheus.example/graph?g0.expr=up&g0.tab=1"),),
        truncated=truncated,
    )
    body = {
        "status": "firing",
        "commonLabels": labels,
        "alerts": [
            {
                "labels": labels,
                "annotations": {"summary": summary},
                "startsAt": "2026-01-01T12:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z",
            }
            for summary in summaries
        ],
    }
    return incident(facts, *alerts), body


def grafana() -> tuple[Incident, dict[str, Any]]:
    facts = Facts(
        source="grafana",
        title="CPU above 90 %",
        severity="warning",
        summary="web-3 has been busy for 10 minutes",
        resource="web-3",
        links=(
            Link(text="Dashboard", url="https://grafana.example/d/1"),
            Link(text="Silence", url="https://grafana.example/alerting/silence/new?alertmanager=grafana"),
        ),
    )
    return incident(facts), {"state": "alerting", "message": "web-3 has been busy for 10 minutes"}


def sentry() -> tuple[Incident, dict[str, Any]]:
    facts = Facts(
        source="sentry",
        title="TypeError: 'NoneType' object\nis not <subscriptable>",
        severity="error",
        resource="checkout in pay()",
        links=(Link(text="Sentry", url="https://sentry.example/issues/1/"),),
    )
    body = {"action": "created", "data": {"issue": {"title": facts.title, "level": "error"}}}
    return incident(facts, Alert(key="1", firing=True)), body


def cloudwatch() -> tuple[Incident, dict[str, Any]]:
    facts = Facts(
        source="cloudwatch",
        title="orders-queue-depth",
        summary="Threshold Crossed: 1 datapoint [5312.0] was > 5000.0",
        resource="AWS/SQS ApproximateNumberOfMessagesVisible",
    )
    body = {"AlarmName": "orders-queue-depth", "NewStateValue": "ALARM", "Trigger": {"Namespace": "AWS/SQS"}}
    return incident(facts), body


def fluentbit() -> tuple[Incident, dict[str, Any]]:
    facts = Facts(
        source="fluentbit",
        title="Error in payments",
        severity="error",
        summary="ERROR Could not reach <db-1>\n  at connect()",
        resource="payments/payments-7d4f",
    )
    body = {"date": 1767268800.5, "log": facts.summary, "kubernetes": {"pod_name": "payments-7d4f"}}
    return incident(facts), body


def flat() -> tuple[Incident, dict[str, Any]]:
    facts = Facts(source="generic", title="order-service", summary="Error: connection refused")
    body = {"ServiceName": "order-service", "Logs": "Error: connection refused", "UserID": "U42"}
    return incident(facts), body

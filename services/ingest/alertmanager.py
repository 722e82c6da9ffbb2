"""Alertmanager's webhook body, version 4, and Grafana's, which has the same shape and more.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config. What is wrong with one alert never costs the others.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from services.ingest import texts
from services.ingest.silence import silence_url
from shared.identity import digest
from shared.notification import Alert, Facts

RESOLVED = "resolved"
MAX_ALERTS = 1000
"""Of one notification. What is beyond counts as left out, just as if Alertmanager had done it by its `max_alerts`."""

GRAFANA_ONLY = {"dashboardURL", "panelURL", "silenceURL", "valueString", "imageURL"}


@dataclass(frozen=True)
class Parsed:
    """A body in our words, before query parameters come in."""

    dedup_key: str
    firing: bool
    facts: Facts
    alerts: tuple[Alert, ...]
    warnings: tuple[str, ...] = ()


def is_alertmanager(body: dict[str, Any]) -> bool:
    marks = ("groupKey", "receiver", "commonLabels", "groupLabels", "status")
    return isinstance(body.get("alerts"), list) and any(mark in body for mark in marks)


def parse(body: dict[str, Any]) -> Parsed:
    """Never raises, whatever is in `body`."""
    warnings: list[str] = []
    raw_alerts = []
    for index, item in enumerate(body["alerts"]):
        if isinstance(item, dict):
            raw_alerts.append(item)
        else:
            warnings.append(f"alerts[{index}] is not an object; left out")
    left_out = len(raw_alerts) - MAX_ALERTS
    if left_out > 0:
        raw_alerts = sorted(raw_alerts, key=_is_firing, reverse=True)[:MAX_ALERTS]
        warnings.insert(0, f"{left_out} of {left_out + MAX_ALERTS} alerts were left out")
    dedup_key = _dedup_key(body)
    status_firing = _is_firing(body)
    alerts = tuple(_alert(item) for item in raw_alerts)
    if not alerts:
        alerts = (Alert(key=dedup_key[:16], firing=status_firing),)
    # A page is never lost to a contradiction: firing wins.
    firing = status_firing or any(alert.firing for alert in alerts)
    facts = _facts(body, raw_alerts, max(0, left_out))
    return Parsed(dedup_key, firing, facts, alerts, tuple(warnings[:10]))


def _is_firing(item: dict[str, Any]) -> bool:
    return texts.text(item.get("status")).lower() != RESOLVED


def _dedup_key(body: dict[str, Any]) -> str:
    group = texts.text(body.get("groupKey"), 100_000)
    if not group:
        group = texts.canonical(body.get("groupLabels") or body.get("commonLabels") or {})
    return digest("alertmanager", texts.text(body.get("receiver")), group)


def _alert(item: dict[str, Any]) -> Alert:
    labels, annotations = texts.mapping(item.get("labels")), texts.mapping(item.get("annotations"))
    started = _moment(item.get("startsAt"))
    fingerprint = texts.text(item.get("fingerprint")) or texts.canonical(labels)
    summary = texts.first(
        *(annotations.get(name) for name in ("summary", "description", "message")), limit=texts.ALERT_SUMMARY
    )
    return Alert(
        key=digest(fingerprint)[:16],
        firing=_is_firing(item),
        started_at=started,
        name=texts.first(labels.get("alertname"), limit=texts.NAME),
        summary=summary,
    )


def _moment(value: Any) -> datetime | None:
    """A start time in UTC. Alertmanager's zero time, or what cannot be read, is none."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return utc if utc.year > 1 else None


def _facts(body: dict[str, Any], alerts: list[dict[str, Any]], left_out: int) -> Facts:
    common, annotations = (
        texts.mapping(body.get("commonLabels")),
        texts.mapping(body.get("commonAnnotations")),
    )
    group = texts.mapping(body.get("groupLabels"))
    firing = [item for item in alerts if _is_firing(item)]
    shown = (firing or alerts or [{}])[0]
    labels, notes = texts.mapping(shown.get("labels")), texts.mapping(shown.get("annotations"))
    severities = [texts.text(texts.mapping(item.get("labels")).get("severity")) for item in firing or alerts]
    is_grafana = "orgId" in body or any(not GRAFANA_ONLY.isdisjoint(item) for item in alerts)
    words = ("summary", "description", "message")
    summaries = [source.get(word) for source in (annotations, notes) for word in words]
    names = [source.get("alertname") for source in (common, group, labels)]
    places = [source.get(word) for source in (common, labels) for word in ("instance", "pod", "job", "host")]
    return Facts(
        source="grafana" if is_grafana else "alertmanager",
        title=texts.first(*names, body.get("title"), limit=texts.TITLE) or "Alert",
        severity=texts.first(common.get("severity"), limit=texts.NAME)
        or texts.worst([word for word in severities if word]),
        summary=texts.first(*summaries, limit=texts.SUMMARY),
        resource=texts.first(*places),
        labels=texts.labels(common or group),
        annotations=texts.labels(annotations),
        links=_links(body, shown, annotations | notes if annotations else notes, is_grafana=is_grafana),
        truncated=_count(body.get("truncatedAlerts")) + left_out,
    )


def _links(
    body: dict[str, Any], alert: dict[str, Any], annotations: dict[str, Any], *, is_grafana: bool
) -> tuple[Any, ...]:
    return texts.links(
        ("Source", alert.get("generatorURL")),
        ("Runbook", annotations.get("runbook_url") or annotations.get("runbook")),
        (
            "Dashboard",
            alert.get("dashboardURL") or annotations.get("dashboard_url") or annotations.get("dashboard"),
        ),
        ("Panel", alert.get("panelURL")),
        ("Silence", alert.get("silenceURL") or (None if is_grafana else silence_url(body))),
        ("Alertmanager", body.get("externalURL")),
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0

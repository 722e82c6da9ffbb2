"""Any other JSON object: Sentry, CloudWatch, Fluent Bit, or somebody's own. Known field names are used, nothing is required."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from services.ingest import texts
from services.ingest.alertmanager import Parsed
from services.ingest.documents import RefusedBodyError, read_json
from services.ingest.texts import mapping
from shared.identity import digest
from shared.notification import Alert, Facts

RESOLVED_WORDS = {"resolved", "ok"}
CONTENT_WINDOW = timedelta(minutes=5)
"""The same content counts as the same incident for this long, where a body has no identity of its own."""

TITLES = (
    "title",
    "name",
    "alertname",
    "alert_name",
    "alert",
    "AlertName",
    "rule_name",
    "subject",
    "ServiceName",
    "service",
)
SUMMARIES = ("summary", "message", "msg", "description", "text", "Logs", "log", "error", "reason")
SEVERITIES = ("severity", "Severity", "level", "priority")
RESOURCES = ("resource", "instance", "host", "hostname", "ServiceName", "service")


def parse(body: dict[str, Any], idempotency_key: str | None) -> tuple[Parsed, timedelta | None]:
    """The body in our words, and how long an incident of it is joined. Never raises, whatever is in `body`."""
    body = _unwrap_sns(body)
    source, facts_of = next((name, facts) for name, (fits, facts) in _SOURCES.items() if fits(body))
    identity = _identity(source, body) or (f"idempotency:{idempotency_key}" if idempotency_key else "")
    dedup_key = digest("generic", identity) if identity else digest("content", texts.canonical(body))
    facts = facts_of(body)
    alert = Alert(
        key=dedup_key[:16], firing=(firing := not _is_resolved(body)), name=facts.title[: texts.NAME]
    )
    return Parsed(dedup_key, firing, facts, (alert,)), None if identity else CONTENT_WINDOW


def _unwrap_sns(body: dict[str, Any]) -> dict[str, Any]:
    """SNS delivers CloudWatch's alarm as JSON inside JSON. https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html"""
    if body.get("Type") == "SubscriptionConfirmation":
        title = "Amazon SNS asks somebody to confirm a subscription"
        return {**body, "title": title, "message": body.get("Message"), "fingerprint": body.get("TopicArn")}
    if body.get("Type") != "Notification" or not isinstance(body.get("Message"), str):
        return body
    try:
        inner, _ = read_json(body["Message"].encode())
    except RefusedBodyError:
        inner = None
    if isinstance(inner, dict):
        return inner
    return {"title": body.get("Subject"), "message": body["Message"], "fingerprint": body.get("MessageId")}


def _is_resolved(body: dict[str, Any]) -> bool:
    """The first string among the usual places decides, as in Versus; CloudWatch and Sentry say it in places of their own."""
    for name in ("status", "state", "alertState"):
        if isinstance(body.get(name), str):
            return texts.text(body[name]).lower() in RESOLVED_WORDS
    if isinstance(body.get("NewStateValue"), str):
        return texts.text(body["NewStateValue"]).upper() == "OK"
    return body.get("action") == "resolved" and _is_sentry(body)


def _identity(source: str, body: dict[str, Any]) -> str:
    """What stays the same from firing to resolved; empty where the body has no such thing."""
    for name in ("fingerprint", "groupKey"):
        if given := texts.text(body.get(name)):
            return f"{name}:{given}"
    if source == "cloudwatch":
        if arn := texts.text(body.get("AlarmArn")):
            return f"cloudwatch:{arn}"
        parts = [texts.text(body.get(name)) for name in ("AWSAccountId", "Region", "AlarmName")]
        return "cloudwatch:" + "/".join(parts)
    if source == "sentry":
        issue = _sentry_issue(body)
        if given := texts.first(issue.get("issue_id"), issue.get("id"), issue.get("groupID"), body.get("id")):
            return f"sentry:{given}"
    return ""


def _is_sentry(body: dict[str, Any]) -> bool:
    data = mapping(body.get("data"))
    is_integration = any(
        isinstance(data.get(name), dict) for name in ("issue", "event", "error", "metric_alert")
    )
    return (
        is_integration
        or ("project_slug" in body and "event" in body)
        or "event_id" in mapping(body.get("event"))
    )


def _sentry_issue(body: dict[str, Any]) -> dict[str, Any]:
    data = mapping(body.get("data"))
    for name in ("issue", "event", "error", "metric_alert"):
        if isinstance(data.get(name), dict):
            return mapping(data[name])
    return mapping(body.get("event"))


def _sentry(body: dict[str, Any]) -> Facts:
    """https://docs.sentry.io/organization/integrations/integration-platform/webhooks/, and the older plug-in's body."""
    issue = _sentry_issue(body)
    project = issue.get("project")
    slug = mapping(project).get("slug") if isinstance(project, dict) else body.get("project_slug") or project
    culprit = texts.first(issue.get("culprit"), body.get("culprit"))
    metadata = mapping(issue.get("metadata"))
    return Facts(
        source="sentry",
        title=texts.first(issue.get("title"), body.get("message"), issue.get("message"), limit=texts.TITLE)
        or "Sentry issue",
        severity=texts.first(issue.get("level"), body.get("level"), limit=texts.NAME),
        summary=texts.first(
            metadata.get("value"),
            mapping(issue.get("logentry")).get("formatted"),
            body.get("message"),
            limit=texts.SUMMARY,
        ),
        resource="/".join(part for part in (texts.text(slug), culprit) if part),
        links=texts.links(("Source", issue.get("web_url") or issue.get("permalink") or body.get("url"))),
    )


def _cloudwatch(body: dict[str, Any]) -> Facts:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html: the SNS message of an alarm."""
    trigger = mapping(body.get("Trigger"))
    dimensions = trigger.get("Dimensions")
    listed = [mapping(item) for item in dimensions] if isinstance(dimensions, list) else []
    pairs = [f"{texts.text(item.get('name'))}={texts.text(item.get('value'))}" for item in listed]
    metric = "/".join(
        part for part in (texts.text(trigger.get("Namespace")), texts.text(trigger.get("MetricName"))) if part
    )
    labels = {
        name: body.get(name)
        for name in ("AWSAccountId", "Region", "NewStateValue", "OldStateValue")
        if body.get(name)
    }
    return Facts(
        source="cloudwatch",
        title=texts.first(body.get("AlarmName"), limit=texts.TITLE) or "CloudWatch alarm",
        severity="critical" if texts.text(body.get("NewStateValue")).upper() == "ALARM" else "info",
        summary=texts.first(body.get("NewStateReason"), body.get("AlarmDescription"), limit=texts.SUMMARY),
        resource=texts.text(f"{metric} {', '.join(pairs)}"),
        labels=texts.labels(labels),
    )


def _fluentbit(body: dict[str, Any]) -> Facts:
    """https://docs.fluentbit.io/manual/pipeline/filters/kubernetes: a log record with Kubernetes' metadata."""
    pod = mapping(body.get("kubernetes"))
    labels = texts.labels(pod.get("labels"))
    app = texts.first(labels.get("app"), labels.get("app.kubernetes.io/name"), pod.get("container_name"))
    place = (pod.get("namespace_name"), pod.get("pod_name"), pod.get("container_name"))
    return Facts(
        source="fluentbit",
        title=texts.text(f"Log alert: {app}" if app else "Log alert", texts.TITLE),
        severity=texts.first(*(body.get(name) for name in SEVERITIES), limit=texts.NAME),
        summary=texts.first(body.get("log"), body.get("message"), limit=texts.SUMMARY),
        resource="/".join(texts.text(part) for part in place if texts.text(part)),
        labels=labels,
    )


def _flat(body: dict[str, Any]) -> Facts:
    labels = texts.labels(body.get("labels")) or texts.labels(
        {
            name: value
            for name, value in body.items()
            if not isinstance(value, dict | list) and name not in SUMMARIES
        }
    )
    return Facts(
        source="generic",
        title=texts.first(*(body.get(name) for name in TITLES), limit=texts.TITLE) or "Alert",
        severity=texts.first(*(body.get(name) for name in SEVERITIES), limit=texts.NAME),
        summary=texts.first(*(body.get(name) for name in SUMMARIES), limit=texts.SUMMARY),
        resource=texts.first(*(body.get(name) for name in RESOURCES)),
        labels=labels,
        links=texts.links(
            *(
                (words, body.get(name))
                for name, words in (("url", "Source"), ("link", "Source"), ("runbook_url", "Runbook"))
            )
        ),
    )


_SOURCES: dict[str, tuple[Callable[[dict[str, Any]], bool], Callable[[dict[str, Any]], Facts]]] = {
    "cloudwatch": (lambda body: "AlarmName" in body, _cloudwatch),
    "sentry": (_is_sentry, _sentry),
    "fluentbit": (lambda body: "log" in body or "pod_name" in mapping(body.get("kubernetes")), _fluentbit),
    "generic": (lambda _: True, _flat),
}

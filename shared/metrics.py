"""Every metric of Ackstream, declared before it is used. Prefix `ackstream_`, base units."""

import contextlib

from prometheus_client import Counter, Gauge, Histogram

NOTIFICATIONS = Counter(
    "ackstream_notifications",
    "Notifications received, by the reason of what became of them",
    ["source", "reason"],
)
REFUSED = Counter("ackstream_requests_refused", "Requests to ingest that were not accepted", ["why"])
WARNINGS = Counter(
    "ackstream_parameter_warnings", "Query parameters that were not understood or not used", ["parameter"]
)
DEEDS = Counter("ackstream_deeds", "What people asked for, by what became of it", ["deed", "door", "reason"])
EVENTS_CONSUMED = Counter("ackstream_events_consumed", "Stream entries dealt with", ["group"])
HANDLER_FAILURES = Counter(
    "ackstream_handler_failures", "Events whose handling failed by a mistake of ours", ["group"]
)
EVENTS_LOST = Counter(
    "ackstream_events_lost",
    "Stream entries that were gone from the stream before their group had read them",
    ["group"],
)
TRIMMED = Counter("ackstream_events_trimmed", "Stream entries that were older than the retention")
DEAD_LETTERS = Counter(
    "ackstream_dead_letters", "Payloads kept because they could not be understood", ["origin"]
)
PARKED = Counter(
    "ackstream_parked", "Attempts that failed for a reason that only a person can mend", ["target"]
)
DELIVERIES = Counter("ackstream_deliveries", "Calls to Slack by result", ["call", "result"])
SLACK_CHANNEL_OK = Gauge(
    "ackstream_slack_channel_ok",
    "1: the bot may post there; 0: a person must mend something; absent: it cannot be seen",
    ["channel"],
)
DELIVERY_SECONDS = Histogram("ackstream_delivery_seconds", "Time of one call to Slack", ["call"])
SLACK_WAITING = Gauge(
    "ackstream_slack_waiting",
    "Calls to Slack that wait for their channel's turn, over all replicas",
    ["kind"],
)
SLACK_ADMISSIONS = Counter(
    "ackstream_slack_admissions",
    "Calls to Slack that were made at once, or had to wait for their channel's turn",
    ["kind", "result"],
)
STORMS = Counter("ackstream_storms", "Storms that began")
STORM_MEMBERS = Counter(
    "ackstream_storm_members", "Incidents that a digest tells of, instead of a message of their own"
)
SOCKET_CONNECTED = Gauge(
    "ackstream_slack_socket_connected", "1: presses of buttons can reach this notifier over Socket Mode"
)
ESCALATIONS = Counter("ackstream_escalations", "Escalation attempts by result", ["result"])
FIELDS_LEFT_OUT = Counter(
    "ackstream_record_fields_left_out", "Fields that records had to go without", ["field"]
)
ESCALATION_LATENESS = Histogram(
    "ackstream_escalation_lateness_seconds",
    "Time from an incident's deadline to its record",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200),
)
SERVICENOW_REQUESTS = Counter(
    "ackstream_servicenow_requests",
    "Calls to ServiceNow by their result: a status, or `lost`",
    ["instance", "verb", "result"],
)
SERVICENOW_SECONDS = Histogram(
    "ackstream_servicenow_seconds", "Time of one call to ServiceNow", ["instance", "verb"]
)
SERVICENOW_CIRCUIT = Gauge(
    "ackstream_servicenow_circuit_open",
    "1: the instance does not answer, and is asked with one attempt at a time",
    ["instance"],
)
SERVICENOW_WAITING = Gauge(
    "ackstream_servicenow_waiting",
    "Incidents that are due and wait for their turn at the instance, over all replicas",
    ["instance"],
)
WEBHOOK_REQUESTS = Counter(
    "ackstream_webhook_requests",
    "Calls to the webhook by their result: a status, or `lost`",
    ["event", "result"],
)
WEBHOOK_SECONDS = Histogram("ackstream_webhook_seconds", "Time of one call to the webhook", ["event"])
BUILD = Gauge("ackstream_build_info", "Always 1; the labels tell the version", ["version", "service"])


def forget(gauge: Gauge, label: str) -> None:
    """Its value is not known (any more); no matter whether there was one."""
    with contextlib.suppress(KeyError):
        gauge.remove(label)

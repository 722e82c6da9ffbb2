"""One webhook body in our words. The modules that parse bodies make these; everything behind them reads nothing else."""

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Base of every value that travels through the pipeline: immutable, compared by value, kept as JSON.

    What a newer version has written beside our fields is carried along: while both run, neither takes it from the other.
    """

    model_config = ConfigDict(frozen=True, extra="allow")


class Alert(Frozen):
    """One alert of a notification. `key` says which problem it is; the same problem that fires anew has a later start."""

    key: str
    firing: bool
    started_at: datetime | None = None
    """None when the source does not say; such an alert is never taken for a late copy, nor for a new firing. An incident
    keeps the latest start that it was told."""
    name: str = ""
    summary: str = ""


class Link(Frozen):
    text: str
    url: str


class Facts(Frozen):
    """What people and templates are told, whatever the source. Plain text: nothing here is escaped for any medium."""

    source: str
    """`alertmanager`, `grafana`, `sentry`, `cloudwatch`, `fluentbit` or `generic`."""
    title: str
    severity: str = ""
    summary: str = ""
    resource: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    links: tuple[Link, ...] = ()
    truncated: int = 0
    """How many alerts the sender left out of the body."""


SLACK, SERVICENOW, WEBHOOK = "slack", "servicenow", "webhook"
"""What a step of on-call can reach: people in the thread, a record, or whatever listens behind a webhook."""


class PlannedStep(Frozen):
    """A further step of on-call, beside the escalation itself."""

    offset: timedelta
    """From the escalation's deadline; negative: before it."""
    target: str
    """SLACK, SERVICENOW or WEBHOOK."""
    instance: str | None = None
    """Of ServiceNow; None is the default one."""
    mention: tuple[str, ...] = ()
    """Whom it calls in the thread, in Slack's markup."""


class Call(Frozen):
    """What this notification asks of on-call and routing, after configuration and query parameters were weighed."""

    wait: timedelta | None
    """Time to acknowledge before the escalation; zero escalates at once; None: no on-call."""
    target: str = SERVICENOW
    """What the escalation reaches: SERVICENOW or WEBHOOK."""
    instance: str | None = None
    """Key of a named ServiceNow instance; None is the default one."""
    steps: tuple[PlannedStep, ...] = ()
    """The other steps, in the order in which they come."""
    channel: str | None = None
    """Slack channel id; None is the configured one."""


class Notification(Frozen):
    """A firing or resolved notification. `body`, `query` and `idempotency_key` are as they came, for
    templates and for replay."""

    dedup_key: str
    firing: bool
    facts: Facts
    alerts: tuple[Alert, ...]
    call: Call
    body: str
    warnings: tuple[str, ...] = ()
    query: dict[str, str] = {}
    """Those query parameters that Ackstream knows, as they were given: another configuration may weigh them differently."""
    idempotency_key: str | None = None
    """As the request gave it: a body without an identity of its own was told apart by it."""
    join_window: timedelta | None = None
    """How long after its opening an incident is joined; None: for as long as it is open. Bodies without an identity of
    their own are told apart by content, and the same content an hour later is news again."""

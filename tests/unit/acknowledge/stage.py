"""A stand-in store, and incidents in every state that an acknowledge link can meet."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
from starlette.applications import Starlette
from starlette.routing import Route

from services.ingest.acknowledge import ROUTED_METHODS, AcknowledgePage
from shared.commands import Command, Step
from shared.incident import (
    Acknowledgement,
    Closure,
    Effort,
    FurtherStep,
    Incident,
    Lease,
    NewsKind,
    Record,
    Snooze,
    State,
)
from shared.links import AckLinks, expiry
from shared.notification import SLACK, WEBHOOK, Alert, Call, Facts, Link, PlannedStep
from shared.redis_client import StoreUnavailableError
from shared.store import Loaded, Store
from shared.transitions import advance

ID = "019ab3c4d5e67f8091a2b3c4d5e6f700"
NOW = datetime(2026, 11, 21, 14, 29, 25, tzinfo=UTC)
OPENED = NOW - timedelta(seconds=20)
LINKS = AckLinks("https://ackstream.example", ["a newer key", "an older key"])

FACTS = Facts(
    source="alertmanager",
    title="Checkout answers one request in ten with an error",
    severity="critical",
    summary="Error rate of checkout-api in eu-west is 11.3% over the last 5 minutes; customers cannot pay.",
    labels={"alertname": "CheckoutErrors", "cluster": "eu-west", "severity": "critical", "team": "payments"},
    links=(
        Link(text="Runbook", url="https://wiki.example/runbooks/checkout"),
        Link(text="Graph", url="https://prometheus.example/graph?g0.expr=rate"),
    ),
)
ALERTS = (Alert(key="a1", firing=True, started_at=OPENED, name="CheckoutErrors"),)
ACK = Acknowledgement(at=NOW - timedelta(seconds=8), by="Ann Ng", door="link")
RECORD = Record(
    sys_id="0" * 32,
    number="INC0010001",
    url="https://example.service-now.example/nav_to.do?uri=incident.do",
    instance=None,
    at=NOW - timedelta(seconds=41),
)
LEASE = Lease(token="t", at=NOW, until=NOW + timedelta(minutes=2))


def incident(**update: Any) -> Incident:
    """Open, on call, 2 min 40 s before its deadline, unless told otherwise."""
    values: dict[str, Any] = {
        "id": ID,
        "dedup_key": "d" * 32,
        "version": 3,
        "opened_at": OPENED,
        "seen_at": OPENED,
        "facts": FACTS,
        "alerts": ALERTS,
        "call": Call(wait=timedelta(minutes=3)),
        "deadline": OPENED + timedelta(minutes=3),
    }
    return Incident(**(values | update))


def overdue(**update: Any) -> Incident:
    opened = NOW - timedelta(minutes=7, seconds=12)
    values = {"opened_at": opened, "deadline": opened + timedelta(minutes=3)}
    return incident(**(values | update))


def escalated(**update: Any) -> Incident:
    return overdue(**({"record": RECORD} | update))


STEPS = (
    PlannedStep(offset=-timedelta(minutes=2), target=SLACK, mention=("<!here>",)),
    PlannedStep(offset=timedelta(minutes=8), target=WEBHOOK),
)


def stepped(of: Incident, **update: Any) -> Incident:
    """`of`, with people called two minutes before the deadline, and a webhook eight minutes after it. `update`: of the webhook's."""
    called = FurtherStep(called_at=of.deadline and of.deadline - timedelta(minutes=2))
    further = (called if of.record else FurtherStep(), FurtherStep(**update))
    return of.model_copy(update={"call": of.call.model_copy(update={"steps": STEPS}), "further": further})


def closed(state: State, **update: Any) -> Incident:
    return overdue(**({"closure": Closure(at=NOW - timedelta(minutes=1), state=state)} | update))


def crowded() -> Incident:
    """As much as a careless sender can put into one."""
    labels = {f"label_number_{index}": "x" * (index * 9) for index in range(70)}
    facts = FACTS.model_copy(
        update={
            "title": "HostDisk" + "WillSurelyRunOutOfSpace" * 9,
            "severity": "warning",
            "summary": "The disk of this host fills up. " * 12,
            "resource": "node-exporter.monitoring.svc.cluster.local:9100" * 3,
            "labels": labels,
            "truncated": 4,
        }
    )
    alerts = tuple(
        Alert(key=str(index), firing=index % 3 > 0, name="HostDisk", summary=f"/dev/sd{index} is full")
        for index in range(40)
    )
    return incident(facts=facts, alerts=alerts)


def hostile() -> Incident:
    evil = "<script>document.title='owned'</script>\"'><img src=x onerror=alert(1)>"
    facts = Facts(
        source=evil,
        title=evil,
        severity=evil,
        summary=evil,
        resource=evil,
        labels={evil: evil},
        links=(
            Link(text=evil, url="javascript:alert(1)"),
            Link(text=evil, url='https://x.example/"><script>'),
        ),
    )
    alerts = (Alert(key="1", firing=True, name=evil, summary=evil), Alert(key="2", firing=True, name=evil))
    return incident(facts=facts, alerts=alerts, acknowledgement=None)


class FakeStore:
    """One incident in memory, changed by the real transitions."""

    def __init__(self, incident: Incident | None = None, now: datetime = NOW) -> None:
        self.incident, self.now, self.away = incident, now, False
        self.loads = 0

    async def load(self, incident_id: str) -> Loaded:
        self.loads += 1
        if self.away:
            raise StoreUnavailableError("Connection refused")
        known = self.incident if self.incident and self.incident.id == incident_id else None
        return Loaded(known, self.now)

    async def apply(self, incident_id: str, command: Command) -> Step:
        step = advance((await self.load(incident_id)).incident, command, self.now)
        self.incident = step.incident or self.incident
        return step


def app_of(store: Store | FakeStore) -> Starlette:
    page = AcknowledgePage(cast(Store, store), LINKS)
    return Starlette(routes=[Route("/api/ack/{incident_id}", page.__call__, methods=list(ROUTED_METHODS))])


def client_of(store: FakeStore, scheme: str = "https") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app_of(store))
    return httpx.AsyncClient(transport=transport, base_url=f"{scheme}://ackstream.example")


def path_of(incident: Incident, expires: datetime | None = None) -> str:
    """A genuine link, without its host."""
    url = LINKS.url(incident.id, expires or expiry(incident))
    return url.removeprefix("https://ackstream.example")


DOUBT = Effort(attempts=3, retry_at=NOW + timedelta(seconds=30), doubt_until=NOW + timedelta(seconds=50))
SCENES: dict[str, Incident] = {
    "waiting": incident(),
    "crowded": crowded(),
    "hostile": hostile(),
    "overdue": overdue(escalation=Effort(attempts=2, retry_at=NOW + timedelta(seconds=9))),
    "overdue_in_doubt": overdue(escalation=DOUBT),
    "on_call_off": incident(deadline=None, call=Call(wait=None)),
    "acknowledged": incident(acknowledgement=ACK),
    "acknowledged_in_doubt": overdue(acknowledgement=ACK, escalation=DOUBT),
    "snoozed": incident(
        deadline=NOW + timedelta(minutes=14),
        snooze=Snooze(at=NOW, by="Bo", until=NOW + timedelta(minutes=14)),
    ),
    "escalating": overdue(escalation=Effort(lease=LEASE)),
    "escalated": escalated(),
    "escalated_after_acknowledgement": escalated(
        acknowledgement=ACK.model_copy(update={"at": NOW - timedelta(minutes=3)})
    ),
    "taken_late": escalated(acknowledgement=ACK),
    "taken_late_and_told": stepped(
        escalated(record=RECORD.model_copy(update={"wants": (NewsKind.ACKNOWLEDGED,)}), acknowledgement=ACK)
    ),
    "steps": stepped(incident()),
    "steps_to_come": stepped(escalated()),
    "step_under_way": stepped(escalated(), effort=Effort(lease=LEASE)),
    "every_step_taken": stepped(
        escalated(),
        record=Record(
            sys_id="", number="", url="", instance=None, target=WEBHOOK, at=NOW - timedelta(seconds=2)
        ),
    ),
    "resolved": closed(
        State.RESOLVED, acknowledgement=ACK.model_copy(update={"at": NOW - timedelta(minutes=5)})
    ),
    "superseded": closed(State.SUPERSEDED),
    "expired": closed(State.EXPIRED),
}

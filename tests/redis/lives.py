"""Random lives of incidents, led by a real store, as the services would."""

import json
import secrets
from datetime import timedelta
from random import Random
from typing import Any

from services.ingest.documents import read_documents
from services.ingest.parsing import parse_document
from shared.commands import (
    Acknowledge,
    BeginDelivery,
    CallAgain,
    Claim,
    ClaimUpdate,
    Command,
    Delivered,
    DeliveryFailed,
    Digested,
    EscalateNow,
    EscalationFailed,
    Expire,
    Flapping,
    Lapse,
    MessageGone,
    NotesTold,
    RecordUpdated,
    RecordWritten,
    Repost,
    ResolveByHand,
    Retry,
    Rules,
    SnoozeFor,
    Stage,
    Step,
    Unacknowledge,
    UpdateFailed,
)
from shared.incident import Incident, NewsKind, Record, Task
from shared.notification import SERVICENOW, SLACK, WEBHOOK, Call, Notification, PlannedStep
from shared.store import Store
from tests.episodes import MINUTE, NOON

SECOND = timedelta(seconds=1)
RULES = Rules(Flapping(3, timedelta(hours=1), frozenset()), ack_timeout=timedelta(0))
FLAPPING = Call(wait=MINUTE)
STEPS = (
    PlannedStep(offset=timedelta(0), target=SLACK, mention=("<!here>", "<@U0LEAD>")),
    PlannedStep(offset=-SECOND, target=SLACK),
    PlannedStep(offset=timedelta(0), target=SERVICENOW, instance="infra"),
    PlannedStep(offset=timedelta(0), target=WEBHOOK),
    PlannedStep(offset=MINUTE, target=WEBHOOK),
)
LEASE, GRACE = timedelta(seconds=50), timedelta(seconds=65)


def alertmanager_body(group: str, alerts: dict[str, tuple[bool, int]], **more: Any) -> dict[str, Any]:
    """`alerts`: name → whether it fires, and the minute in which it began."""
    return {
        "version": "4",
        "receiver": "ackstream",
        "groupKey": group,
        "status": "firing" if any(firing for firing, _ in alerts.values()) else "resolved",
        "commonLabels": {"alertname": group, "severity": "critical"},
        "commonAnnotations": {"summary": f"{group} is broken"},
        "alerts": [
            {
                "status": "firing" if firing else "resolved",
                "labels": {"alertname": group, "instance": name},
                "annotations": {"runbook_url": "https://runbooks.example.com/x"},
                "startsAt": (NOON + minute * MINUTE).isoformat(),
                "fingerprint": name,
            }
            for name, (firing, minute) in alerts.items()
        ],
        **more,
    }


def received(body: dict[str, Any], call: Call, key: str | None = None, **query: str) -> Notification:
    (document,) = read_documents(json.dumps(body).encode()).items
    return parse_document(
        document, call, warnings=("odd parameter",) if query else (), query=query, idempotency_key=key
    )


class Lives:
    """Three groups of alerts, and something that happens to one of them at each step."""

    def __init__(self, store: Store, seed: int) -> None:
        self._store = store
        self._dice = Random(seed)
        self._started = dict.fromkeys((f"{name}{seed}" for name in "abc"), 0)
        self._known: list[str] = []

    async def step(self) -> set[str]:
        """Ids of the incidents that may have changed."""
        happen = self._dice.choice(
            [
                *(self.fire, self.fire, self.resolve, self.generic, self.acknowledge),
                *(self.call_again, self.call_again, self.escalate),
                *([self.update_record] * 5),
                *(self.escalate, self.escalate, self.deliver, self.deliver, self.want_back),
                *(
                    self.ask_for_a_retry,
                    self.expire,
                    *([self.press] * 3),
                    self.lapse,
                    self.digest,
                    self.flap,
                ),
            ]
        )
        step = await happen()
        ids = {change.incident.id for change in step.changes} if step else set()
        self._known += sorted(ids - set(self._known))
        return ids

    async def fire(self) -> Step:
        group = self._dice.choice(list(self._started))
        self._started[group] += 2 * (self._dice.random() < 0.15)
        names = self._dice.sample(["x", "y", "z"], self._dice.randint(1, 3))
        alerts = {name: (self._dice.random() < 0.8, self._started[group]) for name in names}
        more: dict[str, Any] = {"truncatedAlerts": 2} if self._dice.random() < 0.2 else {}
        return await self._store.receive(
            received(alertmanager_body(group, alerts, **more), self.call(), **self.query())
        )

    async def resolve(self) -> Step:
        group = self._dice.choice(list(self._started))
        names = self._dice.sample(["x", "y", "z"], self._dice.randint(1, 3))
        body = alertmanager_body(group, dict.fromkeys(names, (False, self._started[group])))
        return await self._store.receive(received(body, self.call()))

    async def generic(self) -> Step:
        status = self._dice.choice(["firing", "firing", "ok"])
        body = {"title": "Disk", "status": status, "message": self._dice.choice(["full", "very full"])}
        key = self._dice.choice([None, "k"])
        return await self._store.receive(received(body, self.call(), key))

    def call(self) -> Call:
        wait = self._dice.choice([timedelta(0), timedelta(0), MINUTE, None])
        steps = tuple(self._dice.sample(STEPS, self._dice.choice([0, 1, 3])))
        return Call(wait=wait, instance=self._dice.choice([None, "infra"]), steps=steps)

    def query(self) -> dict[str, str]:
        return self._dice.choice([{}, {"oncall_wait_minutes": "soon"}])

    async def acknowledge(self) -> Step | None:
        return await self.apply(Acknowledge(self._dice.choice(["Ada", "Bob"]), "link"))

    async def press(self) -> Step | None:
        who = (self._dice.choice(["Ada", "Bob"]), "button", "U1", self._dice.choice(["", "1", "2"]))
        deeds: list[Command] = [
            Acknowledge(*who),
            *([Unacknowledge(*who)] * 3),
            SnoozeFor(*who, span=self._dice.choice([MINUTE, 5 * MINUTE])),
            EscalateNow(*who),
            ResolveByHand(*who),
        ]
        return await self.apply(self._dice.choice(deeds))

    async def lapse(self) -> Step | None:
        return await self.apply(Lapse())

    async def digest(self) -> Step | None:
        return await self.apply(Digested("storm", "C1")) if self._dice.random() < 0.6 else None

    async def call_again(self) -> Step | None:
        id_, step = await self._duty(Task.CALL_AGAIN)
        return await self._store.apply(id_, CallAgain(step)) if id_ else None

    async def update_record(self) -> Step | None:
        """Claim what is to be told; tell it, or a part, fail, or fall silent."""
        token = secrets.token_hex(4)
        id_, step = await self._duty(Task.UPDATE_RECORD)
        if not id_:
            return None
        lease = self._dice.choice([LEASE, timedelta(0)])
        claimed = await self._store.apply(id_, ClaimUpdate(token, lease, GRACE, step))
        if not claimed.changes or claimed.incident is None:
            return claimed
        record = claimed.incident.record_of(step)
        assert record
        outcomes: list[Command] = [
            RecordUpdated(token, record.news[-1].seq, "noted", step),
            RecordUpdated(token, record.news[0].seq, "", step),
            UpdateFailed(token, "answered 500", timedelta(0), step=step),
            UpdateFailed(token, "answer lost", timedelta(0), doubt=GRACE, step=step),
            UpdateFailed(token, "answered 401", MINUTE, needs_person=True, step=step),
        ]
        if self._dice.random() < 0.1:
            return claimed
        return await self._store.apply(claimed.incident.id, self._dice.choice(outcomes))

    async def _duty(self, task: Task) -> tuple[str, int]:
        """An incident of late, and a step, that may have it to do: mostly one that has. An empty id: there are no incidents."""
        recent = self._known[-20:]
        incidents = [(await self._store.load(id_)).incident for id_ in recent]
        owed = [
            (incident.id, duty.step)
            for incident in incidents
            if incident
            for duty in incident.duties
            if duty.task is task
        ]
        if owed and self._dice.random() < 0.8:
            return self._dice.choice(owed)
        return (self._dice.choice(recent), self._dice.choice([0, 1, 2, 3, 9])) if recent else ("", 0)

    async def escalate(self) -> Step | None:
        """Claim it; fail, be called off, fall silent, or write the record."""
        token, lease = secrets.token_hex(4), self._dice.choice([LEASE, timedelta(0)])
        id_, nth = await self._duty(Task.ESCALATE)
        if not id_:
            return None
        claimed = await self._store.apply(id_, Claim(token, lease, GRACE, nth))
        if claimed is None or not claimed.changes or claimed.incident is None:
            return claimed
        if self._dice.random() < 0.15:
            await self._end(claimed.incident)
        again = self._dice.choice([timedelta(0), SECOND / 1000 * self._dice.random()])
        record = self._record()
        outcome = self._dice.choice(
            [
                *([RecordWritten(token, record, nth)] * 4),
                EscalationFailed(token, "answered 500", again, step=nth),
                EscalationFailed(token, "answered 401", MINUTE, needs_person=True, step=nth),
                EscalationFailed(
                    token, "answer lost", again, doubt=self._dice.choice([again, GRACE]), step=nth
                ),
                EscalationFailed(token, "answer lost", again, doubt=again, looked_only=True, step=nth),
                EscalationFailed(token, "called off", again, step=nth),
                None,
            ]
        )
        if outcome is None:  # it fell silent; somebody takes over
            return await self._store.apply(claimed.incident.id, Claim(token + "2", LEASE, GRACE, nth))
        return await self._store.apply(claimed.incident.id, outcome)

    def _record(self) -> Record:
        wants = self._dice.choice([(), tuple(NewsKind), tuple(NewsKind), (NewsKind.ACKNOWLEDGED,)])
        return Record(
            sys_id=secrets.token_hex(16),
            number=self._dice.choice(["INC1", ""]),
            url="https://x",
            instance=None,
            at=NOON,
            target=self._dice.choice([SERVICENOW, WEBHOOK]),
            wants=wants,
        )

    async def _end(self, incident: Incident) -> None:
        """It is over while somebody is at it."""
        group = incident.facts.title
        if group in self._started:
            ended = dict.fromkeys("xyz", (False, self._started[group]))
            await self._store.receive(received(alertmanager_body(group, ended), self.call()))

    async def deliver(self) -> Step | None:
        token = secrets.token_hex(4)
        begun = await self.apply(BeginDelivery(token, self._dice.choice([LEASE, timedelta(0)])))
        if begun is None or not begun.changes or begun.incident is None:
            return begun
        incident: Incident = begun.incident
        ts = incident.message.ts if incident.message else f"{secrets.randbelow(10**9)}.0"
        outcomes: list[Command] = [
            Delivered(token, "C1", ts, incident.revision),
            Delivered(token, "C1", ts, incident.revision),
            *([NotesTold(token, incident.notes[-1].seq, "1.1")] * 2 if incident.notes else []),
            DeliveryFailed(token, "ratelimited", timedelta(0), put_off=True),
            DeliveryFailed(token, "invalid_auth", MINUTE, needs_person=True),
            DeliveryFailed(token, "answer lost", timedelta(0), doubt=self._dice.choice([None, SECOND])),
        ]
        return await self._store.apply(incident.id, self._dice.choice(outcomes))

    async def flap(self) -> Step:
        """A group resolves and fires again, and Slack keeps up."""
        group = self._dice.choice(list(self._started))
        await self._show(await self._flip(group, firing=False))
        self._started[group] += 2
        return await self._show(await self._flip(group, firing=True))

    async def _flip(self, group: str, *, firing: bool) -> Step:
        body = alertmanager_body(group, {"x": (firing, self._started[group])})
        return await self._store.receive(received(body, FLAPPING))

    async def _show(self, step: Step) -> Step:
        while step.incident and not step.incident.is_shown:
            incident, token = step.incident, secrets.token_hex(4)
            if not (await self._store.apply(incident.id, BeginDelivery(token, LEASE))).changes:
                break
            ts = incident.message.ts if incident.message else f"{secrets.randbelow(10**9)}.0"
            told = incident.message and incident.message.shown == incident.revision
            outcome = (
                NotesTold(token, incident.notes[-1].seq, "1.1")
                if told
                else Delivered(token, "C1", ts, incident.revision)
            )
            step = await self._store.apply(incident.id, outcome)
        return step

    async def ask_for_a_retry(self) -> Step | None:
        return await self.apply(Retry(self._dice.choice(list(Stage))))

    async def expire(self) -> Step | None:
        return await self.apply(Expire(timedelta(0)))

    async def want_back(self) -> Step | None:
        if not self._known:
            return None
        incident = (await self._store.load(self._dice.choice(self._known))).incident
        if incident is None or incident.message is None:
            return None
        asked = await self._store.apply(incident.id, Repost(incident.message.ts))
        if self._dice.random() < 0.5:
            return asked
        await self._store.apply(incident.id, BeginDelivery("gone", LEASE))
        return await self._store.apply(incident.id, MessageGone("gone", incident.message.ts))

    async def apply(self, command: Command) -> Step | None:
        if not self._known:
            return None
        return await self._store.apply(self._dice.choice(self._known[-6:]), command)

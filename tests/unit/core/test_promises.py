"""Whatever comes in whatever order: acknowledged before the claim never escalates unless that is taken back or lapses, snoozed
never before its time, nothing escalates twice, a closed incident stays closed, a problem that fires has exactly one open incident,
each thing is told once, and a message belongs to one incident."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.commands import (
    Acknowledge,
    BeginDelivery,
    Claim,
    Command,
    Delivered,
    EscalateNow,
    EscalationFailed,
    Fire,
    Flapping,
    Lapse,
    NotesTold,
    Reason,
    RecordWritten,
    Resolve,
    ResolveByHand,
    Rules,
    SnoozeFor,
    Step,
    Unacknowledge,
)
from shared.incident import Incident, Record
from shared.transitions import advance
from tests.episodes import MINUTE, NOON, alert, incident_id, notification, reread, resolved

SECOND = timedelta(seconds=1)
RARELY = st.integers(0, 5)
"""What ends an incident comes seldom, so that the long stories are told too."""

LEASE, GRACE, REQUEST = 50 * SECOND, 65 * SECOND, 20 * SECOND
RULES = Rules(Flapping(2, timedelta(hours=1), frozenset()), ack_timeout=timedelta(minutes=2))
BY = ("anna", "link")


@dataclass
class Worker:
    """An escalator between its claim and its report."""

    token: str
    incident_id: str
    claimed: Incident


class Promises(RuleBasedStateMachine):
    """One dedup key, several workers, a ServiceNow that keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.incidents: dict[str, Incident] = {}
        self.latest: str | None = None
        self.ids = self.tokens = 0
        self.episodes = 0
        self.workers: list[Worker] = []
        self.rows: dict[str, int] = {}
        self.travelling: list[tuple[str, datetime]] = []
        self.acknowledged_unclaimed: set[str] = set()
        self.not_before: dict[str, datetime] = {}
        self.closed: set[str] = set()
        self.posted = 0
        self.told: Counter[tuple[str, int]] = Counter()

    def apply(self, id_: str | None, command: Command) -> Step:
        step = advance(self.incidents.get(id_ or ""), command, self.now, RULES)
        for change in step.changes:
            self.incidents[change.incident.id] = reread(change.incident)
            if change.incident.closure:
                self.closed.add(change.incident.id)
        return step

    def receive(self, *, firing: bool, episode: int) -> Step:
        self.ids += 1
        one = alert("a", NOON + episode * 2 * MINUTE, firing=firing)
        new_id = incident_id(self.ids)
        wait = timedelta(minutes=1)
        command = (
            Fire(notification(one, wait=wait), new_id)
            if firing
            else Resolve(resolved(one, wait=wait), new_id)
        )
        step = self.apply(self.latest, command)
        if any(change.incident.id == new_id for change in step.changes):
            self.latest = new_id
        return step

    @rule(late=st.integers(0, 2))
    def fire(self, late: int) -> None:
        self.receive(firing=True, episode=max(0, self.episodes - late))

    @precondition(lambda self: self.episodes < 3)
    @rule(dice=RARELY)
    def fire_anew(self, dice: int) -> None:
        if dice:
            return
        self.episodes += 1
        step = self.receive(firing=True, episode=self.episodes)
        assert step.incident
        assert not step.incident.closure, "a firing problem must have an open incident"

    @rule(late=st.integers(0, 1), dice=RARELY)
    def resolve(self, late: int, dice: int) -> None:
        if dice == 0:
            self.receive(firing=False, episode=max(0, self.episodes - late))

    def one_that_waits(self, data: st.DataObject) -> str:
        """Or, where nothing does, any."""
        waiting = [id_ for id_, incident in self.incidents.items() if incident.awaits_escalation]
        return data.draw(st.sampled_from(sorted(waiting or self.incidents)))

    @precondition(lambda self: self.incidents)
    @rule(data=st.data(), dice=RARELY)
    def acknowledge(self, data: st.DataObject, dice: int) -> None:
        if dice > 1:
            return
        id_ = self.one_that_waits(data)
        before = self.incidents[id_]
        unclaimed = before.record is None and before.escalation.doubt_until is None
        step = self.apply(id_, Acknowledge("anna", "link"))
        if step.reason is Reason.ACKNOWLEDGED and unclaimed:
            self.acknowledged_unclaimed.add(id_)

    @precondition(lambda self: self.incidents)
    @rule(data=st.data(), dice=RARELY, lapses=st.booleans())
    def an_acknowledgement_is_gone(self, data: st.DataObject, dice: int, lapses: bool) -> None:
        if dice > 2:
            return
        id_ = data.draw(st.sampled_from(sorted(self.acknowledged_unclaimed) or sorted(self.incidents)))
        before = self.incidents[id_]
        step = self.apply(id_, Lapse() if lapses else Unacknowledge(*BY))
        if step.reason in (Reason.LAPSED, Reason.UNACKNOWLEDGED):
            assert step.incident
            assert step.reason is Reason.UNACKNOWLEDGED or (before.lapse_due or self.now) <= self.now
            self.acknowledged_unclaimed.discard(id_)
            assert step.incident.deadline
            self.not_before[id_] = step.incident.deadline

    @precondition(lambda self: self.incidents)
    @rule(data=st.data(), dice=RARELY, seconds=st.sampled_from([65, 100, 300]))
    def snooze(self, data: st.DataObject, dice: int, seconds: int) -> None:
        id_ = self.one_that_waits(data)
        if dice < 3 and self.apply(id_, SnoozeFor(*BY, span=seconds * SECOND)).reason is Reason.SNOOZED:
            self.not_before[id_] = self.now + seconds * SECOND

    @precondition(lambda self: self.incidents)
    @rule(data=st.data(), dice=RARELY)
    def escalate_now(self, data: st.DataObject, dice: int) -> None:
        id_ = self.one_that_waits(data)
        if dice == 0 and self.apply(id_, EscalateNow(*BY)).reason is Reason.ESCALATION_ASKED:
            self.not_before.pop(id_, None)

    @precondition(lambda self: self.incidents)
    @rule(data=st.data(), dice=RARELY)
    def resolve_by_hand(self, data: st.DataObject, dice: int) -> None:
        if dice == 0:
            self.apply(data.draw(st.sampled_from(sorted(self.incidents))), ResolveByHand(*BY))

    @precondition(lambda self: self.incidents)
    @rule(data=st.data(), steps=st.integers(1, 3))
    def slack_is_shown(self, data: st.DataObject, steps: int) -> None:
        """Nothing is lost: each attempt comes to its end before anything else happens."""
        id_ = data.draw(st.sampled_from(sorted(self.incidents)))
        for _ in range(steps):
            begun = self.apply(id_, BeginDelivery("n", LEASE))
            if begun.reason is not Reason.DELIVERY_BEGUN or begun.incident is None:
                return
            self.apply(id_, self.shown(begun.incident))

    def shown(self, incident: Incident) -> Command:
        message = incident.message
        if message and message.shown == incident.revision:
            self.told.update((incident.id, note.seq) for note in incident.notes)
            return NotesTold("n", incident.notes[-1].seq, "0.1")
        self.posted += message is None
        return Delivered("n", "C1", message.ts if message else f"{self.posted}.0", incident.revision)

    @rule(seconds=st.sampled_from([1, 10, 25, 50, 60, 200]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND

    def due(self) -> list[str]:
        return sorted(id_ for id_, moment in self.moments().items() if moment <= self.now)

    def moments(self) -> dict[str, datetime]:
        """When each of those that are due some time is due."""
        found = ((id_, incident.escalation_due) for id_, incident in self.incidents.items())
        return {id_: moment for id_, moment in found if moment is not None}

    @precondition(lambda self: self.incidents)
    @rule(
        data=st.data(),
        answer=st.sampled_from(["comes", "is lost", "never comes", "later"]),
        waits=st.booleans(),
    )
    def escalate(self, data: st.DataObject, answer: str, waits: bool) -> None:
        """Whatever the due times say, or, as a stale lease might, any other. `later`: the worker is stalled for a while. `waits`:
        until the next is due."""
        if waits:
            self.now = max(self.now, min(self.moments().values(), default=self.now))
        id_ = data.draw(st.sampled_from(self.due() or sorted(self.incidents)))
        self.tokens += 1
        token = f"w{self.tokens}"
        step = self.apply(id_, Claim(token, LEASE, GRACE))
        if step.reason in (Reason.CLAIMED, Reason.TAKEN_OVER):
            assert step.incident
            worker = Worker(token, id_, step.incident)
            if answer == "later":
                self.workers.append(worker)
            else:
                self.work(worker, answer)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), answer=st.sampled_from(["comes", "is lost", "never comes"]))
    def a_stalled_worker_goes_on(self, data: st.DataObject, answer: str) -> None:
        self.work(self.workers.pop(data.draw(st.integers(0, len(self.workers) - 1))), answer)

    def work(self, worker: Worker, answer: str) -> None:
        """Look, send the record when it is not there and we may, and report; or lose the answer; or die."""
        lease = worker.claimed.escalation.lease
        assert lease
        doubt = worker.claimed.escalation.doubt_until
        doubt_left = doubt - lease.at if doubt and doubt > lease.at else None
        if not self.rows.get(worker.incident_id):
            put_off = worker.claimed.deadline is not None and worker.claimed.deadline > lease.at
            wanted = worker.claimed.awaits_escalation and not put_off
            if not wanted or doubt_left or self.now - lease.at > LEASE - REQUEST:
                self.apply(worker.incident_id, EscalationFailed(worker.token, "no", SECOND, doubt=doubt_left))
                return
            assert self.now >= self.not_before.get(worker.incident_id, self.now), "it was put off"
            self.travelling.append((worker.incident_id, self.now))
            if answer == "comes":
                self.arrive(len(self.travelling) - 1)
        if answer == "comes":
            record = Record(sys_id="a" * 32, number="INC1", url="https://x", instance=None, at=self.now)
            self.apply(worker.incident_id, RecordWritten(worker.token, record))
        elif answer == "is lost":
            self.apply(
                worker.incident_id, EscalationFailed(worker.token, "lost", SECOND, doubt=GRACE + REQUEST)
            )

    def arrive(self, index: int) -> None:
        id_, sent = self.travelling.pop(index)
        if self.now - sent <= REQUEST + 60 * SECOND:
            self.rows[id_] = self.rows.get(id_, 0) + 1

    @precondition(lambda self: self.travelling)
    @rule(data=st.data())
    def a_request_arrives_late(self, data: st.DataObject) -> None:
        """Its sender has given up, or is dead; ServiceNow goes on with it."""
        self.arrive(data.draw(st.integers(0, len(self.travelling) - 1)))

    @invariant()
    def at_most_one_record_each(self) -> None:
        assert all(count == 1 for count in self.rows.values())

    @invariant()
    def acknowledged_before_the_claim_never_escalates(self) -> None:
        assert not self.acknowledged_unclaimed & set(self.rows)

    @invariant()
    def closed_stays_closed(self) -> None:
        assert all(self.incidents[id_].closure for id_ in self.closed)

    @invariant()
    def at_most_one_is_open(self) -> None:
        assert sum(not incident.closure for incident in self.incidents.values()) <= 1

    @invariant()
    def whoever_waits_is_due_some_time(self) -> None:
        for incident in self.incidents.values():
            if incident.awaits_escalation:
                assert incident.escalation_due is not None

    @invariant()
    def a_message_belongs_to_one_incident_and_who_lost_it_says_to_whom(self) -> None:
        messages = Counter(one.message.ts for one in self.incidents.values() if one.message)
        assert all(count == 1 for count in messages.values())
        for incident in self.incidents.values():
            if incident.heir:
                assert incident.closure
                assert incident.message is None
                assert self.incidents[incident.heir].opened_at >= incident.closure.at

    @invariant()
    def nothing_is_told_twice(self) -> None:
        assert all(count == 1 for count in self.told.values())

    @invariant()
    def what_waits_to_be_told_came_in_this_order_and_once(self) -> None:
        for incident in self.incidents.values():
            order = [(note.seq, note.kind) for note in incident.notes]
            assert order == sorted(set(order), key=order.index)
            assert [seq for seq, _ in order] == sorted(seq for seq, _ in order)


TestPromises = pytest.mark.filterwarnings("default")(Promises.TestCase)
TestPromises.settings = settings(max_examples=250, stateful_step_count=50)

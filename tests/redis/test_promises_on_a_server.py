"""The five promises, with the real store, notifier and escalator on a real server: workers that stall and die between any two
calls, answers that are lost or come late, events that are handed out again, due times that are lost. Time is shifted, not waited for.

(1) What was taken is durable. (2) Every incident reaches Slack, once. (3) It is acknowledged or escalated, never both, never neither.
(4) At most one record. (5) Nothing is dropped: at the end nothing waits that nobody would look at. And people's word counts: snoozed,
it is not escalated before its time; acknowledged, not before that is taken back or lapses. Each thing is told once in the thread.
"""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from structlog.testing import capture_logs

from services.escalator import escalator as escalator_module
from services.escalator.escalator import Escalator
from services.escalator.targets import Targets
from services.notifier import courier as courier_module
from services.notifier import notifier as notifier_module
from services.notifier.appearance import Appearance
from services.notifier.message import Look
from services.notifier.notifier import Notifier
from services.notifier.pacing import Pace, Pacing
from services.notifier.template import MessageTemplate
from services.notifier.thread import reply
from services.notifier.turns import Turns
from shared.commands import (
    Acknowledge,
    EscalateNow,
    EventType,
    Expire,
    Flapping,
    Reason,
    ResolveByHand,
    Rules,
    SnoozeFor,
    Unacknowledge,
)
from shared.due_times import DueTimes
from shared.incident import Incident
from shared.keys import Keys, slack_queue
from shared.links import AckLinks
from shared.notification import SERVICENOW, SLACK, WEBHOOK, PlannedStep
from shared.redis_client import Scripts, StoreUnavailableError, connect
from shared.store import Store
from shared.stream import Entry
from tests.episodes import MINUTE, NOON, alert, notification, resolved
from tests.faults.conftest import many
from tests.redis.outside import (
    SECOND,
    TIMEOUT,
    Clock,
    ServiceNowOutside,
    ShiftedScripts,
    SlackOutside,
    WebhookOutside,
    Worker,
    World,
)
from tests.servers import RedisServer

KEYS = Keys()
PACE = Pace(timedelta(hours=1), 1)
"""Tokens come when the machine says so: time in Redis is not shifted."""

RULES = Rules(Flapping(2, timedelta(hours=1), frozenset()), ack_timeout=2 * MINUTE)
OUTCOME = st.sampled_from(["answered", "answered", "slow", "lost", "refused", "late", "dies", "dies late"])
OUTCOMES = st.lists(OUTCOME, max_size=3)
CALL = PlannedStep(offset=-30 * SECOND, target=SLACK, mention=("<!here>",))
STEPS = [
    (),
    (CALL, PlannedStep(offset=MINUTE, target=WEBHOOK)),
    (PlannedStep(offset=MINUTE, target=SERVICENOW, instance="infra"),),
]
AT_INFRA = 1
"""Which step that is, wherever it is one."""

WORTH_TELLING = ("acknowledged", "unacknowledged", "lapsed", "resolved", "superseded", "expired")
BLIND, BLIND_IN_THREAD = "cannot_look_for_message", "cannot_look_for_reply"
ANY = st.integers(0, 997)
"""Chooses one of however many there are. Ids are random, their order is not."""


class Promises(RuleBasedStateMachine):
    def __init__(
        self, url: str, template: MessageTemplate, patch: pytest.MonkeyPatch, logs: list[Any]
    ) -> None:
        super().__init__()
        self.logs = logs
        self.runner = asyncio.Runner()
        self.world = World()
        for module in (escalator_module, notifier_module, courier_module):
            patch.setattr(module, "time", Clock(self.world))
        patch.setattr(courier_module, "reply", _reply_with_its_notes)
        self.template = template
        self.url = url
        self.accepted: list[str] = []
        self.stopped: set[tuple[str, int]] = set()
        self.closed: set[str] = set()
        self.episodes = Counter[str]()
        self.acked: set[tuple[str, str]] = set()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @initialize()
    def an_empty_server(self) -> None:
        async def connected() -> None:
            self.client = connect(self.url)
            await self.client.flushall()

        self.do(connected())

    # Processes: each piece of work has a store of its own, as if it ran alone in one.

    @property
    def scripts(self) -> Scripts:
        return ShiftedScripts(self.client, self.world)

    @property
    def store(self) -> Store:
        return Store(self.scripts, RULES)

    @property
    def notifier(self) -> Notifier:
        look = Look("Acknowledge", "primary", disable_button=False)
        appearance = Appearance("C1", self.template, look, AckLinks("https://ack.example.com", ("key",)))
        slack: Any = SlackOutside(self.world)
        courier = courier_module.Courier(slack, self.pacing, appearance, TIMEOUT)
        return Notifier(self.store, self.pacing, courier, appearance)

    @property
    def pacing(self) -> Pacing:
        return Pacing(self.scripts, PACE)

    @property
    def turns(self) -> Turns:
        no_storm: Any = None
        return Turns(self.pacing, self.notifier, no_storm)

    @property
    def escalator(self) -> Escalator:
        outside = (
            ServiceNowOutside(self.world),
            ServiceNowOutside(self.world, "infra"),
            WebhookOutside(self.world),
        )
        return Escalator(self.store, Targets(outside), wake=lambda: None)

    async def begin(
        self,
        work: Coroutine[Any, Any, Any],
        outcomes: Sequence[str] = (),
        handed: tuple[str, str] | None = None,
    ) -> None:
        """Let a worker go on until it calls the outside and none of `outcomes` is left for that, or until it is done."""
        worker = Worker(asyncio.create_task(work), handed)
        self.world.workers.append(worker)
        await self.proceed(worker)
        for outcome in outcomes:
            if worker in self.world.workers:
                await self.answer(worker, outcome)

    async def proceed(self, worker: Worker) -> None:
        reached = asyncio.create_task(worker.reached.wait())
        await asyncio.wait({worker.task, reached}, return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        if worker.task.done():
            self.world.workers.remove(worker)
            with contextlib.suppress(StoreUnavailableError):  # as the loops around it would
                worker.task.result()
                if worker.handed:
                    self.acked.add(worker.handed)

    async def answer(self, worker: Worker, outcome: str) -> None:
        call = worker.call
        assert call
        if call.changes and outcome in ("late", "dies late"):
            self.world.travelling.append(call)
        if outcome.startswith("dies"):
            self.world.workers.remove(worker)
            worker.task.cancel()
            return
        worker.reached.clear()
        call.outcome.set_result(outcome)
        await self.proceed(worker)

    async def incident(self, id_: str) -> Incident:
        incident = (await self.store.load(id_)).incident
        assert incident, f"{id_} was taken and is gone"
        return incident

    def chosen(self, number: int) -> str:
        return self.accepted[number % len(self.accepted)]

    # What comes in

    @rule(
        group=st.sampled_from("ab"),
        wait=st.sampled_from([0, 60, None]),
        anew=st.integers(0, 4),
        steps=st.sampled_from(STEPS),
    )
    def fire(self, group: str, wait: int | None, anew: int, steps: tuple[PlannedStep, ...] = ()) -> None:
        self.episodes[group] += anew == 0
        started = NOON + 2 * self.episodes[group] * MINUTE
        deadline = None if wait is None else wait * SECOND
        given = notification(alert("x", started), group=group, wait=deadline, steps=steps)
        self.remember(self.do(self.store.receive(given)))

    @rule(group=st.sampled_from("ab"), rarely=st.integers(0, 3))
    def resolve(self, group: str, rarely: int) -> None:
        started = NOON + 2 * self.episodes[group] * MINUTE
        if not rarely:
            gone = alert("x", started, firing=False)
            self.remember(self.do(self.store.receive(resolved(gone, group=group))))

    def remember(self, step: Any) -> None:
        for change in step.changes:
            if change.incident.version == 1:
                self.accepted.append(change.incident.id)
            if change.incident.closure:
                self.closed.add(change.incident.id)

    @precondition(lambda self: self.accepted)
    @rule(number=ANY)
    def acknowledge(self, number: int) -> None:
        id_ = self.chosen(number)
        before = self.do(self.incident(id_))
        step = self.do(self.store.apply(id_, Acknowledge("Ada", "link")))
        if step.reason is not Reason.ACKNOWLEDGED:
            return
        self.world.not_before.pop(id_, None)
        left = [one for one in before.steps if not (before.record_of(one) or before.effort(one).doubt_until)]
        self.stopped |= {(id_, one) for one in left}

    @precondition(lambda self: self.accepted)
    @rule(number=ANY)
    def take_an_acknowledgement_back(self, number: int) -> None:
        taken = sorted({id_ for id_, _ in self.stopped}) or self.accepted
        id_ = taken[number % len(taken)]
        step = self.do(self.store.apply(id_, Unacknowledge("Bob", "link")))
        if step.reason is Reason.UNACKNOWLEDGED:
            self.stopped = {one for one in self.stopped if one[0] != id_}

    @precondition(lambda self: self.accepted)
    @rule(number=ANY, rarely=st.integers(0, 2))
    def somebody_closes_the_record(self, number: int, rarely: int) -> None:
        if not rarely:
            self.world.closed_by_hand.add(self.chosen(number))

    @precondition(lambda self: self.accepted)
    @rule(number=ANY, seconds=st.sampled_from([65, 300]))
    def snooze(self, number: int, seconds: int) -> None:
        id_ = self.chosen(number)
        doubt, now = self.do(self.incident(id_)).escalation.doubt_until, self.world.now()
        step = self.do(self.store.apply(id_, SnoozeFor("Kim", "link", span=seconds * SECOND)))
        if step.reason is Reason.SNOOZED and doubt is None:
            self.world.not_before[id_] = now + seconds

    @precondition(lambda self: self.accepted)
    @rule(number=ANY)
    def escalate_now(self, number: int) -> None:
        id_ = self.chosen(number)
        if self.do(self.store.apply(id_, EscalateNow("Kim", "link"))).reason is Reason.ESCALATION_ASKED:
            self.world.not_before.pop(id_, None)

    @precondition(lambda self: self.accepted)
    @rule(number=ANY, rarely=st.integers(0, 2))
    def resolve_by_hand(self, number: int, rarely: int) -> None:
        if not rarely:
            self.remember(self.do(self.store.apply(self.chosen(number), ResolveByHand("Kim", "link"))))

    @precondition(lambda self: self.accepted)
    @rule(number=ANY)
    def expire(self, number: int) -> None:
        self.remember(self.do(self.store.apply(self.chosen(number), Expire(10 * MINUTE))))

    # What the services do, as often and as late as it may happen

    @rule(seconds=st.sampled_from([1, 5, 12, 25, 50, 65, 200]))
    def time_passes(self, seconds: int) -> None:
        self.world.shift += seconds * SECOND

    @rule(outcomes=OUTCOMES, waits=st.booleans())
    def the_escalator_polls(self, outcomes: list[str], waits: bool) -> None:
        self.do(self.poll(KEYS.deadlines, self.escalator.escalate, outcomes, waits=waits))

    @rule(outcomes=OUTCOMES, waits=st.booleans())
    def the_notifier_polls(self, outcomes: list[str], waits: bool) -> None:
        self.do(self.poll(KEYS.deliveries, self.notifier.show_due, outcomes, waits=waits))

    @rule(outcomes=OUTCOMES)
    def the_notifier_takes_a_turn(self, outcomes: list[str]) -> None:
        self.do(self.take_turn(outcomes))

    async def take_turn(self, outcomes: Sequence[str] = ()) -> None:
        await self.pacing.give_back("C1")
        await self.begin(self.turns.take("C1"), outcomes)

    async def poll(
        self,
        key: str,
        work: Callable[[str], Coroutine[Any, Any, Any]],
        outcomes: Sequence[str] = (),
        *,
        waits: bool = False,
        limit: int = 1,
    ) -> int:
        """`waits`: until the next is due."""
        if waits and (found := await self.client.zrange(key, 0, 0, withscores=True)):
            seconds, microseconds = await self.client.time()
            now = seconds * 1000 + microseconds // 1000
            self.world.shift = max(self.world.shift, timedelta(milliseconds=found[0][1] + 1 - now))
        due = await DueTimes(self.scripts, key, -self.world.shift).lease(limit)
        for id_ in due.ids:
            await self.begin(work(id_), outcomes)
        return len(due.ids)

    async def events(self) -> list[Entry]:
        return [Entry(id_.decode(), fields) for id_, fields in await self.client.xrange(KEYS.events)]

    @rule(group=st.sampled_from(["notifier", "notifier", "escalator"]), outcomes=OUTCOMES)
    def the_next_event_is_handed_out(self, group: str, outcomes: list[str]) -> None:
        busy = {worker.handed for worker in self.world.workers} | self.acked
        new = [entry for entry in self.do(self.events()) if (group, entry.id) not in busy]
        if new:
            self.do(self.begin(self.handled(group, new[0]), outcomes, (group, new[0].id)))

    @precondition(lambda self: self.accepted)
    @rule(number=ANY, group=st.sampled_from(["notifier", "escalator"]), outcomes=OUTCOMES)
    def an_event_is_handed_out_once_more(self, number: int, group: str, outcomes: list[str]) -> None:
        entries = self.do(self.events())
        self.do(self.begin(self.handled(group, entries[-1 - number % len(entries)]), outcomes))

    def handled(self, group: str, entry: Entry) -> Coroutine[Any, Any, Any]:
        return self.notifier.handle(entry) if group == "notifier" else self.escalator.handle(entry)

    @rule()
    def a_commit_takes_long(self) -> None:
        self.world.pauses = 1

    @rule(stage=st.sampled_from(["notifier", "escalator"]), fate=st.sampled_from(["late", "dies late"]))
    def a_request_outlives_its_worker(self, stage: str, fate: str) -> None:
        """By itself this comes together too seldom: in doubt, somebody else looks, and only then the request takes effect."""
        before = len(self.world.travelling)
        if stage == "notifier":
            self.the_next_event_is_handed_out("notifier", [fate])
            key, work = KEYS.deliveries, self.notifier.show_due
        else:
            key, work = KEYS.deadlines, self.escalator.escalate
            self.do(self.poll(key, work, ["answered", fate], waits=True))
        if len(self.world.travelling) > before:
            for _ in range(3):
                self.do(self.poll(key, work, ["answered", "answered"], waits=True))
            self.a_request_arrives_late(before)

    # What comes together too seldom by itself

    def slack_catches_up(self) -> None:
        """All that happened is shown and told, and nothing goes wrong with it."""

        async def handle_all() -> None:
            begun = set[str]()
            while new := [one for one in await self.events() if one.id not in begun]:
                for entry in new:
                    begun.add(entry.id)
                    if ("notifier", entry.id) not in self.acked:
                        handed = ("notifier", entry.id)
                        await self.begin(self.notifier.handle(entry), ["answered"] * 9, handed)

        self.world.lost_commits = self.world.pauses = 0
        self.do(handle_all())

    @rule(group=st.sampled_from("ab"), ends=st.booleans())
    def a_group_flaps(self, group: str, ends: bool) -> None:
        self.fire(group, 60, 0)
        self.slack_catches_up()
        if ends:
            self.resolve(group, 0)
            self.slack_catches_up()
        self.fire(group, 60, 0)

    @rule(
        group=st.sampled_from("ab"), fate=st.sampled_from(["lost", "late", "dies late"]), edited=st.booleans()
    )
    def a_reply_is_lost(self, group: str, fate: str, edited: bool) -> None:
        """And, perhaps, the message is edited before anybody looks for it."""
        self.fire(group, 60, 0)
        self.slack_catches_up()
        number = len(self.accepted) - 1
        self.snooze(number, 65)
        before = len(self.world.travelling)
        self.the_next_event_is_handed_out("notifier", ["answered", fate])
        if edited:
            self.acknowledge(number)
            self.the_next_event_is_handed_out("notifier", ["answered"])
        for _ in range(3):
            self.do(self.poll(KEYS.deliveries, self.notifier.show_due, ["answered", "answered"], waits=True))
        if len(self.world.travelling) > before:
            self.a_request_arrives_late(before)

    @precondition(lambda self: self.accepted)
    @rule(number=ANY)
    def an_acknowledgement_lapses(self, number: int) -> None:
        self.acknowledge(number)
        self.do(self.poll(KEYS.deadlines, self.escalator.escalate, ["answered", "answered"], waits=True))

    # Whether anybody is at work may hang on a millisecond, and so must not decide what Hypothesis may draw.

    @rule(number=ANY, outcome=OUTCOME)
    def a_call_has_its_outcome(self, number: int, outcome: str) -> None:
        if self.world.workers:
            self.do(self.answer(self.world.workers[number % len(self.world.workers)], outcome))

    @rule(number=ANY)
    def a_request_arrives_late(self, number: int) -> None:
        if not self.world.travelling:
            return
        call = self.world.travelling.pop(number % len(self.world.travelling))
        if self.world.shift - call.sent <= call.finishes:
            call.effect()

    @rule()
    def the_answer_to_a_commit_is_lost(self) -> None:
        self.world.lost_commits = 1

    @precondition(lambda self: self.accepted)
    @rule()
    def the_due_times_are_lost_and_built_anew_from_the_stream(self) -> None:
        async def repair() -> None:
            await self.client.delete(KEYS.deadlines, KEYS.deliveries)
            for entry in await self.events():
                await self.escalator.handle(entry)
                await self.store.settle_delivery(entry.incident_id)

        self.world.lost_commits = self.world.pauses = 0
        self.do(repair())

    # What must hold all the time

    @invariant()
    def at_most_one_record_each(self) -> None:
        at_infra = [id_ for id_, step in self.world.reached if step == AT_INFRA]
        for rows in (self.world.rows, at_infra):
            assert all(count == 1 for count in Counter(rows).values())

    @invariant()
    def no_step_is_taken_that_an_acknowledgement_has_stopped(self) -> None:
        taken = {(id_, 0) for id_ in self.world.rows} | set(self.world.reached)
        lapsed = self.lapsed()
        assert not {one for one in self.stopped & taken if one[0] not in lapsed}

    @invariant()
    def a_record_is_told_everything_once(self) -> None:
        # What happened while nobody knew of the record comes with one event, and so under one number.
        told = Counter((id_, step, seq) for id_, step, seqs in self.world.told for seq in set(seqs))
        assert all(count == 1 for count in told.values())

    def lapsed(self) -> set[str]:
        return {entry.incident_id for entry in self.do(self.events()) if entry.type == EventType.LAPSED}

    @invariant()
    def what_waits_has_its_due_time_and_what_is_closed_stays_closed(self) -> None:
        async def look() -> None:
            for id_ in self.accepted:
                incident = await self.incident(id_)
                assert bool(incident.closure) == (id_ in self.closed)
                assert (await self.client.zscore(KEYS.deadlines, id_) is not None) == bool(
                    incident.attention_due
                )
                assert incident.message is None or incident.heir is None

        if self.accepted:
            self.do(look())

    def teardown(self) -> None:
        """Everything works again: whatever was begun comes to its end, and the promises can be counted."""
        try:
            if self.accepted:
                self.world.lost_commits = self.world.pauses = 0
                self.do(self.come_to_the_end())
                self.do(self.check_the_end())
        finally:
            self.do(self.client.aclose())
            self.runner.close()

    async def come_to_the_end(self) -> None:
        for _ in range(300):
            while self.world.workers:
                await self.answer(self.world.workers[0], "answered")
            new = [entry for entry in await self.events() if ("notifier", entry.id) not in self.acked]
            for entry in new:  # also what a worker had that was killed: it comes again
                await self.begin(self.notifier.handle(entry), handed=("notifier", entry.id))
            found = await self.poll(KEYS.deadlines, self.escalator.escalate, limit=50)
            found += await self.poll(KEYS.deliveries, self.notifier.show_due, limit=50)
            for _ in range(await self.client.zcard(slack_queue("C1"))):
                await self.take_turn()
            if not (new or found) and not await self.client.exists(KEYS.deadlines, KEYS.deliveries):
                return
            self.world.shift += timedelta(0) if new or found else 5 * SECOND
        raise AssertionError("something waits for ever")

    async def check_the_end(self) -> None:
        told = Counter(id_ for _, id_, _ in self.world.messages)
        for id_ in self.accepted:
            incident = await self.incident(id_)
            assert incident.is_shown
            self.check_messages(incident, told[id_])
            assert not incident.attention_due
            assert (incident.record is not None) == (id_ in self.world.rows), incident
            for step in incident.steps[1:]:
                assert (incident.record_of(step) is not None) == ((id_, step) in self.world.reached), incident
            await self.check_news(incident)
        shown = {id_: revision for _, id_, revision in self.world.messages}
        for id_, revision in shown.items():
            assert revision == (await self.incident(id_)).revision, "the message shows the past"
        twice = Counter((id_, note) for id_, told in self.world.replies for note in told)
        assert {id_ for (id_, _), count in twice.items() if count > 1} <= self.blind(BLIND_IN_THREAD)

    async def check_news(self, incident: Incident) -> None:
        """Whatever happened since its record was written stands there, but where a person had closed it."""
        if incident.record is None or incident.id in self.world.closed_by_hand:
            return
        told = {seq for id_, step, seqs in self.world.told if (id_, step) == (incident.id, 0) for seq in seqs}
        events = [one for one in await self.events() if one.incident_id == incident.id]
        begun = next(position for position, one in enumerate(events) if _is_record(one))
        worth = {int(one.text("version")) for one in events[begun:] if one.type in WORTH_TELLING}
        assert worth <= told

    def check_messages(self, incident: Incident, count: int) -> None:
        """One, but where Slack would not let us look for minutes: then the log says that there may be another."""
        if incident.closure and incident.closure.never_fired:
            assert count == 0
        elif incident.id in self.blind(BLIND):
            assert count >= (incident.heir is None)
        else:
            assert count == (incident.heir is None)

    def blind(self, event: str) -> set[str]:
        return {line["incident"] for line in self.logs if line["event"] == event}


def _is_record(event: Entry) -> bool:
    data = json.loads(event.text("data"))
    return event.type == EventType.ESCALATED and not data.get("step") and event.text("reason") == "escalated"


def _reply_with_its_notes(incident: Incident) -> dict[str, Any]:
    return reply(incident) | {"told": tuple(note.seq for note in incident.notes)}


def test_whatever_happens_in_whatever_order_the_promises_hold(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "message.tmpl"
    path.write_text("{{ incident.facts.title }}")
    template = MessageTemplate.load(path)
    effort = settings(
        max_examples=many(25, 300),
        stateful_step_count=many(40, 60),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    with capture_logs() as logs:
        run_state_machine_as_test(
            lambda: Promises(redis_server.url, template, monkeypatch, logs), settings=effort
        )

"""The five promises, with the real store, notifier and escalator on a real server: workers that stall and die between any two
calls, answers that are lost or come late, events that are handed out again, due times that are lost. Time is shifted, not waited for.

(1) What was taken is durable. (2) Every incident reaches Slack, once. (3) It is acknowledged or escalated, never both, never neither.
(4) At most one record. (5) Nothing is dropped: at the end nothing waits that nobody would look at.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
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
from services.escalator.servicenow import EscalationError, Row
from services.notifier import notifier as notifier_module
from services.notifier.message import Look
from services.notifier.notifier import Appearance, Notifier
from services.notifier.pacing import Pace, Pacing
from services.notifier.slack import Failure, Found, Posted, SlackCallError
from services.notifier.template import MessageTemplate
from services.notifier.turns import Turns
from shared import store as store_module
from shared.commands import Acknowledge, Expire, Reason
from shared.due_times import DueTimes
from shared.incident import Incident
from shared.keys import Keys, slack_queue
from shared.links import AckLinks
from shared.redis_client import Script, Scripts, StoreUnavailableError, connect
from shared.store import Store
from shared.stream import Entry
from tests.episodes import MINUTE, NOON, alert, notification, resolved
from tests.faults.conftest import many
from tests.servers import RedisServer

KEYS = Keys()
SECOND = timedelta(seconds=1)
TIMEOUT = 10 * SECOND
SERVICENOW_FINISHES = TIMEOUT + 60 * SECOND
PACE = Pace(timedelta(hours=1), 1)
"""Tokens come when the machine says so: time in Redis is not shifted."""

SLACK_FINISHES = 20 * SECOND
"""How long after it was sent a request may still take effect."""

OUTCOME = st.sampled_from(["answered", "answered", "slow", "lost", "refused", "late", "dies", "dies late"])
OUTCOMES = st.lists(OUTCOME, max_size=3)
BLIND = "cannot_look_for_message"
ANY = st.integers(0, 997)
"""Chooses one of however many there are. Ids are random, their order is not."""


@dataclass
class Call:
    """A request of a worker that waits for its outcome. `effect` answers it; with `changes` it also makes something so."""

    effect: Callable[[], Any]
    changes: bool
    outcome: asyncio.Future[str]
    sent: timedelta
    finishes: timedelta


@dataclass
class World:
    """What is outside. `shift`: how far time has moved on."""

    shift: timedelta = timedelta(0)
    messages: list[tuple[str, str, int]] = field(default_factory=list)
    """ts, incident, revision."""
    replies: list[tuple[str, int]] = field(default_factory=list)
    """Incident, and the last note that the reply tells."""
    rows: list[str] = field(default_factory=list)
    travelling: list[Call] = field(default_factory=list)
    workers: list["Worker"] = field(default_factory=list)
    lost_commits: int = 0
    pauses: int = 0
    numbers: int = 0

    def working(self) -> "Worker | None":
        """Whoever is at it just now; None: ingest, or the test."""
        return next((one for one in self.workers if one.task is asyncio.current_task()), None)

    async def ask(
        self,
        effect: Callable[[], Any],
        refused: Exception,
        lost: Exception,
        finishes: timedelta | None = None,
    ) -> Any:
        """Let the machine decide how this request fares. `finishes`: how long after it was sent it may take effect; None: it only
        looks."""
        sent, outcome = self.shift, await self._outcome(effect, finishes)
        if finishes is not None and self.shift - sent > finishes:
            raise lost  # the other side has long given up
        if outcome == "refused" or (finishes is None and outcome in ("lost", "late")):
            raise refused
        if outcome == "late":
            raise lost
        answer = effect()
        if outcome == "lost":
            raise lost
        if outcome == "slow":
            await self.pause()
        return answer

    async def pause(self) -> None:
        """The worker is stalled, until the machine lets it go on."""
        await self._outcome(lambda: None, None)

    async def _outcome(self, effect: Callable[[], Any], finishes: timedelta | None) -> str:
        worker = self.working()
        assert worker
        future = asyncio.get_running_loop().create_future()
        worker.call = Call(effect, finishes is not None, future, self.shift, finishes or timedelta(0))
        worker.reached.set()
        return await future


@dataclass
class Worker:
    """A piece of work of some process, between its call to the outside and the answer."""

    task: asyncio.Task[Any]
    handed: tuple[str, str] | None = None
    """Group and id of the event that it deals with."""
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    call: Call | None = None


class Clock:
    """Stands for the module `time` where a worker measures how long it was at something."""

    def __init__(self, world: World) -> None:
        self._world = world

    def monotonic(self) -> float:
        return self._world.shift.total_seconds()


class ShiftedScripts(Scripts):
    """Redis with its clock moved on; now and then a commit takes long to arrive, or its answer is lost."""

    def __init__(self, client: Any, world: World) -> None:
        super().__init__(client)
        self._world = world

    async def run(self, script: Script, keys: Any, args: Any) -> Any:
        committing = script is store_module._COMMIT  # noqa: SLF001
        if committing and self._world.pauses and self._world.working():
            self._world.pauses -= 1
            await self._world.pause()
        answer = await super().run(script, keys, args)
        if script in (store_module._FIND, store_module._LOAD):  # noqa: SLF001
            answer[0] = b"%d" % (int(answer[0]) + self._world.shift // timedelta(milliseconds=1))
        if committing and self._world.lost_commits:
            self._world.lost_commits -= 1
            raise StoreUnavailableError("the answer is lost")
        return answer


class SlackOutside:
    """Slack, as the notifier calls it."""

    REFUSED = SlackCallError(Failure.TRANSIENT, "service_unavailable")
    LOST = SlackCallError(Failure.AMBIGUOUS, "answer lost")

    def __init__(self, world: World) -> None:
        self._world = world

    async def post(self, channel: str, message: dict[str, Any]) -> Posted:
        payload = message["metadata"]["event_payload"]
        self._world.numbers += 1
        ts = f"{self._world.numbers}.0"

        def effect() -> Posted:
            self._world.messages.append((ts, payload["incident_id"], payload["revision"]))
            return Posted(channel, ts)

        posted: Posted = await self._world.ask(effect, self.REFUSED, self.LOST, SLACK_FINISHES)
        return posted

    async def update(self, channel: str, ts: str, message: dict[str, Any]) -> None:
        payload = message["metadata"]["event_payload"]

        def effect() -> None:
            kept = [one for one in self._world.messages if one[0] != ts]
            self._world.messages = [*kept, (ts, payload["incident_id"], payload["revision"])]

        await self._world.ask(effect, self.REFUSED, self.LOST, timedelta(0))

    async def find(self, channel: str, incident_id: str, since: Any, field: str) -> list[Found]:
        def look() -> list[Found]:
            ours = [Found(ts, revision) for ts, id_, revision in self._world.messages if id_ == incident_id]
            return sorted(ours, key=lambda found: float(found.ts))

        found: list[Found] = await self._world.ask(look, self.REFUSED, self.LOST)
        return found

    async def reply(self, channel: str, thread: str, message: dict[str, Any]) -> Posted:
        payload = message["metadata"]["event_payload"]

        def effect() -> Posted:
            self._world.replies.append((payload["notes_of"], payload["upto"]))
            return Posted(channel, f"{thread}.{len(self._world.replies)}")

        posted: Posted = await self._world.ask(effect, self.REFUSED, self.LOST, SLACK_FINISHES)
        return posted

    async def told_up_to(self, channel: str, thread: str, incident_id: str, since: Any) -> int:
        def look() -> int:
            return max((upto for id_, upto in self._world.replies if id_ == incident_id), default=0)

        told: int = await self._world.ask(look, self.REFUSED, self.LOST)
        return told

    async def delete(self, channel: str, ts: str) -> None:
        self._world.messages = [one for one in self._world.messages if one[0] != ts]


class ServiceNowOutside:
    """ServiceNow, as the escalator calls it."""

    REFUSED = EscalationError("answered 503")
    LOST = EscalationError("answer lost", in_doubt=True)

    def __init__(self, world: World) -> None:
        self._world = world

    async def find(self, url: str, incident_id: str) -> Row | None:
        def look() -> Row | None:
            return self._row(incident_id) if incident_id in self._world.rows else None

        row: Row | None = await self._world.ask(look, self.REFUSED, self.LOST)
        return row

    async def create(self, url: str, incident_id: str, fields: dict[str, str]) -> Row:
        def effect() -> Row:
            self._world.rows.append(incident_id)
            return self._row(incident_id)

        row: Row = await self._world.ask(effect, self.REFUSED, self.LOST, SERVICENOW_FINISHES)
        return row

    def link(self, url: str, row: Row) -> str:
        return f"{url}/{row.sys_id}"

    def _row(self, incident_id: str) -> Row:
        return Row(incident_id, f"INC{incident_id[-6:]}")


class Promises(RuleBasedStateMachine):
    def __init__(
        self, url: str, template: MessageTemplate, patch: pytest.MonkeyPatch, logs: list[Any]
    ) -> None:
        super().__init__()
        self.logs = logs
        self.runner = asyncio.Runner()
        self.world = World()
        for module in (escalator_module, notifier_module):
            patch.setattr(module, "time", Clock(self.world))
        self.template = template
        self.url = url
        self.accepted: list[str] = []
        self.answered_in_time: set[str] = set()
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
        return Store(self.scripts)

    @property
    def notifier(self) -> Notifier:
        look = Look("Acknowledge", "primary", disable_button=False)
        appearance = Appearance("C1", self.template, look, AckLinks("https://ack.example.com", ("key",)))
        slack: Any = SlackOutside(self.world)
        return Notifier(self.store, slack, self.pacing, appearance, TIMEOUT)

    @property
    def pacing(self) -> Pacing:
        return Pacing(self.scripts, PACE)

    @property
    def turns(self) -> Turns:
        no_storm: Any = None
        return Turns(self.pacing, self.notifier, no_storm)

    @property
    def escalator(self) -> Escalator:
        servicenow: Any = ServiceNowOutside(self.world)
        return Escalator(self.store, servicenow, lambda _: (None, "https://x"), TIMEOUT, wake=lambda: None)

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

    @rule(group=st.sampled_from("ab"), wait=st.sampled_from([0, 60, None]), anew=st.integers(0, 4))
    def fire(self, group: str, wait: int | None, anew: int) -> None:
        self.episodes[group] += anew == 0
        started = NOON + 2 * self.episodes[group] * MINUTE
        deadline = None if wait is None else wait * SECOND
        step = self.do(self.store.receive(notification(alert("x", started), group=group, wait=deadline)))
        self.remember(step)

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
        doubt = self.do(self.incident(id_)).escalation.doubt_until
        step = self.do(self.store.apply(id_, Acknowledge("Ada", "link")))
        if step.reason is Reason.ACKNOWLEDGED and doubt is None:
            self.answered_in_time.add(id_)

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

    @precondition(lambda self: self.world.workers)
    @rule(number=ANY, outcome=OUTCOME)
    def a_call_has_its_outcome(self, number: int, outcome: str) -> None:
        self.do(self.answer(self.world.workers[number % len(self.world.workers)], outcome))

    @precondition(lambda self: self.world.travelling)
    @rule(number=ANY)
    def a_request_arrives_late(self, number: int) -> None:
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
        assert all(count == 1 for count in Counter(self.world.rows).values())

    @invariant()
    def who_was_answered_in_time_is_not_escalated(self) -> None:
        assert not self.answered_in_time & set(self.world.rows)

    @invariant()
    def what_waits_has_its_due_time_and_what_is_closed_stays_closed(self) -> None:
        async def look() -> None:
            for id_ in self.accepted:
                incident = await self.incident(id_)
                assert bool(incident.closure) == (id_ in self.closed)
                assert (await self.client.zscore(KEYS.deadlines, id_) is not None) == bool(
                    incident.escalation_due
                )

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
            assert not incident.awaits_escalation
            assert (incident.record is not None) == (id_ in self.world.rows), incident
        shown = {id_: revision for _, id_, revision in self.world.messages}
        for id_, revision in shown.items():
            assert revision == (await self.incident(id_)).revision, "the message shows the past"

    def check_messages(self, incident: Incident, count: int) -> None:
        """One, but where Slack would not let us look for minutes: then the log says that there may be another."""
        if incident.closure and incident.closure.never_fired:
            assert count == 0
        elif any(line["event"] == BLIND and line["incident"] == incident.id for line in self.logs):
            assert count >= 1
        else:
            assert count == 1


def test_whatever_happens_in_whatever_order_the_promises_hold(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "message.tmpl"
    path.write_text("{{ incident.facts.title }}")
    template = MessageTemplate.load(path)
    effort = settings(
        max_examples=many(25, 500),
        stateful_step_count=many(40, 60),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    with capture_logs() as logs:
        run_state_machine_as_test(
            lambda: Promises(redis_server.url, template, monkeypatch, logs), settings=effort
        )

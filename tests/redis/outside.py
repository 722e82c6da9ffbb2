"""The world outside of notifier and escalator: Slack, ServiceNow, time and Redis' answers, as a test lets them fare."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from services.escalator.gate import Gate
from services.escalator.target import Attempt, EscalationError
from services.escalator.target import Found as Reached
from services.notifier.slack import Failure, Found, Posted, SlackCallError
from shared import store as store_module
from shared.incident import Incident, News, NewsKind, Record
from shared.notification import SERVICENOW, WEBHOOK
from shared.redis_client import Script, Scripts, StoreUnavailableError

SECOND = timedelta(seconds=1)
TIMEOUT = 10 * SECOND
SERVICENOW_FINISHES = TIMEOUT + 60 * SECOND
SLACK_FINISHES = 20 * SECOND
"""How long after it was sent a request may still take effect."""


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
    replies: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    """Incident, and the notes that the reply tells."""
    not_before: dict[str, float] = field(default_factory=dict)
    """By incident: when it may be escalated at the earliest."""
    rows: list[str] = field(default_factory=list)
    reached: list[tuple[str, int]] = field(default_factory=list)
    """Incident and step: rows of another instance, and what the webhook was sent; the same may come there again."""
    told: list[tuple[str, int, tuple[int, ...]]] = field(default_factory=list)
    """Incident, step, and the news that a record was told."""
    closed_by_hand: set[str] = field(default_factory=set)
    """Incidents whose rows a person has closed."""
    travelling: list[Call] = field(default_factory=list)
    workers: list["Worker"] = field(default_factory=list)
    lost_commits: int = 0
    pauses: int = 0
    numbers: int = 0

    def now(self) -> float:
        return time.monotonic() + self.shift.total_seconds()

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
            self._world.replies.append((payload["notes_of"], message["told"]))
            return Posted(channel, f"{thread}.{len(self._world.replies)}")

        posted: Posted = await self._world.ask(effect, self.REFUSED, self.LOST, SLACK_FINISHES)
        return posted

    async def told_up_to(self, channel: str, thread: str, incident_id: str, since: Any) -> int:
        def look() -> int:
            return max((told[-1] for id_, told in self._world.replies if id_ == incident_id), default=0)

        told: int = await self._world.ask(look, self.REFUSED, self.LOST)
        return told

    async def delete(self, channel: str, ts: str) -> None:
        self._world.messages = [one for one in self._world.messages if one[0] != ts]


class ServiceNowOutside:
    """An instance of ServiceNow, as the escalator's target. The default one keeps its rows apart: each is the escalation's."""

    kind, timeout, concurrency, wants = SERVICENOW, TIMEOUT, 8, tuple(NewsKind)
    grace = SERVICENOW_FINISHES - TIMEOUT + 5 * SECOND
    REFUSED = EscalationError("answered 503")
    LOST = EscalationError("answer lost", in_doubt=True)

    def __init__(self, world: World, instance: str | None = None) -> None:
        self._world = world
        self.instance = instance
        self.gate = Gate(instance or "")

    async def find(self, incident: Incident, step: int, record: Record | None = None) -> Reached | None:
        def look() -> Reached | None:
            there = (incident.id, step) in self._world.reached if step else incident.id in self._world.rows
            return self._row(incident.id, step) if there else None

        row: Reached | None = await self._world.ask(look, self.REFUSED, self.LOST)
        return row

    async def create(self, attempt: Attempt) -> Reached:
        id_, step = attempt.incident.id, attempt.step

        def effect() -> Reached:
            if step:
                self._world.reached.append((id_, step))
            else:
                self._world.rows.append(id_)
                assert self._world.now() >= self._world.not_before.get(id_, 0), "it was snoozed"
            return self._row(id_, step)

        row: Reached = await self._world.ask(effect, self.REFUSED, self.LOST, SERVICENOW_FINISHES)
        return row

    async def update(self, attempt: Attempt, record: Record, news: Sequence[News]) -> str:
        id_, step = attempt.incident.id, attempt.step

        def effect() -> str:
            self._world.told.append((id_, step, tuple(one.seq for one in news)))
            return "noted"

        done: str = await self._world.ask(effect, self.REFUSED, self.LOST, SERVICENOW_FINISHES)
        return done

    def _row(self, id_: str, step: int) -> Reached:
        told = [seqs[-1] for whose, where, seqs in self._world.told if (whose, where) == (id_, step)]
        closed = id_ in self._world.closed_by_hand
        return Reached(f"{step}{id_[1:]}", f"INC{id_[-6:]}", f"https://x/{id_}", max(told, default=0), closed)


class WebhookOutside(ServiceNowOutside):
    """It cannot be looked at, and knows what it is sent again."""

    kind, wants = WEBHOOK, ()
    grace = timedelta(0)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.gate = Gate("webhook")

    async def find(self, incident: Incident, step: int, record: Record | None = None) -> Reached | None:
        return None

"""Consumer loop and due times on a real server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from shared import consumer as consumer_module
from shared import metrics
from shared import stream as stream_module
from shared.consumer import Consumer
from shared.dead_letters import DeadLetters
from shared.due_times import DueTimes, Poller
from shared.keys import Keys
from shared.redis_client import Scripts, StoreUnavailableError, connect
from shared.store import SCHEMA, Store
from shared.stream import Entry, StreamReader, UndecodableError
from tests.episodes import MINUTE, notification
from tests.servers import RedisServer
from tests.waiting import wait_until

KEYS = Keys()
GROUP = "testers"


class Harness:
    """Starts consumers and stops them again."""

    def __init__(self, client: Redis, blocking: Redis) -> None:
        self.client = client
        self.blocking = blocking
        self.stopping = asyncio.Event()

    @asynccontextmanager
    async def consuming(
        self, handle: Callable[[Entry], Awaitable[None]], name: str = "one", concurrency: int = 8
    ) -> AsyncIterator[Consumer]:
        scripts = Scripts(self.client)
        reader = StreamReader(self.blocking, scripts, KEYS.events, GROUP, name)
        stopping = asyncio.Event()
        consumer = Consumer(
            reader, handle, DeadLetters(scripts), stopping, group=GROUP, concurrency=concurrency
        )
        task = asyncio.create_task(consumer.run())
        try:
            yield consumer
        finally:
            stopping.set()
            await task

    async def pending(self) -> int:
        answer: dict[str, Any] = await self.client.xpending(KEYS.events, GROUP)
        return answer["pending"]


@pytest.fixture
async def harness(
    client: Redis, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Harness]:
    monkeypatch.setattr(
        stream_module, "BLOCK_SECONDS", 0.05
    )  # or each test waits for the end of its last read
    blocking = connect(redis_server.url, blocking=True)
    yield Harness(client, blocking)
    await blocking.aclose()


async def test_events_from_before_the_first_consumer_are_delivered(store: Store, harness: Harness) -> None:
    step = await store.receive(notification())
    seen: list[str] = []

    async def handle(entry: Entry) -> None:
        seen.append(entry.incident_id)

    async with harness.consuming(handle):
        await wait_until(lambda: seen, "the event")
        await wait_until(lambda: _is_zero(harness.pending), "nothing pending")
    assert step.incident
    assert seen == [step.incident.id]


async def _is_zero(ask: Callable[[], Awaitable[int]]) -> bool:
    return await ask() == 0


async def test_a_slow_entry_does_not_hold_up_its_neighbours(store: Store, harness: Harness) -> None:
    release, seen = asyncio.Event(), list[str]()

    async def handle(entry: Entry) -> None:
        seen.append(entry.incident_id)
        if len(seen) == 1:
            await release.wait()

    async with harness.consuming(handle, concurrency=2):
        for number in range(10):
            await store.receive(notification(group=str(number)))
        await wait_until(lambda: len(seen) == 10, "ten events past the slow one")
        release.set()


async def test_garbage_becomes_a_dead_letter_and_the_next_event_is_handled(
    store: Store, client: Redis, harness: Harness
) -> None:
    seen: list[str] = []

    async def handle(entry: Entry) -> None:
        seen.append(entry.incident_id)

    await client.xadd(KEYS.events, {"rubbish": b"\xff\x00"})
    await client.xadd(KEYS.events, {"schema": "one"})
    await client.xadd(KEYS.events, {"schema": "1", "type": "opened"})
    await store.receive(notification())
    async with harness.consuming(handle):
        await wait_until(lambda: seen, "the good event")
        await wait_until(lambda: _is_zero(harness.pending), "nothing pending")
    letters = await client.xrange(KEYS.dead)
    assert [f[b"origin"] for _, f in letters] == [b"stream:testers"] * 3


async def test_an_entry_of_a_newer_version_is_left_for_a_newer_sibling(
    client: Redis, harness: Harness
) -> None:
    async def handle(entry: Entry) -> None:
        raise UndecodableError("must not be asked")

    await client.xadd(KEYS.events, {"schema": "99", "incident": "x"})
    async with harness.consuming(handle) as consumer:
        await wait_until(lambda: consumer.healthy, "the group")
        await wait_until(harness.pending, "the entry to stay pending")
    assert await client.xlen(KEYS.dead) == 0
    assert await harness.pending() == 1


async def test_an_event_about_an_incident_of_a_newer_version_is_left_for_a_newer_sibling(
    store: Store, client: Redis, harness: Harness
) -> None:
    seen: list[str] = []

    async def handle(entry: Entry) -> None:
        await store.load(entry.incident_id)
        seen.append(entry.incident_id)

    newer = await store.receive(notification())
    ours = await store.receive(notification(group="ours"))
    assert newer.incident
    assert ours.incident
    await client.hset(KEYS.incident(newer.incident.id), "schema", SCHEMA + 1)
    async with harness.consuming(handle) as consumer:
        await wait_until(lambda: seen == [ours.incident.id], "the incident that we understand")
        await wait_until(lambda: consumer.healthy, "the group")
        assert await harness.pending() == 1
    assert await client.xlen(KEYS.dead) == 0


async def test_what_a_dead_consumer_left_behind_is_taken_over(
    store: Store, client: Redis, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "RECLAIM_IDLE", 50)
    monkeypatch.setattr(consumer_module, "RECLAIM_EVERY", 0.05)
    await store.receive(notification())
    await client.xgroup_create(KEYS.events, GROUP, id="0")
    await client.xreadgroup(GROUP, "dead", {KEYS.events: ">"})
    seen: list[str] = []

    async def handle(entry: Entry) -> None:
        seen.append(entry.id)

    async with harness.consuming(handle):
        await wait_until(lambda: seen, "the abandoned event")
        await wait_until(lambda: _is_zero(harness.pending), "nothing pending")


async def test_an_orderly_end_takes_the_consumer_out_of_its_group(
    store: Store, client: Redis, harness: Harness
) -> None:
    async def handle(entry: Entry) -> None: ...

    await store.receive(notification())
    async with harness.consuming(handle) as consumer:
        await wait_until(lambda: consumer.healthy, "the group")
        assert len(await client.xinfo_consumers(KEYS.events, GROUP)) == 1
    assert await client.xinfo_consumers(KEYS.events, GROUP) == []


async def test_what_an_ending_consumer_cannot_finish_is_a_siblings_at_once(
    store: Store, client: Redis, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "RECLAIM_IDLE", 3_600_000)
    monkeypatch.setattr(consumer_module, "RECLAIM_EVERY", 0.05)
    seen: list[str] = []

    async def refuse(entry: Entry) -> None:
        raise ZeroDivisionError

    async def handle(entry: Entry) -> None:
        seen.append(entry.id)

    await store.receive(notification())
    async with harness.consuming(refuse) as consumer:
        await wait_until(lambda: consumer.healthy, "the group")
        await wait_until(harness.pending, "the entry")
    assert [one["name"] for one in await client.xinfo_consumers(KEYS.events, GROUP)] == [b"one"]
    async with harness.consuming(handle, name="two"):
        await wait_until(lambda: seen, "the sibling to take it")


async def test_leaving_a_group_that_is_gone_is_no_trouble(client: Redis, harness: Harness) -> None:
    async def handle(entry: Entry) -> None: ...

    async with harness.consuming(handle) as consumer:
        await wait_until(lambda: consumer.healthy, "the group")
        consumer._stopping.set()  # noqa: SLF001
        await client.delete(KEYS.events)
    assert not await client.exists(KEYS.events), "who leaves makes nothing anew"


@pytest.mark.parametrize("left_by", ["one", "dead"])
async def test_an_entry_that_is_gone_from_the_stream_is_told_and_does_not_stay_pending(
    left_by: str, store: Store, client: Redis, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "RECLAIM_IDLE", 10)
    monkeypatch.setattr(consumer_module, "RECLAIM_EVERY", 0.05)

    async def handle(entry: Entry) -> None: ...

    def lost() -> float:
        return metrics.EVENTS_LOST.labels(GROUP)._value.get()  # noqa: SLF001

    await store.receive(notification())
    await client.xgroup_create(KEYS.events, GROUP, id="0")
    await client.xreadgroup(GROUP, left_by, {KEYS.events: ">"})
    await client.xtrim(KEYS.events, maxlen=0, approximate=False)
    before = lost()
    async with harness.consuming(handle) as consumer:
        await wait_until(lambda: consumer.healthy, "the group")
        await wait_until(lambda: _is_zero(harness.pending), "nothing pending")
    assert lost() == before + 1


async def test_an_entry_whose_handler_found_redis_away_comes_again(store: Store, harness: Harness) -> None:
    tries: list[str] = []

    async def handle(entry: Entry) -> None:
        tries.append(entry.id)
        if len(tries) == 1:
            raise StoreUnavailableError("away")

    async with harness.consuming(handle):
        await store.receive(notification())
        await wait_until(lambda: len(tries) == 2, "a second try")
        await wait_until(lambda: _is_zero(harness.pending), "nothing pending")
    assert tries[0] == tries[1]


async def test_a_handler_with_a_bug_does_not_stop_the_others(store: Store, harness: Harness) -> None:
    seen: list[str] = []

    async def handle(entry: Entry) -> None:
        if not seen:
            seen.append("")
            raise ZeroDivisionError
        seen.append(entry.id)

    async with harness.consuming(handle):
        await store.receive(notification())
        await store.receive(notification(group="other"))
        await wait_until(lambda: len(seen) == 2, "the second event")


async def test_poison_becomes_a_dead_letter_after_many_deliveries_and_not_before(
    store: Store, client: Redis, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is still being handled would be handed out to itself, and counted.
    monkeypatch.setattr(consumer_module, "RECLAIM_IDLE", 200)
    monkeypatch.setattr(consumer_module, "RECLAIM_EVERY", 0.01)
    monkeypatch.setattr(consumer_module, "MAX_DELIVERIES", 4)
    tries: list[int] = []

    async def handle(entry: Entry) -> None:
        tries.append(await client.xlen(KEYS.dead))
        raise ZeroDivisionError("poison")

    step = await store.receive(notification())
    async with harness.consuming(handle):
        await wait_until(lambda: client.xlen(KEYS.dead), "the dead letter")
        await wait_until(lambda: _is_zero(harness.pending), "nothing pending")
    assert tries == [0, 0, 0, 0]
    ((_, letter),) = await client.xrange(KEYS.dead)
    assert letter[b"error"] == b"ZeroDivisionError at each delivery: poison"
    ((entry, _),) = await client.xrange(KEYS.events)
    assert (letter[b"attempts"], letter[b"entry"]) == (b"4", entry)
    assert step.incident.id in letter[b"payload"].decode()


async def test_a_group_that_somebody_deleted_comes_back(
    store: Store, client: Redis, harness: Harness
) -> None:
    seen: set[str] = set()

    async def handle(entry: Entry) -> None:
        seen.add(entry.incident_id)

    async with harness.consuming(handle) as consumer:
        await wait_until(lambda: consumer.healthy, "the first read")
        await client.flushall()
        step = await wait_until(lambda: store.receive(notification()), "a notification")
        await wait_until(lambda: step.incident.id in seen, "the event after the flush")


async def test_due_incidents_are_leased_to_one_only(store: Store, scripts: Scripts) -> None:
    for number in range(30):
        await store.receive(notification(group=str(number), wait=0 * MINUTE))
    due_times = DueTimes(scripts, KEYS.deadlines)
    leased = await asyncio.gather(*(due_times.lease(10) for _ in range(5)))
    ids = [id_ for due in leased for id_ in due.ids]
    assert len(ids) == len(set(ids)) == 30


async def test_a_lease_that_nobody_used_is_due_again(store: Store, client: Redis, scripts: Scripts) -> None:
    step = await store.receive(notification(wait=0 * MINUTE))
    due_times = DueTimes(scripts, KEYS.deadlines)
    assert (await due_times.lease(1)).ids
    again = await due_times.lease(1)
    assert again.ids == ()
    assert again.next_in
    assert 9 < again.next_in.total_seconds() <= 10
    assert step.incident
    await client.zadd(KEYS.deadlines, {step.incident.id: 1})
    assert (await due_times.lease(1)).ids == (step.incident.id,)


async def test_the_poller_hands_out_what_is_due_and_survives_a_failing_handler(
    store: Store, scripts: Scripts
) -> None:
    handled: list[str] = []
    stopping = asyncio.Event()

    async def handle(incident_id: str) -> None:
        handled.append(incident_id)
        if len(handled) == 1:
            raise ZeroDivisionError

    due_times = DueTimes(scripts, KEYS.deadlines)
    poller = Poller(due_times, handle, stopping, name="test", concurrency=2)
    task = asyncio.create_task(poller.run())
    for number in range(5):
        await store.receive(notification(group=str(number), wait=0 * MINUTE))
    await wait_until(lambda: len(handled) == 5, "five due incidents")
    stopping.set()
    await task

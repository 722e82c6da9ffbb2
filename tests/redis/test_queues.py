"""Incidents wait for their turn at their instance: one that hangs, refuses or is slow holds up nobody else's."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from ops import explain
from ops.status import as_text, status_of
from ops.turns import turn_of
from sandbox.faults import Fault
from sandbox.server import Running
from services.escalator import circuit as circuit_module
from services.escalator import queues as queues_module
from services.escalator.escalator import Escalator
from services.escalator.instances import Instances
from services.escalator.mapping import Mappings
from services.escalator.queues import Queues
from services.escalator.servicenow_target import servicenow_targets
from services.escalator.targets import Targets
from shared.commands import Acknowledge
from shared.config import ServiceNowConfig
from shared.due_times import DueTimes, Poller
from shared.incident import State
from shared.keys import Keys, servicenow_hold, servicenow_silence
from shared.redis_client import Scripts
from shared.store import Store
from tests.redis.conftest import now, opened
from tests.redis.replica import Replica
from tests.waiting import wait_until

AT_ONCE = timedelta(0)
KEYS = Keys()
Record = Callable[[str], Any]


@asynccontextmanager
async def working(
    client: Redis, sandbox: Running, *, seconds: float = 1, **settings: Any
) -> AsyncIterator[Replica]:
    replica = Replica(Scripts(client), sandbox, seconds, **settings)
    running = asyncio.create_task(replica.run())
    yield replica
    replica.stopping.set()
    sandbox.world.faults.clear()
    await running


def misbehave(sandbox: Running, kind: str, match: str, **more: Any) -> None:
    sandbox.world.faults.add(Fault(target="servicenow", kind=kind, match=match, **more))  # type: ignore[arg-type]


async def recorded(sandbox: Running, instance: str, ids: list[str], seconds: float = 10) -> None:
    def all_there() -> bool:
        return sorted(row["correlation_id"] for row in sandbox.world.servicenow.rows(instance)) == sorted(ids)

    await wait_until(all_there, f"one record each at {instance}", seconds=seconds)


async def some(store: Store, count: int, instance: str | None = None) -> list[str]:
    names = [f"{instance or 'main'} {number}" for number in range(count)]
    return [await opened(store, wait=AT_ONCE, group=name, instance=instance) for name in names]


async def test_each_goes_to_its_instance_once_and_nothing_is_left_behind(
    client: Redis, store: Store, sandbox: Running
) -> None:
    main, infra = await some(store, 30), await some(store, 30, "infra")
    async with working(client, sandbox), working(client, sandbox):
        await recorded(sandbox, "main", main)
        await recorded(sandbox, "infra", infra)
    assert len(sandbox.world.servicenow.calls.named("POST")) == 60
    assert await client.exists(KEYS.deadlines, KEYS.escalations(""), KEYS.escalations("infra")) == 0


async def test_an_instance_gets_no_more_calls_at_a_time_than_it_should(
    client: Redis, store: Store, sandbox: Running
) -> None:
    ids = await some(store, 20)
    misbehave(sandbox, "latency", "main", seconds=0.1)
    started = time.monotonic()
    async with working(client, sandbox, concurrency_per_instance=2):
        await recorded(sandbox, "main", ids)
    assert time.monotonic() - started >= 20 * 2 * 0.1 / 2


async def test_a_dead_instance_that_hangs_makes_no_other_late(
    client: Redis, store: Store, sandbox: Running
) -> None:
    """With 16 workers, 100 incidents wait for the dead one, and each call to it would hang for 3 s."""

    async def lateness(ids: list[str]) -> list[float]:
        return sorted(
            [(i.record.at - i.deadline).total_seconds() for i in [await now(store, id_) for id_ in ids]]
        )

    async with working(client, sandbox, seconds=3) as replica:
        alive = []
        for number in range(20):
            alive.append(await opened(store, wait=AT_ONCE, group=f"before {number}", instance="infra"))
            replica.wake.set()
            await recorded(sandbox, "infra", alive)
        calm = await lateness(alive)
        misbehave(sandbox, "latency", "main", seconds=60)
        dead = await some(store, 100)
        replica.wake.set()
        await wait_until(
            lambda: len(sandbox.world.servicenow.calls.named("GET main/incident")) == 8, "hanging"
        )
        meanwhile = []
        for number in range(20):
            meanwhile.append(await opened(store, wait=AT_ONCE, group=f"mean {number}", instance="infra"))
            replica.wake.set()
            await recorded(sandbox, "infra", [*alive, *meanwhile])
        late = await lateness(meanwhile)
        print(
            f"\n100 incidents wait for a dead instance; lateness at the other: median {late[10]:.3f} s, worst {late[-1]:.3f} s; "
            f"without it {calm[10]:.3f} s and {calm[-1]:.3f} s"
        )
        assert late[-1] < 1
        assert len(sandbox.world.servicenow.calls.named("GET main/incident")) == 8
        sandbox.world.faults.clear()
        await recorded(sandbox, "main", dead, seconds=20)


async def test_an_open_circuit_leaves_the_instance_alone_and_costs_no_attempts(
    client: Redis, store: Store, sandbox: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_module, "FIRST_PAUSE", 60.0)
    misbehave(sandbox, "status", "main", status=503)
    ids = await some(store, 40)
    async with working(client, sandbox, concurrency_per_instance=1) as replica:
        gate = replica.instances.named(None).gate
        await wait_until(lambda: gate.wait, "the circuit to open")
        calls = len(sandbox.world.servicenow.calls.entries)
        sandbox.world.faults.clear()
        infra = await some(store, 5, "infra")
        replica.wake.set()
        await recorded(sandbox, "infra", infra)
        tried = [(await now(store, id_)).escalation.attempts for id_ in ids]
    assert calls == sum(tried) == 5
    assert sandbox.world.servicenow.rows("main") == []
    assert [call.name for call in sandbox.world.servicenow.calls.named("GET main/incident")][5:] == []


async def test_when_it_is_back_one_attempt_finds_out_and_all_others_follow(
    client: Redis, store: Store, sandbox: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_module, "FIRST_PAUSE", 0.5)
    monkeypatch.setattr(circuit_module, "LONGEST_PAUSE", 0.5)
    misbehave(sandbox, "status", "main", status=503)
    ids = await some(store, 40)
    async with working(client, sandbox, concurrency_per_instance=5) as replica:  # all of them find it silent
        gate = replica.instances.named(None).gate
        await wait_until(lambda: gate.wait, "the circuit to open")
        before = len(sandbox.world.servicenow.calls.entries)
        tested = await wait_until(
            lambda: len(sandbox.world.servicenow.calls.entries) - before, "a test of it"
        )
        assert tested == 1
        sandbox.world.faults.clear()
        await recorded(sandbox, "main", ids)


async def test_retry_after_is_obeyed_by_all_replicas(client: Redis, store: Store, sandbox: Running) -> None:
    ids = await some(store, 30)
    misbehave(sandbox, "status", "main", status=429, retry_after=2, count=1)
    async with (
        working(client, sandbox, concurrency_per_instance=1),
        working(client, sandbox, concurrency_per_instance=1),
    ):
        await wait_until(lambda: client.exists(servicenow_hold("")), "the hold")
        await recorded(sandbox, "main", ids)
    calls = list(sandbox.world.servicenow.calls.entries)
    refused = next(call for call in calls if call.status == 429)
    within = [call for call in calls if 0.1 < call.at - refused.at < 1.95]
    assert within == []


async def test_who_is_acknowledged_while_waiting_is_not_escalated(
    client: Redis, store: Store, sandbox: Running
) -> None:
    misbehave(sandbox, "latency", "main", seconds=0.3)
    ids = await some(store, 10)
    async with working(client, sandbox, concurrency_per_instance=1):
        await wait_until(lambda: client.zcard(KEYS.escalations("")), "somebody to wait")
        await store.apply(ids[-1], Acknowledge("Ada", "link"))
        sandbox.world.faults.clear()
        await recorded(sandbox, "main", ids[:-1])
        await wait_until(lambda: _gone(client), "the queue to be empty")
    assert (await now(store, ids[-1])).state is State.ACKNOWLEDGED


async def _gone(client: Redis) -> bool:
    return not await client.exists(KEYS.escalations(""), KEYS.deadlines)


async def test_should_the_queue_be_lost_all_come_back(
    client: Redis, store: Store, sandbox: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues_module, "COMES_BACK", timedelta(seconds=1))
    misbehave(sandbox, "latency", "main", seconds=0.5)
    ids = await some(store, 10)
    async with working(client, sandbox, seconds=5, concurrency_per_instance=1) as replica:
        await wait_until(lambda: _waiting(client, 9), "most to wait")
        status = await status_of(replica.scripts)
        assert (status.waiting, status.due) == (9, 9)
        assert "9 wait for their turn" in as_text(status)
        await client.delete(KEYS.escalations(""))
        sandbox.world.faults.clear()
        await recorded(sandbox, "main", ids)


async def _waiting(client: Redis, least: int, name: str = "") -> bool:
    return await client.zcard(KEYS.escalations(name)) >= least


async def test_full_memory_keeps_nobody_from_being_escalated(
    client: Redis, store: Store, sandbox: Running, scripts: Scripts
) -> None:
    ids = await some(store, 3)
    await client.config_set("maxmemory", 1)
    try:
        async with working(client, sandbox):
            await recorded(sandbox, "main", ids)
    finally:
        await client.config_set("maxmemory", 0)


async def test_whoever_asks_is_told_which_instance_is_waited_for_and_since_when_it_is_silent(
    client: Redis, store: Store, sandbox: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_module, "FIRST_PAUSE", 60.0)
    misbehave(sandbox, "status", "infra", status=503)
    await some(store, 9, "infra")
    begun = datetime.now(UTC)
    async with working(client, sandbox, concurrency_per_instance=1) as replica:
        await wait_until(lambda: client.exists(servicenow_silence("infra")), "the silence")
        await wait_until(lambda: _waiting(client, 4, "infra"), "the others to wait")
        first, second, third = await client.zrange(KEYS.escalations("infra"), 0, 2)
        (turn,) = (status := await status_of(replica.scripts)).turns
        assert (turn.instance, turn.held) == ("infra", None)
        assert turn.silent_since
        assert abs((turn.silent_since - begun).total_seconds()) < 2
        words = f"the instance infra, which does not answer since {turn.silent_since:%Y-%m-%d %H:%M:%S} UTC"
        assert f"{turn.waiting} wait for {words}" in as_text(status)
        assert [await told_of(replica.scripts, id_.decode()) for id_ in (first, second, third)] == [
            f"It waits for {words}.",
            f"It waits for {words}; 1 waits before it.",
            f"It waits for {words}; 2 wait before it.",
        ]
        assert await turn_of(replica.scripts, await opened(store, group="not due")) is None


async def told_of(scripts: Scripts, id_: str) -> str:
    """Of its waiting."""
    turn, story = await turn_of(scripts, id_), await explain.story_of(scripts, id_)
    last = explain.as_text(id_, story, datetime.now(UTC), turn).splitlines()[-1]
    return last if last.startswith("It waits") else ""


async def test_what_is_told_of_a_silence_is_renewed_while_it_lasts_and_ends_with_it(
    client: Redis, store: Store, sandbox: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_module, "FIRST_PAUSE", 0.5)
    monkeypatch.setattr(queues_module, "TELL_WAITING", timedelta(seconds=0.1))
    misbehave(sandbox, "status", "main", status=503)
    ids = await some(store, 9)
    key = servicenow_silence("")
    async with working(client, sandbox, concurrency_per_instance=1) as replica:
        telling = asyncio.create_task(replica.queues.tell_waiting(replica.stopping))
        await wait_until(lambda: client.exists(key), "the silence")
        since = await client.get(key)
        await client.pexpire(key, 5000)
        await wait_until(lambda: _longer(client, key, 15_000), "it to be renewed")
        assert await client.get(key) == since
        sandbox.world.faults.clear()
        await recorded(sandbox, "main", ids)
        await wait_until(lambda: _absent(client, key), "it to be over")
    await telling


async def _longer(client: Redis, key: str, least: int) -> bool:
    return await client.pttl(key) > least


async def _absent(client: Redis, key: str) -> bool:
    return not await client.exists(key)


async def test_whoever_asks_is_told_how_long_an_instance_asked_to_be_left_alone(
    client: Redis, store: Store, sandbox: Running
) -> None:
    await some(store, 3)
    misbehave(sandbox, "status", "main", status=429, retry_after=300, count=1)
    async with working(client, sandbox, concurrency_per_instance=1) as replica:
        await wait_until(lambda: client.exists(servicenow_hold("")), "the hold")
        await wait_until(lambda: _waiting(client, 2), "the others to wait")
        told = as_text(await status_of(replica.scripts))
        await client.delete(servicenow_hold(""))
    assert re.search(
        "2 wait for the instance default, which asked to be left alone for another (5 min|4 min 5)", told
    )

"""Processes that are killed in the middle of their work. Each test prints its numbers."""

import asyncio
import random
from collections import Counter

import httpx
from redis.asyncio import Redis

from bench.load import alertmanager_body
from sandbox.faults import Fault
from shared.keys import Keys
from tests.e2e.conftest import StackFactory
from tests.faults.conftest import many
from tests.servers import RedisServer
from tests.stack import Stack
from tests.waiting import wait_until

DICE = random.Random(7)


async def pour(stack: Stack, names: list[str], query: str = "", patience: int = 100) -> list[str]:
    """Send an alert for each name as Alertmanager would: again until it is taken. Ids of the incidents, in order."""
    turns = asyncio.Semaphore(20)

    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=10) as client:

        async def one(name: str) -> str:
            for _ in range(patience):
                async with turns:
                    try:
                        answer = await client.post(f"/api/incidents{query}", content=alertmanager_body(name))
                    except httpx.HTTPError:
                        answer = None
                if answer is not None and answer.status_code == 201:
                    incident: str = answer.json()["incident_id"]
                    return incident
                assert answer is None or answer.status_code == 503, answer.text
                await asyncio.sleep(0.2)
            raise AssertionError(f"{name} was never taken")

        return await asyncio.gather(*(one(name) for name in names))


def shown(stack: Stack) -> Counter[str]:
    """Messages by incident."""
    return Counter(message["metadata"]["event_payload"]["incident_id"] for message in stack.messages())


async def test_a_notifier_that_is_killed_again_and_again_posts_each_incident_once(
    new_stack: StackFactory, client: Redis
) -> None:
    incidents, kills = many(300, 5000), many(5, 20)
    stack = new_stack()
    await stack.start_all()
    sending = asyncio.create_task(pour(stack, [f"n{number}" for number in range(incidents)]))
    for _ in range(kills):
        await asyncio.sleep(DICE.uniform(0.2, 0.8))
        stack.kill("notifier")
        stack.start("notifier")
    ids = await sending
    await wait_until(
        lambda: len(shown(stack)) == incidents, "every incident in Slack", seconds=many(90, 600), every=0.2
    )
    await wait_until(
        lambda: nothing_left(client, Keys().deliveries), "no delivery left", seconds=120, every=0.2
    )
    twice = [id_ for id_, count in shown(stack).items() if count > 1]
    print(
        f"\n{incidents} incidents, {kills} kills of the notifier: {len(shown(stack))} shown, {len(twice)} twice"
    )
    assert set(shown(stack)) == set(ids)
    assert twice == []


async def test_an_escalator_that_is_killed_again_and_again_writes_each_record_once(
    new_stack: StackFactory, client: Redis
) -> None:
    incidents, kills = many(60, 400), many(4, 20)
    stack = new_stack()
    stack.sandbox.world.faults.add(Fault(target="servicenow", kind="latency", match="POST", seconds=0.3))
    await stack.start_all()
    ids = await pour(stack, [f"e{number}" for number in range(incidents)], "?oncall_wait_minutes=0.02")
    for _ in range(kills):
        await asyncio.sleep(DICE.uniform(0.3, 1.2))
        stack.kill("escalator")
        stack.start("escalator")
    await wait_until(
        lambda: nothing_left(client, Keys().deadlines), "no deadline left", seconds=many(110, 600), every=0.2
    )
    records = Counter(record["correlation_id"] for record in stack.records())
    print(
        f"\n{incidents} incidents, {kills} kills of the escalator: {len(records)} records, {records.total()} rows"
    )
    assert set(records) == set(ids)
    assert records.total() == incidents


async def test_a_redis_that_is_killed_under_load_loses_nothing_that_was_acknowledged(
    new_stack: StackFactory, own_redis_server: RedisServer
) -> None:
    incidents, kills = many(200, 2000), 3
    stack = new_stack(own_redis_server.url)
    await stack.start_all()
    sending = asyncio.create_task(pour(stack, [f"r{number}" for number in range(incidents)]))
    for _ in range(kills):
        await asyncio.sleep(DICE.uniform(0.3, 0.6))
        own_redis_server.kill()
        own_redis_server.start()
    ids = await sending
    await wait_until(lambda: set(shown(stack)) >= set(ids), "every incident in Slack", seconds=90, every=0.2)
    print(
        f"\n{incidents} alerts acknowledged with 201, {kills} kills of Redis: {len(set(ids) - set(shown(stack)))} lost"
    )
    assert len(set(ids)) == incidents


async def test_after_a_flush_everything_works_again_by_itself(new_stack: StackFactory, client: Redis) -> None:
    stack = new_stack()
    await stack.start_all()
    first = await pour(stack, ["before"])
    await wait_until(lambda: set(shown(stack)) == set(first), "the first message")
    await client.script_flush()
    await client.flushall()
    ids = await pour(stack, [f"after{number}" for number in range(20)], "?oncall_wait_minutes=0.01")
    await wait_until(lambda: set(shown(stack)) >= set(ids), "the messages after the flush", seconds=10)
    await wait_until(lambda: len(stack.records()) == 20, "the records after the flush", seconds=10)


async def nothing_left(client: Redis, key: str) -> bool:
    return await client.zcard(key) == 0

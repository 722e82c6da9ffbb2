"""A real Alertmanager, or two that do not hear each other, and a receiver that cannot take anything for a while."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from shared.redis_client import connect
from tests.alertmanager import Alertmanager
from tests.conftest import need
from tests.e2e.conftest import StackFactory
from tests.e2e.test_alertmanager import incidents
from tests.faults.conftest import hurried, many
from tests.servers import RedisServer
from tests.stack import Stack
from tests.waiting import wait_until

IN_TWO_SECONDS = {"oncall_wait_minutes=5": "oncall_wait_minutes=0.03"}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Alertmanager, Alertmanager]]:
    """Two of one configuration; whether they are a pair or strangers is up to who starts them: here, strangers."""
    servers = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        servers.append(Alertmanager(need("prometheus-alertmanager"), tmp_path / name))
    yield servers[0], servers[1]
    for server in servers:
        server.stop()


async def one_of_each(stack: Stack, client: Redis) -> tuple[int, int, int]:
    """Incidents, posts and records: what Slack and ServiceNow were asked for, not only what is left to see."""
    world = stack.sandbox.world
    posts, writes = world.slack.calls.named("chat.postMessage"), world.servicenow.calls.named("POST")
    return len(await incidents(client)), len(posts), len(writes)


async def test_an_alertmanager_that_is_told_503_again_and_again_makes_one_incident(
    new_stack: StackFactory, pair: tuple[Alertmanager, Alertmanager], own_redis_server: RedisServer
) -> None:
    seconds, (alertmanager, _) = many(5, 60), pair
    stack = new_stack(own_redis_server.url, **hurried())
    await stack.start_all()
    alertmanager.configure(stack.url, repeat="1s", **IN_TWO_SECONDS)
    await alertmanager.start()
    own_redis_server.pause()
    await wait_until(lambda: refuses(stack), "ingest to say 503")
    await alertmanager.fire("HighLatency", severity="critical")
    await asyncio.sleep(seconds)
    refused = stack.log("ingest").count('"not_accepted"')
    own_redis_server.resume()
    client = connect(own_redis_server.url)
    try:
        await wait_until(stack.records, "a record", seconds=90)
        await repeated(client, 3)
        counts = await one_of_each(stack, client)
    finally:
        await client.aclose()
    print(
        f"\nAlertmanager told 503 for {seconds} s ({refused} times), then repeats: "
        f"{counts[0]} incident, {counts[1]} post, {counts[2]} record"
    )
    assert refused > 1
    assert counts == (1, 1, 1)


async def test_two_alertmanagers_that_do_not_hear_each_other_make_one_incident(
    new_stack: StackFactory, pair: tuple[Alertmanager, Alertmanager], client: Redis
) -> None:
    stack = new_stack(**hurried())
    await stack.start_all()
    for alertmanager in pair:
        alertmanager.configure(stack.url, repeat="1s", **IN_TWO_SECONDS)
        await alertmanager.start()
    start = datetime.now(UTC)
    await asyncio.gather(*(one.fire("HighLatency", severity="critical", started_at=start) for one in pair))
    await wait_until(stack.records, "a record", seconds=30)
    told = await repeated(client, many(8, 60))
    counts = await one_of_each(stack, client)
    print(
        f"\nHA pair cut in two, {told} notifications of one alert: "
        f"{counts[0]} incident, {counts[1]} post, {counts[2]} record"
    )
    assert counts == (1, 1, 1)


async def refuses(stack: Stack) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"{stack.url}/readyz")).status_code == 503


async def repeated(client: Redis, times: int) -> int:
    """Wait for so many notifications of the one incident; how many there were."""

    async def told() -> int:
        (incident,) = await incidents(client)
        return incident.notifications if incident.notifications >= times else 0

    notifications: int = await wait_until(told, f"{times} notifications", seconds=120, every=0.2)
    return notifications

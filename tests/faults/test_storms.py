"""Thousands of incidents in a minute, three notifiers, one of which is killed: a handful of messages, and the digest is right."""

import asyncio
import json
import re
import time
from collections import Counter
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from bench.load import alertmanager_body
from shared.commands import Acknowledge
from shared.keys import SLACK_STORMS, StormKeys
from shared.redis_client import Scripts
from shared.store import Store
from shared.storms import Storm, Storms
from tests.e2e.conftest import StackFactory
from tests.faults.conftest import hurried, many
from tests.faults.traffic import incident_of, recorded
from tests.stack import Stack
from tests.waiting import wait_until

NOTIFIERS = ("notifier", "notifier2", "notifier3")
SERVICES = ("ingest", "escalator", *NOTIFIERS)
INCIDENTS = many(1500, 10_000)
SECONDS = many(12, 60)
"""In which they come."""

DUE = range(1, INCIDENTS, many(37, 50))
"""Those that escalate, as nobody acknowledges them in time."""

QUIET = many(4, 20)
CHANNEL = "C0TEST"


@pytest.fixture
async def stack(new_stack: StackFactory) -> Stack:
    stack = new_stack(per_second=1, storm=f"{{quiet_seconds: {QUIET}}}", wait_minutes=30, **hurried())
    for name in SERVICES:
        stack.start(name, command=name.rstrip("23"))
    for name in SERVICES:
        await stack.ready(name)
    return stack


def body(number: int) -> bytes:
    """Of one of twelve alerts, every twentieth critical, each a group of its own."""
    made: dict[str, Any] = json.loads(alertmanager_body(f"storm{number}"))
    labels = {"alertname": f"Alert{number % 12}", "severity": "critical" if number % 20 == 0 else "warning"}
    made["commonLabels"] |= labels
    made["alerts"][0]["labels"] |= labels
    return json.dumps(made).encode()


async def pour(stack: Stack) -> list[str]:
    """Evenly over SECONDS. Ids in order."""
    turns = asyncio.Semaphore(20)
    began = time.monotonic()
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:

        async def one(number: int) -> str:
            await asyncio.sleep(began + number * SECONDS / INCIDENTS - time.monotonic())
            query = f"?oncall_wait_minutes={QUIET / 60}" if number in DUE else ""
            async with turns:
                answer = await client.post(f"{stack.url}/api/incidents{query}", content=body(number))
            assert answer.status_code == 201, answer.text
            id_: str = answer.json()["incident_id"]
            return id_

        return await asyncio.gather(*(one(number) for number in range(INCIDENTS)))


async def the_storm(client: Redis, storms: Storms) -> Storm | None:
    ids = {key.decode().rpartition(":")[2] async for key in client.scan_iter(StormKeys("*").facts)}
    assert len(ids) <= 1, "one storm"
    return await storms.load(ids.pop()) if ids else None


async def settled(client: Redis, storms: Storms) -> bool:
    """The storm is over, its digest shows the present, and nobody need look after it."""
    storm = await the_storm(client, storms)
    nobody = await client.zcard(SLACK_STORMS) == 0
    return bool(storm and storm.closed and storm.tells_the_present and nobody)


def digest_of(stack: Stack) -> dict[str, Any]:
    (digest,) = [one for one in roots(stack) if one["metadata"]["event_type"] == "ackstream_storm"]
    return digest


def roots(stack: Stack) -> list[dict[str, Any]]:
    return [one.body for one in stack.sandbox.world.slack.channel(CHANNEL).roots()]


def singly(stack: Stack) -> Counter[str]:
    payloads = [one["metadata"]["event_payload"] for one in roots(stack)]
    return Counter(one["incident_id"] for one in payloads if "incident_id" in one)


@pytest.mark.timeout(many(150, 500))
async def test_a_storm_makes_a_handful_of_messages_and_none_is_missing(stack: Stack, client: Redis) -> None:
    storms, store = Storms(Scripts(client)), Store(Scripts(client))
    began = time.monotonic()
    sending = asyncio.create_task(pour(stack))
    await asyncio.sleep(SECONDS / 3)
    stack.kill("notifier2")
    await asyncio.sleep(SECONDS / 3)
    stack.start("notifier2", command="notifier")
    ids = await sending
    poured = time.monotonic() - began

    async def complete() -> bool:
        """Each is in the digest, and it shows that, or has a message of its own."""
        storm = await the_storm(client, storms)
        return bool(storm and storm.members + len(singly(stack)) >= INCIDENTS and storm.tells_the_present)

    await wait_until(complete, "the digest to be complete", seconds=60, every=0.1)
    late = time.monotonic() - began - poured
    calls = list(stack.sandbox.world.slack.calls.entries)
    members = {
        key.decode() for key in await client.hkeys(StormKeys((await the_storm(client, storms)).id).members)
    }
    assert members | set(singly(stack)) == set(ids), "each is told, in one way or the other"
    assert not members & set(singly(stack)), "and not in both"

    await wait_until(lambda: len(recorded(stack)) == len(DUE), "each deadline to escalate", seconds=30)
    for id_ in ids[2:12]:
        await store.apply(id_, Acknowledge("Ada", "link"))
    await wait_until(
        lambda: settled(client, storms), "the end of the storm", seconds=60 + 2 * QUIET, every=0.2
    )
    await right(stack, client, ids)
    over = len(calls_since(stack, calls))

    url = re.search(r"http[^'\"|>]*/api/storm/[^'\"|>]*", str(digest_of(stack)))
    assert url
    async with httpx.AsyncClient(trust_env=False) as browser:
        assert (await browser.post(url[0], data={"name": "Ada"})).status_code == 202

    async def all_taken() -> bool:
        storm = await the_storm(client, storms)
        return bool(storm and storm.open == 0) and await settled(client, storms)

    asked = time.monotonic()
    await wait_until(all_taken, "everything to be acknowledged", seconds=many(40, 200), every=0.2)
    taken = time.monotonic() - asked
    storm = await right(stack, client, ids)
    print(
        f"\n{INCIDENTS} incidents in {poured:.0f} s, 3 notifiers, one killed meanwhile: {len(singly(stack))} messages of their own and one digest; "
        f"{len(calls)} calls to Slack until it was complete, {late:.1f} s after the last one came; {over} more until the storm was "
        f"over ({storm.members} in the digest, 0 missing, {len(recorded(stack))} of {len(DUE)} deadlines escalated); "
        f"'Acknowledge all' took {storm.carried} in {taken:.1f} s"
    )
    assert recorded(stack) == Counter(ids[number] for number in DUE)
    assert len(singly(stack)) <= 10 + 10 * (SECONDS // 60 + 2)
    assert max(singly(stack).values()) == 1


def calls_since(stack: Stack, calls: list[Any]) -> list[Any]:
    return list(stack.sandbox.world.slack.calls.entries)[len(calls) :]


async def right(stack: Stack, client: Redis, ids: list[str]) -> Storm:
    """What the digest says is what the incidents are."""
    storm = await the_storm(client, Storms(Scripts(client)))
    assert storm
    states = Counter[str]()
    for id_ in ids:
        incident = await incident_of(client, id_)
        states[incident.state] += incident.digest is not None
    assert storm.members == sum(states.values())
    assert (storm.open, storm.acknowledged, storm.escalated) == (
        states["open"] + states["escalating"],
        states["acknowledged"],
        states["escalated"],
    )
    total = f"{storm.open:,} open · {storm.acknowledged:,} acknowledged · {storm.escalated:,} escalated · {storm.resolved:,} resolved"
    assert total in str(digest_of(stack))
    return storm

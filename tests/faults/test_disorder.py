"""Notifications in the wrong order: the end before the beginning, and copies that come when all is over."""

import asyncio
import json
from collections import Counter

import httpx
from redis.asyncio import Redis

from bench.load import alertmanager_body
from tests.e2e.conftest import StackFactory
from tests.e2e.test_alertmanager import incidents
from tests.faults.conftest import hurried, many
from tests.faults.traffic import DICE, no_deadline_left, no_delivery_left, shown
from tests.stack import Stack, color
from tests.waiting import wait_until

GREEN = "36A64F"


def resolved_body(name: str) -> bytes:
    body = json.loads(alertmanager_body(name))
    body["status"] = "resolved"
    for alert in body["alerts"]:
        alert |= {"status": "resolved", "endsAt": "2026-01-01T12:05:00Z"}
    return json.dumps(body).encode()


async def send(http: httpx.AsyncClient, stack: Stack, bodies: list[bytes]) -> list[str]:
    """All at once; the outcomes in order."""
    turns = asyncio.Semaphore(20)

    async def one(body: bytes) -> str:
        async with turns:
            answer = await http.post(f"{stack.url}/api/incidents", content=body)
        assert answer.status_code == 201, answer.text
        outcome: str = answer.json()["outcome"]
        return outcome

    return await asyncio.gather(*map(one, bodies))


async def test_the_end_is_the_end_in_whatever_order_it_is_told(
    new_stack: StackFactory, client: Redis
) -> None:
    groups = many(60, 1000)
    names = [f"d{number}" for number in range(groups)]
    stack = new_stack(wait_minutes=many(4, 50) / 60, **hurried())
    await stack.start_all()
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        first = await send(http, stack, [resolved_body(name) for name in names[::3]])
        assert set(first) == {"ignored"}
        burst = [make(name) for name in names for make in (alertmanager_body,) * 3 + (resolved_body,) * 2]
        DICE.shuffle(burst)
        told = Counter(await send(http, stack, burst))
        late = await send(http, stack, [alertmanager_body(name) for name in names])
    assert set(late) == {"ignored"}
    await no_deadline_left(client, seconds=30)
    await no_delivery_left(client, seconds=30)
    await wait_until(
        lambda: all(color(one) == GREEN for one in stack.messages()), "every message green", seconds=30
    )
    found = await incidents(client)
    print(
        f"\n{groups} alerts, {len(burst)} notifications in random order ({told['opened']} opened, {told['resolved']} resolved, "
        f"{told['joined']} joined, {told['ignored']} ignored), a third told to be over before they began, each fired once more at the end: "
        f"{sum(str(one.state) == 'resolved' for one in found)} resolved, {groups - len(found)} reopened, "
        f"{len(stack.messages())} messages, {len(stack.records())} records"
    )
    assert [str(incident.state) for incident in found] == ["resolved"] * groups
    assert all(count == 1 for count in shown(stack).values())
    assert len(stack.messages()) == sum(not incident.closure.never_fired for incident in found)
    assert stack.records() == []

"""ServiceNow refuses, hangs and lies: one record per incident, and none that is not there."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
from redis.asyncio import Redis

from sandbox.faults import Fault
from sandbox.server import running
from tests.e2e.conftest import StackFactory
from tests.faults.conftest import hurried, many
from tests.faults.traffic import all_recorded, incident_of, no_deadline_left, parked, pour, recorded
from tests.stack import Stack

Meanwhile = Callable[[list[str]], Awaitable[None]]


@pytest.fixture
async def stack(new_stack: StackFactory) -> Stack:
    """Without a notifier: Slack has nothing to do with it."""
    stack = new_stack(**hurried())
    for name in ("ingest", "escalator"):
        stack.start(name)
        await stack.ready(name)
    return stack


def failing(kind: str, **more: Any) -> Fault:
    return Fault(target="servicenow", kind=kind, **more)


async def endure(
    stack: Stack,
    client: Redis,
    fault: Fault,
    what: str,
    *,
    seconds: float,
    meanwhile: Meanwhile | None = None,
) -> list[str]:
    """Let incidents come due while ServiceNow has `fault`; then mend it, and see one record for each."""
    incidents = many(20, 100)
    stack.sandbox.world.faults.add(fault)
    ids = await pour(stack, [f"{what} {number}" for number in range(incidents)], "?oncall_wait_minutes=0")
    await asyncio.sleep(seconds)
    if meanwhile:
        await meanwhile(ids)
    stack.sandbox.world.faults.clear()
    await all_recorded(stack, ids, seconds=many(60, 400))
    await no_deadline_left(client, seconds=many(60, 400))
    rows = recorded(stack)
    print(
        f"\nServiceNow: {what}: {sum(rows[id_] == 1 for id_ in ids)} of {len(ids)} incidents have exactly one record"
    )
    assert [rows[id_] for id_ in ids] == [1] * len(ids)
    numbers = {row["correlation_id"]: row["number"] for row in stack.records()}
    assert [(await incident_of(client, id_)).record.number for id_ in ids] == [numbers[id_] for id_ in ids]
    return ids


async def test_one_record_each_whatever_servicenow_answers(stack: Stack, client: Redis) -> None:
    async def not_escalated(ids: list[str]) -> None:
        assert [id_ for id_ in ids if (await incident_of(client, id_)).record] == []
        assert recorded(stack).keys().isdisjoint(ids)

    seconds = many(2, 60)
    hangs = failing("hang_after", match="POST", seconds=300, count=many(20, 100))
    await endure(stack, client, hangs, "commits, then hangs past our timeout", seconds=many(3, 6))
    await endure(
        stack,
        client,
        failing("html"),
        f"HTML with 200 for {seconds} s",
        seconds=seconds,
        meanwhile=not_escalated,
    )
    html = failing("html", match="POST")
    await endure(
        stack,
        client,
        html,
        f"HTML with 200 to POSTs for {seconds} s",
        seconds=seconds,
        meanwhile=not_escalated,
    )
    stack.sandbox.world.servicenow.insert({"short_description": "somebody else's", "correlation_id": "x"})
    foreign = failing("foreign_row", match="GET")
    await endure(stack, client, foreign, "a foreign row in each answer to a query", seconds=seconds)
    assert recorded(stack)["x"] == 1


async def test_no_call_about_an_incident_falls_into_its_retry_after(stack: Stack, client: Redis) -> None:
    pause, seconds = 2, many(5, 60)
    fault = failing("status", status=429, retry_after=pause)
    ids = await endure(stack, client, fault, f"429 for {seconds} s, Retry-After {pause}", seconds=seconds)
    calls = list(stack.sandbox.world.servicenow.calls.entries)
    gaps = []
    for id_ in ids:
        mine = [call for call in calls if id_ in str(call.arguments)]
        gaps += [after.at - before.at for before, after in pairwise(mine) if before.status == 429]
    print(f"{len(gaps)} refusals; the soonest next call about the same incident came after {min(gaps):.2f} s")
    assert len(gaps) == fault.hits
    assert min(gaps) >= pause


async def test_credentials_do_not_follow_a_redirect(stack: Stack, client: Redis) -> None:
    with running() as elsewhere:
        away = failing("redirect", url=f"{elsewhere.servicenow_url()}/api/now/table/incident")
        await endure(stack, client, away, "302 to another host", seconds=many(2, 10))
        followed = list(elsewhere.world.servicenow.calls.entries)
        print(f"{away.hits} redirects, {len(followed)} requests at the other host")
        assert away.hits
        assert followed == []


async def test_a_wrong_password_parks_and_its_mending_delivers(stack: Stack, client: Redis) -> None:
    async def are_parked(ids: list[str]) -> None:
        told = {one["incident"]: one for one in await parked(stack)}
        assert set(told) == set(ids)
        assert {one["stage"] for one in told.values()} == {"servicenow"}
        assert all(one["error"].startswith("answered 401") and one["next_try"] for one in told.values())

    seconds = many(2, 60)
    refused = failing("status", status=401)
    await endure(
        stack,
        client,
        refused,
        f"401 for {seconds} s, seen in `ackstream parked`",
        seconds=seconds,
        meanwhile=are_parked,
    )
    assert await parked(stack) == []

"""A service that is not there while incidents come due, and how late that makes people."""

import asyncio
import json
import time

from redis.asyncio import Redis

from shared.keys import Keys
from tests.e2e.conftest import StackFactory
from tests.faults.conftest import hurried, many
from tests.faults.traffic import all_recorded, all_shown, most_late, pour, recorded
from tests.stack import Stack
from tests.waiting import wait_until

PROMPT = 5.0
"""Seconds that an escalation may be late on a busy machine; it is tenths on a quiet one."""


async def pour_due(stack: Stack, incidents: int, seconds: float) -> list[str]:
    """Incidents that come due one after the other over the next `seconds`."""
    ids = []
    for number in range(incidents):
        minutes = seconds * (number + 1) / incidents / 60
        ids += await pour(stack, [f"absent{number}"], f"?oncall_wait_minutes={minutes:.4f}")
    return ids


async def test_what_comes_due_while_ingest_is_down_is_escalated_all_the_same(
    new_stack: StackFactory, client: Redis
) -> None:
    incidents, seconds = many(20, 100), many(4, 180)
    stack = new_stack(**hurried())
    await stack.start_all()
    ids = await pour_due(stack, incidents, seconds)
    stack.kill("ingest")
    early = len(recorded(stack))
    await all_recorded(stack, ids, seconds=seconds + 30)
    late = await most_late(client, ids)
    print(
        f"\ningest down for {seconds} s, {incidents - early} of {incidents} incidents due meanwhile: {len(recorded(stack))} records, "
        f"the latest {late:.2f} s late"
    )
    assert early < incidents / 2
    assert recorded(stack).total() == incidents
    assert late < PROMPT


async def test_what_came_due_while_the_escalator_was_down_is_escalated_and_says_how_late(
    new_stack: StackFactory, client: Redis
) -> None:
    incidents, seconds = many(20, 100), many(4, 180)
    stack = new_stack(**hurried())
    await stack.start_all()
    stack.kill("escalator")
    ids = await pour(stack, [f"absent{number}" for number in range(incidents)], "?oncall_wait_minutes=0")
    await all_shown(stack, ids, seconds=30)
    await asyncio.sleep(seconds)
    back = time.time()
    stack.start("escalator")
    await all_recorded(stack, ids, seconds=30)
    late = await lateness_in_the_stream(client)
    print(
        f"\nthe escalator down for {seconds} s: {len(recorded(stack))} of {incidents} records within {time.time() - back:.1f} s of its "
        f"start, {min(late.values()):.0f} to {max(late.values()):.0f} s late, as the events, the records and the Slack messages say"
    )
    assert recorded(stack).total() == incidents
    assert set(late) == set(ids)
    assert min(late.values()) >= seconds
    assert all(" late)" in record["short_description"] for record in stack.records())
    await wait_until(lambda: say_late(stack) == incidents, "each message to say how late", seconds=30)


async def lateness_in_the_stream(client: Redis) -> dict[str, float]:
    """Seconds, by incident, as the events `escalated` tell them."""
    events = [fields for _, fields in await client.xrange(Keys().events) if fields[b"type"] == b"escalated"]
    return {one[b"incident"].decode(): json.loads(one[b"data"])["late_seconds"] for one in events}


def say_late(stack: Stack) -> int:
    return sum("Escalated to ServiceNow" in str(one) and " late" in str(one) for one in stack.messages())

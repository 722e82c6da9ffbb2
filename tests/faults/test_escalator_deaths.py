"""The escalator dies at the exact points where a record could be lost or written twice."""

import signal
import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from sandbox.calls import Call
from sandbox.faults import Fault
from sandbox.servicenow import ServiceNow
from shared.keys import Keys
from tests.e2e.conftest import StackFactory
from tests.faults.conftest import hurried, many
from tests.faults.gate import Gate
from tests.faults.traffic import incident_of, no_deadline_left, pour, recorded
from tests.servers import RedisServer
from tests.stack import Stack
from tests.waiting import wait_until

LONG = 300.0
"""Seconds that the sandbox holds a request back; the fault is cleared long before."""

STARTING = 7.0
"""Seconds that a new escalator may take on a slow machine."""

POINTS = (
    "after the claim, before the POST",
    "after the POST, before its answer",
    "after the answer, before the commit",
)


async def test_an_escalator_that_dies_at_a_bad_moment_writes_each_record_once(
    new_stack: StackFactory, client: Redis, gate: Gate
) -> None:
    """The escalator reaches Redis through the gate; the doubts of all its deaths run side by side."""
    deaths = many(3, 20)
    stack = new_stack(**hurried())
    stack.start("ingest")
    await stack.ready("ingest")
    victims: dict[str, list[str]] = {point: [] for point in POINTS}
    for _ in range(deaths):
        for point in POINTS:
            victims[point].append(await die_at(point, stack, gate, client))
    stack.start("escalator")
    ids = [id_ for point in POINTS for id_ in victims[point]]
    await no_deadline_left(client, seconds=many(60, 300))
    for point in POINTS:
        rows = recorded(stack)
        counts = [rows[id_] for id_ in victims[point]]
        print(
            f"\n{deaths} deaths {point}: {sum(count == 1 for count in counts)} incidents with exactly one record"
        )
        assert counts == [1] * deaths
    assert [str((await incident_of(client, id_)).state) for id_ in ids] == ["escalated"] * len(ids)


async def test_an_escalator_that_dies_between_queue_and_claim_makes_its_incident_little_late(
    new_stack: StackFactory, client: Redis, gate: Gate
) -> None:
    """The claim is held at the gate, so that who was taken out of the queue is neither there nor claimed."""
    stack = new_stack()
    stack.start("ingest")
    await stack.ready("ingest")
    for number in range(many(1, 5)):
        gate.hold("escalation_claimed")
        (id_,) = await pour(stack, [f"unclaimed {number}"], "?oncall_wait_minutes=0")
        stack.start("escalator", environment={"ACKSTREAM_REDIS_URL": gate.url})
        await wait_until(lambda: gate.held, "the claim to come to the gate", seconds=30)
        stack.kill("escalator")
        gate.cut()
        killed = time.monotonic()
        assert await client.zcard(Keys().escalations("")) == 0
        stack.start("escalator")
        await wait_until(lambda: recorded(stack)[id_], "the record", seconds=60)  # noqa: B023  it is over by then
        took = time.monotonic() - killed
        print(f"\nits record came {took:.1f} s after the death of the escalator that was about to claim it")
        assert took < 3 + STARTING
        stack.kill("escalator", signal.SIGTERM)
        assert recorded(stack)[id_] == 1


async def die_at(point: str, stack: Stack, gate: Gate, client: Redis) -> str:
    """Id of the incident whose escalation was cut short at `point`."""
    world = stack.sandbox.world
    verb, kind = {
        POINTS[0]: ("GET", "latency"),
        POINTS[1]: ("POST", "hang_after"),
        POINTS[2]: ("POST", "latency"),
    }[point]
    world.faults.add(Fault(target="servicenow", kind=kind, match=verb, seconds=LONG))
    (id_,) = await pour(stack, [f"{point} {len(world.servicenow.calls.entries)}"], "?oncall_wait_minutes=0")
    stack.start("escalator", environment={"ACKSTREAM_REDIS_URL": gate.url})
    await wait_until(lambda: call_about(world.servicenow, verb, id_), f"the {verb} about {id_}", seconds=30)
    if point == POINTS[2]:
        gate.hold(id_, "late_seconds")
        world.faults.clear()
        await wait_until(lambda: gate.held, "the commit to come to the gate")
    stack.kill("escalator")
    gate.cut()
    world.faults.clear()
    incident = await incident_of(client, id_)
    assert (incident.escalation.lease is not None, incident.record) == (True, None)
    assert recorded(stack)[id_] == (0 if point == POINTS[0] else 1)
    return id_


def call_about(servicenow: ServiceNow, verb: str, id_: str) -> Call | None:
    """The request of this verb about an incident, once it has had the effect that its fault lets it have."""
    for call in servicenow.calls.named(verb):
        if id_ in str(call.arguments) and (verb == "GET" or "latency" in call.fault or call.committed):
            return call
    return None

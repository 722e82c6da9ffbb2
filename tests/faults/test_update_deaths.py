"""The escalator dies while it tells a record of its incident's life: each thing stands there once all the same."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from sandbox.calls import Call
from sandbox.faults import Fault
from sandbox.servicenow import ServiceNow
from sandbox.servicenow_table import Row
from shared.commands import Acknowledge
from shared.redis_client import Scripts
from shared.store import Store
from tests.e2e.conftest import StackFactory
from tests.faults.conftest import hurried, many
from tests.faults.gate import Gate
from tests.faults.traffic import incident_of, no_deadline_left, pour
from tests.servers import RedisServer
from tests.stack import Stack
from tests.waiting import wait_until

LONG = 300.0
POINTS = {
    "before the PATCH": ("GET", "latency"),
    "after the PATCH, before its answer": ("PATCH", "hang_after"),
    "after the answer, before the commit": ("PATCH", "latency"),
}


async def test_an_escalator_that_dies_at_a_bad_moment_writes_each_work_note_once(
    new_stack: StackFactory, client: Redis, gate: Gate
) -> None:
    deaths = many(1, 20)
    stack = new_stack(**hurried(), life={"on_acknowledge": "state", "states": "{acknowledged: 2}"})
    stack.start("ingest")
    await stack.ready("ingest")
    victims: dict[str, list[str]] = {point: [] for point in POINTS}
    for _ in range(deaths):
        for point in POINTS:
            victims[point].append(await die_at(point, stack, gate, client))
    stack.start("escalator")
    await no_deadline_left(client, seconds=many(60, 300))
    for point, ids in victims.items():
        counts = [len(await notes(stack, client, id_)) for id_ in ids]
        states = [(await row(stack, client, id_)).fields["state"] for id_ in ids]
        print(f"\n{deaths} deaths {point}: {counts.count(1)} records with exactly one work note")
        assert (counts, states) == ([1] * deaths, ["2"] * deaths)


async def die_at(point: str, stack: Stack, gate: Gate, client: Redis) -> str:
    """Id of the incident of whose acknowledgement its record was being told."""
    world, (verb, kind) = stack.sandbox.world, POINTS[point]
    stack.start("escalator", environment={"ACKSTREAM_REDIS_URL": gate.url})
    (id_,) = await pour(stack, [f"{point} {len(world.servicenow.calls.entries)}"], "?oncall_wait_minutes=0")
    await wait_until(lambda: has_record(client, id_), f"the record of {id_}", seconds=30)
    before = len(world.servicenow.calls.entries)
    world.faults.add(Fault(target="servicenow", kind=kind, match=verb, seconds=LONG))
    await Store(Scripts(client)).apply(id_, Acknowledge("anna", "link"))
    await wait_until(lambda: called(world.servicenow, verb, before), f"the {verb} about {id_}", seconds=30)
    if verb == "PATCH" and kind == "latency":
        gate.hold(id_, "record_updated")
        world.faults.clear()
        await wait_until(lambda: gate.held, "the commit to come to the gate")
    stack.kill("escalator")
    gate.cut()
    world.faults.clear()
    record = (await incident_of(client, id_)).record
    assert record
    assert record.update.lease is not None
    assert len(await notes(stack, client, id_)) == (0 if verb == "GET" else 1)
    return id_


async def has_record(client: Redis, id_: str) -> bool:
    return (await incident_of(client, id_)).record is not None


async def row(stack: Stack, client: Redis, id_: str) -> Row:
    record = (await incident_of(client, id_)).record
    assert record
    return stack.sandbox.world.servicenow.instance("main").table("incident").rows[record.sys_id]


async def notes(stack: Stack, client: Redis, id_: str) -> list[tuple[str, str]]:
    return (await row(stack, client, id_)).notes


def called(servicenow: ServiceNow, verb: str, before: int) -> Call | None:
    """The first request of this verb since then, once it has had the effect that its fault lets it have."""
    for call in servicenow.calls.named(verb):
        since = call in list(servicenow.calls.entries)[before:]
        if since and ("latency" in call.fault or call.committed):
            return call
    return None

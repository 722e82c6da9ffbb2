"""A storm escalates into one record while its escalators die again and again, and answers are lost."""

import asyncio
import random
import re
from collections import Counter

from redis.asyncio import Redis

from sandbox.faults import Fault
from shared.commands import Digested
from shared.redis_client import Scripts
from shared.store import Store
from shared.storms import Storms
from tests.e2e.conftest import StackFactory
from tests.faults.conftest import hurried, many
from tests.faults.traffic import incident_of, no_deadline_left, pour
from tests.stack import Stack

DICE = random.Random(11)
STORM = f"{7:030x}00"
NAMES = ("escalator", "escalator-b")


async def test_one_record_lists_each_incident_once_whoever_dies(
    new_stack: StackFactory, client: Redis
) -> None:
    """Notes take a dozen lines, so that there are many writes. Every write is slow enough to be died in."""
    count, deaths = many(250, 3000), many(5, 60)
    stack = new_stack(**hurried(), storm="{servicenow: parent}", life={"field_lengths": "{work_notes: 800}"})
    stack.start("ingest")
    await stack.ready("ingest")
    ids = await pour(stack, [f"storm {number}" for number in range(count)], "?oncall_wait_minutes=0")
    await into_the_digest(client, ids)
    for fault in (
        Fault(target="servicenow", kind="latency", match="main", seconds=0.2, name="slow"),
        Fault(target="servicenow", kind="hang_after", match="POST", seconds=10, count=1),
        *(
            Fault(target="servicenow", kind=kind, match="PATCH", seconds=10, count=deaths // 4 + 1)
            for kind in ("drop_after", "hang_after", "drop")
        ),
    ):
        stack.sandbox.world.faults.add(fault)
    for name in NAMES:
        stack.start(name, command="escalator")
    for _ in range(deaths):
        name = DICE.choice(NAMES)
        await stack.ready(name)
        await asyncio.sleep(DICE.uniform(0.1, 2))
        stack.kill(name)
        stack.start(name, command="escalator")
    stack.sandbox.world.faults.clear()
    await no_deadline_left(client, seconds=many(90, 900))
    rows = stack.sandbox.world.servicenow.rows("main")
    patches = len(stack.sandbox.world.servicenow.calls.named("PATCH"))
    print(f"\n{count} incidents, {deaths} deaths: {len(rows)} record, {patches} changes to it")
    assert [row["correlation_id"] for row in rows] == [STORM]
    assert listed(stack) == Counter(ids)
    assert {str((await incident_of(client, id_)).state) for id_ in ids} == {"escalated"}


async def into_the_digest(client: Redis, ids: list[str]) -> None:
    """As the notifier does it, which does not run here."""
    store, storms = Store(Scripts(client)), Storms(Scripts(client))
    for id_ in ids:
        await store.apply(id_, Digested(STORM, "C1"))
        await storms.note(await incident_of(client, id_))


def listed(stack: Stack) -> Counter[str]:
    table = stack.sandbox.world.servicenow.instance("main").table("incident")
    texts = [text for row in table.rows.values() for _, text in row.notes]
    return Counter(id_ for text in texts for id_ in re.findall("(?m)^- ([0-9a-f]{32}) ", text))

"""Processes that are killed in the middle of their work. Each test prints its numbers."""

import asyncio
from collections import Counter

import pytest
from redis.asyncio import Redis

from sandbox.faults import Fault
from tests.e2e.conftest import StackFactory
from tests.faults.conftest import hurried, many
from tests.faults.traffic import DICE, all_shown, no_deadline_left, no_delivery_left, pour, shown, twice
from tests.servers import RedisServer
from tests.stack import Stack
from tests.waiting import wait_until


def slack_error(word: str, match: str) -> Fault:
    return Fault(target="slack", kind="slack_error", error=word, match=match)


CHANNELS = 20
"""Slack takes about one message a second in one; with two, a look that goes back some minutes costs a few calls."""


def by_channel(names: list[str]) -> list[list[str]]:
    return [names[number::CHANNELS] for number in range(CHANNELS)]


async def kill_again_and_again(stack: Stack, name: str, kills: int, *, longest: float) -> None:
    """Each time in the middle of its work, not while it starts; `longest`: seconds that it may work."""
    for _ in range(kills):
        await stack.ready(name)
        await asyncio.sleep(DICE.uniform(0.1, longest))
        stack.kill(name)
        stack.start(name)


@pytest.mark.parametrize("may_look", [True, False], ids=["with the history scope", "without it"])
async def test_a_notifier_that_is_killed_again_and_again_posts_each_incident(
    new_stack: StackFactory, client: Redis, may_look: bool
) -> None:
    """Once, where it may look into the channel; else a second time what each death left without an answer."""
    incidents, kills = many(300, 5000), many(5, 20)
    stack = new_stack(**hurried())
    faults = stack.sandbox.world.faults
    faults.add(Fault(target="slack", kind="latency", match="chat.postMessage", seconds=0.02))
    if not may_look:
        faults.add(slack_error("missing_scope", "conversations.history"))
    await stack.start_all()
    sending = [
        asyncio.create_task(pour(stack, names, f"?slack_channel_id=C{number}", per_second=40 / CHANNELS))
        for number, names in enumerate(by_channel([f"n{number}" for number in range(incidents)]))
    ]
    await kill_again_and_again(stack, "notifier", kills, longest=many(1, 9))
    ids = [id_ for taken in await asyncio.gather(*sending) for id_ in taken]
    await all_shown(stack, ids, seconds=many(60, 600))
    await no_delivery_left(client, seconds=many(60, 120))
    again, scope = twice(shown(stack)), "with" if may_look else "without"
    print(
        f"\n{kills} kills of the notifier while {incidents} incidents flow into {CHANNELS} channels, {scope} the history scope: "
        f"{len(shown(stack))} shown, {again} messages too many"
    )
    assert set(shown(stack)) == set(ids)
    if may_look:
        assert again == 0
    else:
        assert again <= kills * stack.config.notifier.concurrency
        assert not again or "missing_scope" in stack.log("notifier")


async def test_an_escalator_that_is_killed_again_and_again_writes_each_record_once(
    new_stack: StackFactory, client: Redis
) -> None:
    incidents, kills = many(120, 1000), many(4, 20)
    stack = new_stack(**hurried())
    stack.sandbox.world.faults.add(Fault(target="servicenow", kind="latency", match="POST", seconds=0.3))
    await stack.start_all()
    names = [f"e{number}" for number in range(incidents)]
    sending = asyncio.create_task(pour(stack, names, "?oncall_wait_minutes=0.02", per_second=many(20, 30)))
    await kill_again_and_again(stack, "escalator", kills, longest=many(1, 2))
    ids = await sending
    await no_deadline_left(client, seconds=many(60, 600))
    records = Counter(record["correlation_id"] for record in stack.records())
    print(
        f"\n{incidents} incidents, {kills} kills of the escalator: {len(records)} records, {records.total()} rows"
    )
    assert set(records) == set(ids)
    assert records.total() == incidents

"""Three notifiers, two channels at a pace: no channel is called more often than that, and what people see never goes back."""

import asyncio
import itertools
from collections import defaultdict

import pytest
from redis.asyncio import Redis

from sandbox.calls import Call
from sandbox.faults import Fault
from shared.commands import Acknowledge, Retry, Stage
from shared.keys import SLACK_TURNS, slack_queue
from shared.redis_client import Scripts
from shared.store import Store
from tests.e2e.conftest import StackFactory
from tests.faults.conftest import hurried, many
from tests.faults.traffic import all_shown, incident_of, no_delivery_left, pour, shown, twice
from tests.stack import Stack
from tests.waiting import wait_until

NOTIFIERS = ("notifier", "notifier2", "notifier3")
PER_SECOND, BURST = 25, 3
CHANNELS = ("C1", "C2")
LATE = 8
"""Calls that began in time and were held up on their way, by a machine that has other things to do, so that others caught up."""
ON_THE_WAY = 0.3
"""Seconds between a token and the call that it is for, at most, on a busy machine."""


@pytest.fixture
async def stack(new_stack: StackFactory) -> Stack:
    stack = new_stack(per_second=PER_SECOND, storm="{threshold: 0}", **hurried())
    for name in ("ingest", *NOTIFIERS):
        stack.start(name, command=name.rstrip("23"))
    for name in ("ingest", *NOTIFIERS):
        await stack.ready(name)
    return stack


async def test_bursts_of_changes_end_with_the_last_state_and_never_go_back(
    stack: Stack, client: Redis
) -> None:
    incidents, store = many(200, 2000), Store(Scripts(client))
    faults = stack.sandbox.world.faults
    faults.add(Fault(target="slack", kind="latency", seconds=0.02))
    sending = [
        pour(
            stack, [f"p{channel}{number}" for number in range(incidents // 2)], f"?slack_channel_id={channel}"
        )
        for channel in CHANNELS
    ]
    ids = [id_ for taken in await asyncio.gather(*sending) for id_ in taken]

    async def changes(id_: str) -> None:
        """A burst, as a person, a repeat and a retry would make it."""
        await store.apply(id_, Acknowledge("Ada", "link"))
        for _ in range(3):
            await store.apply(id_, Retry(Stage.DELIVERY))

    for half in (ids[::2], ids[1::2]):
        await asyncio.gather(*(changes(id_) for id_ in half))
    await pour(
        stack, [f"p{CHANNELS[0]}{number}" for number in range(incidents // 4)], "?oncall_wait_minutes=1"
    )
    await all_shown(stack, ids, seconds=60 + incidents / PER_SECOND)
    await no_delivery_left(client, seconds=60 + incidents / PER_SECOND)
    await wait_until(lambda: nothing_waits(client), "the queues to be empty", seconds=60)
    calls = calls_by_channel(stack)
    told = sum(map(len, calls.values()))
    print(
        f"\n{incidents} incidents, {len(NOTIFIERS)} notifiers, {PER_SECOND}/s in each of {len(CHANNELS)} channels: {told} calls, "
        f"the fullest window {max(over_the_bucket(calls[channel]) for channel in CHANNELS):+.1f} calls beyond the bucket"
    )
    assert twice(shown(stack)) == 0
    for id_ in ids:
        assert (await incident_of(client, id_)).is_shown
    assert never_backwards(stack)
    assert all(over_the_bucket(calls[channel]) <= LATE for channel in CHANNELS)


async def nothing_waits(client: Redis) -> bool:
    return await client.exists(SLACK_TURNS, *map(slack_queue, CHANNELS)) == 0


def calls_by_channel(stack: Stack) -> dict[str, list[Call]]:
    found = defaultdict(list)
    for call in list(stack.sandbox.world.slack.calls.entries):
        if call.name in ("chat.postMessage", "chat.update"):
            found[call.arguments["channel"]].append(call)
    return found


def over_the_bucket(calls: list[Call]) -> float:
    """By how many calls the fullest window of any length has more than burst and pace allow."""
    at = sorted(call.at for call in calls)
    return max(
        last - first + 1 - BURST - PER_SECOND * (at[last] - at[first] + ON_THE_WAY)
        for first, last in itertools.combinations_with_replacement(range(len(at)), 2)
    )


def never_backwards(stack: Stack) -> bool:
    """Each message's revisions, in the order in which Slack got them, only grow, and the last one stands."""
    revisions = defaultdict(list)
    for call in list(stack.sandbox.world.slack.calls.entries):
        if "metadata" in call.arguments:
            payload = call.arguments["metadata"]["event_payload"]
            revisions[payload["incident_id"]].append(payload["revision"])
    return all(sorted(set(known)) == known for known in revisions.values())

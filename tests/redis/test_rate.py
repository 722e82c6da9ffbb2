"""An instance gets so many calls a second, over all replicas; whoever waits for that fails nothing and keeps the order."""

import time

import pytest
from redis.asyncio import Redis

from sandbox.calls import Call
from sandbox.faults import Fault
from sandbox.server import Running
from services.escalator.rate import BURST, CALLS, Rate
from shared.keys import servicenow_bucket, servicenow_hold
from shared.redis_client import Scripts
from shared.store import Store
from tests.redis.conftest import now, opened
from tests.redis.test_queues import AT_ONCE, recorded, some, working
from tests.waiting import wait_until

SLOW = 0.1
"""Calls a second: while a test looks, no token comes back."""


async def tokens_out(client: Redis) -> float:
    """How many calls the bucket of the default instance is behind being full, at the slow rate."""
    return max(0, int(await client.pttl(servicenow_bucket("")))) * SLOW / 1000


@pytest.fixture
def rate(scripts: Scripts) -> Rate:
    return Rate(scripts, "", SLOW)


def calls_within(calls: list[Call], seconds: float) -> int:
    """The most that came within so long."""
    moments = sorted(call.at for call in calls)
    return max(sum(begin <= at < begin + seconds for at in moments) for begin in moments)


async def test_two_replicas_together_keep_to_the_rate_and_to_the_order_and_nobody_fails(
    client: Redis, store: Store, sandbox: Running
) -> None:
    ids = await some(store, 40)
    started = time.monotonic()
    async with (
        working(client, sandbox, rate_per_instance=25),
        working(client, sandbox, rate_per_instance=25),
    ):
        await recorded(sandbox, "main", ids)
    took = time.monotonic() - started
    servicenow = sandbox.world.servicenow
    calls = list(servicenow.calls.entries)
    assert len(calls) == 80
    assert took >= (80 - 25) / 25 - 0.2
    # An attempt's calls are paid for when it begins: eight of each replica may be between their two.
    assert calls_within(calls, 1) <= 25 + 25 + 2 * CALLS
    assert [(await now(store, id_)).escalation.attempts for id_ in ids] == [0] * 40
    records = [row["correlation_id"] for row in servicenow.rows("main")]
    assert max(abs(records.index(id_) - ids.index(id_)) for id_ in ids) <= 16


async def test_who_is_due_alone_does_not_wait_even_at_the_lowest_rate(
    client: Redis, store: Store, sandbox: Running
) -> None:
    ids: list[str] = []
    async with working(client, sandbox, rate_per_instance=0.01) as replica:
        while len(ids) < BURST // CALLS:
            ids.append(await opened(store, wait=AT_ONCE, group=f"alone {len(ids)}"))
            replica.wake.set()
            await recorded(sandbox, "main", ids, seconds=2)


async def test_a_call_more_than_usual_is_paid_for_by_those_that_follow(
    client: Redis, store: Store, sandbox: Running
) -> None:
    """A record whose fields are refused is looked for and written once more: four calls."""
    sandbox.world.faults.add(Fault(target="servicenow", kind="status", match="POST", status=400, count=1))
    (id_,) = await some(store, 1)
    async with working(client, sandbox, rate_per_instance=SLOW, fields={"category": "network"}) as replica:
        await recorded(sandbox, "main", [id_])
        await wait_until(lambda: settled(store, id_), "the escalation to be recorded")
        replica.stopping.set()
    assert len(sandbox.world.servicenow.calls.entries) == 4
    # Four, and at most two that the poller has in hand for the next attempt.
    assert 3 < await tokens_out(client) <= 4 + CALLS


async def settled(store: Store, id_: str) -> bool:
    return (await now(store, id_)).record is not None


async def test_what_an_attempt_does_not_need_goes_back(client: Redis, rate: Rate) -> None:
    assert await rate.draw() == 0
    async with rate.attempt():
        rate.spend()
        assert 1.5 < await tokens_out(client) <= 2
    assert 0.5 < await tokens_out(client) <= 1


async def test_what_attempts_need_beyond_that_is_charged_once(client: Redis, rate: Rate) -> None:
    for _ in range(2):
        assert await rate.draw() == 0
        async with rate.attempt():
            for _ in range(5):
                rate.spend()
    assert 9 < await tokens_out(client) <= 10


async def test_attempts_side_by_side_pay_for_their_calls_together(client: Redis, rate: Rate) -> None:
    assert await rate.draw() == 0
    async with rate.attempt():
        assert await rate.draw() == 0
        async with rate.attempt():
            rate.spend()
            rate.spend()
            rate.spend()
        assert 3 < await tokens_out(client) <= 4, "the other one has a call to make"
    assert 2 < await tokens_out(client) <= 3


async def test_who_finds_too_few_tokens_takes_none_and_is_told_when_to_come_back(
    client: Redis, rate: Rate, scripts: Scripts
) -> None:
    for _ in range(BURST // CALLS):
        assert await rate.draw() == 0
        async with rate.attempt():
            rate.spend()
            rate.spend()
    waits = [await rate.draw() for _ in range(3)]
    assert all(15 < wait <= 20 for wait in waits)
    assert 15 < await Rate(scripts, "", SLOW).draw() <= 20, "another replica's"
    assert await Rate(scripts, "infra", SLOW).draw() == 0, "another instance's"
    assert await tokens_out(client) <= BURST


async def test_what_was_drawn_stays_drawn_until_an_attempt_begins(client: Redis, rate: Rate) -> None:
    assert [await rate.draw() for _ in range(5)] == [0] * 5
    assert 1.5 < await tokens_out(client) <= 2


async def test_nothing_is_drawn_while_the_instance_wants_to_be_left_alone(client: Redis, rate: Rate) -> None:
    await client.set(servicenow_hold(""), 1, px=5000)
    assert 4 < await rate.draw() <= 5
    assert await tokens_out(client) == 0


async def test_no_rate_asks_redis_for_nothing(client: Redis, scripts: Scripts) -> None:
    rate = Rate(scripts, "", 0)
    assert await rate.draw() == 0
    async with rate.attempt():
        rate.spend()
    assert not await client.exists(servicenow_bucket(""))

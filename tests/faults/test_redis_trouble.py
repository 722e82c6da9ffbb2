"""A Redis that hangs, is full, restarts, or whose connections break. Each test prints its numbers."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from redis.asyncio import Redis

from sandbox.faults import Fault
from shared.keys import Keys
from shared.redis_client import connect
from tests.e2e.conftest import StackFactory
from tests.faults.conftest import many
from tests.faults.recovery import seconds_until_back, slowest_refusal, slowest_unready
from tests.faults.traffic import all_recorded, all_shown, pour, recorded, shown, twice
from tests.proxy import Proxy, proxied
from tests.servers import RedisServer
from tests.stack import Stack, ack_link
from tests.waiting import wait_until

BACK = 10.0
FAST = 2.0
"""Seconds."""

MOST = 900
"""Messages: a look for a lost one goes 1,000 back, which at Slack's own pace are a quarter of an hour. Here they are seconds."""

PATH = "/api/incidents"


@pytest.fixture
def proxy(own_redis_server: RedisServer) -> Iterator[Proxy]:
    with proxied(own_redis_server.port) as proxy:
        yield proxy


async def acknowledge_page(stack: Stack) -> str:
    """Path of the page of an incident, which has been looked at once."""
    await pour(stack, ["before"], "?oncall_wait_minutes=5")
    link = ack_link(await stack.message(ack_link, "a message with a button"))
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(link)).status_code == 200
    return link.removeprefix(stack.url)


async def hanging(stack: Stack, link: str, seconds: float) -> str:
    """What senders, people and probes hear while Redis says nothing, and how long they wait for it."""
    (count, refused), (_, page), (_, press) = await asyncio.gather(
        slowest_refusal(stack, PATH, seconds),
        slowest_refusal(stack, link, seconds, "GET"),
        slowest_refusal(stack, link, seconds, "POST"),
    )
    unready = await slowest_unready(stack, seconds=2)
    assert max(refused, page, press, unready) < FAST
    return (
        f"{count} alerts refused with 503, the slowest after {refused:.2f} s (acknowledge page {page:.2f} s, "
        f"its button {press:.2f} s, readiness {unready:.2f} s)"
    )


async def test_a_redis_that_stands_still_is_refused_for_quickly(
    new_stack: StackFactory, own_redis_server: RedisServer
) -> None:
    stack = new_stack(own_redis_server.url)
    await stack.start_all()
    link = await acknowledge_page(stack)
    own_redis_server.pause()
    told = await hanging(stack, link, many(3, 30))
    own_redis_server.resume()
    back = await seconds_until_back(stack, BACK)
    print(f"\nRedis stood still: {told}; back {back:.1f} s after it went on")
    assert twice(shown(stack)) == 0


async def test_a_redis_that_takes_connections_and_says_nothing_is_refused_for_quickly(
    new_stack: StackFactory, proxy: Proxy
) -> None:
    stack = new_stack(proxy.url)
    await stack.start_all()
    link = await acknowledge_page(stack)
    proxy.hold()
    proxy.cut()
    told = await hanging(stack, link, many(3, 30))
    proxy.release()
    back = await seconds_until_back(stack, BACK)
    print(f"\nRedis took connections and said nothing: {told}; back {back:.1f} s after it spoke again")
    assert twice(shown(stack)) == 0


async def test_cut_connections_a_refusing_and_a_restarted_redis_are_survived(
    new_stack: StackFactory, proxy: Proxy, own_redis_server: RedisServer
) -> None:
    stack, rounds = new_stack(proxy.url), many(2, 10)
    await stack.start_all()
    sending = asyncio.create_task(
        pour(stack, [f"c{number}" for number in range(many(150, MOST))], per_second=50)
    )
    cut, refused, restarted = list[float](), list[float](), list[float]()
    for _ in range(rounds):
        proxy.cut()
        cut.append(await seconds_until_back(stack, BACK))
        proxy.refuse()
        (_, slowest), _ = await asyncio.gather(slowest_refusal(stack, PATH, 1), asyncio.sleep(1))
        assert slowest < FAST
        proxy.accept()
        refused.append(await seconds_until_back(stack, BACK))
        own_redis_server.stop()
        own_redis_server.start()
        restarted.append(await seconds_until_back(stack, BACK))
    ids = await sending
    await all_shown(stack, ids, seconds=60)
    print(
        f"\n{len(ids)} alerts while connections to Redis were cut (back within {max(cut):.1f} s), refused "
        f"({max(refused):.1f} s) and Redis restarted ({max(restarted):.1f} s), {rounds} times each: "
        f"{len(set(ids) - set(shown(stack)))} lost, {twice(shown(stack))} messages too many"
    )
    assert twice(shown(stack)) == 0


async def test_full_memory_refuses_what_is_new_and_finishes_what_was_taken(
    new_stack: StackFactory, own_redis_server: RedisServer
) -> None:
    stack, incidents = new_stack(own_redis_server.url), many(60, 500)
    stack.sandbox.world.faults.add(
        Fault(target="slack", kind="latency", match="chat.postMessage", seconds=0.5)
    )
    await stack.start_all()
    async with connect(own_redis_server.url) as client:
        ids = await pour(stack, [f"m{number}" for number in range(incidents)], "?oncall_wait_minutes=0.03")
        await client.config_set("maxmemory", "100kb")
        told_before = len(shown(stack))
        (count, slowest), unready = await asyncio.gather(
            slowest_refusal(stack, PATH, 3), slowest_unready(stack, 3, ["ingest"])
        )
        assert max(slowest, unready) < FAST
        await all_shown(stack, ids, seconds=60)
        await all_recorded(stack, ids, seconds=60)
        await wait_until(lambda: nothing_pending(client), "both groups to have dealt with everything")
        evicted = (await client.info("stats"))["evicted_keys"]
        await client.config_set("maxmemory", "0")
        back = await seconds_until_back(stack, BACK)
    print(
        f"\nFull memory: {count} alerts refused with 503, the slowest after {slowest:.2f} s; of {incidents} taken before, "
        f"{incidents - told_before} were told meanwhile and all recorded; {evicted} keys evicted; "
        f"back {back:.1f} s after there was room"
    )
    assert told_before < incidents
    assert evicted == 0
    assert (twice(shown(stack)), twice(recorded(stack))) == (0, 0)


async def nothing_pending(client: Redis) -> bool:
    groups = await client.xinfo_groups(Keys().events)
    return all(group["pending"] == 0 and not group["lag"] for group in groups)

"""Services that come and go while alerts flow: scaled up and down, restarted one after the other, told to stop twice."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from redis.asyncio import Redis

from sandbox.faults import Fault
from shared.keys import Keys
from shared.service import GRACE
from tests.e2e.conftest import StackFactory
from tests.faults.conftest import hurried, many
from tests.faults.traffic import (
    all_recorded,
    all_shown,
    no_deadline_left,
    no_delivery_left,
    pour,
    pour_until,
    recorded,
    shown,
    stop,
    twice,
)
from tests.stack import Stack
from tests.waiting import wait_until

AT_ONCE = 2.0
"""Seconds within which a second signal must have ended a process, on a busy machine."""

NOTICED = 0.5
"""Seconds within which a process on a busy machine has heard a signal."""


async def start(stack: Stack, names: list[str]) -> None:
    """`notifier2` is a notifier, too."""
    for name in names:
        stack.start(name, command=name.rstrip("0123456789"))
    for name in names:
        await stack.ready(name)


@asynccontextmanager
async def load(stack: Stack, client: Redis, *doors: str) -> AsyncIterator[list[str]]:
    """Alerts come all the while, half of them due at once. Afterwards each is in Slack and each of that half in ServiceNow, once;
    the list then has their ids."""
    ids: list[str] = []
    ended = asyncio.Event()
    queries = ("?oncall_wait_minutes=0.01", "?oncall_enable=false")
    sending = [
        asyncio.create_task(pour_until(ended, stack, query, doors=doors, per_second=20)) for query in queries
    ]
    try:
        yield ids
    finally:
        ended.set()
        due, others = await asyncio.gather(*sending)
    ids += due + others
    await all_shown(stack, ids, seconds=60)
    await all_recorded(stack, due, seconds=60)
    await no_deadline_left(client, seconds=60)
    await no_delivery_left(client, seconds=60)
    lost = len(set(ids) - shown(stack).keys()) + len(set(due) - recorded(stack).keys())
    print(
        f"{len(ids)} incidents, {len(due)} of them due: {lost} lost, {twice(shown(stack))} messages and "
        f"{twice(recorded(stack))} records too many"
    )
    assert (twice(shown(stack)), twice(recorded(stack))) == (0, 0)
    assert set(shown(stack)) == set(ids)
    assert set(recorded(stack)) == set(due)


async def test_consumers_that_come_and_go_lose_nothing_and_leave_nothing_behind(
    new_stack: StackFactory, client: Redis
) -> None:
    rounds, most = many(3, 20), many(3, 5)
    stack = new_stack(**hurried())
    await start(stack, ["ingest", "notifier", "escalator"])
    more = [f"{kind}{number}" for kind in ("notifier", "escalator") for number in range(2, most + 1)]
    codes: list[int] = []
    print(f"\nnotifiers and escalators scaled 1 → {most} → 1, {rounds} times: ", end="")
    async with load(stack, client, "ingest"):
        for _ in range(rounds):
            await start(stack, more)
            codes += await stop(stack, more)
    left = {group: await consumers(client, group) for group in ("notifier", "escalator")}
    print(f"consumers left in Redis: {left}")
    assert set(codes) == {0}
    assert left == {"notifier": 1, "escalator": 1}


async def consumers(client: Redis, group: str) -> int:
    return len(await client.xinfo_consumers(Keys().events, group))


async def test_a_rolling_restart_loses_and_doubles_nothing(new_stack: StackFactory, client: Redis) -> None:
    rounds = many(1, 10)
    stack = new_stack(**hurried())
    slow_down(stack, 0.3)
    names = [f"{kind}{number}" for kind in ("ingest", "notifier", "escalator") for number in ("", "2")]
    await start(stack, names)
    print(f"\n{rounds} rolling restarts of two of each service: ", end="")
    async with load(stack, client, "ingest", "ingest2"):
        took = [await restart(stack, name) for name in names * rounds]
    print(f"each process ended with 0, the slowest after {max(took):.1f} s")


def slow_down(stack: Stack, seconds: float) -> None:
    """Something is in flight whenever a signal comes."""
    for target in ("slack", "servicenow"):
        stack.sandbox.world.faults.add(Fault(target=target, kind="latency", seconds=seconds))


async def restart(stack: Stack, name: str) -> float:
    """Seconds from SIGTERM to its end, during which it is not ready."""
    began = time.monotonic()
    ending = asyncio.create_task(stop(stack, [name]))
    while not ending.done():
        assert await readiness(stack, name) != 200 or time.monotonic() - began < NOTICED, (
            "ready while it stops"
        )
        await asyncio.sleep(0.05)
    took = time.monotonic() - began
    assert await ending == [0], stack.log(name)
    assert took < GRACE
    await start(stack, [name])
    return took


async def readiness(stack: Stack, name: str) -> int:
    """The status of /readyz; 0: refused."""
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(f"{stack.address(name)}/readyz")).status_code
        except httpx.HTTPError:
            return 0


async def test_a_second_signal_ends_at_once_and_costs_nothing(new_stack: StackFactory, client: Redis) -> None:
    stack = new_stack(**hurried())
    await start(stack, ["ingest", "notifier", "escalator"])
    slow_down(stack, 60)
    ids = await pour(stack, [f"s{number}" for number in range(5)], "?oncall_wait_minutes=0")
    world = stack.sandbox.world
    for name, calls in (("notifier", world.slack.calls), ("escalator", world.servicenow.calls)):
        await wait_until(lambda calls=calls: len(calls.entries) >= 5, f"the {name}'s calls")
        stack.signal(name, signal.SIGTERM)
        await wait_until(lambda name=name: '"stopping"' in stack.log(name), f"the {name} to be stopping")
        began = time.monotonic()
        stack.signal(name, signal.SIGTERM)
        code = await asyncio.to_thread(stack.wait, name)
        took = time.monotonic() - began
        print(
            f"\na second signal ended the {name}, with 5 calls in flight, after {took:.2f} s with code {code}"
        )
        assert code == 128 + signal.SIGTERM
        assert took < AT_ONCE
    world.faults.clear()
    await start(stack, ["notifier", "escalator"])
    await all_shown(stack, ids, seconds=60)
    await all_recorded(stack, ids, seconds=many(60, 150))
    await no_deadline_left(client, seconds=60)
    assert (twice(shown(stack)), twice(recorded(stack))) == (0, 0)

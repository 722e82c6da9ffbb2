"""Every tenth reply of Redis is lost or late, for all services at once."""

import pytest
from redis.asyncio import Redis

from shared.commands import EventType
from shared.keys import Keys
from tests.e2e.conftest import StackFactory
from tests.faults.conftest import hurried, many
from tests.faults.traffic import (
    all_recorded,
    all_shown,
    no_deadline_left,
    no_delivery_left,
    pour,
    recorded,
    shown,
    twice,
)
from tests.proxy import proxied
from tests.servers import RedisServer
from tests.stack import Stack
from tests.waiting import wait_until

EVERY = 10
LATE = 2.5
"""Seconds: more than a service waits for a reply."""

ENDLESS = 1_000_000
"""The full numbers are for trouble that does not end before all is done."""

MOST = 900
"""Messages: a look for a lost one goes 1,000 back, which at Slack's own pace are a quarter of an hour. Here they are seconds."""


@pytest.mark.parametrize("stall", [None, LATE], ids=["lost", "late"])
async def test_though_every_tenth_reply_goes_astray_nothing_is_lost_and_nothing_happens_twice(
    new_stack: StackFactory, redis_server: RedisServer, client: Redis, stall: float | None
) -> None:
    incidents = many(20, MOST) if stall is None else many(6, 60)
    with proxied(redis_server.port) as proxy:
        stack = new_stack(proxy.url, **hurried())
        await stack.start_all()
        proxy.disturb(EVERY, stall=stall)
        ids = await pour(stack, [f"p{number}" for number in range(incidents)], "?oncall_wait_minutes=0.05")
        enough = many(40 if stall is None else 12, ENDLESS)
        await wait_until(
            lambda: proxy.disturbed >= enough or told_and_recorded(stack, ids),
            "every incident in Slack and ServiceNow, or enough trouble",
            seconds=many(60, 600),
        )
        disturbed = proxy.disturbed
        proxy.calm()
        await all_shown(stack, ids, seconds=60)
        await all_recorded(stack, ids, seconds=60)
        await no_delivery_left(client, seconds=120)
        await no_deadline_left(client, seconds=120)
        stack.stop()
    opened = await incidents_opened(client)
    how = "lost with its connection" if stall is None else f"{stall:g} s late"
    print(
        f"\n{incidents} alerts, every {EVERY}th reply of Redis {how} ({disturbed} of them): "
        f"{len(set(ids) - set(shown(stack)))} lost, {opened - incidents} incidents too many, "
        f"{twice(shown(stack))} messages and {twice(recorded(stack))} records too many"
    )
    assert disturbed > 3
    assert len(set(ids)) == opened == incidents
    assert (twice(shown(stack)), twice(recorded(stack))) == (0, 0)


def told_and_recorded(stack: Stack, ids: list[str]) -> bool:
    return set(shown(stack)) >= set(ids) and set(recorded(stack)) >= set(ids)


async def incidents_opened(client: Redis) -> int:
    events = await client.xrange(Keys().events)
    return [fields[b"type"].decode() for _, fields in events].count(EventType.OPENED)

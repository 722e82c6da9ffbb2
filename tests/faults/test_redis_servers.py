"""A Redis that dies, forgets or is tampered with: on 6.2, on the machine's own, on Valkey. Each test prints its numbers."""

import asyncio

from redis.asyncio import Redis

from shared.keys import Keys
from shared.redis_client import connect
from tests.e2e.conftest import StackFactory
from tests.faults.conftest import many
from tests.faults.recovery import seconds_until_back
from tests.faults.traffic import DICE, all_recorded, all_shown, pour, recorded, shown, twice
from tests.redis.conftest import server_binary
from tests.servers import RedisServer

__all__ = ["server_binary"]

BACK = 10.0
BACK_FROM_TAMPERING = 5.0
"""Seconds."""

MOST = 900
"""Messages: a look for a lost one goes 1,000 back, which at Slack's own pace are a quarter of an hour. Here they are seconds."""


async def test_a_redis_that_is_killed_under_load_loses_nothing_that_was_acknowledged(
    new_stack: StackFactory, own_redis_server: RedisServer
) -> None:
    incidents, kills = many(150, MOST), 3
    stack, back = new_stack(own_redis_server.url), []
    await stack.start_all()
    names = [f"r{number}" for number in range(incidents)]
    sending = asyncio.create_task(pour(stack, names, per_second=many(100, 200)))
    for _ in range(kills):
        await asyncio.sleep(DICE.uniform(0.3, many(1, 3)))
        own_redis_server.kill()
        own_redis_server.start()
        back.append(await seconds_until_back(stack, BACK))
    ids = await sending
    await all_shown(stack, ids, seconds=90)
    print(
        f"\n{incidents} alerts taken, {kills} kills of {own_redis_server.binary.kind} (AOF everysec): "
        f"{len(set(ids) - set(shown(stack)))} lost, {twice(shown(stack))} messages too many, back within {max(back):.1f} s"
    )
    assert len(set(ids)) == incidents
    assert twice(shown(stack)) == 0


async def forget_everything(client: Redis) -> None:
    await client.flushall()


async def forget_scripts(client: Redis) -> None:
    await client.script_flush()


async def delete_groups(client: Redis) -> None:
    for group in ("notifier", "escalator"):
        await client.xgroup_destroy(Keys().events, group)


async def test_after_tampering_everything_works_again_by_itself(
    new_stack: StackFactory, own_redis_server: RedisServer
) -> None:
    """FLUSHALL, SCRIPT FLUSH, and groups deleted by hand: later alerts arrive, and nothing arrives twice."""
    stack, later, back = new_stack(own_redis_server.url), many(20, 200), dict[str, float]()
    await stack.start_all()
    await all_shown(stack, await pour(stack, ["before"]), seconds=10)
    async with connect(own_redis_server.url) as client:
        for tamper in (forget_everything, forget_scripts, delete_groups):
            await tamper(client)
            back[tamper.__name__] = await seconds_until_back(stack, BACK_FROM_TAMPERING)
            names = [f"{tamper.__name__} {number}" for number in range(later)]
            ids = await pour(stack, names, "?oncall_wait_minutes=0.01")
            await all_shown(stack, ids, seconds=20)
            await all_recorded(stack, ids, seconds=20)
    told = ", ".join(f"{name.replace('_', ' ')} {seconds:.1f} s" for name, seconds in back.items())
    print(
        f"\n{own_redis_server.binary.kind}: back after {told}; of {later} later alerts each, all told and recorded"
    )
    assert (twice(shown(stack)), twice(recorded(stack))) == (0, 0)

import asyncio

import pytest
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis

from shared import keys
from shared.redis_client import StoreUnavailableError, connect
from shared.signing_keys import signing_keys


async def test_a_configured_secret_signs_and_the_previous_ones_still_count() -> None:
    async with connect("redis://127.0.0.1:1") as nowhere:
        assert await signing_keys("new", ["old", "", "new", "older"], nowhere) == ("new", "old", "older")


@pytest.mark.parametrize("nothing", [None, ""])
async def test_without_a_secret_one_is_made_and_found_again(nothing: str | None) -> None:
    async with FakeAsyncRedis() as client:
        made = await signing_keys(nothing, [], client)
        assert len(made) == 1
        assert len(made[0]) >= 43
        assert await signing_keys(nothing, ["ignored"], client) == made
        assert await client.ttl(keys.SIGNING_KEYS) == -1


async def test_a_key_that_an_operator_put_in_front_signs() -> None:
    async with FakeAsyncRedis() as client:
        (first,) = await signing_keys(None, [], client)
        await client.lpush(keys.SIGNING_KEYS, "rotated")
        assert await signing_keys(None, [], client) == ("rotated", first)


async def test_replicas_that_start_at_once_agree(redis_url: str) -> None:
    clients = [connect(redis_url) for _ in range(20)]
    for _ in range(20):
        await clients[0].delete(keys.SIGNING_KEYS)
        await asyncio.gather(*(client.ping() for client in clients))
        found = await asyncio.gather(*(signing_keys(None, [], client) for client in clients))
        assert len(set(found)) == 1
        assert len(found[0]) == 1
    await asyncio.gather(*(client.aclose() for client in clients))


async def test_no_key_is_made_up_while_redis_is_away() -> None:
    async with connect("redis://127.0.0.1:1") as client:
        with pytest.raises(StoreUnavailableError):
            await signing_keys(None, [], client)


async def test_a_read_only_replica_counts_as_away(redis_url: str) -> None:
    client: Redis = connect(redis_url)
    await client.execute_command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StoreUnavailableError):
        await signing_keys(None, [], client)
    await client.aclose()

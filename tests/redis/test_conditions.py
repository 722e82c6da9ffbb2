"""What a server says of its own condition is never taken for a mistake of ours, whichever version says it in its own way."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ops.embedded import ServerBinary
from shared.commands import Claim, Reason
from shared.due_times import DueTimes
from shared.keys import Keys
from shared.redis_client import Scripts, StoreUnavailableError, connect
from shared.store import Store
from shared.stream import StreamReader
from tests.episodes import MINUTE, notification
from tests.proxy import Proxy, proxied
from tests.redis.conftest import opened
from tests.servers import RedisServer, free_port

KEYS = Keys()

CONDITIONS = {
    "full": ("CONFIG", "SET", "maxmemory", "100kb"),
    "a replica": ("REPLICAOF", "127.0.0.1", str(free_port())),
    "alone": ("CONFIG", "SET", "min-replicas-to-write", "1"),
}


@pytest.fixture
async def own_client(own_redis_server: RedisServer) -> AsyncIterator[Redis]:
    client = connect(own_redis_server.url)
    yield client
    await client.aclose()


@pytest.mark.parametrize("condition", CONDITIONS)
async def test_a_server_that_takes_no_writes_is_unavailable(own_client: Redis, condition: str) -> None:
    scripts = Scripts(own_client)
    store = Store(scripts)
    await store.receive(notification(group="before"))
    await own_client.execute_command(*CONDITIONS[condition])
    with pytest.raises(StoreUnavailableError):
        await store.receive(notification())
    with pytest.raises(StoreUnavailableError):
        await scripts.execute("XADD", KEYS.events, "*", "a", "b")


async def test_full_memory_lets_nothing_in_and_does_not_hold_up_what_was_let_in(own_client: Redis) -> None:
    scripts = Scripts(own_client)
    store, deadlines = Store(scripts), DueTimes(scripts, KEYS.deadlines)
    id_ = await opened(store, wait=0 * MINUTE)
    await own_client.execute_command(*CONDITIONS["full"])
    with pytest.raises(StoreUnavailableError):
        await store.receive(notification(group="one more"))
    assert (await deadlines.lease(10)).ids == (id_,)
    await own_client.zrem(KEYS.deadlines, id_)
    incident = (await store.load(id_)).incident
    assert incident
    await store.schedule(incident)
    assert (await deadlines.lease(10)).ids == (id_,)
    claim = await store.apply(id_, Claim("token", MINUTE, timedelta(0)))
    assert claim.reason is Reason.CLAIMED
    assert await own_client.xlen(KEYS.events) == 2


@pytest.fixture
def successor(server_binary: ServerBinary, tmp_path: Path) -> Iterator[RedisServer]:
    """The server that will be the master once the other is not."""
    (tmp_path / "successor").mkdir()
    server = RedisServer(server_binary, tmp_path / "successor")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def proxy(own_redis_server: RedisServer) -> Iterator[Proxy]:
    with proxied(own_redis_server.port) as proxy:
        yield proxy


async def test_a_master_that_became_a_replica_is_left_for_the_one_that_its_name_leads_to_now(
    proxy: Proxy, own_client: Redis, successor: RedisServer
) -> None:
    async with connect(proxy.url) as client, connect(proxy.url, blocking=True) as blocking:
        scripts = Scripts(client)
        store, reader = Store(scripts), StreamReader(blocking, scripts, KEYS.events, "g", "c")
        await opened(store)
        await reader.ensure_group()
        assert await reader.read_new(1)
        proxy.target = successor.port
        await own_client.execute_command("REPLICAOF", "127.0.0.1", successor.port)
        with pytest.raises(StoreUnavailableError):
            await scripts.execute("SET", "refused", 1)
        with pytest.raises(RedisError):
            await reader.read_new(1)
        await opened(store, group="taken")
        await reader.ensure_group()
        (entry,) = await reader.read_new(1)
        assert entry.type == "opened"


async def test_what_nobody_waits_for_any_more_is_not_sent_once_redis_is_back(
    proxy: Proxy, own_client: Redis
) -> None:
    scripts = Scripts(client := connect(proxy.url))
    await scripts.execute("PING")
    proxy.hold()
    under_way = asyncio.create_task(scripts.execute("SET", "under way", 1))
    await asyncio.sleep(0)
    for number in range(100):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(scripts.execute("SET", f"given up {number}", 1), 0.001)
    proxy.release()
    await under_way
    await scripts.execute("SET", "after", 1)
    assert sorted(await own_client.keys()) == [b"after", b"under way"]
    await client.aclose()

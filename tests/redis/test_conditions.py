"""What a server says of its own condition is never taken for a mistake of ours, whichever version says it in its own way."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from shared.keys import Keys
from shared.redis_client import Scripts, StoreUnavailableError, connect
from shared.store import Store
from tests.episodes import notification
from tests.servers import RedisServer, free_port

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
        await scripts.execute("XADD", Keys().events, "*", "a", "b")

"""Fixtures that every suite shares: a real Redis, and what stands on it."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings
from redis.asyncio import Redis

from ops.embedded import ServerBinary, find_servers
from shared.keys import has_owner
from shared.redis_client import Scripts, connect
from shared.store import Store
from tests.servers import RedisServer

settings.register_profile(
    "ackstream", deadline=None
)  # how long an example takes says something of the machine
settings.load_profile("ackstream")


def need(program: str) -> str:
    """Path of a program that a test cannot do without. A machine without it skips the test, CI fails."""
    path = shutil.which(program)
    return path or missing(
        f"{program} is not installed; .ci/run lists the packages that the whole suite needs"
    )


def missing(message: str) -> NoReturn:
    """Skips the test; where nothing may be missing, fails it."""
    if os.environ.get("ACKSTREAM_REQUIRE_ALL"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def server_binary() -> ServerBinary:
    """The best that this machine has; tests/redis runs on every kind."""
    return find_servers()[0]


@pytest.fixture(scope="session")
def redis_server(
    server_binary: ServerBinary, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisServer]:
    """One for all tests that leave it running; emptied before each."""
    server = RedisServer(server_binary, tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_redis_server(server_binary: ServerBinary, tmp_path: Path) -> Iterator[RedisServer]:
    """One for a test that will kill, stop or fill it."""
    directory = tmp_path / "redis"
    directory.mkdir()
    server = RedisServer(server_binary, directory)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[Redis]:
    client = connect(redis_server.url)
    await client.flushall()
    yield client
    assert await orphans(client) == [], "keys of ours without a lifetime and without an owner"
    await client.aclose()


async def orphans(client: Redis) -> list[str]:
    """Keys of ours that would stay for ever: shared/keys.py must give each a lifetime or an owner."""
    found = [key.decode() async for key in client.scan_iter("*ackstream*", count=1000)]
    return [key for key in found if not has_owner(key) and await client.ttl(key) == -1]


@pytest.fixture
def scripts(client: Redis) -> Scripts:
    return Scripts(client)


@pytest.fixture
def store(scripts: Scripts) -> Store:
    return Store(scripts)

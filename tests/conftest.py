"""Fixtures that every suite shares: a real Redis, and what stands on it."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from ops.embedded import find_servers
from shared.redis_client import Scripts, connect
from shared.store import Store
from tests.servers import RedisServer


def need(program: str) -> str:
    """Path of a program that a test cannot do without. A machine without it skips the test, CI fails."""
    path = shutil.which(program)
    if path:
        return path
    message = f"{program} is not installed; .ci/run lists the packages that the whole suite needs"
    if os.environ.get("ACKSTREAM_REQUIRE_ALL"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One for all tests that leave it running; emptied before each."""
    server = RedisServer(find_servers()[0], tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """One for a test that will kill, stop or fill it."""
    directory = tmp_path / "redis"
    directory.mkdir()
    server = RedisServer(find_servers()[0], directory)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[Redis]:
    client = connect(redis_server.url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def scripts(client: Redis) -> Scripts:
    return Scripts(client)


@pytest.fixture
def store(scripts: Scripts) -> Store:
    return Store(scripts)

"""Ackstream's processes between a real Redis and the sandbox."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from sandbox.server import Running, running
from tests.servers import RedisServer
from tests.stack import Stack

StackFactory = Callable[..., Stack]


@pytest.fixture
def sandbox() -> Iterator[Running]:
    with running() as server:
        yield server


@pytest.fixture
def new_stack(
    tmp_path: Path, sandbox: Running, redis_server: RedisServer, client: Redis
) -> Iterator[StackFactory]:
    """`new_stack(**options)` makes a Stack on an empty Redis; its processes end with the test."""
    stacks: list[Stack] = []

    def new(redis_url: str | None = redis_server.url, **options: object) -> Stack:
        directory = tmp_path / f"stack{len(stacks)}"
        directory.mkdir()
        stacks.append(Stack(directory, sandbox, redis_url, **options))
        return stacks[-1]

    yield new
    for stack in stacks:
        stack.stop()


@pytest.fixture
async def stack(new_stack: StackFactory) -> Stack:
    """Everything running, with three minutes to acknowledge."""
    stack = new_stack()
    await stack.start_all()
    return stack

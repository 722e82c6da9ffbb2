"""What is measured against: a Redis of its own, and the smallest outside world, each as a process."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx

from ops.embedded import find_servers
from tests.servers import RedisServer, free_port
from tests.stack import ROOT, clean_environment
from tests.waiting import wait_until


def made(directory: Path) -> Path:
    directory.mkdir()
    return directory


@contextmanager
def own_redis(directory: Path) -> Iterator[RedisServer]:
    redis = RedisServer(find_servers()[0], made(directory))
    redis.start()
    try:
        yield redis
    finally:
        redis.stop()


@asynccontextmanager
async def smallest_slack() -> AsyncIterator[str]:
    """Its address."""
    async with _smallest("slack") as url:
        yield url


@asynccontextmanager
async def smallest_servicenow(latency: float) -> AsyncIterator[str]:
    """Its address. `latency`: seconds."""
    async with _smallest("servicenow", f"--latency={latency}") as url:
        yield url


@asynccontextmanager
async def _smallest(name: str, *arguments: str) -> AsyncIterator[str]:
    port = free_port()
    command = [sys.executable, "-m", f"bench.{name}", f"--port={port}", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, env=clean_environment())  # noqa: ASYNC220  nobody else waits
    url = f"http://127.0.0.1:{port}"
    try:
        await wait_until(lambda: _answers(url), f"the smallest {name}")
        yield url
    finally:
        process.terminate()
        process.wait(10)


async def told(url: str, what: str = "seen") -> Any:
    """What it saw."""
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        return (await client.get(f"{url}/{what}")).json()


async def _answers(url: str) -> bool:
    try:
        await told(url)
    except httpx.HTTPError:
        return False
    return True

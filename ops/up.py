"""`ackstream up`: everything in one process tree, with a server of its own when no Redis is configured."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
from redis.exceptions import RedisError

from ops.embedded import EmbeddedServer, prepare
from ops.tree import Program, Surroundings, Tree
from shared.config import Config
from shared.redis_client import connect

SERVICES = ("ingest", "notifier", "escalator")
START_LIMIT = 30.0
"""Seconds until everything must be ready; then we say what is not."""

REDIS_URL_VARIABLE = "ACKSTREAM_REDIS_URL"


class UpError(Exception):
    """Something did not start; the message says what."""


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def up(
    config: Config,
    config_path: Path,
    data_dir: Path,
    when_ready: Callable[[], Awaitable[None]] | None = None,
    *,
    surroundings: Surroundings | None = None,
    stopping: asyncio.Event | None = None,
) -> None:
    """Run until a signal comes or `stopping` is set. `when_ready` is called once every service is ready. Raises UpError,
    EmbeddedServerError."""
    stopping = stopping or asyncio.Event()
    _catch_signals(tree := Tree(say, surroundings), stopping)
    embedded = prepare(data_dir) if config.redis.is_embedded else None
    try:
        await _unless(stopping, _start(tree, config, config_path, data_dir, embedded))
        if when_ready and not stopping.is_set():
            await _unless(stopping, when_ready())
        await stopping.wait()
    finally:
        say("stopping …")
        await tree.stop()


async def _start(
    tree: Tree, config: Config, config_path: Path, data_dir: Path, embedded: EmbeddedServer | None
) -> None:
    environment = {}
    if embedded:
        await tree.start(Program("redis", embedded.command, last=True, inherits=[embedded.lock.fileno()]))
        await _answers(tree, embedded, data_dir)
        environment[REDIS_URL_VARIABLE] = embedded.url
    for service in SERVICES:
        command = [sys.executable, "-m", "ops.command", service, "--config", str(config_path)]
        await tree.start(Program(service, command, environment))
    await _all_ready(tree, health_urls(config))


def health_urls(config: Config) -> dict[str, str]:
    """Base URL of each service, as this machine reaches it."""
    ports = (
        (config.host, config.port),
        (config.notifier.host, config.notifier.health_port),
        (config.escalator.host, config.escalator.health_port),
    )
    return {service: local_url(host, port) for service, (host, port) in zip(SERVICES, ports, strict=True)}


def local_url(host: str, port: int) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    return f"http://{reachable}:{port}"


async def _answers(tree: Tree, embedded: EmbeddedServer, data_dir: Path) -> None:
    """Wait for the server, which may have a large log to read back. Raises UpError when it died, or takes too long."""
    client = connect(embedded.url)
    async with contextlib.aclosing(client):
        for _ in range(round(10 * START_LIMIT)):
            with contextlib.suppress(RedisError, OSError):
                await client.ping()
                return
            if tree.failed():
                break
            await asyncio.sleep(0.1)
    raise UpError(f"the embedded server did not start; {data_dir / 'server.log'} says why")


async def _all_ready(tree: Tree, urls: dict[str, str]) -> None:
    deadline = asyncio.get_running_loop().time() + START_LIMIT
    async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
        while asyncio.get_running_loop().time() < deadline:
            if failed := tree.failed():
                raise UpError(
                    f"{', '.join(failed)} did not start; the reason stands above (redis writes to server.log in its data directory)"
                )
            pids = tree.pids()
            if all([await _is_ready(client, url, pids.get(name)) for name, url in urls.items()]):
                return
            await asyncio.sleep(0.1)
    raise UpError(
        f"not ready within {START_LIMIT:g} s; ask {', '.join(f'{url}/readyz' for url in urls.values())}"
    )


async def _is_ready(client: httpx.AsyncClient, url: str, pid: int | None) -> bool:
    """Whether our own child `pid` is, and not somebody else who was there first."""
    try:
        answer = await client.get(f"{url}/readyz")
        return answer.status_code == httpx.codes.OK and answer.json().get("pid") == pid
    except (httpx.HTTPError, ValueError, AttributeError):
        return False


def _catch_signals(tree: Tree, stopping: asyncio.Event) -> None:
    """The first signal stops in order, the second one at once."""
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        if stopping.is_set():
            tree.kill()
            os._exit(128 + number)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)


async def _unless(stopping: asyncio.Event, work: Awaitable[None]) -> None:
    """Do `work`, but leave it when a signal comes."""
    task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stopping.wait())
    await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task.done():
        task.result()
    else:
        task.cancel()

"""How fast one notifier works off what waits for it, with the pace off, beside the mere calls without Redis: its ceiling."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from bench.load import Load, alertmanager_body, request, send_all
from services.notifier.slack import Slack
from tests.servers import RedisServer, free_port
from tests.stack import ROOT, Stack, clean_environment
from tests.waiting import wait_until

CONCURRENCY = 16


@contextmanager
def smallest_slack() -> Iterator[str]:
    """Its address."""
    port = free_port()
    command = [sys.executable, "-m", "bench.slack", f"--port={port}"]
    process = subprocess.Popen(command, cwd=ROOT, env=clean_environment())
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


async def seen(url: str) -> list[float]:
    async with httpx.AsyncClient(trust_env=False) as client:
        moments: list[float] = (await client.get(f"{url}/seen")).json()
        return moments


async def measure_mere_calls(calls: int) -> float:
    """Calls a second."""
    with smallest_slack() as url:
        await wait_until(lambda: _answers(url), "the smallest Slack")
        slack = Slack("xoxb-bench", f"{url}/api/", timedelta(seconds=10))
        left = iter(range(calls))
        message = {"text": "x" * 200, "attachments": [{"color": "#C70039", "blocks": [_section("y" * 600)]}]}

        async def call() -> None:
            for _ in left:
                await slack.post("C0TEST", message)

        started = time.perf_counter()
        await asyncio.gather(*(call() for _ in range(CONCURRENCY)))
        seconds = time.perf_counter() - started
        await slack.close()
        return calls / seconds


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


async def measure_drain(home: Path, redis: RedisServer, incidents: int, prefix: str) -> float:
    """Posts a second of one notifier, once `incidents` wait for it."""
    with smallest_slack() as url:
        await wait_until(lambda: _answers(url), "the smallest Slack")
        outside: Any = SimpleNamespace(slack_url=f"{url}/api/", servicenow_url=lambda _: "http://127.0.0.1:9")
        stack = Stack(home, outside, redis.url, wait_minutes=60, extra="log: {level: warning}\n")
        try:
            stack.start("ingest")
            await stack.ready("ingest")
            bodies = [request(alertmanager_body(f"{prefix}{number}")) for number in range(incidents)]
            await send_all(stack.port, Load(bodies), 64)
            stack.start("notifier")
            found: list[float] = await wait_until(
                lambda: _all_seen(url, incidents), f"{incidents} posts", seconds=300, every=0.5
            )
        finally:
            stack.stop()
    return (len(found) - 1) / (found[-1] - found[0])


async def _all_seen(url: str, count: int) -> list[float] | None:
    moments = await seen(url)
    return moments if len(moments) >= count else None


async def _answers(url: str) -> bool:
    try:
        await seen(url)
    except httpx.HTTPError:
        return False
    return True

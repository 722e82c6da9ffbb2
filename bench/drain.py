"""How fast one notifier works off what waits for it, with the pace off, beside the mere calls without Redis: its ceiling."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.load import Load, alertmanager_body, request, send_all
from bench.servers import smallest_slack, told
from services.notifier.slack import Slack
from tests.servers import RedisServer
from tests.stack import Stack
from tests.waiting import wait_until

CONCURRENCY = 16


async def measure_mere_calls(calls: int) -> float:
    """Calls a second."""
    async with smallest_slack() as url:
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
    async with smallest_slack() as url:
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
    moments: list[float] = await told(url)
    return moments if len(moments) >= count else None

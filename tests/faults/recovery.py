"""How long until everything works again."""

import asyncio
import itertools
import time
from collections.abc import Sequence

import httpx

from tests.faults.traffic import all_recorded, all_shown, pour
from tests.stack import SERVICES, Stack

_numbers = itertools.count()


async def seconds_until_back(stack: Stack, limit: float) -> float:
    """Until an alert is taken (and sent as Alertmanager would until then), told in Slack and recorded, and all are ready."""
    began = time.monotonic()
    ids = await pour(stack, [f"back{next(_numbers)}"], "?oncall_wait_minutes=0")
    await asyncio.gather(all_shown(stack, ids, limit), all_recorded(stack, ids, limit))
    for service in SERVICES:
        await stack.ready(service)
    seconds = time.monotonic() - began
    assert seconds < limit
    return seconds


async def slowest_refusal(stack: Stack, path: str, seconds: float, method: str = "POST") -> tuple[int, float]:
    """Ask again and again for some seconds, several at once; every answer must be 503. How many, and how long the slowest took."""
    end, took = time.monotonic() + seconds, list[float]()

    async def ask() -> None:
        while time.monotonic() < end:
            began = time.monotonic()
            content = {"json": {"title": f"refused {len(took)}"}} if method == "POST" else {}
            answer = await client.request(method, f"{stack.url}{path}", **content)
            took.append(time.monotonic() - began)
            assert answer.status_code == 503, answer.text
            await asyncio.sleep(0.01)

    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        await asyncio.gather(*(ask() for _ in range(8)))
    return len(took), max(took)


async def slowest_unready(stack: Stack, seconds: float, services: Sequence[str] = SERVICES) -> float:
    """Ask for readiness again and again; once it was denied it stays so. How long the slowest answer took."""
    end, slowest = time.monotonic() + seconds, 0.0
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        while time.monotonic() < end:
            for service in services:
                began = time.monotonic()
                answer = await client.get(f"{stack.address(service)}/readyz")
                slowest = max(slowest, time.monotonic() - began)
                assert answer.status_code == 503, f"{service}: {answer.text}"
            await asyncio.sleep(0.05)
    return slowest

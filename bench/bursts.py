"""Deadlines that are due together, the processes that escalate them, and what the smallest ServiceNow saw of it."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from bench.servers import made, told
from bench.traffic import Spread
from tests.servers import RedisServer
from tests.stack import Stack
from tests.waiting import wait_until

LATENCY = 0.1
CALLS = 2
"""Per record: a search, and the writing."""

PACE = 50
"""Calls a second that a channel gets: more than the trickle needs, far less than the burst would."""


@dataclass(frozen=True)
class Burst:
    """`spread`: seconds between the first deadline and the last. `late`: from each one's deadline to the beginning of its POST."""

    deadlines: int
    at_once: int
    spread: float
    rate: float
    ceiling: float
    late: Spread
    most_calls: int
    """At one time."""
    cpu: float
    """Seconds of the escalators' own, per record."""

    def __str__(self) -> str:
        ideal = self.deadlines / self.ceiling
        return (
            f"{self.deadlines:>6,} {self.at_once:>4} at once  {self.rate:>6.1f}/s  {self.rate / self.ceiling:>5.2f} x ceiling"
            f"   late p50 {self.late.p50:>6.2f} s, p99 {self.late.p99:>6.2f} s (at the ceiling {ideal / 2:.2f}, {0.99 * ideal:.2f})"
            f"   {1000 * self.cpu:.1f} ms CPU each"
        )


@dataclass(frozen=True)
class Case:
    deadlines: int
    concurrency: int
    escalators: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"escalator{number or ''}" for number in range(self.escalators))

    @property
    def at_once(self) -> int:
        return self.concurrency * self.escalators

    @property
    def ceiling(self) -> float:
        """Records a second."""
        return self.at_once / (CALLS * LATENCY)


@asynccontextmanager
async def running_stack(
    home: Path, redis: RedisServer, case: Case, services: tuple[str, ...], **places: str
) -> AsyncIterator[Stack]:
    """`places`: addresses of `slack`, and of the instances `main` and `infra`."""
    nowhere = "http://127.0.0.1:9"
    outside: Any = SimpleNamespace(
        slack_url=f"{places.get('slack', nowhere)}/api/",
        servicenow_url=lambda name: places.get(name, nowhere),
    )
    stack = Stack(
        made(home), outside, redis.url, wait_minutes=60, per_second=PACE, extra="log: {level: warning}\n"
    )
    text = stack.config_path.read_text()
    concurrency = f"    concurrency_per_instance: {case.concurrency}\n    fields:"
    stack.config_path.write_text(text.replace("    fields:", concurrency))
    try:
        for service in services:
            stack.start(service)
        for escalator in case.names:
            stack.start(escalator, command="escalator")
        for name in (*services, *case.names):
            await stack.ready(name)
        yield stack
    finally:
        stack.stop()


async def written(stack: Stack, url: str, case: Case, due: dict[str, float]) -> Burst:
    """Once all records are there."""
    cpu = await _cpu(stack, case)
    seconds = max(due.values()) - time.time() + 3 * len(due) / case.ceiling + 30
    await wait_until(lambda: _has(url, len(due)), f"{len(due)} records", seconds=seconds, every=0.25)
    seen = await told(url)
    late = [at - due[id_] for at, id_ in seen["records"]]
    assert len(late) == len(due) == len({id_ for _, id_ in seen["records"]}), "not one record each"
    first, last = min(due.values()), max(at for at, _ in seen["records"])
    rate = len(late) / (last - first)
    spread = max(due.values()) - first
    cpu = (await _cpu(stack, case) - cpu) / len(late)
    return Burst(
        len(due), case.at_once, spread, rate, case.ceiling, Spread.of(late), seen["most_at_once"], cpu
    )


async def _cpu(stack: Stack, case: Case) -> float:
    """Seconds that the escalators have taken so far."""
    seconds = 0.0
    async with httpx.AsyncClient(trust_env=False) as client:
        for name in case.names:
            metrics = (await client.get(f"{stack.address(name)}/metrics")).text
            seconds += float(metrics.partition("\nprocess_cpu_seconds_total ")[2].split("\n", 1)[0])
    return seconds


async def _has(url: str, count: int) -> bool:
    return bool(await told(url, "count") >= count)

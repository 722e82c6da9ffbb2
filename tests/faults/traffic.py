"""What flows through the stack in these tests, and what came out at its end."""

import asyncio
import json
import random
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
from redis.asyncio import Redis

from bench.load import alertmanager_body
from shared.incident import Incident
from shared.keys import Keys
from shared.redis_client import Scripts
from shared.store import Store
from tests.stack import ROOT, Stack, clean_environment
from tests.waiting import wait_until

DICE = random.Random(7)


async def pour(
    stack: Stack,
    names: Sequence[str],
    query: str = "",
    patience: int = 100,
    *,
    doors: Sequence[str] = ("ingest",),
    per_second: float = float("inf"),
    then: Callable[[str], Awaitable[None]] | None = None,
) -> list[str]:
    """Send an alert for each name as Alertmanager would: again until it is taken. Ids of the incidents, in order.

    `doors`: the ingests that take turns. `then`: what to do with each incident once it is there.
    """
    turns = asyncio.Semaphore(20)

    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:

        async def one(number: int, name: str) -> str:
            await asyncio.sleep(number / per_second)
            for attempt in range(patience):
                url = f"{stack.address(doors[(number + attempt) % len(doors)])}/api/incidents{query}"
                async with turns:
                    try:
                        answer = await client.post(url, content=alertmanager_body(name))
                    except httpx.HTTPError:
                        answer = None
                if answer is not None and answer.status_code == 201:
                    incident: str = answer.json()["incident_id"]
                    if then:
                        await then(incident)
                    return incident
                assert answer is None or answer.status_code == 503, answer.text
                await asyncio.sleep(0.2)
            raise AssertionError(f"{name} was never taken")

        return await asyncio.gather(*(one(number, name) for number, name in enumerate(names)))


def shown(stack: Stack) -> Counter[str]:
    """Messages by incident, in all channels."""
    return Counter(
        message["metadata"]["event_payload"]["incident_id"]
        for channel in list(stack.sandbox.world.slack.channels)
        for message in stack.messages(channel)
    )


def recorded(stack: Stack) -> Counter[str]:
    """Rows by incident."""
    return Counter(row["correlation_id"] for row in stack.records())


def twice(counted: Counter[str]) -> int:
    """How many there are beyond the first of each."""
    return counted.total() - len(counted)


async def all_shown(stack: Stack, ids: Sequence[str], seconds: float) -> None:
    await wait_until(
        lambda: set(shown(stack)) >= set(ids), f"{len(ids)} incidents in Slack", seconds=seconds, every=0.2
    )


async def all_recorded(stack: Stack, ids: Sequence[str], seconds: float) -> None:
    await wait_until(
        lambda: set(recorded(stack)) >= set(ids), f"{len(ids)} records", seconds=seconds, every=0.2
    )


async def nothing_left(client: Redis, key: str) -> bool:
    return await client.zcard(key) == 0


async def no_delivery_left(client: Redis, seconds: float) -> None:
    """Every message shows the present, or so it was thought when it was sent last."""
    await wait_until(lambda: nothing_left(client, Keys().deliveries), "no delivery left", seconds=seconds)


async def no_deadline_left(client: Redis, seconds: float) -> None:
    """Nobody waits for a record any more, and none is looked for."""
    await wait_until(lambda: nothing_left(client, Keys().deadlines), "no deadline left", seconds=seconds)


async def incident_of(client: Redis, id_: str) -> Incident:
    incident = (await Store(Scripts(client)).load(id_)).incident
    assert incident
    return incident


async def most_late(client: Redis, ids: Sequence[str]) -> float:
    """Seconds by which the latest of the records missed its deadline."""
    found = [await incident_of(client, id_) for id_ in ids]
    return max(incident.lateness(incident.record.at).total_seconds() for incident in found if incident.record)


async def parked(stack: Stack) -> list[dict[str, Any]]:
    """What `ackstream parked` tells."""
    command = (sys.executable, "-m", "ops.command", "parked", "--output", "json", "--config")
    told = await asyncio.create_subprocess_exec(
        *command, str(stack.config_path), cwd=ROOT, env=clean_environment(), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await told.communicate()
    found: list[dict[str, Any]] = json.loads(out)
    return found


async def pour_until(ended: asyncio.Event, stack: Stack, query: str = "", **options: Any) -> list[str]:
    """`pour`, twenty at a time, until `ended` is set."""
    ids: list[str] = []
    while not ended.is_set():
        names = [f"until{query}{len(ids) + number}" for number in range(20)]
        ids += await pour(stack, names, query, **options)
    return ids


async def stop(stack: Stack, names: Sequence[str]) -> list[int]:
    """SIGTERM to all of them; their exit codes."""
    for name in names:
        stack.signal(name, signal.SIGTERM)
    return [await asyncio.to_thread(stack.wait, name) for name in names]

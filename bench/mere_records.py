"""The ceilings that are not Ackstream's: calls that the smallest ServiceNow takes, and records that the client alone writes."""

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable

from pydantic import SecretStr

from bench.servers import smallest_servicenow
from services.escalator.instances import Instances
from services.escalator.servicenow import ServiceNow
from shared.config import ServiceNowConfig

CONNECTIONS = 400
"""At one time: far more than any case has."""

STAND_IN_CALLS = 4000


async def measure_stand_in(latency: float) -> float:
    """Calls a second, a connection each, from as little as can make them."""
    async with smallest_servicenow(latency) as url:
        port, left = int(url.rpartition(":")[2]), iter(range(STAND_IN_CALLS))
        body = json.dumps({"short_description": "x" * 100, "correlation_id": "0" * 32}).encode()
        head = f"POST /api/now/table/incident HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n"

        async def call() -> None:
            for _ in left:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(head.encode() + body)
                await reader.readuntil(b"}}")
                writer.close()

        return STAND_IN_CALLS / await _seconds(CONNECTIONS, call)


async def measure_mere_records(latency: float, concurrency: int, records: int) -> float:
    """Records a second of the client, looking before it writes, with nobody else in the way."""
    async with smallest_servicenow(latency) as url:
        settings = ServiceNowConfig(
            instance_url=url,
            username="bench",
            password=SecretStr("bench"),
            concurrency_per_instance=concurrency,
        )
        instances, servicenow = Instances.of(settings), ServiceNow(settings.table_for)
        instance, left = instances.named(None), iter(range(records))

        async def write() -> None:
            for _ in left:
                incident_id = secrets.token_hex(16)
                await servicenow.find(instance, incident_id)
                await servicenow.create(instance, incident_id, {"short_description": "x" * 100})

        seconds = await _seconds(concurrency, write)
        await instances.close()
        return records / seconds


async def _seconds(workers: int, work: Callable[[], Awaitable[None]]) -> float:
    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(workers)))
    return time.perf_counter() - started

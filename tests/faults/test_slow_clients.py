"""Hundreds of clients that send a byte at a time, beside others that want to be served."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from redis.asyncio import Redis

from bench.load import alertmanager_body, request
from shared.service import GRACE
from tests.e2e.conftest import StackFactory
from tests.faults.conftest import many
from tests.faults.traffic import incident_of
from tests.stack import Stack
from tests.waiting import wait_until

PACE = 0.5
"""Seconds between two bytes."""


@asynccontextmanager
async def slow_clients(stack: Stack, number: int) -> AsyncIterator[list[bytes]]:
    """They are connected and have begun. What they were answered, once they were; half of them are slow with the head already."""
    answers: list[bytes] = []
    whole = request(alertmanager_body("slow"))
    body = whole.index(b"\r\n\r\n") + 4
    begun = [asyncio.Event() for _ in range(number)]
    tasks = [
        asyncio.create_task(dribble(stack.port, whole, 4 if index % 2 else body, begun[index], answers))
        for index in range(number)
    ]
    for event in begun:
        await event.wait()
    try:
        yield answers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def dribble(port: int, whole: bytes, at_once: int, begun: asyncio.Event, answers: list[bytes]) -> None:
    """Send `at_once` bytes, then one at a time, until there is an answer or the other side hangs up: b""."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.create_task(reader.read(4096))
    writer.write(whole[:at_once])
    begun.set()
    try:
        for at in range(at_once, len(whole)):
            await asyncio.wait([answer], timeout=PACE)
            if answer.done():
                break
            writer.write(whole[at : at + 1])
        try:
            answers.append(await answer)
        except OSError:
            answers.append(b"")
    finally:
        answer.cancel()
        writer.transport.abort()


async def served(stack: Stack, seconds: float, name: str) -> tuple[list[float], list[str]]:
    """Latencies of well-behaved senders, ten at a time for so long, and the incidents that they were promised."""
    latencies, ids = list[float](), list[str]()
    end = time.monotonic() + seconds

    async def one(sender: int) -> None:
        number = 0
        while time.monotonic() < end:
            began, number = time.monotonic(), number + 1
            answer = await client.post(
                "/api/incidents", content=alertmanager_body(f"{name} {sender} {number}")
            )
            latencies.append(time.monotonic() - began)
            assert answer.status_code == 201, answer.text
            ids.append(answer.json()["incident_id"])
            await asyncio.sleep(0.05)

    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=30) as client:
        await asyncio.gather(*map(one, range(10)))
    return latencies, ids


def p99(latencies: list[float]) -> float:
    return sorted(latencies)[int(len(latencies) * 0.99)]


async def test_slow_clients_hold_up_neither_others_nor_the_end(
    new_stack: StackFactory, client: Redis
) -> None:
    number, seconds = many(100, 500), many(4, 8)
    stack = new_stack()
    stack.start("ingest")
    await stack.ready("ingest")
    async with slow_clients(stack, number) as answers:
        latencies, ids = await served(stack, seconds, "good")
        assert answers == [], "they were not slow enough"
        began = time.monotonic()
        stack.signal("ingest", signal.SIGTERM)
        code = await asyncio.to_thread(stack.wait, "ingest")
        took = time.monotonic() - began
        await wait_until(lambda: len(answers) >= number / 2, "the slow ones to be told")
    refused = sum(b" 408 " in answer for answer in answers)
    print(
        f"\n{number} slow clients: {len(latencies)} good requests meanwhile, p50 {sorted(latencies)[len(latencies) // 2] * 1000:.0f} ms, "
        f"p99 {p99(latencies) * 1000:.0f} ms; SIGTERM: exit code {code} after {took:.1f} s, {refused} of them told 408"
    )
    assert p99(latencies) < 1
    assert (code, took < GRACE) == (0, True)
    assert len({(await incident_of(client, id_)).id for id_ in ids}) == len(ids)


async def test_who_does_not_get_a_head_across_is_hung_up_on(new_stack: StackFactory) -> None:
    """A connection that asks for nothing costs a file descriptor; whoever opens enough of them would shut everybody else out."""
    stack = new_stack(constants=["shared.connection.HEAD_TIMEOUT=1"])
    stack.start("ingest")
    await stack.ready("ingest")
    whole = request(alertmanager_body("kept alive"))
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    for _ in range(2):
        writer.write(whole)
        assert b" 201 " in await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"}")
        await asyncio.sleep(1.5)  # between two requests it may take its time
    writer.write(whole[:4])
    async with slow_clients(stack, 40) as answers:
        assert await asyncio.wait_for(reader.read(), 5) == b""
        await wait_until(lambda: answers == [b""] * 20, "the slow half to be gone, and nobody else")
    writer.close()

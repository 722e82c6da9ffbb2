"""Work that a service does now and then, beside what it is there for."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta


async def every(interval: timedelta, chore: Callable[[], Awaitable[None]], stopping: asyncio.Event) -> None:
    """Do `chore` about every `interval`, replicas not all at once, until `stopping` is set."""
    while not stopping.is_set():
        try:
            await asyncio.wait_for(stopping.wait(), interval.total_seconds() * (0.5 + random.random()))
        except TimeoutError:
            await chore()

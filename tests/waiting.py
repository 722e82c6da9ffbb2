"""Waiting for something to become true, instead of sleeping and hoping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any


async def wait_until(
    predicate: Callable[[], Any | Awaitable[Any]],
    description: str,
    *,
    seconds: float = 10.0,
    every: float = 0.02,
) -> Any:
    """The first truthy answer of `predicate`. Fails after `seconds`, saying what was waited for and what was last seen."""
    deadline = time.monotonic() + seconds
    while True:
        answer = predicate()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {description}; last seen: {answer!r}"
        await asyncio.sleep(every)

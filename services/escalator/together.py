"""What comes for the same one at the same moment goes there in one call."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

MOMENT = 0.05
"""Seconds. Those that a poller hands out at once come one after the other, some milliseconds apart."""


class Together(Generic[Item, Answer]):
    """`act` gets all that waits for one key, in the order in which it came, and answers to the first of them, at least one: with what
    they asked for, or with the error that they are to get. What it raises all of them get. Of one key it is called once at a time."""

    def __init__(
        self, act: Callable[[str, Sequence[Item]], Awaitable[Sequence[Answer | Exception]]], most: int
    ) -> None:
        self._act = act
        self._most = most
        self._waiting: dict[str, list[tuple[Item, asyncio.Future[Answer]]]] = {}
        self._workers: set[asyncio.Task[None]] = set()

    async def ask(self, key: str, item: Item) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if key in self._waiting:
            self._waiting[key].append((item, answer))
        else:
            self._waiting[key] = [(item, answer)]
            worker = asyncio.create_task(self._work(key))
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return await answer

    async def _work(self, key: str) -> None:
        await asyncio.sleep(MOMENT)
        while waiting := self._waiting[key]:
            batch = waiting[: self._most]
            try:
                outcomes = await self._act(key, [item for item, _ in batch])
            except Exception as error:
                outcomes = [error] * len(batch)
            for (_, answer), outcome in zip(batch, outcomes, strict=False):
                _settle(answer, outcome)
            self._waiting[key] = waiting[len(outcomes) :]
        del self._waiting[key]


def _settle(answer: "asyncio.Future[Answer]", outcome: Answer | Exception) -> None:
    if answer.done():  # who asked has gone
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)

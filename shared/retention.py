"""Keeps the event stream from growing for ever: by age, and never past what somebody has yet to read or to finish."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from shared import metrics
from shared.chores import every
from shared.redis_client import Script, Scripts, StoreUnavailableError

EVERY = timedelta(minutes=1)
PATIENCE = 4
"""A group that is not ours and that nobody reads any more holds entries back for this many times their age, and is told about."""

GONE = timedelta(minutes=10)
"""A consumer of a running service reads about once a second, and leaves its group when it is told to stop. One that is idle for so
long was killed. Should it live after all, its next read makes it anew."""

OUR_GROUPS = ("notifier", "escalator")

_TRIM = Script.named("trim")


@dataclass(frozen=True)
class Trimmed:
    """`holding`: groups that keep entries beyond their age."""

    entries: int
    consumers: int
    holding: tuple[str, ...] = ()


class Retention:
    """Every replica may do it: the script is atomic, and finds nothing to do the second time."""

    def __init__(self, scripts: Scripts, stream: str, age: timedelta, stopping: asyncio.Event) -> None:
        self._scripts = scripts
        self._stream = stream
        self._age = age
        self._stopping = stopping
        self._log = structlog.get_logger()

    async def run(self) -> None:
        await every(EVERY, self._turn, self._stopping)

    async def trim(self) -> Trimmed:
        """Raises StoreUnavailableError."""
        ages = (_milliseconds(self._age), _milliseconds(PATIENCE * self._age), _milliseconds(GONE))
        entries, consumers, *holding = await self._scripts.run(_TRIM, [self._stream], [*ages, *OUR_GROUPS])
        return Trimmed(entries, consumers, tuple(name.decode(errors="replace") for name in holding))

    async def _turn(self) -> None:
        try:
            done = await self.trim()
        except StoreUnavailableError as error:
            self._log.warning("not_trimmed", error=str(error))
            return
        metrics.TRIMMED.inc(done.entries)
        if done.entries or done.consumers:
            self._log.info("trimmed", entries=done.entries, consumers=done.consumers)
        for group in done.holding:
            self._log.warning("group_holds_back_old_events", group=group, stream=self._stream)


def _milliseconds(duration: timedelta) -> int:
    return round(duration / timedelta(milliseconds=1))

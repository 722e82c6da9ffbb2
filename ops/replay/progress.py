"""How far long work has come, told at a terminal; and a Ctrl-C that waits for the step under way."""

import asyncio
import signal
import sys
import time
from typing import Self, TextIO

WORTH_TELLING = 0.7
"""Seconds. What is over sooner needs no bar."""

EVERY = 0.1
WIDTH = 30


class StoppedError(Exception):
    """Somebody pressed Ctrl-C. What was done until then is done, and nothing is half-done."""


class Progress:
    """One line on `stream`, drawn over and over; silent where that is no terminal."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._silent = not stream.isatty()
        self._started = self._drawn = time.monotonic()
        self._visible = False

    def tell(self, words: str, fraction: float) -> None:
        now = time.monotonic()
        if self._silent or now - self._started < WORTH_TELLING or now - self._drawn < EVERY:
            return
        fraction = min(max(fraction, 0.0), 1.0)
        done = round(WIDTH * fraction)
        bar = "█" * done + "░" * (WIDTH - done)
        self._stream.write(f"\r\x1b[K{bar} {fraction:4.0%}  {words}")
        self._stream.flush()
        self._drawn, self._visible = now, True

    def clear(self) -> None:
        if self._visible:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._visible = False


class Patience:
    """The first Ctrl-C asks the work to stop at its next step; the second one ends it at once, as Ctrl-C does."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back()

    def _stop(self) -> None:
        self._stopping.set()
        self._give_back()

    def _give_back(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.remove_signal_handler(number)

    def step(self) -> None:
        """Raises StoppedError when it is time to stop."""
        if self._stopping.is_set():
            raise StoppedError

    async def sleep(self, seconds: float) -> None:
        """Raises StoppedError, also in the middle."""
        self.step()
        try:
            await asyncio.wait_for(self._stopping.wait(), max(0.0, seconds))
        except TimeoutError:
            return
        raise StoppedError

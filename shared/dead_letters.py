"""What could not be understood is kept: payload, error and where it came from, for people to look at and try again."""

import time

import structlog

from shared import metrics
from shared.keys import DEAD_LETTER_LIFETIME, Keys
from shared.redis_client import Scripts

MAX_PAYLOAD = 1 << 20
"""Bytes kept of one payload."""


class DeadLetters:
    def __init__(self, scripts: Scripts, keys: Keys | None = None) -> None:
        self._scripts = scripts
        self._key = (keys or Keys()).dead

    async def add(
        self, origin: str, payload: bytes, error: str, *, attempts: int = 1, entry: str = ""
    ) -> None:
        """Keep `payload`. `origin`: which door or group it came through; `entry`: as which entry of the event stream, `attempts`: how
        often it was tried. Raises StoreUnavailableError when Redis cannot take it."""
        cut = round((time.time() - DEAD_LETTER_LIFETIME.total_seconds()) * 1000)
        fields: list[str | bytes | int] = [
            *("origin", origin, "entry", entry, "attempts", attempts),
            *("error", error[:2000], "payload", payload[:MAX_PAYLOAD], "size", len(payload)),
        ]
        await self._scripts.execute("XADD", self._key, "MINID", "~", cut, "*", *fields)
        metrics.DEAD_LETTERS.labels(origin).inc()
        structlog.get_logger().error(
            "dead_letter", origin=origin, entry=entry, error=error, size=len(payload)
        )

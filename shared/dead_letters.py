"""What could not be understood is kept: payload, error and where it came from, for people to look at and try again."""

import time

import structlog
from redis.asyncio import Redis

from shared import metrics
from shared.keys import DEAD_LETTER_LIFETIME, Keys

MAX_PAYLOAD = 1 << 20
"""Bytes kept of one payload."""


class DeadLetters:
    def __init__(self, client: Redis, keys: Keys | None = None) -> None:
        self._client = client
        self._key = (keys or Keys()).dead

    async def add(self, origin: str, payload: bytes, error: str) -> None:
        """Keep `payload`. `origin`: which door or group it came through. Raises RedisError when Redis cannot take it."""
        cut = round((time.time() - DEAD_LETTER_LIFETIME.total_seconds()) * 1000)
        fields = {
            "origin": origin,
            "error": error[:2000],
            "payload": payload[:MAX_PAYLOAD],
            "size": len(payload),
        }
        await self._client.xadd(self._key, fields, minid=str(cut), approximate=True)  # type: ignore[arg-type]
        metrics.DEAD_LETTERS.labels(origin).inc()
        structlog.get_logger().error("dead_letter", origin=origin, error=error, size=len(payload))

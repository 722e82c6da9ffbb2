"""What becomes of a press on a button in Slack, whichever way it reached us: the deed is committed, counted and logged."""

import asyncio
from typing import Any

import structlog

from shared.interactions import DOOR, Pressed, StormPressed, pressed
from shared.metrics import DEEDS
from shared.store import Store

DEADLINE = 1.5
"""Seconds for Redis to answer. Slack waits 3 s for us, then shows people a warning, which is true."""


class Presses:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._log = structlog.get_logger()

    async def take(self, payload: Any) -> None:
        """Once this returns the deed is durable, or refused, or `payload` asked nothing of us. Being told of the same press again
        changes nothing. Raises MalformedInteractionError, StoreUnavailableError, and TimeoutError: then nobody knows."""
        found = pressed(payload)
        if isinstance(found, Pressed):
            async with asyncio.timeout(DEADLINE):
                await self._act(found)
        elif isinstance(found, StormPressed):
            self._log.warning(
                "deed", storm=found.storm_id, deed="acknowledge_all", reason="unknown_storm", door=DOOR
            )

    async def _act(self, press: Pressed) -> None:
        step = await self._store.apply(press.incident_id, press.deed)
        DEEDS.labels(deed=press.offer, door=DOOR, reason=step.reason).inc()
        self._log.info(
            "deed",
            incident=press.incident_id,
            deed=press.offer,
            reason=step.reason,
            door=DOOR,
            user=press.deed.user,
        )

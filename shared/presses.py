"""What becomes of a press on a button in Slack, whichever way it reached us: the deed is committed, counted and logged."""

import asyncio
from typing import Any

import structlog

from shared.commands import Reason
from shared.interactions import DOOR, Pressed, StormPressed, pressed
from shared.metrics import DEEDS
from shared.store import Store
from shared.storms import ACKNOWLEDGE_ALL, Storms

DEADLINE = 1.5
"""Seconds for Redis to answer. Slack waits 3 s for us, then shows people a warning, which is true."""


class NotHereError(Exception):
    """A press about something that we do not know: forgotten, or of another Ackstream with the same Slack app."""


class Presses:
    def __init__(self, store: Store, storms: Storms) -> None:
        self._store = store
        self._storms = storms
        self._log = structlog.get_logger()

    async def take(self, payload: Any) -> None:
        """Once this returns the deed is durable, or refused, or `payload` asked nothing of us. Being told of the same press again
        changes nothing. Raises MalformedInteractionError and NotHereError; StoreUnavailableError and TimeoutError: then nobody knows.
        """
        found = pressed(payload)
        if isinstance(found, Pressed):
            async with asyncio.timeout(DEADLINE):
                await self._act(found)
        elif isinstance(found, StormPressed):
            async with asyncio.timeout(DEADLINE):
                await self._wish(found)

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
        if step.reason is Reason.UNKNOWN_INCIDENT:
            raise NotHereError("no such incident is known here")

    async def _wish(self, press: StormPressed) -> None:
        count = await self._storms.wish_all_acknowledged(
            press.storm_id, press.by, DOOR, press.user, press.token
        )
        reason = "unknown_storm" if count is None else "wished" if count else "nothing_open"
        DEEDS.labels(deed=ACKNOWLEDGE_ALL, door=DOOR, reason=reason).inc()
        self._log.info(
            "deed",
            storm=press.storm_id,
            deed=ACKNOWLEDGE_ALL,
            reason=reason,
            door=DOOR,
            user=press.user,
            open=count,
        )
        if count is None:
            raise NotHereError("no such storm is known here")

"""Looks after running storms: carries out what people wish, has the digest shown when it is out of date, ends what has been quiet."""

import asyncio
from datetime import timedelta

import structlog

from services.notifier.digests import Digests
from shared.commands import Acknowledge, Reason
from shared.incident import State
from shared.store import Store
from shared.storms import Storm, Storms, Wish

BATCH = 200
"""Incidents that are acknowledged before we look at the storm again."""

AT_ONCE = 16


class Tending:
    def __init__(self, storms: Storms, store: Store, digests: Digests, quiet: timedelta, few: int) -> None:
        """A storm is over when no more than `few` joined it within `quiet`."""
        self._storms = storms
        self._store = store
        self._digests = digests
        self._quiet = quiet
        self._few = few
        self._log = structlog.get_logger()

    async def tend(self, storm_id: str) -> None:
        """Everything that is due for a storm. Being called twice, or dying in between, does no harm."""
        storm = await self._storms.load(storm_id)
        if storm and storm.wish:
            await self._carry_out(storm, storm.wish)
        if storm and storm.is_owed:
            await self._digests.show(storm)
        channel = storm.channel if storm else ""
        if await self._storms.tend(storm_id, channel, self._quiet, self._few) and storm:
            self._log.info("storm_over", storm=storm.id, channel=storm.channel, members=storm.members)

    async def _carry_out(self, storm: Storm, wish: Wish) -> None:
        places = asyncio.Semaphore(AT_ONCE)

        async def one(incident_id: str) -> None:
            async with places:
                await self._acknowledge(storm.id, incident_id, wish)

        ids = await self._storms.wished(storm.id, BATCH)
        failed = await asyncio.gather(*map(one, ids), return_exceptions=True)
        if trouble := next((error for error in failed if isinstance(error, BaseException)), None):
            raise trouble

    async def _acknowledge(self, storm_id: str, incident_id: str, wish: Wish) -> None:
        incident = (await self._store.load(incident_id)).incident
        done = incident is not None and wish.token in incident.deeds  # by who died before they could say so
        if incident and incident.state is State.OPEN and not done:
            command = Acknowledge(wish.by, wish.door, wish.user, wish.token)
            done = (await self._store.apply(incident_id, command)).reason is Reason.ACKNOWLEDGED
        await self._storms.carried(storm_id, incident_id, done=done)

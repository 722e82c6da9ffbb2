"""Closes what nobody mentions any more, and says so: an incident must not stay open for ever because its end was never told."""

import asyncio
from datetime import timedelta

import structlog

from shared.chores import every
from shared.commands import Expire, Reason
from shared.due_times import DueTimes
from shared.redis_client import StoreUnavailableError
from shared.store import Store

EVERY = timedelta(minutes=1)
AT_ONCE = 50


class Expiry:
    """`silent`: leases the incidents that nobody has mentioned for `after`. Every replica may do it."""

    def __init__(self, store: Store, silent: DueTimes, after: timedelta, stopping: asyncio.Event) -> None:
        self._store = store
        self._silent = silent
        self._after = after
        self._stopping = stopping
        self._log = structlog.get_logger()

    async def run(self) -> None:
        await every(EVERY, self._turn, self._stopping)

    async def _turn(self) -> None:
        try:
            while await self.expire_some() and not self._stopping.is_set():
                pass
        except StoreUnavailableError as error:
            self._log.warning("not_expired", error=str(error))

    async def expire_some(self) -> int:
        """Look at up to AT_ONCE incidents; how many that were. Raises StoreUnavailableError."""
        ids = (await self._silent.lease(AT_ONCE)).ids
        for incident_id in ids:
            step = await self._store.apply(incident_id, Expire(self._after))
            if step.reason is Reason.UNKNOWN_INCIDENT:
                await self._store.forget(incident_id)
            self._log.info(
                "expired" if step.changes else "not_expired", incident=incident_id, reason=step.reason
            )
        return len(ids)

"""The queue of those who wait for their turn at an instance, as a poller reads it."""

from datetime import timedelta

from shared.due_times import Due
from shared.redis_client import Script, Scripts

CLAIM_WITHIN = timedelta(seconds=3)
"""Who was taken out of the queue and is not claimed after this is due again: the one who took it has died, or stalls."""

_TAKE_WAITING = Script.named("take_waiting")


class Waiting:
    """`deadlines`: the due times by which who is taken comes back until it is claimed; the claim sets them itself."""

    def __init__(self, scripts: Scripts, queue: str, deadlines: str) -> None:
        self._scripts = scripts
        self._keys = [queue, deadlines]

    async def lease(self, limit: int) -> Due:
        """Out of the queue, the longest overdue first. Raises StoreUnavailableError."""
        within = round(CLAIM_WITHIN / timedelta(milliseconds=1))
        return Due.of(await self._scripts.run(_TAKE_WAITING, self._keys, [limit, within]))

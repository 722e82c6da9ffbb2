"""What this escalator knows of an instance that does not answer, in Redis for whoever asks why incidents wait."""

from contextlib import suppress
from datetime import timedelta

from shared.keys import SILENCE_LIFETIME, servicenow_silence
from shared.redis_client import Scripts, StoreUnavailableError

LIFETIME = round(SILENCE_LIFETIME / timedelta(milliseconds=1))


class Silence:
    """Told for people alone: no escalator acts upon it, and none fails over it."""

    def __init__(self, scripts: Scripts, name: str) -> None:
        self._scripts = scripts
        self._key = servicenow_silence(name)

    async def tell(self, seconds: float) -> None:
        """It has lasted so long. Who told of it first, over all replicas, is believed."""
        with suppress(StoreUnavailableError):
            now, micros = await self._scripts.execute("TIME")
            since = int(now) * 1000 + int(micros) // 1000 - round(seconds * 1000)
            await self._scripts.execute("SET", self._key, since, "NX", "PX", LIFETIME)
            await self._scripts.execute("PEXPIRE", self._key, LIFETIME)

    async def end(self) -> None:
        with suppress(StoreUnavailableError):
            await self._scripts.execute("DEL", self._key)

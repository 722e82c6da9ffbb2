"""Whether an instance may be asked for something now: it has not told us to wait, and it answers."""

import time
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus

import httpx
import structlog

from services.escalator.circuit import Circuit
from services.escalator.rate import Rate
from services.escalator.signing_in import NotAskedError, retry_after
from services.escalator.silence import Silence
from shared import metrics
from shared.backoff import LONGEST_RETRY_AFTER
from shared.keys import servicenow_hold
from shared.redis_client import Scripts, StoreUnavailableError


class Hold:
    """An instance's Retry-After, in Redis, so that every replica obeys it."""

    def __init__(self, scripts: Scripts, name: str) -> None:
        self._scripts = scripts
        self._key = servicenow_hold(name)

    async def set(self, duration: timedelta) -> None:
        milliseconds = max(1, round(duration / timedelta(milliseconds=1)))
        await self._scripts.execute("SET", self._key, "1", "PX", milliseconds)

    async def remaining(self) -> float:
        """Seconds; zero: none."""
        return max(0, int(await self._scripts.execute("PTTL", self._key))) / 1000


class Gate:
    """`name`: the instance's, empty for the default one. `scripts`: None where there is nobody to share anything with.
    `per_second`: calls, over all who share; zero: as many as come."""

    def __init__(
        self,
        name: str,
        scripts: Scripts | None = None,
        per_second: float = 0,
        circuit: Circuit | None = None,
    ) -> None:
        self.name = name
        self.label = name or "default"
        """For people."""
        self.rate = Rate(scripts, name, per_second)
        self._hold = Hold(scripts, name) if scripts else None
        self._silence = Silence(scripts, name) if scripts else None
        self._circuit = circuit or Circuit()
        self._held_until = 0.0
        metrics.SERVICENOW_CIRCUIT.labels(self.label).set(0)

    @property
    def wait(self) -> float:
        """Seconds until a call may be made, as far as this process knows."""
        return max(self._circuit.wait, self._held_until - time.monotonic(), 0.0)

    async def learn(self) -> None:
        """What the instance has told other replicas. Raises StoreUnavailableError."""
        if self._hold and (left := await self._hold.remaining()):
            self._held_until = time.monotonic() + left

    def at_once(self, most: int) -> int:
        """How many attempts may be under way: one while it is being found out whether the instance is back."""
        if self.wait:
            return 0
        return 1 if self._circuit.is_open else most

    def check(self) -> None:
        """Raises NotAskedError when no call may be made now."""
        if not (wait := self.wait):
            return
        why = "does not answer" if self._circuit.wait else "asked us to wait"
        raise NotAskedError(
            f"the instance {self.label} {why}; it is asked again later",
            put_off=True,
            retry_after=timedelta(seconds=wait),
        )

    async def heard(self, kind: str, response: httpx.Response | None) -> None:
        """What became of a call. None: no answer."""
        in_trouble = response is None or response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        was_open = self._circuit.is_open
        if in_trouble:
            self._circuit.failed(kind)
        else:
            self._circuit.succeeded(kind)
        if self._circuit.is_open is not was_open:
            await self._tell_change()
        if response is not None and (pause := min(retry_after(response), LONGEST_RETRY_AFTER)):
            await self._keep_away(pause)

    async def tell_silence(self) -> None:
        """To whoever asks why incidents wait; to be told again well within SILENCE_LIFETIME."""
        if self._silence and self._circuit.is_open:
            await self._silence.tell(self._circuit.silent_for)
            await self._end_silence()  # should it have answered meanwhile: what was told of that came first

    async def _end_silence(self) -> None:
        if self._silence and not self._circuit.is_open:
            await self._silence.end()

    async def _tell_change(self) -> None:
        is_open = self._circuit.is_open
        metrics.SERVICENOW_CIRCUIT.labels(self.label).set(is_open)
        structlog.get_logger().warning(
            "instance_left_alone" if is_open else "instance_answers_again", instance=self.label
        )
        await (self.tell_silence() if is_open else self._end_silence())

    async def _keep_away(self, pause: timedelta) -> None:
        self._held_until = time.monotonic() + pause.total_seconds()
        if self._hold:
            with suppress(
                StoreUnavailableError
            ):  # the answer counts all the same; the others will hear it themselves
                await self._hold.set(pause)

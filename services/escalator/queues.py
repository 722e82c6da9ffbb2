"""Whoever is due waits in the queue of the target that it goes to, so that one that hangs holds up nobody else's (decision 018)."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from functools import partial

from services.escalator.escalator import Escalator
from services.escalator.target import Target
from services.escalator.targets import Targets, needs_target
from services.escalator.waiting import Waiting
from shared import metrics
from shared.chores import every
from shared.due_times import LONGEST_NAP, Allowance, Poller
from shared.incident import Duty
from shared.keys import WAITING_LIFETIME, Keys
from shared.redis_client import Script, Scripts, StoreUnavailableError
from shared.store import Loaded, Store

COMES_BACK = timedelta(seconds=30)
"""After which who waits is looked at again, should the queue have been lost; up to twice that, so that thousands who have waited
since the same moment do not come back together."""

TELL_WAITING = timedelta(seconds=5)

_ENQUEUE = Script.named("enqueue")


class Queues:
    """One for each target, in Redis, for all replicas together."""

    def __init__(
        self, scripts: Scripts, store: Store, escalator: Escalator, targets: Targets, keys: Keys
    ) -> None:
        self._scripts = scripts
        self._store = store
        self._escalator = escalator
        self._targets = targets
        self._keys = keys
        self._woken = {target.gate.name: asyncio.Event() for target in targets.all}

    async def join(self, incident_id: str) -> None:
        """What is due for this incident: to wait for its targets' turn, or at once where nobody outside is needed."""
        loaded = await self._store.load(incident_id)
        due = [duty for duty in loaded.incident.duties if duty.at <= loaded.now] if loaded.incident else []
        if loaded.incident is None or not due or not all(needs_target(duty) for duty in due):
            await self._escalator.tend(incident_id)  # its commit makes what else is due come again at once
            return
        for duty in due:
            target = self._targets.of(loaded.incident, duty)
            if await self._enqueue(loaded, target.gate.name, duty):
                self._woken[target.gate.name].set()

    def pollers(self, stopping: asyncio.Event) -> Iterable[Poller]:
        """One for each target."""
        for target in self._targets.all:
            name = target.gate.name
            yield Poller(
                Waiting(self._scripts, self._keys.escalations(name), self._keys.deadlines),
                partial(self._attempt, target),
                stopping,
                name=f"escalations {target.gate.label}",
                concurrency=target.concurrency,
                woken=self._woken[name],
                allowance=_allowance(target),
            )

    async def tell_waiting(self, stopping: asyncio.Event) -> None:
        """For metrics, where every replica tells the same, and for people."""
        await every(TELL_WAITING, self._tell, stopping)

    async def _tell(self) -> None:
        for target in self._targets.all:
            await target.gate.tell_silence()
        for target in self._targets.all:
            try:
                waiting = await self._scripts.execute("ZCARD", self._keys.escalations(target.gate.name))
            except StoreUnavailableError:
                return
            metrics.SERVICENOW_WAITING.labels(target.gate.label).set(waiting)

    async def _enqueue(self, loaded: Loaded, name: str, duty: Duty) -> bool:
        incident = loaded.incident
        assert incident is not None  # noqa: S101  for the type checker: somebody has this duty
        later = (other.at - loaded.now for other in incident.duties if other.at > loaded.now)
        spans = (min([COMES_BACK * (1 + random.random()), *later]), WAITING_LIFETIME)
        keys = [self._keys.deadlines, self._keys.escalations(name), self._keys.incident(incident.id)]
        comes_back, lifetime = (round(span / timedelta(milliseconds=1)) for span in spans)
        place = round(duty.at.timestamp() * 1000)
        args: list[str | int] = [incident.id, incident.version, place, comes_back, lifetime]
        return bool(await self._scripts.run(_ENQUEUE, keys, args))

    async def _attempt(self, target: Target, incident_id: str) -> None:
        async with target.gate.rate.attempt():
            await self._escalator.escalate(incident_id, target)


def _allowance(target: Target) -> Callable[[], Awaitable[Allowance]]:
    gate = target.gate

    async def ask() -> Allowance:
        if not gate.wait:
            # Meanwhile whoever was handed out the last time begins, and has what was drawn for it.
            await gate.learn()
        if wait := gate.wait or await gate.rate.draw():
            return Allowance(0, min(wait, LONGEST_NAP))
        return Allowance(gate.at_once(target.concurrency), new=1 if gate.rate.limits else None)

    return ask

"""Whoever is due waits in the queue of the instance that it goes to, so that one that hangs holds up nobody else's (decision 018)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from functools import partial

from services.escalator.escalator import Escalator
from services.escalator.instances import Instance, Instances
from services.escalator.rate import Rate
from services.escalator.waiting import Waiting
from shared import metrics
from shared.chores import every
from shared.due_times import LONGEST_NAP, Allowance, Poller
from shared.incident import Incident
from shared.keys import WAITING_LIFETIME, Keys
from shared.redis_client import Script, Scripts, StoreUnavailableError
from shared.store import Store

COMES_BACK = timedelta(seconds=30)
"""After which who waits is looked at again, should the queue have been lost."""

TELL_WAITING = timedelta(seconds=5)

_ENQUEUE = Script.named("enqueue")


class Queues:
    """One for each instance, in Redis, for all replicas together."""

    def __init__(
        self, scripts: Scripts, store: Store, escalator: Escalator, instances: Instances, keys: Keys
    ) -> None:
        self._scripts = scripts
        self._store = store
        self._escalator = escalator
        self._instances = instances
        self._keys = keys
        self._woken = {instance.gate.name: asyncio.Event() for instance in instances.all}
        self._labels = {instance.gate.name: instance.gate.label for instance in instances.all}

    async def join(self, incident_id: str) -> None:
        """What is due for this incident: to wait for its instance's turn, or at once where none is needed."""
        loaded = await self._store.load(incident_id)
        due = loaded.incident.escalation_due if loaded.incident else None
        if loaded.incident is None or due is None or due > loaded.now:
            await self._escalator.escalate(incident_id)
            return
        name = self._instances.named(loaded.incident.call.instance).gate.name
        if await self._enqueue(loaded.incident, name, due.timestamp()):
            self._woken[name].set()

    def pollers(self, stopping: asyncio.Event, concurrency: int) -> Iterable[Poller]:
        """One for each instance. `concurrency`: attempts that one gets at a time."""
        for instance in self._instances.all:
            name = instance.gate.name
            yield Poller(
                Waiting(self._scripts, self._keys.escalations(name), self._keys.deadlines),
                partial(self._attempt, instance.gate.rate),
                stopping,
                name=f"escalations {instance.gate.label}",
                concurrency=concurrency,
                woken=self._woken[name],
                allowance=_allowance(instance, concurrency),
            )

    async def tell_waiting(self, stopping: asyncio.Event) -> None:
        """For metrics, where every replica tells the same, and for people."""
        await every(TELL_WAITING, self._tell, stopping)

    async def _tell(self) -> None:
        for instance in self._instances.all:
            await instance.gate.tell_silence()
        for name, label in self._labels.items():
            try:
                waiting = await self._scripts.execute("ZCARD", self._keys.escalations(name))
            except StoreUnavailableError:
                return
            metrics.SERVICENOW_WAITING.labels(label).set(waiting)

    async def _enqueue(self, incident: Incident, name: str, due: float) -> bool:
        keys = [self._keys.deadlines, self._keys.escalations(name), self._keys.incident(incident.id)]
        spans = [round(span / timedelta(milliseconds=1)) for span in (COMES_BACK, WAITING_LIFETIME)]
        place = round(due * 1000)
        return bool(await self._scripts.run(_ENQUEUE, keys, [incident.id, incident.version, place, *spans]))

    async def _attempt(self, rate: Rate, incident_id: str) -> None:
        async with rate.attempt():
            await self._escalator.escalate(incident_id)


def _allowance(instance: Instance, concurrency: int) -> Callable[[], Awaitable[Allowance]]:
    gate = instance.gate

    async def ask() -> Allowance:
        if not gate.wait:
            # Meanwhile whoever was handed out the last time begins, and has what was drawn for it.
            await gate.learn()
        if wait := gate.wait or await gate.rate.draw():
            return Allowance(0, min(wait, LONGEST_NAP))
        return Allowance(gate.at_once(concurrency), new=1 if gate.rate.limits else None)

    return ask

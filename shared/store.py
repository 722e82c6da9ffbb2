"""The only writer of incidents: loads one, lets `advance` decide, commits the step if nothing has moved on, else starts over."""

import asyncio
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from weakref import WeakValueDictionary

import structlog
from pydantic import ValidationError

from shared import keys as lifetimes
from shared.commands import Change, Command, Event, Fire, Resolve, Rules, Step
from shared.identity import new_incident_id, partition_of_dedup_key, partition_of_incident
from shared.incident import Incident
from shared.keys import Keys
from shared.notification import Notification
from shared.redis_client import Script, Scripts, StoreUnavailableError
from shared.transitions import NO_RULES, advance

SCHEMA = 3
"""Of stream entries and incident states. It grows when an older version would misread what this one writes; a service that meets a
newer one leaves it to its newer sibling. Further fields alone are no reason: they are carried along."""

MAX_TRIES = 50
"""Of one command against others that change the same incident. Each try that fails means that somebody else's succeeded."""

_COMMIT = Script.named("commit")
_LOAD = Script.named("load")
_FIND = Script.named("find")
_SCHEDULE = Script.named("schedule")
_ANY = "*"


class ContentionError(StoreUnavailableError):
    """Too many others change this incident at once."""


class NewerStateError(StoreUnavailableError):
    """A newer version has written this incident, and understands it; we would misread it."""


@dataclass(frozen=True)
class Loaded:
    """`now` is Redis' clock: the only one that decides anything, so that no two processes disagree on what is due."""

    incident: Incident | None
    now: datetime
    body: str = "{}"


class Store:
    """`partitions`: how many the dedup keys are spread over; an incident's id tells which one it is in."""

    def __init__(self, scripts: Scripts, rules: Rules = NO_RULES, partitions: int = 1) -> None:
        self._scripts = scripts
        self._rules = rules
        self._partitions = partitions
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def load(self, incident_id: str) -> Loaded:
        key = _keys_of(incident_id).incident(incident_id)
        now, schema, state, body = await self._scripts.run(_LOAD, [key], [])
        return Loaded(_incident(schema, state), _moment(now), body.decode() if body else "{}")

    async def receive(self, notification: Notification) -> Step:
        """Bring a notification to the incident that it belongs to. Once this returns it is durable."""
        async with self._turn(notification.dedup_key):
            return await self._receive(notification)

    async def _receive(self, notification: Notification) -> Step:
        partition = partition_of_dedup_key(notification.dedup_key, self._partitions)
        keys = Keys(partition)
        open_key = keys.open(notification.dedup_key)
        for _ in range(MAX_TRIES):
            reply = await self._scripts.run(_FIND, [open_key], [keys.incident_prefix])
            now, named, incident = _moment(reply[0]), reply[1].decode(), _readable(reply)
            new_id = new_incident_id(now, partition, secrets.token_bytes(9))
            command = Fire(notification, new_id) if notification.firing else Resolve(notification, new_id)
            step = advance(incident, command, now, self._rules)
            if await self.commit(step, now, open_names=named):
                return step
        raise ContentionError(f"{MAX_TRIES} others were faster at dedup key {notification.dedup_key}")

    async def apply(self, incident_id: str, command: Command) -> Step:
        """Let `command` act on the incident. The step that comes back is committed (or needed no commit)."""
        async with self._turn(incident_id):
            for _ in range(MAX_TRIES):
                loaded = await self.load(incident_id)
                step = advance(loaded.incident, command, loaded.now, self._rules)
                if await self.commit(step, loaded.now):
                    return step
        raise ContentionError(f"{MAX_TRIES} others were faster at incident {incident_id}")

    def _turn(self, name: str) -> asyncio.Lock:
        """Within one process, those who would only be in each other's way wait for their turn; correctness is the commit's."""
        lock = self._turns.get(name) or asyncio.Lock()
        self._turns[name] = lock
        return lock

    async def commit(self, step: Step, now: datetime, *, open_names: str = _ANY) -> bool:
        """True once the step is durable; False when something has moved on: load and decide again.

        `open_names`: the incident that the open key named when the step was decided; asked where a step opens an incident.
        A lost answer is asked for once more with the same commit id, and counts once.
        """
        if not step.changes or step.incident is None:
            return True
        keys, args = _commit_call(step, now, open_names)
        try:
            return bool(await self._scripts.run(_COMMIT, keys, args))
        except StoreUnavailableError:
            return bool(await self._scripts.run(_COMMIT, keys, args))

    async def schedule(self, incident: Incident) -> bool:
        """Make the deadline agree with `incident`, should it have been lost or left behind. Leases stay as they are. Whether
        that changed anything."""
        return await self._schedule(_keys_of(incident.id).deadlines, incident, incident.attention_due)

    async def schedule_delivery(self, incident: Incident, now: datetime) -> bool:
        """The same for the notifier's due time: a message that does not show the present is due at `now`, or when it is tried again."""
        due = incident.delivery_due or (None if incident.is_shown else now)
        return await self._schedule(_keys_of(incident.id).deliveries, incident, due)

    async def look_again(self, incident: Incident, at: datetime) -> None:
        """The notifier's due time is `at`, unless the incident has moved on: then whoever moved it has seen to that."""
        keys = _keys_of(incident.id)
        args: list[str | int] = [incident.id, incident.version, _milliseconds(at), "moved"]
        await self._scripts.run(_SCHEDULE, [keys.deliveries, keys.incident(incident.id)], args)

    async def schedule_expiry(self, incident: Incident) -> bool:
        """The same for the time of its last mention, by which an incident that is not closed expires."""
        return await self._schedule(_keys_of(incident.id).mentions, incident, incident.mentioned_at)

    async def _schedule(self, due_times: str, incident: Incident, due: datetime | None) -> bool:
        key = _keys_of(incident.id).incident(incident.id)
        args: list[str | int] = [incident.id, incident.version, _milliseconds(due), ""]
        return bool(await self._scripts.run(_SCHEDULE, [due_times, key], args))

    async def is_acknowledged(self, incident_id: str) -> bool:
        """Whether the ACK key is there. A quick look before a claim; the claim itself is what decides."""
        return bool(await self._scripts.execute("EXISTS", _keys_of(incident_id).ack(incident_id)))

    async def settle(self, incident_id: str) -> None:
        """Nothing was to be done for a due incident: clear or correct its deadline."""
        incident = (await self.load(incident_id)).incident
        if incident:
            await self.schedule(incident)
        else:
            await self.forget(incident_id)

    async def forget(self, incident_id: str) -> None:
        """There is no such incident (any more): nobody need look for it again."""
        keys = _keys_of(incident_id)
        for key in (keys.deadlines, keys.deliveries, keys.mentions):
            await self._scripts.execute("ZREM", key, incident_id)

    async def settle_delivery(self, incident_id: str) -> None:
        """The same for the notifier: clear or correct the incident's due time."""
        loaded = await self.load(incident_id)
        if loaded.incident:
            await self.schedule_delivery(loaded.incident, loaded.now)
        else:
            await self.forget(incident_id)


def _commit_call(step: Step, now: datetime, open_names: str) -> tuple[list[str], list[str | int]]:
    incident = step.incident
    assert incident is not None  # noqa: S101  for the type checker: a step with changes has one
    keys = _keys_of(incident.id)
    names = [keys.events, keys.deadlines, keys.deliveries, keys.mentions, keys.recent]
    names.append(keys.open(incident.dedup_key))
    args: list[str | int] = [
        secrets.token_hex(8),
        SCHEMA,
        len(step.changes),
        _milliseconds(now - lifetimes.RECENT_LIFETIME),
        incident.id,
        _lifetime(incident, now),
        open_names,
    ]
    for change in step.changes:
        names += [keys.incident(change.incident.id), keys.ack(change.incident.id)]
        args += _change_args(change, now)
    return names, args


def _change_args(change: Change, now: datetime) -> list[str | int]:
    incident = change.incident
    ack = incident.acknowledgement
    args: list[str | int] = [
        incident.id,
        incident.version - 1,
        incident.model_dump_json(exclude_defaults=True),
        change.body or "",
        _lifetime(incident, now),
        _milliseconds(incident.attention_due),
        _milliseconds(incident.delivery_due),
        _milliseconds(incident.mentioned_at),
        ack.model_dump_json() if ack else "",
        _milliseconds(incident.opened_at) if incident.version == 1 else "",
        len(change.events),
    ]
    for event in change.events:
        parts = _entry(event)
        args += [len(parts), *parts]
    return args


def _entry(event: Event) -> list[str]:
    """An event as the fields of a stream entry."""
    return [
        *("schema", str(SCHEMA)),
        *("type", event.type),
        *("incident", event.incident_id),
        *("version", str(event.version)),
        *("at", str(_milliseconds(event.at))),
        *("reason", event.reason),
        *("data", json.dumps(event.data, separators=(",", ":"), ensure_ascii=False)),
    ]


def _lifetime(incident: Incident, now: datetime) -> int:
    """Milliseconds. A waiting deadline keeps its incident alive however far away it is."""
    if incident.closure:
        return _span(lifetimes.CLOSED_LIFETIME)
    waiting = max(incident.deadline - now, timedelta(0)) if incident.deadline else timedelta(0)
    return _span(waiting + lifetimes.OPEN_LIFETIME)


def _keys_of(incident_id: str) -> Keys:
    return Keys(partition_of_incident(incident_id))


def _incident(schema: bytes | None, state: bytes | None) -> Incident | None:
    """Raises NewerStateError."""
    if schema and int(schema) > SCHEMA:
        raise NewerStateError(f"the incident has schema {schema.decode()}; this version reads up to {SCHEMA}")
    return Incident.model_validate_json(state) if state else None


def _readable(found: Sequence[bytes]) -> Incident | None:
    """The incident that `find` found. One whose state somebody has broken must not keep its group's next page from being told."""
    _, named, schema, state = found
    try:
        return _incident(schema, state)
    except ValidationError as error:
        structlog.get_logger().error("unreadable_incident", incident=named.decode(), error=str(error)[:500])
        return None


def _moment(milliseconds: bytes) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def _milliseconds(moment: datetime | None) -> int | str:
    return "" if moment is None else round(moment.timestamp() * 1000)


def _span(duration: timedelta) -> int:
    return round(duration / timedelta(milliseconds=1))

"""`ackstream parked`: incidents whose message or record does not come through, records that cannot be told what happened since, and
storms whose digest does not come through, with the last error and the next try."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import datetime

from ops.timeline import moment
from shared.commands import Reason, Retry, Stage
from shared.incident import Effort, Incident
from shared.keys import Keys
from shared.notification import SLACK
from shared.redis_client import Scripts
from shared.store import Store
from shared.storms import Storm, Storms

PAGE = 500


@dataclass(frozen=True)
class Parked:
    """`incident`: or the storm whose digest it is. `stage`: `slack`, or the target. `needs_person`: it will not heal by itself; else it
    is only being retried. `instance`: of ServiceNow, where it is not the default one. `record`: which record is there, and is only to
    be told something."""

    incident: str
    title: str
    stage: str
    needs_person: bool
    attempts: int
    error: str
    next_try: datetime | None
    instance: str | None = None
    record: str | None = None


async def parked(scripts: Scripts, keys: Keys | None = None) -> list[Parked]:
    """What needs a person first, then the soonest next try. Raises StoreUnavailableError."""
    found: set[Parked] = set()
    async for incident in _waiting(scripts, keys or Keys()):
        found.update(failing(incident))
    storms = Storms(scripts)
    for id_ in await storms.tended():
        if (storm := await storms.load(id_)) and storm.error:
            found.add(_digest(storm))
    return sorted(
        found, key=lambda one: (not one.needs_person, one.next_try is None, one.next_try, one.incident)
    )


async def retry(scripts: Scripts, incident_ids: list[str], keys: Keys | None = None) -> list[str]:
    """Make the next attempt due now, for these incidents and storms, or for all that wait when none is named. The ids for which that
    changed anything. Raises StoreUnavailableError."""
    store, storms = Store(scripts), Storms(scripts)
    named = incident_ids or [
        *[incident.id async for incident in _waiting(scripts, keys or Keys())],
        *await storms.tended(),
    ]
    hastened = []
    for incident_id in dict.fromkeys(named):
        steps = [await store.apply(incident_id, Retry(stage)) for stage in Stage]
        if any(step.reason is Reason.RETRY_ASKED for step in steps) or await storms.retry(incident_id):
            hastened.append(incident_id)
    return hastened


async def _waiting(scripts: Scripts, keys: Keys) -> AsyncIterator[Incident]:
    """Incidents with something that failed or is under way."""
    store = Store(scripts)
    for key in (keys.deliveries, keys.deadlines):
        start = 0
        while ids := await scripts.execute("ZRANGE", key, start, start + PAGE - 1):
            for id_ in ids:
                if incident := (await store.load(id_.decode())).incident:
                    yield incident
            start += PAGE


def failing(incident: Incident) -> list[Parked]:
    """Each of its efforts whose last attempt failed: the message, each step of on-call, and what each record is to be told."""
    found = [_effort(incident, SLACK, incident.delivery)]
    for step in incident.steps:
        target, instance = incident.target_of(step)
        found.append(_effort(incident, target, incident.effort(step), instance))
        if record := incident.record_of(step):
            number = record.number or record.sys_id
            found.append(_effort(incident, record.target, record.update, record.instance, number))
    return [one for one in found if one.error]


def _effort(
    incident: Incident, stage: str, effort: Effort, instance: str | None = None, record: str | None = None
) -> Parked:
    facts = (effort.parked, effort.attempts, effort.error, effort.due)
    return Parked(incident.id, incident.facts.title, stage, *facts, instance, record)


def _digest(storm: Storm) -> Parked:
    title = f"the digest of {storm.members:,} incidents in {storm.channel}"
    return Parked(storm.id, title, "slack", storm.parked, storm.attempts, storm.error, storm.retry_at)


def as_text(found: list[Parked], now: datetime) -> str:
    if not found:
        return "Nothing is parked: no attempt has failed that is still to be made. What waits for its turn, `ackstream status` tells."
    rows = [
        f"{one.incident}  {_stage(one):<10} {'needs a person' if one.needs_person else 'retried'}, "
        f"attempt {one.attempts}: {one.error}"
        f"{_next_try(one, now)}  ({one.title})"
        for one in found
    ]
    if any(one.needs_person for one in found):
        rows.append("When it is mended: `ackstream parked retry --all`, or wait for the next try.")
    return "\n".join(rows)


def _next_try(one: Parked, now: datetime) -> str:
    if one.next_try is None:
        return ""
    return f"; next try {moment(one.next_try)}" if one.next_try > now else "; due, and waits for its turn"


def _stage(one: Parked) -> str:
    told = f"{one.stage} ({one.instance})" if one.instance else one.stage
    return f"{told}, telling {one.record}" if one.record else told


def as_json(found: list[Parked]) -> str:
    return json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False, default=str)

"""`ackstream parked`: incidents whose message or record does not come through, records that cannot be told what happened since, and
storms whose digest does not come through, with the last error and the next try."""

import json
from collections.abc import AsyncIterator, Iterator
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
    """`incident`: or the storm whose digest it is. `stage`: `slack`, `servicenow` or `webhook`. `needs_person`: it will not heal by itself; else it is only being retried."""

    incident: str
    title: str
    stage: str
    needs_person: bool
    attempts: int
    error: str
    next_try: datetime | None


async def parked(scripts: Scripts, keys: Keys | None = None) -> list[Parked]:
    """What needs a person first, then the soonest next try. Raises StoreUnavailableError."""
    found: set[Parked] = set()
    async for incident in _waiting(scripts, keys or Keys()):
        found.update(_of(incident))
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


def _of(incident: Incident) -> list[Parked]:
    return [
        Parked(
            incident.id,
            incident.facts.title,
            stage,
            effort.parked,
            effort.attempts,
            what + effort.error,
            effort.due,
        )
        for stage, what, effort in _efforts(incident)
        if effort.error
    ]


def _efforts(incident: Incident) -> Iterator[tuple[str, str, Effort]]:
    """Where each leads, and what it is about, where that is not a message or a record that is still missing."""
    yield SLACK, "", incident.delivery
    for step in incident.steps:
        target, _ = incident.target_of(step)
        yield target, "", incident.effort(step)
        if record := incident.record_of(step):
            yield record.target, f"telling {record.number}: ", record.update


def _digest(storm: Storm) -> Parked:
    title = f"the digest of {storm.members:,} incidents in {storm.channel}"
    return Parked(storm.id, title, "slack", storm.parked, storm.attempts, storm.error, storm.retry_at)


def as_text(found: list[Parked]) -> str:
    if not found:
        return "Nothing is parked: every message and every record that was due came through."
    rows = [
        f"{one.incident}  {one.stage:<10} {'needs a person' if one.needs_person else 'retried'}, "
        f"attempt {one.attempts}: {one.error}"
        f"{f'; next try {moment(one.next_try)}' if one.next_try else ''}  ({one.title})"
        for one in found
    ]
    if any(one.needs_person for one in found):
        rows.append("When it is mended: `ackstream parked retry --all`, or wait for the next try.")
    return "\n".join(rows)


def as_json(found: list[Parked]) -> str:
    return json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False, default=str)

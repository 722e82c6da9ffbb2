"""`ackstream parked`: incidents whose message or record does not come through, with the last error and the next try."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from ops.timeline import moment
from shared.incident import Effort, Incident
from shared.keys import Keys
from shared.redis_client import Scripts
from shared.store import Store

PAGE = 500


@dataclass(frozen=True)
class Parked:
    """`stage`: `slack` or `servicenow`."""

    incident: str
    title: str
    stage: str
    attempts: int
    error: str
    next_try: datetime | None


async def parked(scripts: Scripts, keys: Keys | None = None) -> list[Parked]:
    """Soonest next try first. Raises StoreUnavailableError."""
    keys, store = keys or Keys(), Store(scripts)
    found: set[Parked] = set()
    for key in (keys.deliveries, keys.deadlines):
        start = 0
        while ids := await scripts.execute("ZRANGE", key, start, start + PAGE - 1):
            for id_ in ids:
                incident = (await store.load(id_.decode())).incident
                found.update(_of(incident) if incident else ())
            start += PAGE
    return sorted(found, key=lambda one: (one.next_try is None, one.next_try, one.incident))


def _of(incident: Incident) -> list[Parked]:
    efforts: dict[str, Effort] = {"slack": incident.delivery, "servicenow": incident.escalation}
    return [
        Parked(incident.id, incident.facts.title, stage, effort.attempts, effort.error, effort.due)
        for stage, effort in efforts.items()
        if effort.error
    ]


def as_text(found: list[Parked]) -> str:
    if not found:
        return "Nothing is parked: every message and every record that was due came through."
    rows = [
        f"{one.incident}  {one.stage:<10} attempt {one.attempts}: {one.error}"
        f"{f'; next try {moment(one.next_try)}' if one.next_try else ''}  ({one.title})"
        for one in found
    ]
    return "\n".join(rows)


def as_json(found: list[Parked]) -> str:
    return json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False, default=str)

"""How a step on one incident is made, whatever it is about. Pure."""

from datetime import datetime
from typing import Any

from shared.commands import Change, Event, EventType, Reason, Step
from shared.incident import Effort, Incident


def changed(
    incident: Incident,
    now: datetime,
    reason: Reason,
    event: EventType | None = None,
    data: dict[str, Any] | None = None,
    *,
    visible: bool = False,
    **update: Any,
) -> Step:
    """The step that sets `update`. `visible`: people must see it. No event: nobody else needs to hear of it."""
    update |= {"version": incident.version + 1, "revision": incident.revision + visible}
    after = incident.model_copy(update=update)
    events = (Event(event, after.id, after.version, now, reason, data or {}),) if event else ()
    return Step(after, reason, (Change(after, events),))


def failure(effort: Effort) -> dict[str, Any]:
    """What an event tells of an attempt that failed."""
    told = {"error": effort.error, "attempt": effort.attempts} | ({"parked": True} if effort.parked else {})
    return told | moments(retry_at=effort.retry_at, doubt_until=effort.doubt_until)


def at_step(step: int) -> dict[str, Any]:
    """What an event says of which step of on-call it is about; nothing for the escalation itself."""
    return {"step": step} if step else {}


def moments(**named: datetime | None) -> dict[str, str]:
    """Those that there are, as an event tells them."""
    return {name: moment.isoformat() for name, moment in named.items() if moment}


def is_parked(effort: Effort, untried: bool, needs_person: bool) -> bool:  # noqa: FBT001
    """Not to have tried says nothing new of what was in the way."""
    return needs_person or (untried and effort.parked)

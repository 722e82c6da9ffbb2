"""What records are told of their incident's life, where they want to know. Pure.

Like shared/notes.py it works on an incident before and after an event, so that a replay of the stream comes to the same.
"""

from typing import Any

from shared.commands import EventType, Reason
from shared.incident import Incident, News, NewsKind, Record
from shared.notes import Happened, joined_and_left

MAX_NEWS = 20

_WANTED_WITH = {NewsKind.UNACKNOWLEDGED: NewsKind.ACKNOWLEDGED}
"""Who wants to know that somebody has it wants to know that nobody has it any more."""


def informed(before: Incident | None, after: Incident, event: Happened) -> Incident:
    """`after`, with what its records are to be told of `event`."""
    for step in after.steps:
        record = after.record_of(step)
        if record is None or not record.wants:
            continue
        is_new = event.type == EventType.ESCALATED and event.data.get("step", 0) == step
        found = _so_far(after, event) if is_new else _news_of(before, after, event)
        if more := [one for one in found if _WANTED_WITH.get(one.kind, one.kind) in record.wants]:
            after = after.model_copy(update=after.with_step(step, record=_telling(record, more)))
    return after


def _telling(record: Record, more: list[News]) -> Record:
    return record.model_copy(update={"news": _few((*record.news, *more))})


def _few(news: tuple[News, ...]) -> tuple[News, ...]:
    """What changed among the alerts gives way first: the latest such news says how many fire now."""
    surplus = max(0, len(news) - MAX_NEWS)
    dropped = sorted(news, key=lambda one: one.kind is not NewsKind.UPDATED)[:surplus]
    return tuple(one for one in news if one not in dropped)


def _so_far(incident: Incident, event: Happened) -> list[News]:
    """What happened while it was not known whether there is a record."""
    if event.reason == Reason.DUPLICATE_RECORD:
        return []
    ack, closure = incident.acknowledgement, incident.closure
    found = [_news(event, NewsKind.ACKNOWLEDGED, by=ack.by, at=ack.at.isoformat())] if ack else []
    return [*found, _closed(incident, event)] if closure else found


def _news_of(before: Incident | None, after: Incident, event: Happened) -> list[News]:
    match event.type:
        case EventType.ACKNOWLEDGED:
            return [_news(event, NewsKind.ACKNOWLEDGED, by=event.data.get("by"))]
        case EventType.UNACKNOWLEDGED | EventType.LAPSED:
            return [_news(event, NewsKind.UNACKNOWLEDGED, by=event.data.get("by"))]
        case EventType.UPDATED if before and (data := joined_and_left(before, after)):
            return [_news(event, NewsKind.UPDATED, **data)]
        case EventType.RESOLVED | EventType.SUPERSEDED | EventType.EXPIRED:
            return [_closed(after, event)]
    return []


def _closed(incident: Incident, event: Happened) -> News:
    closure = incident.closure
    return _news(event, NewsKind.CLOSED, state=closure and str(closure.state), by=closure and closure.by)


def _news(event: Happened, kind: NewsKind, **data: Any) -> News:
    told = {name: value for name, value in data.items() if value}
    return News(seq=event.version, at=event.at, kind=kind, data=told)

"""`ackstream explain ID`: one incident's timeline, read from the stream alone, and the sentence that people ask for at night.

While it waits for its turn at ServiceNow or the webhook, which is no event, one more sentence says so.
"""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from ops.timeline import Happening, Story, fold, happening, moment, why, words
from ops.turns import Turn
from ops.turns import why as why_waiting
from shared.identity import partition_of_incident
from shared.keys import Keys
from shared.redis_client import Scripts
from shared.stream import Entry, UndecodableError
from shared.wording import span

PAGE = 1000
"""Entries read at once."""

CLOCKS_APART = timedelta(minutes=1)


async def story_of(scripts: Scripts, incident_id: str, until: datetime | None = None) -> Story:
    """What the stream tells about the incident up to `until`. Raises StoreUnavailableError."""
    found: list[Happening] = []
    opened = datetime.fromtimestamp(
        int(incident_id[:12], 16) / 1000, UTC
    )  # the id of a UUIDv7 begins with its time
    start = str(max(0, round((opened - CLOCKS_APART).timestamp() * 1000)))
    end = str(round(until.timestamp() * 1000)) if until else "+"
    stream = Keys(partition_of_incident(incident_id)).events
    while page := await scripts.execute("XRANGE", stream, start, end, "COUNT", PAGE):
        found += _of(incident_id, [Entry(id_.decode(), fields) for id_, fields in page])
        start = f"({page[-1][0].decode()}"
    return fold(found)


def _of(incident_id: str, entries: list[Entry]) -> list[Happening]:
    found = []
    for entry in entries:
        try:
            if entry.incident_id == incident_id:
                found.append(happening(entry))
        except UndecodableError:  # somebody else's, or a dead letter by now
            continue
    return found


def as_text(incident_id: str, story: Story, now: datetime, turn: Turn | None = None) -> str:
    if not story.happenings:
        return f"No event in the stream mentions {incident_id}. Is the id right? Events stay for redis.events_days."
    first = story.happenings[0].at
    severity = f" ({story.severity})" if story.severity else ""
    lines = [f"{incident_id}  {story.title}{severity}  {story.state}", ""]
    if not story.is_complete:
        lines.append("… its beginning is no longer in the stream")
    lines += [_line(one, first) for one in story.happenings]
    return "\n".join([*lines, "", why(story, now), *([_waits(turn)] if turn else [])])


def _waits(turn: Turn) -> str:
    others = f"; {turn.waiting} {'wait' if turn.waiting > 1 else 'waits'} before it" if turn.waiting else ""
    return f"It waits for {why_waiting(turn)}{others}."


def _line(one: Happening, first: datetime) -> str:
    reason = "" if one.reason == one.type else f" [{one.reason}]"
    details = words(one)
    return (
        f"{moment(one.at)}  +{span(one.at - first):<12} {one.type}{reason}{': ' if details else ''}{details}"
    )


def as_json(incident_id: str, story: Story, now: datetime, turn: Turn | None = None) -> str:
    answer = {
        "incident": incident_id,
        "state": story.state,
        "title": story.title,
        "deadline": story.deadline,
        "complete": story.is_complete,
        "why": why(story, now) if story.happenings else None,
        "waits": asdict(turn) if turn else None,
        "events": [asdict(one) for one in story.happenings],
    }
    return json.dumps(answer, indent=2, ensure_ascii=False, default=str)

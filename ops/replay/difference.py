"""`--what-if`: what would have been different with another configuration or template: messages, deadlines, records."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ops.replay.course import Course, Life
from ops.replay.history import has_notification
from ops.replay.preview import Preview, lines_of
from ops.replay.reading import Past
from ops.replay.rehearsal import gaps, shortcomings
from ops.replay.replay import Answer, Replay
from ops.timeline import Happening
from ops.timeline import moment as clock
from services.ingest.__main__ import oncall_defaults
from services.ingest.parameters import weigh
from shared.config import Config
from shared.incident import Incident, Record
from shared.notification import Call
from shared.outlook import target_name

INDENT = " " * 2


@dataclass(frozen=True)
class Proposal:
    """One configuration, and the course that things take under it."""

    config: Config
    preview: Preview
    course: Course

    @classmethod
    def of(cls, config: Config) -> "Proposal":
        """Raises ReplayError."""
        return cls(config, Preview(config), Course(oncall_defaults(config), config.rules))

    def outcome(self, incident_id: str) -> "Outcome | None":
        life = self.course.lives.get(incident_id)
        return _outcome(life, self.preview) if life else None


@dataclass(frozen=True)
class Outcome:
    """What people see of an incident, under one configuration."""

    title: str
    opened_at: datetime
    facts: dict[str, str]
    record: dict[str, Any] | None
    messages: dict[str, list[str]]


@dataclass
class Difference:
    """`facts`: name → (at present, as proposed). `messages`: which → unified diff."""

    incident: str
    title: str
    opened_at: datetime
    facts: dict[str, tuple[str, str]] = field(default_factory=dict)
    records: tuple[dict[str, Any] | None, dict[str, Any] | None] | None = None
    messages: dict[str, list[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.facts or self.messages)


async def what_if(replay: Replay, config: Config) -> Answer:
    """The range under the present configuration and under `config`. Raises ReplayError for a template that cannot be used."""
    present, proposed = Proposal.of(replay.config), Proposal.of(config)
    past, mentioned, weighed_otherwise = replay.past(), dict[str, None](), 0
    async for moment in past.moments(whole_lives=True):
        mentioned[moment.event.incident] = None
        weighed_otherwise += _is_weighed_otherwise(moment.event, present)
        for one in (present, proposed):
            one.course.tell(moment.event)
    for one in (present, proposed):
        one.course.finish(replay.range.ends_at(replay.now))
    ids = dict.fromkeys([*mentioned, *present.course.lives, *proposed.course.lives])
    found = [difference for id_ in ids if (difference := _difference(id_, present, proposed))]
    return _answer(past, len(ids), found, weighed_otherwise)


def _is_weighed_otherwise(event: Happening, present: Proposal) -> bool:
    """The event's parameters are not known (an older version told none), or the configuration was another one then."""
    if not has_notification(event):
        return False
    call, _ = weigh(event.data.get("query", {}), oncall_defaults(present.config))
    return call != Call.model_validate({"wait": None, **event.data["call"]})


def _outcome(life: Life, preview: Preview) -> Outcome:
    incident = life.incident
    messages = {
        "as it opens": lines_of(preview.message(life.opening, life.opening_body)),
        "as it ends": lines_of(preview.message(incident, life.body)),
    }
    told = preview.slack_is_on and not (incident.closure and incident.closure.never_fired)
    records = [(step, record) for step in incident.steps if (record := incident.record_of(step))]
    requests = [preview.record(incident, record.at, step) for step, record in records]
    words = [
        _record_in_words(record, request) for (_, record), request in zip(records, requests, strict=True)
    ]
    written = [
        {"at": record.at, **request}
        for (_, record), request in zip(records, requests, strict=True)
        if request
    ]
    return Outcome(
        incident.facts.title or "Alert",
        incident.opened_at,
        {
            "channel": preview.channel(incident) if told else "no message",
            "deadline": clock(incident.deadline) if incident.deadline else "no on-call",
            "record": "; ".join(words) or _why_none(incident),
            "warnings": "; ".join(incident.warnings) or "none",
        },
        next(iter(written), None),
        messages if told else {},
    )


def _record_in_words(record: Record, request: dict[str, Any] | None) -> str:
    if request is None:
        return f"at {clock(record.at)} by {target_name(record.target, record.instance)}"
    return (
        f"at {clock(record.at)} in ServiceNow ({request['instance']}): {request['method']} {request['url']}"
    )


def _why_none(incident: Incident) -> str:
    if incident.acknowledgement:
        who = incident.acknowledgement
        return f"none: {who.by} acknowledges at {clock(who.at)}"
    if incident.closure:
        return f"none: {incident.closure.state} at {clock(incident.closure.at)}"
    return "none yet: the deadline is still to come" if incident.deadline else "none: no on-call"


def _difference(incident_id: str, present: Proposal, proposed: Proposal) -> Difference | None:
    """None where there is none."""
    here, there = present.outcome(incident_id), proposed.outcome(incident_id)
    known = here or there
    if known is None:
        return None
    found = Difference(incident_id, known.title, known.opened_at)
    if here is None or there is None:
        found.facts["incident"] = ("is opened" if here else "is none", "is opened" if there else "is none")
        return found
    found.facts = {
        name: (words, there.facts[name]) for name, words in here.facts.items() if words != there.facts[name]
    }
    found.records = (here.record, there.record) if here.record != there.record else None
    found.messages = dict(_diffs(here.messages, there.messages))
    return found or None


def _diffs(here: dict[str, list[str]], there: dict[str, list[str]]) -> Iterator[tuple[str, list[str]]]:
    for name in dict.fromkeys([*here, *there]):
        lines = difflib.unified_diff(
            here.get(name, []), there.get(name, []), "present", "proposed", lineterm="", n=1
        )
        if diff := list(lines):
            yield name, diff


def _answer(past: Past, incidents: int, found: list[Difference], weighed_otherwise: int) -> Answer:
    lines = [line for difference in found for line in _as_text(difference)]
    words = f"{len(found):,} of {incidents:,} incidents would be different." if found else "No difference:"
    lines.append(words if found else f"{words} {incidents:,} incidents would be what they were.")
    if weighed_otherwise:
        lines.append(
            f"{weighed_otherwise:,} notifications were weighed otherwise when they came than the present configuration would:"
            " it was another one then, or an older version kept no parameters."
        )
    data = {
        "incidents": incidents,
        "different": len(found),
        "differences": [_as_json(difference) for difference in found],
        "weighed_otherwise": weighed_otherwise,
        **shortcomings(past),
    }
    return Answer("\n".join([*lines, *gaps(past)]), data)


def _as_text(difference: Difference) -> list[str]:
    lines = [f"{difference.incident}  {difference.title}, opened {clock(difference.opened_at)}"]
    for name, (here, there) in difference.facts.items():
        lines += [f"{INDENT}{name:<9} - {here}", f"{INDENT}{'':<9} + {there}"]
    for name, diff in difference.messages.items():
        lines.append(f"{INDENT}message   {name}")
        lines += [INDENT * 2 + line for line in diff]
    return [*lines, ""]


def _as_json(difference: Difference) -> dict[str, Any]:
    facts = {name: {"present": here, "proposed": there} for name, (here, there) in difference.facts.items()}
    records = difference.records and {"present": difference.records[0], "proposed": difference.records[1]}
    return {
        "incident": difference.incident,
        "title": difference.title,
        "opened_at": difference.opened_at,
        "facts": facts,
        "request": records,
        "messages": difference.messages,
    }

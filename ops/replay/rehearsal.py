"""`--dry-run`: event by event, what each stage would do. Nothing leaves the house, and nothing is written."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ops.replay.history import Moment
from ops.replay.preview import Preview, lines_of
from ops.replay.reading import Past
from ops.replay.replay import Answer, Replay
from ops.timeline import Happening
from ops.timeline import moment as clock
from services.notifier.notifier import INVISIBLE
from shared.commands import EventType
from shared.incident import NOT_TRUSTED, Digest, Incident, Task
from shared.notification import SERVICENOW
from shared.outlook import target_name

INDENT = " " * 4
QUOTE = INDENT * 2 + "│ "


@dataclass(frozen=True)
class Act:
    """What a stage would do, in one word, with what it would say or when."""

    deed: str
    details: dict[str, Any]
    words: str
    quoted: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"action": self.deed, **self.details}


_COUNTED = {
    "post": "posts",
    "edit": "edits",
    "join": "left to a digest",
    "count": "counted in one",
    "arm": "deadlines set",
    "move": "deadlines moved",
    "clear": "deadlines cleared",
    "attempt": "attempts at a record",
    "look": "looks for one",
}
NOTHING = Act("nothing", {}, "nothing")


async def rehearse(replay: Replay, say: Callable[[str], None] | None = None) -> Answer:
    """With `say` the events are said one by one as they are read, and not kept: there may be very many."""
    preview, past, seen = Preview(replay.config), replay.past(), dict[str, int | None]()
    told, deeds = list[dict[str, Any]](), Counter[str]()
    if say and not preview.slack_is_on:
        say("Slack is off in this configuration; the messages are those that it would get.")
    async for moment in past.moments():
        acts = {"notifier": notify(moment, preview, seen), "escalator": escalate(moment, preview)}
        deeds.update(f"{act.deed}" for act in acts.values() if act is not NOTHING)
        if say:
            say("\n".join(_as_text(moment, acts)))
        else:
            told.append(_as_json(moment, acts))
    data = {"events": told, "deeds": dict(deeds), **shortcomings(past)}
    return Answer("\n".join(summary(past, deeds)), data)


def notify(moment: Moment, preview: Preview, seen: dict[str, int | None]) -> Act:
    """`seen`: by incident, the revision that its message would show by now; what was shown before the range counts as shown."""
    incident = moment.after
    if incident.heir:  # whose message it is now
        return NOTHING
    if incident.digest and incident.message is None:
        return _count(moment, incident.digest)
    shown = _shown_before(moment, seen)
    never_fired = incident.closure is not None and incident.closure.never_fired
    silent = moment.event.type in INVISIBLE - {EventType.MESSAGE_GONE}
    if silent or shown == incident.revision or (shown is None and never_fired):
        return NOTHING
    seen[incident.id] = incident.revision
    channel, message = preview.channel(incident), preview.message(incident, moment.body)
    deed, words = ("post", "posts in") if shown is None else ("edit", "edits its message in")
    details = {"channel": channel, "message": message}
    return Act(deed, details, f"{words} {channel}", tuple(lines_of(message)))


def _count(moment: Moment, digest: Digest) -> Act:
    """What becomes of an incident that has no message of its own."""
    told = f"the digest of storm {digest.storm} in {digest.channel}"
    details = {"channel": digest.channel, "storm": digest.storm}
    if moment.event.type == EventType.DIGESTED:
        return Act("join", details, f"leaves it to {told}")
    seen_before = moment.before is not None and moment.before.revision == moment.after.revision
    return NOTHING if seen_before else Act("count", details, f"counts it in {told}")


def _shown_before(moment: Moment, seen: dict[str, int | None]) -> int | None:
    """None: there is no message."""
    if moment.event.type == EventType.REPOST_ASKED:
        return NOT_TRUSTED
    if moment.event.type == EventType.MESSAGE_GONE:
        return None
    message = (
        moment.before or moment.after
    ).message  # one that opens may keep to the message of the one before
    return seen.setdefault(moment.after.id, message.shown if message else None)


def escalate(moment: Moment, preview: Preview) -> Act:
    incident = moment.after
    if moment.event.type == EventType.ESCALATION_CLAIMED:
        return _attempt(incident, moment.event, preview)
    before = _due(moment.before) if moment.before else None
    due = _due(incident)
    if before == due:
        return NOTHING
    if due is None:
        return Act("clear", {}, "clears the deadline")
    deed, words = ("arm", "sets the deadline to") if before is None else ("move", "moves the deadline to")
    return Act(deed, {"due": due}, f"{words} {clock(due)}")


def _due(incident: Incident) -> datetime | None:
    """When a step of on-call is due next."""
    steps = [duty.at for duty in incident.duties if duty.task in (Task.ESCALATE, Task.CALL_AGAIN)]
    return min(steps, default=None)


def _attempt(incident: Incident, event: Happening, preview: Preview) -> Act:
    step = event.data.get("step", 0)
    request, effort = preview.record(incident, event.at, step), incident.effort(step)
    if not (effort.may_act and incident.awaits(step)):
        words = "looks for the record of an earlier attempt, and writes none"
        return Act("look", {"request": None, "until": effort.doubt_until}, words)
    target, _ = incident.target_of(step)
    if target != SERVICENOW:
        return Act(
            "attempt", {"request": None}, f"calls {target_name(target)}, unless it has taken it already"
        )
    if request is None:
        return Act("attempt", {"request": None}, "cannot write a record: no ServiceNow is configured here")
    quoted = (f"{request['method']} {request['url']}", json.dumps(request["body"]))
    words = f"looks for the record in ServiceNow ({request['instance']}), and writes it when there is none"
    return Act("attempt", {"request": request}, words, quoted)


def _as_json(moment: Moment, acts: dict[str, Act]) -> dict[str, Any]:
    event = moment.event
    head = {"entry": event.entry, "at": event.at, "incident": event.incident}
    told = {"type": event.type, "reason": event.reason, "state": moment.after.state}
    return head | told | {stage: act.as_json() for stage, act in acts.items()}


def _as_text(moment: Moment, acts: dict[str, Act]) -> list[str]:
    event = moment.event
    reason = "" if event.reason == event.type else f" [{event.reason}]"
    lines = [f"{clock(event.at)}  {event.incident}  {event.type}{reason}"]
    for stage, act in acts.items():
        if act is not NOTHING:
            lines.append(f"{INDENT}{stage:<10} {act.words}")
            lines += [QUOTE + line for line in act.quoted]
    return lines


def summary(past: Past, deeds: Counter[str]) -> list[str]:
    counts = ", ".join(f"{deeds[deed]:,} {words}" for deed, words in _COUNTED.items() if deeds[deed])
    return [
        "",
        f"{past.events:,} events: {counts or 'nothing to do'}. Nothing was sent, nothing was written.",
        *gaps(past),
    ]


def gaps(past: Past) -> list[str]:
    """What could not be told, in lines for people."""
    lines = []
    if past.incomplete:
        ids = ", ".join(sorted(past.incomplete)[:3]) + (", …" if len(past.incomplete) > 3 else "")  # noqa: PLR2004
        lines.append(f"Left out, because their beginning is no longer in the stream: {ids}")
    if past.unreadable:
        lines.append(f"Left out, because this version cannot read them: {past.unreadable:,} events")
    return lines


def shortcomings(past: Past) -> dict[str, Any]:
    return {"incomplete": sorted(past.incomplete), "unreadable": past.unreadable}

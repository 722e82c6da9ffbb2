"""What has happened to an incident up to its escalation, a line each, from its current state alone; and how it ended. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime

from shared.incident import Incident, State
from shared.outlook import target_name
from shared.plain_text import one_line, shortened
from shared.wording import lateness, span

MAX_ERROR = 200


def course(incident: Incident, at: datetime, step: int = 0) -> str:
    """As in `2026-03-01 03:00:00 UTC  2 alerts firing`; the oldest first, the escalation at `at`, by that step, last."""
    told = sorted(_happenings(incident), key=lambda happening: happening[0])
    lines = [f"{clock(when)}  {what}" for when, what in told if when <= at]
    return "\n".join([*lines, f"{clock(at)}  {_escalation(incident, at, step)}"])


def _happenings(incident: Incident) -> Iterator[tuple[datetime, str]]:
    openings = len(incident.openings)
    again = f", the {openings}. time since {clock(incident.openings[0])}" if openings > 1 else ""
    yield incident.opened_at, f"opened: {incident.facts.title or 'alert'}{again}"
    if incident.notifications > 1:
        firing = incident.firing_count
        yield incident.seen_at, f"notification {incident.notifications}, the latest: {firing} firing"
    if incident.snooze:
        until = clock(incident.snooze.until)
        yield incident.snooze.at, f"snoozed by {who(incident.snooze.by)} until {until}"
    if incident.haste:
        yield incident.haste.at, f"{who(incident.haste.by)} asked to escalate at once"
    if incident.acknowledgement:
        yield incident.acknowledgement.at, f"acknowledged by {who(incident.acknowledgement.by)}"
    elif incident.deadline:
        yield incident.deadline, "deadline: nobody has acknowledged"
    for further in incident.further:
        if further.called_at:
            yield further.called_at, "people were called again"
    for record in incident.records:
        number = f" as {record.number}" if record.number else ""
        yield record.at, f"escalated to {target_name(record.target, record.instance)}{number}"


def _escalation(incident: Incident, at: datetime, step: int) -> str:
    effort, late = incident.effort(step), lateness(incident.lateness(at, step))
    told = f"escalated after {span(at - incident.opened_at)}" + (f", {late}" if late else "")
    if not effort.attempts:
        return told
    error = shortened(one_line(effort.error), MAX_ERROR) or "no answer"
    return f"{told}; {effort.attempts} attempt{'s' * (effort.attempts > 1)} failed, the last with: {error}"


_ENDINGS = {
    State.SUPERSEDED: "it fires anew, as another incident",
    State.EXPIRED: "no notification has mentioned it for long",
}


def ending(incident: Incident) -> str:
    """As in `resolved by anna after 2 h 5 min`; empty while it lives."""
    closure = incident.closure
    if closure is None:
        return ""
    by = f" by {who(closure.by)}" if closure.by else ""
    why = f": {_ENDINGS[closure.state]}" if closure.state in _ENDINGS else ""
    return f"{closure.state}{by} after {span(closure.at - incident.opened_at)}{why}"


def who(name: str) -> str:
    return one_line(name) or "somebody"


def clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

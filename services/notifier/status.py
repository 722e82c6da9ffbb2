"""What an incident has come to, in words that do not go stale: moments, never "in 3 minutes"."""

from services.notifier.mrkdwn import Mrkdwn, cut, date, escape, link
from services.notifier.outlook import on_call_lines, where
from shared.incident import Incident, Record, State
from shared.plain_text import one_line, shortened
from shared.wording import lateness, span

MAX_HEADLINE = 300
MAX_NAME = 80


def headline(incident: Incident) -> Mrkdwn:
    """One escaped line for the lock screen, as in `[FIRING:2] HighLatency (critical) — p99 above 2s`."""
    facts = incident.facts
    title, severity, summary = (
        one_line(shortened(text, MAX_HEADLINE)) for text in (facts.title, facts.severity, facts.summary)
    )
    line = f"{title or 'Alert'} ({severity})" if severity else title or "Alert"
    if summary and summary != title:
        line += f" — {summary}"
    return cut(f"[{_state(incident)}] {escape(line)}", MAX_HEADLINE)


def _state(incident: Incident) -> str:
    match incident.state:
        case State.OPEN if incident.is_put_off and incident.snooze:
            return f"SNOOZED by {_person(incident.snooze.by)}"
        case State.OPEN:
            count = incident.firing_count
            return f"FIRING:{count}{'+' * bool(incident.facts.truncated)}" if count else "FIRING"
        case State.ACKNOWLEDGED:
            return f"ACKNOWLEDGED by {_who(incident)}"
        case State.ESCALATED:
            taken = f", ACKNOWLEDGED by {_who(incident)}" if incident.acknowledgement else ""
            return f"ESCALATED {_escalated_as(incident.records[0])}{taken}"
        case State.RESOLVED if incident.closure and incident.closure.by:
            return f"RESOLVED by {_person(incident.closure.by)}"
        case state:
            return state.upper()


def status_lines(incident: Incident) -> list[str]:
    """Mrkdwn lines, the latest news first. Empty for an open incident without on-call."""
    told = [_closure(incident), *_records(incident), _acknowledgement(incident), _snooze(incident)]
    return [line for line in [*told, *on_call_lines(incident), _openings(incident)] if line]


def _closure(incident: Incident) -> str:
    if incident.closure is None:
        return ""
    if incident.closure.state is State.SUPERSEDED:
        return f"Superseded by a newer incident, {date(incident.closure.at)}"
    if incident.closure.state is State.EXPIRED:
        silence = span(incident.closure.at - incident.seen_at)
        return f"Expired {date(incident.closure.at)}: nothing was heard of it for {silence}"
    by = f" by {_person(incident.closure.by)}," if incident.closure.by else ""
    return f"Resolved{by} {date(incident.closure.at)}, after {span(incident.closure.at - incident.opened_at)}"


def _records(incident: Incident) -> list[str]:
    found = [(step, record) for step in incident.steps if (record := incident.record_of(step))]
    return [_record(incident, step, record) for step, record in found]


def _record(incident: Incident, step: int, record: Record) -> str:
    number = f": {link(record.url, _number(record))}" if record.number else ""
    told = f"Escalated to {where(record.target, record.instance)}{number}, {date(record.at)}"
    if incident.haste and not step:
        told += f", asked by {_person(incident.haste.by)}"
    late = lateness(incident.lateness(record.at, step))
    return f"{told}, {late}" if late else told


def _acknowledgement(incident: Incident) -> str:
    acknowledgement, lapse = incident.acknowledgement, incident.lapse_due
    if acknowledgement is None:
        return ""
    told = f"Acknowledged by {_who(incident)}, {date(acknowledgement.at)}"
    return f"{told}; open again {date(lapse)} if it still fires" if lapse else told


def _snooze(incident: Incident) -> str:
    if not (incident.is_put_off and incident.snooze):
        return ""
    until = date(incident.snooze.until)
    target = where(*incident.target_of(0))
    return f"Snoozed by {_person(incident.snooze.by)} until {until}, then escalates to {target} unless acknowledged"


def _openings(incident: Incident) -> str:
    count = len(incident.openings)
    return f"Fired {count} times since {date(incident.openings[0])}" if count > 1 else ""


def _who(incident: Incident) -> str:
    return _person(incident.acknowledgement.by if incident.acknowledgement else "")


def _person(name: str) -> str:
    return escape(shortened(one_line(name), MAX_NAME)) or "somebody"


def _number(record: Record) -> str:
    return one_line(shortened(record.number, MAX_NAME))


def _escalated_as(record: Record) -> str:
    return escape(_number(record)) if record.number else f"to {where(record.target, record.instance)}"

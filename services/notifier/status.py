"""What an incident has come to, in words that do not go stale: moments, never "in 3 minutes"."""

from services.notifier.mrkdwn import Mrkdwn, cut, date, escape, link
from shared.incident import Incident, State
from shared.plain_text import one_line, shortened
from shared.wording import lateness, span

MAX_HEADLINE = 300
MAX_NAME = 80
MAX_ERROR = 300


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
            return f"ESCALATED {escape(_number(incident))}".rstrip()
        case State.RESOLVED if incident.closure and incident.closure.by:
            return f"RESOLVED by {_person(incident.closure.by)}"
        case state:
            return state.upper()


def status_lines(incident: Incident) -> list[str]:
    """Mrkdwn lines, the latest news first. Empty for an open incident without on-call."""
    news = (_closure, _record, _acknowledgement, _snooze, _escalation, _openings)
    return [line for tell in news if (line := tell(incident))]


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


def _record(incident: Incident) -> str:
    record = incident.record
    if record is None:
        return ""
    told = f"Escalated to {_where(incident)}: {link(record.url, _number(incident))}, {date(record.at)}"
    told += f", asked by {_person(incident.haste.by)}" if incident.haste else ""
    late = lateness(incident.lateness(record.at))
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
    return f"Snoozed by {_person(incident.snooze.by)} until {until}, then escalates to {_where(incident)} unless acknowledged"


def _openings(incident: Incident) -> str:
    count = len(incident.openings)
    return f"Fired {count} times since {date(incident.openings[0])}" if count > 1 else ""


def _escalation(incident: Incident) -> str:
    effort, where = incident.escalation, _where(incident)
    if incident.record:
        return ""
    if effort.may_act and not incident.closure:
        return f"Escalating to {where} now" + (f", attempt {effort.attempts + 1}" if effort.attempts else "")
    if effort.doubt_until:
        until = date(effort.doubt_until)
        return (
            f"{where} may have taken an attempt that failed here: {_error(incident)}; looking until {until}"
        )
    return _waiting(incident) if incident.awaits_escalation and not incident.is_put_off else ""


def _waiting(incident: Incident) -> str:
    effort, where, deadline = incident.escalation, _where(incident), incident.deadline
    if effort.attempts and effort.retry_at:  # else it was put off since
        return (
            f"{where} attempt {effort.attempts} failed: {_error(incident)}; next try {date(effort.retry_at)}"
        )
    if incident.haste:
        return f"Escalates to {where} at once: {_person(incident.haste.by)} asked for it, {date(incident.haste.at)}"
    if deadline is None or deadline <= incident.opened_at:
        return f"Escalates to {where} at once"
    return f"Escalates to {where} {date(deadline)} unless acknowledged"


def _error(incident: Incident) -> str:
    return cut(escape(one_line(shortened(incident.escalation.error, MAX_ERROR))), MAX_ERROR) or "no answer"


def _who(incident: Incident) -> str:
    return _person(incident.acknowledgement.by if incident.acknowledgement else "")


def _person(name: str) -> str:
    return escape(shortened(one_line(name), MAX_NAME)) or "somebody"


def _number(incident: Incident) -> str:
    return one_line(shortened(incident.record.number, MAX_NAME)) if incident.record else ""


def _where(incident: Incident) -> str:
    name = incident.record.instance if incident.record else incident.call.instance
    return f"ServiceNow ({escape(shortened(one_line(name), MAX_NAME))})" if name else "ServiceNow"

"""What on-call is about to do, or tries to: a line for each step that is under way or failed, and one for all that is still to come."""

from datetime import datetime

from services.notifier.mrkdwn import Mrkdwn, cut, date, escape
from shared.incident import Incident
from shared.notification import WEBHOOK
from shared.outlook import Coming, coming, target_name
from shared.plain_text import one_line, shortened

MAX_NAME = 80
MAX_ERROR = 300


def on_call_lines(incident: Incident) -> list[str]:
    """Mrkdwn, perhaps empty ones."""
    troubles = {step: _trouble(incident, step) for step in incident.steps}
    planned = [one for one in coming(incident) if not (troubles[one.step] or _is_hasty(incident, one.step))]
    if incident.is_put_off:  # which says itself when it escalates
        planned = [one for one in planned if one.step]
    hasty = "" if troubles[0] else _hasty(incident)
    return [*troubles.values(), hasty, _plan(planned)]


def _trouble(incident: Incident, step: int) -> str:
    """Somebody is at it now, or an attempt failed."""
    effort, target = incident.effort(step), where(*incident.target_of(step))
    if incident.record_of(step):
        return ""
    if effort.may_act and not incident.closure:
        return f"Escalating to {target} now" + (f", attempt {effort.attempts + 1}" if effort.attempts else "")
    if effort.doubt_until:
        told = f"{target} may have taken an attempt that failed here: {_error(effort.error)}"
        return _sentence("; ".join([told, *_finding_out(incident, step, effort.doubt_until)]))
    if effort.attempts and effort.retry_at and incident.awaits(step):  # else it was put off since
        error, again = _error(effort.error), date(effort.retry_at)
        return _sentence(f"{target} attempt {effort.attempts} failed: {error}; next try {again}")
    return ""


def _finding_out(incident: Incident, step: int, until: datetime) -> list[str]:
    """The webhook cannot be asked what it knows: it is called again, unless nobody need be called any more."""
    if incident.target_of(step)[0] != WEBHOOK:
        return [f"looking until {date(until)}"]
    again = incident.step_due(step) if incident.awaits(step) else None
    return [f"next try {date(again)}"] if again else []


def _is_hasty(incident: Incident, step: int) -> bool:
    deadline = incident.deadline
    return not step and (incident.haste is not None or deadline is None or deadline <= incident.opened_at)


def _hasty(incident: Incident) -> str:
    if not (incident.awaits_escalation and _is_hasty(incident, 0)) or incident.is_put_off:
        return ""
    at_once = f"Escalates to {where(*incident.target_of(0))} at once"
    if incident.haste is None:
        return at_once
    by = escape(shortened(one_line(incident.haste.by), MAX_NAME)) or "somebody"
    return f"{at_once}: {by} asked for it, {date(incident.haste.at)}"


def _plan(planned: list[Coming]) -> str:
    """As in "Calls people again 14:32, then escalates to ServiceNow 14:37, then to the webhook 14:45 unless acknowledged". Whom it
    calls is not said: a mention would call them now."""
    before = [None, *planned]
    steps = ", then ".join(
        f"{_what(one, last)} {date(one.at)}" for last, one in zip(before, planned, strict=False)
    )
    return f"{_sentence(steps)} unless acknowledged" if steps else ""


def _what(one: Coming, last: Coming | None) -> str:
    if one.calls_people:
        return "calls people again"
    goes_on = last is not None and not last.calls_people
    return f"{'to' if goes_on else 'escalates to'} {where(one.target, one.instance)}"


def where(target: str, instance: str | None) -> Mrkdwn:
    """As in "ServiceNow (infra)", escaped."""
    return escape(target_name(target, shortened(one_line(instance), MAX_NAME) if instance else None))


def _error(error: str) -> str:
    return cut(escape(one_line(shortened(error, MAX_ERROR))), MAX_ERROR) or "no answer"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]

"""What the thread of an incident's message is told, as one short reply for all that is new. Pure."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from services.notifier.mrkdwn import Mrkdwn, cut, date, escape, link, mention
from services.notifier.outlook import where
from shared.incident import Incident, Note, NoteKind
from shared.notification import SERVICENOW, WEBHOOK
from shared.plain_text import one_line, shortened
from shared.wording import span

MAX_REPLY = 3500
MAX_NAME = 80
MAX_TEXT = 300
MAX_WARNING = 600


def reply(incident: Incident) -> dict[str, Any]:
    """Arguments of chat.postMessage, without channel and thread. Tells all notes of `incident`, of which there is at least one."""
    calls_first = sorted(
        incident.notes, key=lambda note: note.kind is not NoteKind.CALLED_AGAIN
    )  # none is cut off
    lines = [_line(incident, note) for note in calls_first]
    payload = {"notes_of": incident.id, "upto": incident.notes[-1].seq}
    return {
        "text": cut("\n".join(lines), MAX_REPLY),
        "metadata": {"event_type": "ackstream_notes", "event_payload": payload},
    }


def _line(incident: Incident, note: Note) -> str:
    if note.kind is NoteKind.CALLED_AGAIN and (incident.acknowledgement or incident.closure):
        return f"📣 Nobody had acknowledged it, {date(note.at)}; meanwhile nobody need be called"
    return _LINES[note.kind](note)


def _alerts(note: Note) -> str:
    """As in `🔥 2 more alerts: A, B; 1 resolved: C. 3 are firing now`."""
    joined, left = (note.data.get(f"{name}_count", 0) for name in ("joined", "left"))
    told = [f"{joined} more alert{'s' * (joined != 1)}{_names(note, 'joined')}"] if joined else []
    if left:
        told.append(
            f"{left} {'' if joined else 'alert' + 's' * (left != 1) + ' '}resolved{_names(note, 'left')}"
        )
    firing = note.data.get("firing", 0)
    return (
        f"{'🔥' if joined else '✅'} {'; '.join(told)}. {firing} {'is' if firing == 1 else 'are'} firing now"
    )


def _names(note: Note, which: str) -> str:
    names = ", ".join(_text(name) for name in note.data.get(which, []))
    return f": {names}" if names else ""


def _still_firing(note: Note) -> str:
    since, firing = _moment(note, "since"), note.data.get("firing", 0)
    how_long = f" after {span(note.at - since)}" if since else ""
    return f"🔥 Still firing{how_long}" + (f": {firing} alerts" if firing > 1 else "")


def _fired_again(note: Note) -> str:
    closed_at, since = _moment(note, "closed_at"), _moment(note, "since")
    quiet = f" after {span(note.at - closed_at)} of quiet" if closed_at and closed_at < note.at else ""
    times = f": {note.data.get('count')} times since {date(since)}" if since else ""
    return f"🔁 Fired again{quiet}{times}"


def _warnings(note: Note) -> str:
    warnings = [_text(text, MAX_WARNING) for text in note.data.get("warnings", [])]
    missing = note.data.get("count", 0) - len(warnings)
    more = [Mrkdwn(f"… and {missing} more")] if missing > 0 else []
    lines = [*warnings, *more]
    return f"⚠️ {lines[0]}" if len(lines) == 1 else "\n• ".join(["⚠️ Warnings:", *lines])


def _attempt_failed(note: Note) -> str:
    retry, doubt = _moment(note, "retry_at"), _moment(note, "doubt_until")
    deed = f"reach {_target(note)}" if note.data.get("target") else "escalate"
    told = f"⚠️ Attempt {note.data.get('attempt')} to {deed} failed: {_text(note.data.get('error')) or 'no answer'}"
    if doubt:
        taken = _target(note)
        cannot_be_asked = note.data.get("target") == WEBHOOK
        then = f"next try {date(retry or doubt)}" if cannot_be_asked else f"looking until {date(doubt)}"
        return f"{told}. {taken[0].upper()}{taken[1:]} may have taken it all the same; {then}"
    if note.data.get("parked"):
        told += ". Somebody has to mend this"
    return f"{told}. Next try {date(retry)}" if retry else told


def _escalated_late(note: Note) -> str:
    late = span(timedelta(seconds=float(note.data.get("late_seconds", 0))))
    return f"⚠️ Escalated {late} late: {_record(note)}"


def _called_again(note: Note) -> str:
    """Mentions are the operator's, in Slack's markup (shared/slack_mentions.py), and are to call people."""
    calls = " ".join(map(str, note.data.get("mention", [])))
    return f"📣 {calls + ': n' if calls else 'N'}obody has acknowledged it yet{_escalates(note)}"


def _second_record(note: Note) -> str:
    return f"⚠️ There is a second record of this incident: {_record(note)}"


def _unacknowledged(note: Note) -> str:
    by, took = _name(note, "by"), _name(note, "acknowledged_by")
    whose = "" if by == took else f" of {took}"
    return f"↩️ {by} took back the acknowledgement{whose}{_escalates(note)}"


def _lapsed(note: Note) -> str:
    at = _moment(note, "acknowledged_at")
    ago = f" {span(note.at - at)} after" if at else " since"
    return f"⏰ Still firing{ago} {_acknowledger(note)} acknowledged it{_escalates(note)}"


def _acknowledger(note: Note) -> Mrkdwn:
    """As a mention, where Slack itself said who it was: who has forgotten it would not hear of a mere reply."""
    user = str(note.data.get("acknowledged_by_user", ""))
    return mention(user) or _name(note, "acknowledged_by")


def _snoozed(note: Note) -> str:
    return f"😴 {_name(note, 'by')} snoozed it{_escalates(note)}"


def _escalation_asked(note: Note) -> str:
    return f"🚨 {_name(note, 'by')} asked to escalate at once"


_LINES: dict[NoteKind, Callable[[Note], str]] = {
    NoteKind.ALERTS: _alerts,
    NoteKind.STILL_FIRING: _still_firing,
    NoteKind.FIRED_AGAIN: _fired_again,
    NoteKind.WARNINGS: _warnings,
    NoteKind.ATTEMPT_FAILED: _attempt_failed,
    NoteKind.ESCALATED_LATE: _escalated_late,
    NoteKind.SECOND_RECORD: _second_record,
    NoteKind.UNACKNOWLEDGED: _unacknowledged,
    NoteKind.LAPSED: _lapsed,
    NoteKind.SNOOZED: _snoozed,
    NoteKind.ESCALATION_ASKED: _escalation_asked,
    NoteKind.CALLED_AGAIN: _called_again,
}


def _escalates(note: Note) -> str:
    deadline = _moment(note, "deadline")
    return f". Escalates {date(deadline)} unless acknowledged" if deadline else ""


def _record(note: Note) -> Mrkdwn:
    number = shortened(str(note.data.get("number", "")), MAX_NAME)
    return link(note.data.get("url", ""), number) or _target(note)


def _target(note: Note) -> Mrkdwn:
    return where(str(note.data.get("target") or SERVICENOW), None)


def _name(note: Note, field: str) -> Mrkdwn:
    return escape(shortened(one_line(note.data.get(field, "")), MAX_NAME)) or Mrkdwn("somebody")


def _text(value: object, limit: int = MAX_TEXT) -> Mrkdwn:
    return cut(escape(one_line(shortened(value or "", limit))), limit)


def _moment(note: Note, field: str) -> datetime | None:
    text = note.data.get(field)
    return datetime.fromisoformat(text) if text else None

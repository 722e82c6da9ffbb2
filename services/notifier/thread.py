"""What the thread of an incident's message is told, as one short reply for all that is new. Pure."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from services.notifier.mrkdwn import Mrkdwn, cut, date, escape, link, one_line, shortened
from shared.incident import Incident, Note, NoteKind
from shared.wording import span

MAX_REPLY = 3500
MAX_NAME = 80
MAX_TEXT = 300


def reply(incident: Incident) -> dict[str, Any]:
    """Arguments of chat.postMessage, without channel and thread. Tells all notes of `incident`, of which there is at least one."""
    lines = [_LINES[note.kind](note) for note in incident.notes]
    payload = {"notes_of": incident.id, "upto": incident.notes[-1].seq}
    return {
        "text": cut("\n".join(lines), MAX_REPLY),
        "metadata": {"event_type": "ackstream_notes", "event_payload": payload},
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _alerts(note: Note) -> str:
    lines = [
        f"{sign} {_count(note, name)} {verb}: {_list(note.data.get(name, []), note.data.get(f'{name}_count', 0))}"
        for name, verb, sign in (("joined", "joined", "🔥"), ("left", "resolved", "✅"))
        if note.data.get(name)
    ]
    firing = note.data.get("firing", 0)
    return "\n".join([*lines, f"{firing} {'is' if firing == 1 else 'are'} firing now"])


def _count(note: Note, name: str) -> str:
    count = note.data.get(f"{name}_count", 0)
    return f"{count} alert{'s' * (count != 1)}"


def _list(names: list[str], count: int) -> str:
    more = f" … and {count - len(names)} more" if count > len(names) else ""
    return ", ".join(_text(name) or "Alert" for name in names) + more


def _still_firing(note: Note) -> str:
    since = _moment(note, "since")
    for_how_long = f" after {span(note.at - since)}" if since else ""
    return f"🔥 Still firing{for_how_long}, {date(note.at)}"


def _fired_again(note: Note) -> str:
    since = _moment(note, "since")
    return f"🔁 Fired again, {date(note.at)}: {note.data.get('count')} times" + (
        f" since {date(since)}" if since else ""
    )


def _warnings(note: Note) -> str:
    return "\n".join(f"⚠️ {_text(text)}" for text in note.data.get("warnings", []))


def _attempt_failed(note: Note) -> str:
    retry = _moment(note, "retry_at")
    told = f"⚠️ Escalation attempt {note.data.get('attempt')} failed: {_text(note.data.get('error'))}"
    if note.data.get("parked"):
        told += ". Somebody has to mend this"
    return told + (f"; next try {date(retry)}" if retry else "")


def _escalated_late(note: Note) -> str:
    late = span(timedelta(seconds=float(note.data.get("late_seconds", 0))))
    return f"⚠️ Escalated {late} late: {_record(note)}"


def _second_record(note: Note) -> str:
    return f"⚠️ There is a second record of this incident: {_record(note)}"


def _unacknowledged(note: Note) -> str:
    took = _name(note, "acknowledged_by")
    return f"↩️ {_name(note, 'by')} took back the acknowledgement of {took}{_escalates(note)}"


def _lapsed(note: Note) -> str:
    at = _moment(note, "acknowledged_at")
    ago = f" {span(note.at - at)} after" if at else " since"
    return f"⏰ Still firing{ago} {_name(note, 'acknowledged_by')} acknowledged it{_escalates(note)}"


def _snoozed(note: Note) -> str:
    return f"💤 {_name(note, 'by')} snoozed it until {_when(note)}"


def _escalation_asked(note: Note) -> str:
    return f"🚨 {_name(note, 'by')} escalates it now"


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
}


def _escalates(note: Note) -> str:
    return f". Escalates {_when(note)} unless acknowledged" if note.data.get("deadline") else ""


def _when(note: Note) -> str:
    deadline = _moment(note, "deadline")
    return date(deadline) if deadline else "later"


def _record(note: Note) -> Mrkdwn:
    return link(note.data.get("url", ""), shortened(str(note.data.get("number", "")), MAX_NAME))


def _name(note: Note, field: str) -> Mrkdwn:
    return escape(shortened(one_line(note.data.get(field, "")), MAX_NAME)) or Mrkdwn("somebody")


def _text(value: object) -> Mrkdwn:
    return cut(escape(one_line(shortened(value or "", MAX_TEXT))), MAX_TEXT)


def _moment(note: Note, field: str) -> datetime | None:
    text = note.data.get(field)
    return datetime.fromisoformat(text) if text else None

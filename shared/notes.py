"""What the thread of an incident's message is told, beside the message itself, which always shows the present. Pure.

Works on an incident before and after an event, so that a replay of the stream comes to the same notes.
"""

from datetime import datetime, timedelta
from typing import Any, Protocol

from shared.commands import EventType, Reason
from shared.incident import Acknowledgement, Incident, Note, NoteKind
from shared.notification import SERVICENOW, Alert
from shared.wording import WORTH_SAYING_LATE

REMIND_AFTER, REMIND_AT_LEAST = timedelta(minutes=30), timedelta(hours=4)
"""Alertmanager may repeat itself each minute. The thread is told that it is still firing after half an hour, then each time that
its age has doubled, and, if repeats come, every four hours."""

MAX_NOTES = 20
MAX_NAMES = 5
MAX_TEXT = 150


class Happened(Protocol):
    """An event, as it is decided or as it is read from the stream."""

    @property
    def type(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def at(self) -> datetime: ...
    @property
    def reason(self) -> str: ...
    @property
    def data(self) -> dict[str, Any]: ...


def noted(before: Incident | None, after: Incident, event: Happened) -> Incident:
    """`after`, with what its thread is to be told of `event`. Where there is no thread to be, nothing."""
    found = _notes_of(before, after, event)
    if not found or after.digest or after.heir:
        return after
    new = tuple(Note(seq=event.version, at=event.at, kind=kind, data=data) for kind, data in found.items())
    update: dict[str, Any] = {"notes": _few((*after.notes, *new))}
    if NoteKind.STILL_FIRING in found:
        update["reminded_at"] = event.at
    return after.model_copy(update=update)


def _few(notes: tuple[Note, ...]) -> tuple[Note, ...]:
    """Who was to be called again is called, however much else has happened since, as while Slack was down."""
    surplus = max(0, len(notes) - MAX_NOTES)
    dropped = sorted(notes, key=lambda one: one.kind is NoteKind.CALLED_AGAIN)[:surplus]
    return tuple(one for one in notes if one not in dropped)


def _notes_of(before: Incident | None, after: Incident, event: Happened) -> dict[NoteKind, dict[str, Any]]:
    found: dict[NoteKind, dict[str, Any]] = {}
    match event.type:
        case EventType.OPENED:
            found = _fired_again(after) | _warnings(before, after)
        case EventType.UPDATED if before:
            data = joined_and_left(before, after)
            found = (
                ({NoteKind.ALERTS: data} if data else {})
                | _warnings(before, after)
                | _reminder(before, after, event)
            )
        case EventType.ESCALATION_FAILED if before:
            found = _attempt(before, after, event)
        case EventType.ESCALATED:
            found = _record(event)
        case EventType.UNACKNOWLEDGED | EventType.LAPSED if before and before.acknowledgement:
            found = _open_again(before.acknowledgement, after, event)
        case EventType.SNOOZED:
            found = {NoteKind.SNOOZED: _kept(event, "by", "deadline")}
        case EventType.ESCALATION_ASKED:
            found = {NoteKind.ESCALATION_ASKED: _kept(event, "by")}
        case EventType.CALLED_AGAIN:
            found = {NoteKind.CALLED_AGAIN: _kept(event, "mention", "deadline")}
    return found


def _open_again(lost: Acknowledgement, after: Incident, event: Happened) -> dict[NoteKind, dict[str, Any]]:
    kind = NoteKind.LAPSED if event.type == EventType.LAPSED else NoteKind.UNACKNOWLEDGED
    data = {"acknowledged_by": lost.by, "acknowledged_at": lost.at.isoformat()}
    data |= {"acknowledged_by_user": lost.user} if lost.user else {}
    names = ("by", "deadline") if after.awaits_escalation else ("by",)
    return {kind: data | _kept(event, *names)}


def _fired_again(incident: Incident) -> dict[NoteKind, dict[str, Any]]:
    if incident.message is None:
        return {}
    data: dict[str, Any] = {"count": len(incident.openings)}
    if incident.openings:
        data["since"] = incident.openings[0].isoformat()
    if incident.predecessor:
        data["closed_at"] = incident.predecessor.closed_at.isoformat()
    return {NoteKind.FIRED_AGAIN: data}


def _warnings(before: Incident | None, after: Incident) -> dict[NoteKind, dict[str, Any]]:
    known = before.warnings if before else ()
    new = [text for text in after.warnings if text not in known]
    return {NoteKind.WARNINGS: {"warnings": new[:MAX_NAMES], "count": len(new)}} if new else {}


def joined_and_left(before: Incident, after: Incident) -> dict[str, Any]:
    """Which alerts have begun and ceased to fire; empty: none."""
    fired = {alert.key for alert in before.alerts if alert.firing}
    fires = {alert.key for alert in after.alerts if alert.firing}
    joined = [alert for alert in after.alerts if alert.key in fires - fired]
    left = [alert for alert in after.alerts if alert.key in fired - fires]
    if not joined and not left:
        return {}
    data: dict[str, Any] = {"firing": len(fires)}
    for name, alerts in (("joined", joined), ("left", left)):
        if alerts:
            data |= {name: _names(alerts), f"{name}_count": len(alerts)}
    return data


def _names(alerts: list[Alert]) -> list[str]:
    """Each once: the alerts of a group are often called the same."""
    names = list(dict.fromkeys(filter(None, map(_named, alerts))))
    return names if len(names) <= MAX_NAMES else [*names[:MAX_NAMES], "…"]


def _named(alert: Alert) -> str:
    text = " — ".join(dict.fromkeys(text for text in (alert.name, alert.summary) if text))
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _reminder(before: Incident, after: Incident, event: Happened) -> dict[NoteKind, dict[str, Any]]:
    last = before.reminded_at or before.opened_at
    pause = min(max(REMIND_AFTER, last - before.opened_at), REMIND_AT_LEAST)
    if event.reason != Reason.REPEATED or event.at - last < pause:
        return {}
    return {NoteKind.STILL_FIRING: {"firing": after.firing_count, "since": after.opened_at.isoformat()}}


def _attempt(before: Incident, after: Incident, event: Happened) -> dict[NoteKind, dict[str, Any]]:
    """The first failure, then ever rarer ones, and whatever is news: an outage must not fill the thread."""
    step = event.data.get("step", 0)
    was, now = before.effort(step), after.effort(step)
    if now.attempts <= was.attempts or event.reason == Reason.CALLED_OFF:  # a mere look
        return {}
    rare = now.attempts & (now.attempts - 1) == 0
    if not (rare or now.error != was.error or now.parked != was.parked):
        return {}
    data = _kept(event, "attempt", "error", "retry_at", "parked", "doubt_until")
    target, _ = after.target_of(step)
    data |= {} if target == SERVICENOW else {"target": target}
    return {NoteKind.ATTEMPT_FAILED: data | {"error": str(data.get("error", ""))[: 2 * MAX_TEXT]}}


def _record(event: Happened) -> dict[NoteKind, dict[str, Any]]:
    if event.reason == Reason.DUPLICATE_RECORD:
        return {NoteKind.SECOND_RECORD: _kept(event, "number", "url", "target")}
    late = float(event.data.get("late_seconds", 0))
    if late <= WORTH_SAYING_LATE.total_seconds():
        return {}
    return {NoteKind.ESCALATED_LATE: {"late_seconds": late} | _kept(event, "number", "url", "target")}


def _kept(event: Happened, *names: str) -> dict[str, Any]:
    return {name: event.data[name] for name in names if event.data.get(name) is not None}

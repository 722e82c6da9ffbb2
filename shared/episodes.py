"""Which episode a notification belongs to: opens a new one, joins the open one, closes it, or comes late. Pure."""

from datetime import datetime, timedelta

from shared.commands import Change, Event, EventType, Fire, Reason, Resolve, Step
from shared.incident import Closure, Incident, Predecessor, State
from shared.notification import Alert, Call, Notification

LATE_WINDOW = timedelta(minutes=2)
"""How long a copy of a closed episode may still be on its way: Alertmanager re-sends for about 60 s; twice that. It must not
be longer: Alertmanager itself fires an alert anew with its old startsAt after its resolve_timeout (decision 005)."""

MAX_REMEMBERED_ALERTS = 1000


def fire(incident: Incident | None, command: Fire, now: datetime) -> Step:
    notification = command.notification
    if incident is None:
        return _open(command, now, Reason.OPENED)
    if incident.closure:
        if _is_late(notification, incident.alert_keys, incident.closure.at, now):
            return Step(incident, Reason.LATE_AFTER_RESOLVE)
        return _open(command, now, Reason.REOPENED, after=incident)
    if _joins(incident, notification, now):
        return _join(incident, notification, now)
    past = incident.predecessor
    if past and _is_late(notification, past.alert_keys, past.closed_at, now):
        return Step(incident, Reason.LATE_AFTER_SUPERSEDE)
    return _supersede(incident, command, now)


def resolve(incident: Incident | None, command: Resolve, now: datetime) -> Step:
    notification = command.notification
    if incident is None:
        return _remember_resolved(command, now)
    if incident.closure:
        return Step(incident, Reason.ALREADY_RESOLVED)
    mentioned = {alert.key for alert in notification.alerts}
    if not mentioned & incident.alert_keys:
        return Step(incident, Reason.RESOLVED_OTHER_EPISODE)
    still_firing = {alert.key for alert in incident.alerts if alert.firing} - mentioned
    if (
        still_firing and not notification.facts.truncated
    ):  # a copy from before those began: the page must stand
        return _join(incident, notification, now, only_mentioned=True)
    return _close(incident, notification, now)


def _joins(incident: Incident, notification: Notification, now: datetime) -> bool:
    window = notification.join_window
    if window is not None and now - incident.opened_at > window:
        return False
    return any(alert.key in incident.alert_keys for alert in notification.alerts)


def _is_late(
    notification: Notification, past_keys: frozenset[str], closed_at: datetime, now: datetime
) -> bool:
    if now - closed_at > LATE_WINDOW:
        return False
    return all(alert.started_at is not None and alert.key in past_keys for alert in notification.alerts)


def _open(
    command: Fire,
    now: datetime,
    reason: Reason,
    after: Incident | None = None,
    deadline: datetime | None = None,
) -> Step:
    """`deadline`: one that already runs, when the episode before was still waiting for somebody."""
    notification = command.notification
    past = (
        Predecessor(alert_keys=after.alert_keys, closed_at=after.closure.at if after.closure else now)
        if after
        else None
    )
    incident = Incident(
        id=command.new_id,
        dedup_key=notification.dedup_key,
        version=1,
        opened_at=now,
        seen_at=now,
        facts=notification.facts,
        alerts=notification.alerts,
        call=notification.call,
        warnings=notification.warnings,
        deadline=_nearest(deadline, _deadline(notification.call, now)),
        predecessor=past,
    )
    return _step(incident, EventType.OPENED, reason, now, notification)


def _supersede(incident: Incident, command: Fire, now: datetime) -> Step:
    """Close the old episode and open the new one in one commit. Nobody has answered yet? Then the clock runs on: a group that
    flaps faster than its wait would otherwise never escalate."""
    running = incident.deadline if incident.awaits_escalation else None
    closed = incident.model_copy(
        update={
            "version": incident.version + 1,
            "revision": incident.revision + 1,
            "closure": Closure(at=now, state=State.SUPERSEDED),
        }
    )
    superseded = Event(
        EventType.SUPERSEDED, closed.id, closed.version, now, Reason.SUPERSEDED, {"by": command.new_id}
    )
    opened = _open(command, now, Reason.NEW_EPISODE, after=closed, deadline=running)
    return Step(opened.incident, opened.reason, (Change(closed, (superseded,)), *opened.changes))


def _join(
    incident: Incident, notification: Notification, now: datetime, *, only_mentioned: bool = False
) -> Step:
    """`only_mentioned`: the notification speaks of its own alerts only; silence about the others says nothing of them."""
    keep_others = only_mentioned or notification.facts.truncated > 0
    deadline = incident.deadline
    if notification.firing and incident.state is State.OPEN:
        deadline = _nearest(deadline, _deadline(notification.call, now))
    joined = incident.model_copy(
        update={
            "facts": incident.facts if only_mentioned else notification.facts,
            "alerts": _merge(notification.alerts, incident.alerts, keep_others=keep_others),
            "warnings": tuple(dict.fromkeys(incident.warnings + notification.warnings)),
            "call": _soonest(incident.call, notification.call) if notification.firing else incident.call,
            "deadline": deadline,
        }
    )
    changed = joined != incident
    joined = joined.model_copy(
        update={
            "version": incident.version + 1,
            "revision": incident.revision + changed,
            "seen_at": now,
            "notifications": incident.notifications + 1,
        }
    )
    reason = Reason.RESOLVED_IN_PART if only_mentioned else Reason.JOINED if changed else Reason.REPEATED
    return _step(joined, EventType.UPDATED, reason, now, notification)


def _close(incident: Incident, notification: Notification, now: datetime) -> Step:
    closed = incident.model_copy(
        update={
            "version": incident.version + 1,
            "revision": incident.revision + 1,
            "seen_at": now,
            "notifications": incident.notifications + 1,
            "facts": notification.facts,
            "alerts": _merge(notification.alerts, incident.alerts, keep_others=False),
            "closure": Closure(at=now, state=State.RESOLVED),
        }
    )
    return _step(closed, EventType.RESOLVED, Reason.RESOLVED, now, notification)


def _remember_resolved(command: Resolve, now: datetime) -> Step:
    """Nothing is open, perhaps not yet: a firing copy may still be on its way, and must not page anybody."""
    notification = command.notification
    tombstone = Incident(
        id=command.new_id,
        dedup_key=notification.dedup_key,
        version=1,
        opened_at=now,
        seen_at=now,
        facts=notification.facts,
        alerts=notification.alerts,
        call=notification.call,
        closure=Closure(at=now, state=State.RESOLVED, never_fired=True),
    )
    return _step(tombstone, EventType.RESOLVED, Reason.RESOLVED_BEFORE_FIRING, now, notification)


def _step(
    incident: Incident, kind: EventType, reason: Reason, now: datetime, notification: Notification
) -> Step:
    event = Event(kind, incident.id, incident.version, now, reason, {"body": notification.body})
    return Step(incident, reason, (Change(incident, (event,), notification.body),))


def _merge(new: tuple[Alert, ...], known: tuple[Alert, ...], *, keep_others: bool) -> tuple[Alert, ...]:
    """The new alerts, then those known before, which no longer fire unless `keep_others`; bounded."""
    mentioned = {alert.key for alert in new}
    others = [alert for alert in known if alert.key not in mentioned]
    if not keep_others:
        others = [alert.model_copy(update={"firing": False}) if alert.firing else alert for alert in others]
    return new + tuple(others[: max(0, MAX_REMEMBERED_ALERTS - len(new))])


def _deadline(call: Call, now: datetime) -> datetime | None:
    return None if call.wait is None else now + call.wait


def _nearest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)


def _soonest(kept: Call, new: Call) -> Call:
    """Where to call stays as the first notification said; how soon can only come nearer."""
    waits = [call.wait for call in (kept, new) if call.wait is not None]
    return kept.model_copy(update={"wait": min(waits, default=None)})

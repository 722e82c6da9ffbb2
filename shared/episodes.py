"""Which episode a notification belongs to: opens a new one, joins the open one, closes it, or comes late. Pure."""

from datetime import datetime, timedelta
from typing import Any

from shared.commands import Change, Event, EventType, Fire, Flapping, Reason, Resolve, Step
from shared.flapping import handed_over, inherited, openings
from shared.incident import Closure, Incident, Predecessor, State
from shared.notification import Alert, Call, Notification
from shared.plan import planned

LATE_WINDOW = timedelta(minutes=1)
"""How long a copy of a closed episode may still be on its way: Alertmanager re-sends for about 60 s. It must not be longer:
Alertmanager itself fires an alert anew with its old startsAt after its resolve_timeout (decision 005)."""

SKEW = timedelta(minutes=1)
"""A start this much later is still the same firing: two Prometheus replicas notice a problem up to one evaluation interval
apart, and an Alertmanager that hears of both tells the earlier start as soon as it knows (decision 007)."""

MAX_REMEMBERED_ALERTS = 1000


def fire(incident: Incident | None, command: Fire, now: datetime, flapping: Flapping | None = None) -> Step:
    notification = command.notification
    if incident is None:
        return _open(command, now, Reason.OPENED, flapping)
    if incident.closure:
        expired = (
            incident.closure.state is State.EXPIRED
        )  # then this is the mention that nobody expected any more
        if not expired and _is_late(notification, incident.starts, incident.closure.at, now):
            return Step(incident, Reason.LATE_AFTER_RESOLVE)
        return _reopen(incident, command, now, flapping)
    if _joins(incident, notification, now):
        return _join(incident, notification, now)
    past = incident.predecessor
    if past and _is_late(notification, past.starts, past.closed_at, now):
        return Step(incident, Reason.LATE_AFTER_SUPERSEDE)
    return _supersede(incident, command, now, flapping)


def resolve(incident: Incident | None, command: Resolve, now: datetime) -> Step:
    notification = command.notification
    if incident is None:
        return _remember_resolved(command, now)
    if incident.closure:
        return Step(incident, Reason.ALREADY_RESOLVED)
    ended = tuple(alert for alert in notification.alerts if _is_present(alert, incident))
    if not ended:
        return Step(incident, Reason.RESOLVED_OTHER_EPISODE)
    still_firing = {alert.key for alert in incident.alerts if alert.firing} - {alert.key for alert in ended}
    if (
        still_firing and not notification.facts.truncated
    ):  # a copy from before those began: the page must stand
        return _join(incident, notification.model_copy(update={"alerts": ended}), now, only_mentioned=True)
    return _close(incident, notification, now)


def _joins(incident: Incident, notification: Notification, now: datetime) -> bool:
    window = notification.join_window
    if window is not None and now - incident.opened_at > window:
        return False
    # Once somebody has taken it, or it was escalated, a problem that is over must not bring a new one in behind it.
    answered = incident.state is not State.OPEN
    return any(
        _is_present(alert, incident) and not _is_newer(alert, incident) and (alert.firing or not answered)
        for alert in notification.alerts
    )


def _is_present(alert: Alert, incident: Incident) -> bool:
    """Whether `alert` is one of the incident's, and not of the episode before it. An earlier start alone does not tell: an
    Alertmanager that hears of the same firing from a second Prometheus moves the start back."""
    if alert.key not in incident.starts:
        return False
    present, past = incident.starts[alert.key], incident.predecessor
    ended = past.starts.get(alert.key) if past else None
    if alert.started_at is None or present is None or ended is None:
        return True
    return alert.started_at > ended or ended >= present


def _is_newer(alert: Alert, incident: Incident) -> bool:
    """Whether `alert`, one of the incident's, has ended and begun again since."""
    known = incident.starts[alert.key]
    return alert.started_at is not None and known is not None and alert.started_at > known + SKEW


def _is_late(
    notification: Notification, starts: dict[str, datetime | None], closed_at: datetime, now: datetime
) -> bool:
    """Whether all alerts are copies of those that began at `starts` and were over at `closed_at`."""
    if now - closed_at > LATE_WINDOW:
        return False
    return all(_not_after(alert.started_at, starts.get(alert.key)) for alert in notification.alerts)


def _not_after(start: datetime | None, known: datetime | None) -> bool:
    return start is not None and known is not None and start <= known


def _open(
    command: Fire,
    now: datetime,
    reason: Reason,
    flapping: Flapping | None,
    after: Incident | None = None,
    deadline: datetime | None = None,
) -> Step:
    """`deadline`: one that already runs, when the episode before was still waiting for somebody."""
    notification = command.notification
    times = openings(flapping, after, now)
    message = inherited(flapping, after, notification, times)
    past = (
        Predecessor(starts=after.starts, closed_at=after.closure.at if after.closure else now)
        if after
        else None
    )
    due = _nearest(deadline, _deadline(notification.call, now))
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
        deadline=due,
        message=message,
        further=planned(notification.call, due, now),
        openings=times if len(times) > 1 else (),
        predecessor=past,
    )
    return _step(incident, EventType.OPENED, reason, now, notification, after.id if after else None)


def _reopen(incident: Incident, command: Fire, now: datetime, flapping: Flapping | None) -> Step:
    opened = _open(command, now, Reason.REOPENED, flapping, after=incident)
    given = handed_over(opened.incident)
    if not given:
        return opened
    after = incident.model_copy(update={"version": incident.version + 1, **given})
    event = Event(
        EventType.HANDED_OVER, after.id, after.version, now, Reason.HANDED_OVER, {"heir": command.new_id}
    )
    return Step(opened.incident, opened.reason, (Change(after, (event,)), *opened.changes))


def _supersede(incident: Incident, command: Fire, now: datetime, flapping: Flapping | None) -> Step:
    """Close the old episode and open the new one in one commit. Nobody has answered yet? Then the clock runs on: a group that
    flaps faster than its wait would otherwise never escalate."""
    running = incident.deadline if incident.awaits_escalation else None
    opened = _open(command, now, Reason.NEW_EPISODE, flapping, after=incident, deadline=running)
    given = handed_over(opened.incident)
    closed = incident.model_copy(
        update={
            "version": incident.version + 1,
            "revision": incident.revision + 1,
            "closure": Closure(at=now, state=State.SUPERSEDED),
            **given,
        }
    )
    data = {"by": command.new_id} | ({"heir": command.new_id} if given else {})
    superseded = Event(EventType.SUPERSEDED, closed.id, closed.version, now, Reason.SUPERSEDED, data)
    return Step(opened.incident, opened.reason, (Change(closed, (superseded,)), *opened.changes))


def _join(
    incident: Incident, notification: Notification, now: datetime, *, only_mentioned: bool = False
) -> Step:
    """`only_mentioned`: the notification speaks of its own alerts only; silence about the others says nothing of them."""
    keep_others = only_mentioned or notification.facts.truncated > 0
    deadline = incident.deadline
    if notification.firing and incident.state is State.OPEN and not incident.is_snoozed(now):
        deadline = _nearest(deadline, _deadline(notification.call, now))
    call = _soonest(incident, notification.call) if notification.firing else incident.call
    joined = incident.model_copy(
        update={
            "facts": incident.facts if only_mentioned else notification.facts,
            "alerts": _merge(notification.alerts, incident.alerts, keep_others=keep_others),
            "warnings": tuple(dict.fromkeys(incident.warnings + notification.warnings)),
            "call": call,
            "deadline": deadline,
            "further": incident.further or planned(call, deadline, now),
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
    incident: Incident,
    kind: EventType,
    reason: Reason,
    now: datetime,
    notification: Notification,
    after: str | None = None,
) -> Step:
    """`after`: id of the episode before, where this opens one."""
    told = _told(incident, reason, notification) | ({"after": after} if after else {})
    event = Event(kind, incident.id, incident.version, now, reason, told)
    return Step(incident, reason, (Change(incident, (event,), notification.body),))


def _told(incident: Incident, reason: Reason, notification: Notification) -> dict[str, Any]:
    """What the event says, so that the stream alone explains what followed. A mere repeat says nothing new, and there are many."""
    if reason is Reason.REPEATED:
        return {}
    given = {"query": notification.query, "idempotency_key": notification.idempotency_key}
    given |= _flaps(incident) if reason in _OPENING else {}
    return {
        "title": incident.facts.title,
        "severity": incident.facts.severity,
        "firing": incident.firing_count,
        "deadline": incident.deadline.isoformat() if incident.deadline else None,
        "call": notification.call.model_dump(mode="json", exclude_none=True),
        "warnings": list(notification.warnings),
        "body": notification.body,
        **{name: value for name, value in given.items() if value},
    }


_OPENING = (Reason.OPENED, Reason.REOPENED, Reason.NEW_EPISODE)


def _flaps(incident: Incident) -> dict[str, Any]:
    message = incident.message
    return {
        "openings": [at.isoformat() for at in incident.openings],
        "message": message and {"channel": message.channel, "ts": message.ts},
    }


def _merge(new: tuple[Alert, ...], known: tuple[Alert, ...], *, keep_others: bool) -> tuple[Alert, ...]:
    """The new alerts, then those known before, which no longer fire unless `keep_others`; bounded."""
    before = {alert.key: alert for alert in known}
    merged = tuple(_latest(alert, before.pop(alert.key, alert)) for alert in new)
    others = list(before.values())
    if not keep_others:
        others = [alert.model_copy(update={"firing": False}) if alert.firing else alert for alert in others]
    return merged + tuple(others[: max(0, MAX_REMEMBERED_ALERTS - len(new))])


def _latest(alert: Alert, known: Alert) -> Alert:
    """`alert` with the later start of both: a copy with the earlier one, sent by another Alertmanager, may still come."""
    if _not_after(alert.started_at, known.started_at):
        return alert.model_copy(update={"started_at": known.started_at})
    return alert


def _deadline(call: Call, now: datetime) -> datetime | None:
    return None if call.wait is None else now + call.wait


def _nearest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)


def _soonest(incident: Incident, new: Call) -> Call:
    """Whom to call stays as it was when on-call began, be it that of the episode before; how soon can only come nearer."""
    kept = incident.call
    waits = [call.wait for call in (kept, new) if call.wait is not None]
    begins = incident.deadline is None and new.wait is not None
    whom = {"target": new.target, "instance": new.instance, "steps": new.steps} if begins else {}
    return kept.model_copy(update={"wait": min(waits, default=None), **whom})

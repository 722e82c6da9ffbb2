"""`advance`: the one place where an incident changes. Pure: no I/O, no clock, no configuration.

Notifications are decided in `shared.episodes`; acknowledging, escalating and delivering here.
"""

from datetime import datetime
from typing import Any, assert_never

from shared import episodes
from shared.commands import (
    Acknowledge,
    BeginDelivery,
    Change,
    Claim,
    Command,
    Delivered,
    DeliveryFailed,
    EscalationFailed,
    Event,
    EventType,
    Expire,
    Fire,
    MessageGone,
    Reason,
    RecordWritten,
    Repost,
    Resolve,
    Retry,
    Stage,
    Step,
)
from shared.incident import NOT_TRUSTED, Acknowledgement, Closure, Effort, Incident, Lease, Message, State


def advance(  # noqa: C901, PLR0911, PLR0912  one line per command
    incident: Incident | None, command: Command, now: datetime
) -> Step:
    """Decide what `command` makes of `incident` at `now`. Every outcome, also "nothing to do", has a named reason."""
    match command:
        case Fire():
            return episodes.fire(incident, command, now)
        case Resolve():
            return episodes.resolve(incident, command, now)
    if incident is None:
        return Step(None, Reason.UNKNOWN_INCIDENT)
    match command:
        case Expire():
            return _expire(incident, command, now)
        case Acknowledge():
            return _acknowledge(incident, command, now)
        case Claim():
            return _claim(incident, command, now)
        case RecordWritten():
            return _record_written(incident, command, now)
        case EscalationFailed():
            return _escalation_failed(incident, command, now)
        case BeginDelivery():
            return _begin_delivery(incident, command, now)
        case Delivered():
            return _delivered(incident, command, now)
        case DeliveryFailed():
            return _delivery_failed(incident, command, now)
        case Retry():
            return _retry(incident, command, now)
        case Repost():
            return _repost(incident, command, now)
        case MessageGone():
            return _message_gone(incident, command, now)
        case _:
            assert_never(command)


def _changed(
    incident: Incident,
    now: datetime,
    reason: Reason,
    event: EventType | None = None,
    data: dict[str, Any] | None = None,
    *,
    visible: bool = False,
    **update: Any,
) -> Step:
    """The step that sets `update`. `visible`: people must see it. No event: nobody else needs to hear of it."""
    update |= {"version": incident.version + 1, "revision": incident.revision + visible}
    changed = incident.model_copy(update=update)
    events = (Event(event, changed.id, changed.version, now, reason, data or {}),) if event else ()
    return Step(changed, reason, (Change(changed, events),))


def _failure(effort: Effort) -> dict[str, Any]:
    """What an event tells of an attempt that failed."""
    told = {"error": effort.error, "attempt": effort.attempts} | ({"parked": True} if effort.parked else {})
    return told | _moments(retry_at=effort.retry_at, doubt_until=effort.doubt_until)


def _moments(**moments: datetime | None) -> dict[str, str]:
    """Those that there are, as an event tells them."""
    return {name: moment.isoformat() for name, moment in moments.items() if moment}


def _expire(incident: Incident, command: Expire, now: datetime) -> Step:
    mentioned = incident.mentioned_at
    if mentioned is None:
        return Step(incident, Reason.ALREADY_CLOSED)
    if now - mentioned < command.after:
        return Step(incident, Reason.STILL_MENTIONED)
    if incident.escalation_due or incident.delivery_due:  # a page that is owed does not lapse
        return Step(incident, Reason.STILL_OWED)
    closure = Closure(at=now, state=State.EXPIRED)
    data = {"mentioned_at": mentioned.isoformat()}
    return _changed(incident, now, Reason.EXPIRED, EventType.EXPIRED, data, visible=True, closure=closure)


def _acknowledge(incident: Incident, command: Acknowledge, now: datetime) -> Step:
    refusals = {
        State.ACKNOWLEDGED: Reason.ALREADY_ACKNOWLEDGED,
        State.ESCALATING: Reason.ESCALATION_IN_PROGRESS,
        State.ESCALATED: Reason.ALREADY_ESCALATED,
        State.RESOLVED: Reason.ALREADY_CLOSED,
        State.SUPERSEDED: Reason.ALREADY_CLOSED,
        State.EXPIRED: Reason.ALREADY_CLOSED,
    }
    if refusal := refusals.get(incident.state):
        return Step(incident, refusal)
    acknowledgement = Acknowledgement(at=now, by=command.by, door=command.door)
    return _changed(
        incident,
        now,
        Reason.ACKNOWLEDGED,
        EventType.ACKNOWLEDGED,
        {"by": command.by, "door": command.door},
        visible=True,
        acknowledgement=acknowledgement,
    )


def _claim(incident: Incident, command: Claim, now: datetime) -> Step:
    """Once claimed, an acknowledgement can no longer slip in between our look and the record."""
    effort = incident.escalation
    due = incident.escalation_due
    if effort.held_by_another(command.token, now):
        return Step(incident, Reason.CLAIMED_BY_ANOTHER)
    if effort.held_by(command.token, now):  # the answer to this very claim was lost
        return Step(incident, Reason.CLAIMED)
    if due is None or due > now:
        return Step(incident, _why_not_due(incident))
    taken_over = effort.lease is not None
    doubt_until = effort.doubt_until
    if effort.lease:  # its holder fell silent, perhaps in the middle of the request
        silent_until = effort.lease.until + command.grace
        doubt_until = max(doubt_until, silent_until) if doubt_until else silent_until
    lease = Lease(token=command.token, at=now, until=now + command.lease)
    effort = effort.model_copy(update={"lease": lease, "retry_at": None, "doubt_until": doubt_until})
    reason = Reason.TAKEN_OVER if taken_over else Reason.CLAIMED
    data = {"token": command.token, "attempt": effort.attempts + 1}
    data |= _moments(until=lease.until, doubt_until=doubt_until)
    return _changed(
        incident, now, reason, EventType.ESCALATION_CLAIMED, data, visible=taken_over, escalation=effort
    )


def _why_not_due(incident: Incident) -> Reason:
    if incident.record:
        return Reason.ALREADY_ESCALATED
    if incident.closure:
        return Reason.ALREADY_CLOSED
    return Reason.ALREADY_ACKNOWLEDGED if incident.acknowledgement else Reason.NOT_DUE


def _record_written(incident: Incident, command: RecordWritten, now: datetime) -> Step:
    """The record exists whoever wrote it, so this counts even from a worker that has lost its lease."""
    record = command.record
    if incident.record and incident.record.sys_id == record.sys_id:
        return Step(incident, Reason.ALREADY_ESCALATED)
    if incident.record:
        second = record.model_dump(mode="json")
        return _changed(incident, now, Reason.DUPLICATE_RECORD, EventType.ESCALATED, second)
    data = record.model_dump(mode="json") | {"late_seconds": incident.lateness(record.at).total_seconds()}
    return _changed(
        incident,
        now,
        Reason.ESCALATED,
        EventType.ESCALATED,
        data,
        visible=True,
        record=record,
        escalation=Effort(attempts=incident.escalation.attempts),
    )


def _escalation_failed(incident: Incident, command: EscalationFailed, now: datetime) -> Step:
    effort = incident.escalation
    if incident.record or effort.lease is None or effort.lease.token != command.token:
        return Step(incident, Reason.LEASE_LOST)
    tried = effort.attempts + (not command.looked_only)
    settled = Effort(
        attempts=tried,
        error=command.error,
        parked=_is_parked(effort, command.looked_only, command.needs_person),
    )
    reason = Reason.CALLED_OFF
    if command.doubt is not None:
        reason = Reason.ESCALATION_IN_DOUBT
        doubt_until = now + command.doubt
        settled = settled.model_copy(update={"retry_at": now + command.retry_in, "doubt_until": doubt_until})
    elif incident.awaits_escalation:
        reason = Reason.ESCALATION_FAILED
        settled = settled.model_copy(update={"retry_at": now + command.retry_in})
    data = _failure(settled)
    visible = not command.looked_only or incident.state is State.ESCALATING  # which a message may say by now
    return _changed(
        incident, now, reason, EventType.ESCALATION_FAILED, data, visible=visible, escalation=settled
    )


def _is_parked(effort: Effort, untried: bool, needs_person: bool) -> bool:  # noqa: FBT001
    """Not to have tried says nothing new of what was in the way."""
    return needs_person or (untried and effort.parked)


def _begin_delivery(incident: Incident, command: BeginDelivery, now: datetime) -> Step:
    effort = incident.delivery
    if effort.held_by_another(command.token, now):
        return Step(incident, Reason.DELIVERY_BUSY)
    if effort.held_by(command.token, now):
        return Step(incident, Reason.DELIVERY_BEGUN)
    if incident.is_shown and effort.lease is None:
        return Step(incident, Reason.ALREADY_SHOWN)
    if effort.backing_off(now):
        return Step(incident, Reason.DELIVERY_BACKING_OFF)
    taken_over = effort.lease is not None
    lease = Lease(token=command.token, at=now, until=now + command.lease)
    doubt_until = now if taken_over else effort.doubt_until
    effort = effort.model_copy(update={"lease": lease, "retry_at": None, "doubt_until": doubt_until})
    reason = Reason.DELIVERY_TAKEN_OVER if taken_over else Reason.DELIVERY_BEGUN
    return _changed(incident, now, reason, delivery=effort)


def _delivered(incident: Incident, command: Delivered, now: datetime) -> Step:
    released = _released(incident, command.token)
    if incident.message and incident.message.ts != command.ts:
        data = {"channel": command.channel, "ts": command.ts}
        reason = Reason.DUPLICATE_MESSAGE
        return _changed(incident, now, reason, EventType.NOTIFIED, data, delivery=released)
    message = Message(channel=command.channel, ts=command.ts, shown=command.revision)
    if command.revision < incident.revision and released.lease is None:
        # Something happened meanwhile, and who heard of it left it to us: it must not hang on this process' life.
        released = released.model_copy(update={"retry_at": now})
    if incident.message == message and incident.delivery == released:
        return Step(incident, Reason.ALREADY_SHOWN)
    data = message.model_dump(mode="json") | {"edited": incident.message is not None}
    return _changed(
        incident,
        now,
        Reason.DELIVERED,
        EventType.NOTIFIED,
        data,
        message=message,
        delivery=released,
    )


def _released(incident: Incident, token: str) -> Effort:
    """The delivery as it is once `token` is done. A lease that another worker took over meanwhile stays that worker's."""
    lease = incident.delivery.lease
    return incident.delivery if lease and lease.token != token else Effort()


def _delivery_failed(incident: Incident, command: DeliveryFailed, now: datetime) -> Step:
    effort = incident.delivery
    if effort.lease is None or effort.lease.token != command.token:
        return Step(incident, Reason.LEASE_LOST)
    doubt_until = effort.doubt_until if command.put_off else None
    failed = Effort(
        attempts=effort.attempts + (not command.put_off),
        error=command.error,
        parked=_is_parked(effort, command.put_off, command.needs_person),
        retry_at=now + command.retry_in,
        doubt_until=doubt_until if command.doubt is None else now + command.doubt,
        blind_since=(effort.blind_since or now) if command.blind else None,
    )
    if command.put_off:
        return _changed(incident, now, Reason.DELIVERY_PUT_OFF, delivery=failed)
    data = _failure(failed)
    return _changed(
        incident, now, Reason.DELIVERY_FAILED, EventType.NOTIFICATION_FAILED, data, delivery=failed
    )


def _retry(incident: Incident, command: Retry, now: datetime) -> Step:
    effort = incident.delivery if command.stage is Stage.DELIVERY else incident.escalation
    if not effort.backing_off(now):
        return Step(incident, Reason.NOTHING_TO_RETRY)
    hastened = {str(command.stage): effort.model_copy(update={"retry_at": now})}
    visible = command.stage is Stage.ESCALATION  # its message tells the time of the next try
    data = {"stage": command.stage}
    return _changed(
        incident, now, Reason.RETRY_ASKED, EventType.RETRY_ASKED, data, visible=visible, **hastened
    )


def _repost(incident: Incident, command: Repost, now: datetime) -> Step:
    """Asking twice is asking once: the second one finds the message there, or another one in its place."""
    message, lease = incident.message, incident.delivery.lease
    if message is None or message.ts != command.ts:
        return Step(incident, Reason.NO_SUCH_MESSAGE)
    if message.shown == NOT_TRUSTED:
        return Step(incident, Reason.REPOST_ASKED)
    if lease and lease.until > now:  # its holder is about to say what the message shows
        return Step(incident, Reason.DELIVERY_BUSY)
    return _changed(
        incident,
        now,
        Reason.REPOST_ASKED,
        EventType.REPOST_ASKED,
        {"channel": message.channel, "ts": message.ts},
        message=message.model_copy(update={"shown": NOT_TRUSTED}),
        delivery=Effort(retry_at=now),
    )


def _message_gone(incident: Incident, command: MessageGone, now: datetime) -> Step:
    """The way is free for a new one; it is due at once, whatever becomes of the worker that found this out."""
    message, lease = incident.message, incident.delivery.lease
    if message is None or message.ts != command.ts or lease is None or lease.token != command.token:
        return Step(incident, Reason.LEASE_LOST)
    data = {"channel": message.channel, "ts": message.ts}
    return _changed(
        incident,
        now,
        Reason.MESSAGE_GONE,
        EventType.MESSAGE_GONE,
        data,
        message=None,
        delivery=Effort(retry_at=now),
    )

"""The way of an incident to its Slack message: leases, what it shows, failures, and messages that are gone. Pure."""

from datetime import datetime

from shared.commands import (
    BeginDelivery,
    Delivered,
    DeliveryFailed,
    Digested,
    EventType,
    MessageGone,
    NotesTold,
    Reason,
    Repost,
    Step,
)
from shared.incident import NOT_TRUSTED, Digest, Effort, Incident, Lease, Message, Note, NoteKind
from shared.steps import changed, failure, is_parked

_NOT_IN_THE_MESSAGE = {NoteKind.WARNINGS, NoteKind.SECOND_RECORD, NoteKind.CALLED_AGAIN}
"""What the thread of a message that was just posted still has to tell; all else the message says itself."""


def begin_delivery(incident: Incident, command: BeginDelivery, now: datetime) -> Step:
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
    return changed(incident, now, reason, delivery=effort)


def delivered(incident: Incident, command: Delivered, now: datetime) -> Step:
    released = _released(incident, command.token)
    if incident.message and incident.message.ts != command.ts:
        data = {"channel": command.channel, "ts": command.ts}
        reason = Reason.DUPLICATE_MESSAGE
        return changed(incident, now, reason, EventType.NOTIFIED, data, delivery=released)
    if incident.heir:  # nobody wants it any more
        return Step(incident, Reason.ALREADY_SHOWN)
    message = Message(channel=command.channel, ts=command.ts, shown=command.revision)
    notes = notes_after_post(incident)
    if (command.revision < incident.revision or notes) and released.lease is None:
        # Something happened meanwhile, and who heard of it left it to us: it must not hang on this process' life.
        released = released.model_copy(update={"retry_at": now, "doubt_until": _reply_in_doubt(incident)})
    if incident.message == message and incident.delivery == released:
        return Step(incident, Reason.ALREADY_SHOWN)
    data = message.model_dump(mode="json") | {"edited": incident.message is not None}
    return changed(
        incident,
        now,
        Reason.DELIVERED,
        EventType.NOTIFIED,
        data,
        message=message,
        notes=notes,
        delivery=released,
    )


def _reply_in_doubt(incident: Incident) -> datetime | None:
    """Until when a reply may still arrive. To edit the message, or to fail to, tells nothing of that."""
    edited = incident.message is not None and incident.message.shown != incident.revision
    return incident.delivery.doubt_until if edited and incident.notes else None


def notes_after_post(incident: Incident) -> tuple[Note, ...]:
    """What is left to tell once its message is there. A first message says all else itself."""
    if incident.message:
        return incident.notes
    return tuple(note for note in incident.notes if note.kind in _NOT_IN_THE_MESSAGE)


def notes_told(incident: Incident, command: NotesTold, now: datetime) -> Step:
    """They are told, whoever told them, so this counts even from a worker that has lost its lease."""
    released = _released(incident, command.token)
    left = tuple(note for note in incident.notes if note.seq > command.upto)
    if left == incident.notes and released == incident.delivery:
        return Step(incident, Reason.ALREADY_NOTED)
    after = incident.model_copy(update={"notes": left})
    if not after.is_shown and released.lease is None:
        released = released.model_copy(update={"retry_at": now})
    data = {"upto": command.upto, "ts": command.ts}
    return changed(incident, now, Reason.NOTED, EventType.NOTED, data, notes=left, delivery=released)


def digested(incident: Incident, command: Digested, now: datetime) -> Step:
    """Refused where a message is there, or may be: then it tells of the incident."""
    effort = incident.delivery
    if incident.message or incident.is_shown:
        return Step(incident, Reason.ALREADY_SHOWN)
    if effort.lease and effort.lease.until > now:
        return Step(incident, Reason.DELIVERY_BUSY)
    if effort.lease or effort.doubt_until:
        return Step(incident, Reason.DELIVERY_IN_DOUBT)
    digest = Digest(channel=command.channel, storm=command.storm, overflow=command.overflow)
    data = digest.model_dump(mode="json", exclude_defaults=True)
    return changed(
        incident,
        now,
        Reason.DIGESTED,
        EventType.DIGESTED,
        data,
        digest=digest,
        notes=(),
        delivery=Effort(),
    )


def _released(incident: Incident, token: str) -> Effort:
    """The delivery as it is once `token` is done. A lease that another worker took over meanwhile stays that worker's."""
    lease = incident.delivery.lease
    return incident.delivery if lease and lease.token != token else Effort()


def delivery_failed(incident: Incident, command: DeliveryFailed, now: datetime) -> Step:
    effort = incident.delivery
    if effort.lease is None or effort.lease.token != command.token:
        return Step(incident, Reason.LEASE_LOST)
    doubt_until = effort.doubt_until if command.put_off else _reply_in_doubt(incident)
    failed = Effort(
        attempts=effort.attempts + (not command.put_off),
        error=command.error,
        parked=is_parked(effort, command.put_off, command.needs_person),
        retry_at=now + command.retry_in,
        doubt_until=doubt_until if command.doubt is None else now + command.doubt,
        blind_since=(effort.blind_since or now) if command.blind else None,
    )
    if command.put_off:
        return changed(incident, now, Reason.DELIVERY_PUT_OFF, delivery=failed)
    data = failure(failed)
    return changed(
        incident, now, Reason.DELIVERY_FAILED, EventType.NOTIFICATION_FAILED, data, delivery=failed
    )


def repost(incident: Incident, command: Repost, now: datetime) -> Step:
    """Asking twice is asking once: the second one finds the message there, or another one in its place."""
    message, lease = incident.message, incident.delivery.lease
    if message is None or message.ts != command.ts:
        return Step(incident, Reason.NO_SUCH_MESSAGE)
    if message.shown == NOT_TRUSTED:
        return Step(incident, Reason.REPOST_ASKED)
    if lease and lease.until > now:  # its holder is about to say what the message shows
        return Step(incident, Reason.DELIVERY_BUSY)
    return changed(
        incident,
        now,
        Reason.REPOST_ASKED,
        EventType.REPOST_ASKED,
        {"channel": message.channel, "ts": message.ts},
        message=message.model_copy(update={"shown": NOT_TRUSTED}),
        delivery=Effort(retry_at=now),
    )


def message_gone(incident: Incident, command: MessageGone, now: datetime) -> Step:
    """The way is free for a new one; it is due at once, whatever becomes of the worker that found this out."""
    message, lease = incident.message, incident.delivery.lease
    if message is None or message.ts != command.ts or lease is None or lease.token != command.token:
        return Step(incident, Reason.LEASE_LOST)
    data = {"channel": message.channel, "ts": message.ts}
    return changed(
        incident,
        now,
        Reason.MESSAGE_GONE,
        EventType.MESSAGE_GONE,
        data,
        message=None,
        delivery=Effort(retry_at=now),
    )

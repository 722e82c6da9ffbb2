"""What an incident was after each of its events, folded from the stream alone. Pure.

Events are facts and are taken as such. Only what a notification made of an incident is worked out again, by the code that worked
it out the first time, from the body that came; where the event says the outcome (deadline, warnings), the event's word counts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from ops.timeline import Happening
from services.ingest.documents import Document, RefusedBodyError, read_json
from services.ingest.parsing import parse_document
from shared.commands import EventType, Fire, Reason, Resolve, Stage
from shared.deeds import hastened, open_again, put_off, remembered
from shared.deliveries import notes_after_post
from shared.efforts import retried
from shared.incident import (
    NOT_TRUSTED,
    Acknowledgement,
    Closure,
    Digest,
    Effort,
    Haste,
    Incident,
    Lease,
    Message,
    Predecessor,
    Record,
    Snooze,
    State,
)
from shared.news import informed
from shared.notes import noted
from shared.notification import Call, Frozen, Notification
from shared.plan import planned
from shared.stream import UndecodableError
from shared.transitions import advance

BODY = "body"
Part = TypeVar("Part", bound=Frozen)


@dataclass(frozen=True)
class Moment:
    """An incident as one event left it. `before`: None where it begins. `body`: of the latest notification that said anything new."""

    event: Happening
    before: Incident | None
    after: Incident
    body: str


class History:
    """Takes events in the order of the stream, of any incidents."""

    def __init__(self) -> None:
        self._latest: dict[str, Incident] = {}
        self._bodies: dict[str, str] = {}
        self.incomplete: set[str] = set()
        """Incidents whose beginning is no longer in the stream: nothing is told of them, for it would be a guess."""

    def tell(self, event: Happening) -> Moment | None:
        """None for an incident that is incomplete, and for an event that was appended a second time. Raises UndecodableError."""
        last = self._latest.get(event.incident)
        if last is None and event.version > 1:
            self.incomplete.add(event.incident)
        if event.incident in self.incomplete or (last and event.version <= last.version):
            return None
        try:
            after = self._fold(last, event)
        except (KeyError, TypeError, ValueError, AttributeError, RefusedBodyError) as error:
            raise UndecodableError(f"entry {event.entry}: {type(error).__name__}: {error}") from error
        if after is None:
            return None
        self._latest[event.incident] = after
        body = self._bodies[event.incident] = event.data.get(BODY) or self._bodies.get(event.incident, "{}")
        return Moment(event, last, after, body)

    def _fold(self, before: Incident | None, event: Happening) -> Incident | None:
        fold = _FOLDS.get(event.type, _nothing)
        after = self._begun(event) if before is None else fold(before, event)
        if after is None:
            return None
        after = after.model_copy(update={"version": event.version})
        return informed(before, noted(before, after, event), event)

    def _begun(self, event: Happening) -> Incident | None:
        notification = notification_of(event)
        if event.type == EventType.RESOLVED:
            return advance(None, Resolve(notification, event.incident), event.at).incident
        opened = _as_opened(advance(None, Fire(notification, event.incident), event.at).incident, event)
        past = self._latest.get(event.data.get("after", ""))
        if opened is None or past is None:
            return opened and _planned(opened, event)
        closed_at = past.closure.at if past.closure else event.at
        predecessor = Predecessor(starts=past.starts, closed_at=closed_at)
        return _planned(opened.model_copy(update={"predecessor": predecessor}), event)


def _as_opened(incident: Incident | None, event: Happening) -> Incident | None:
    """Without the notes of this decision, which are made of the event; with the message that it took over from the episode before."""
    message, times = event.data.get("message"), event.data.get("openings", [])
    update = {
        "notes": (),
        "openings": tuple(datetime.fromisoformat(text) for text in times),
        "message": Message(**message, shown=NOT_TRUSTED) if message else None,
    }
    return incident and incident.model_copy(update=update)


def notification_of(event: Happening, call: Call | None = None) -> Notification:
    """What came in, as this version reads it; `call`: what is asked of on-call, when another configuration is to decide that.
    Raises KeyError, ValueError and the like for an event that tells of none."""
    data = event.data
    value, _ = read_json(data[BODY].encode())
    notification = parse_document(
        Document(value, data[BODY]),
        call or Call.model_validate({"wait": None, **data["call"]}),
        query=data.get("query", {}),
        idempotency_key=data.get("idempotency_key"),
    )
    return notification.model_copy(update={"warnings": tuple(data["warnings"])})


def has_notification(event: Happening) -> bool:
    """Whether the event tells what came in; a mere repeat does not."""
    return event.type in (EventType.OPENED, EventType.UPDATED, EventType.RESOLVED) and BODY in event.data


def _due(incident: Incident, event: Happening) -> Incident:
    return incident.model_copy(update={"deadline": moment_of(event.data, "deadline")})


def _planned(incident: Incident, event: Happening) -> Incident:
    """As it opens: its deadline may be that of the episode before, and may leave no time for a step before it."""
    due = _due(incident, event)
    return due.model_copy(update={"further": planned(due.call, due.deadline, event.at)})


def _updated(incident: Incident, event: Happening) -> Incident:
    if not has_notification(event):
        return incident.model_copy(update={"seen_at": event.at, "notifications": incident.notifications + 1})
    joined = _due(_advanced(incident, event), event)
    return joined.model_copy(update={"closure": None})  # by a copy of an episode before that we do not know


def _resolved(incident: Incident, event: Happening) -> Incident:
    if event.reason == Reason.RESOLVED_BY_HAND:
        closure = Closure(at=event.at, state=State.RESOLVED, by=event.data["by"])
        return _done(incident, event, closure=closure)
    closed = _due(_advanced(incident, event), event)
    return closed if closed.closure else _closed(closed, event)


def _advanced(incident: Incident, event: Happening) -> Incident:
    notification = notification_of(event)
    kind = Fire if notification.firing else Resolve
    after = advance(incident, kind(notification, event.incident), event.at).incident or incident
    kept = ("notes", "reminded_at", "record")
    known = {name: getattr(incident, name) for name in kept}
    further = tuple(
        new.model_copy(update={"record": old.record})
        for new, old in zip(after.further, incident.further, strict=False)
    )
    return after.model_copy(update={**known, "further": further or after.further})


def _closed(incident: Incident, event: Happening) -> Incident:
    closure = Closure(at=event.at, state=State(event.type))
    return _handed_over(_seen(incident, closure=closure), event)


def _handed_over(incident: Incident, event: Happening) -> Incident:
    heir = event.data.get("heir")
    return incident.model_copy(update={"message": None, "notes": (), "heir": heir}) if heir else incident


def _acknowledged(incident: Incident, event: Happening) -> Incident:
    acknowledgement = Acknowledgement(
        at=event.at,
        by=event.data["by"],
        door=event.data["door"],
        user=event.data.get("user", ""),
        lapses_at=moment_of(event.data, "lapses_at"),
    )
    return _done(incident, event, acknowledgement=acknowledgement, snooze=None, haste=None)


def _unacknowledged(incident: Incident, event: Happening) -> Incident:
    return _done(incident, event, **open_again(incident, moment_of(event.data, "deadline")))


def _snoozed(incident: Incident, event: Happening) -> Incident:
    until = moment_of(event.data, "deadline") or event.at
    snooze = Snooze(at=event.at, by=event.data["by"], until=until)
    return _done(incident, event, **put_off(incident, until, snooze))


def _escalation_asked(incident: Incident, event: Happening) -> Incident:
    haste = Haste(at=event.at, by=event.data["by"])
    return _done(incident, event, **hastened(incident, moment_of(event.data, "deadline"), haste))


def _refused(incident: Incident, event: Happening) -> Incident:
    return incident.model_copy(update={"deeds": remembered(incident, event.data.get("token", ""))})


def _done(incident: Incident, event: Happening, **update: Any) -> Incident:
    return _seen(incident, deeds=remembered(incident, event.data.get("token", "")), **update)


def _step(event: Happening) -> int:
    return int(event.data.get("step", 0))


def _claimed(incident: Incident, event: Happening) -> Incident:
    lease = Lease(token=event.data["token"], at=event.at, until=moment_of(event.data, "until") or event.at)
    update = {"lease": lease, "retry_at": None, "doubt_until": moment_of(event.data, "doubt_until")}
    effort = incident.effort(_step(event)).model_copy(update=update)
    return _seen(
        incident, event.reason == Reason.TAKEN_OVER, **incident.with_step(_step(event), effort=effort)
    )


def _escalation_failed(incident: Incident, event: Happening) -> Incident:
    tried = event.data["attempt"] > incident.effort(_step(event)).attempts  # else it was but a look
    visible = tried or incident.state is State.ESCALATING
    return _seen(incident, visible, **incident.with_step(_step(event), effort=_effort(event)))


def _escalated(incident: Incident, event: Happening) -> Incident:
    if event.reason == Reason.DUPLICATE_RECORD:
        return incident
    effort = Effort(attempts=incident.effort(_step(event)).attempts)
    record = _part(Record, event.data)
    return _seen(incident, **incident.with_step(_step(event), record=record, effort=effort))


def _called_again(incident: Incident, event: Happening) -> Incident:
    if event.reason == Reason.NO_THREAD:
        return incident.model_copy(update=incident.with_step(_step(event), skipped=True))
    return _seen(incident, **incident.with_step(_step(event), called_at=event.at))


def _record_updated(incident: Incident, event: Happening) -> Incident:
    record = incident.record_of(_step(event))
    left = tuple(one for one in record.news if one.seq > event.data["upto"]) if record else ()
    return _with_record(incident, event, news=left, update=Effort())


def _record_not_updated(incident: Incident, event: Happening) -> Incident:
    if event.reason == Reason.UPDATE_GIVEN_UP:
        return _with_record(incident, event, news=(), update=Effort())
    return _with_record(incident, event, update=_effort(event))


def _with_record(incident: Incident, event: Happening, **update: Any) -> Incident:
    record = incident.record_of(_step(event))
    changed = incident.with_step(_step(event), record=record and record.model_copy(update=update))
    return incident.model_copy(update=changed)


def _notified(incident: Incident, event: Happening) -> Incident:
    if event.reason == Reason.DUPLICATE_MESSAGE:
        return incident
    message = _part(Message, event.data)
    notes = notes_after_post(incident)
    retry_at = event.at if message.shown < incident.revision or notes else None
    update = {"message": message, "notes": notes, "delivery": Effort(retry_at=retry_at)}
    return incident.model_copy(update=update)


def _noted(incident: Incident, event: Happening) -> Incident:
    notes = tuple(note for note in incident.notes if note.seq > event.data["upto"])
    after = incident.model_copy(update={"notes": notes})
    return after.model_copy(update={"delivery": Effort(retry_at=None if after.is_shown else event.at)})


def _digested(incident: Incident, event: Happening) -> Incident:
    update = {"digest": _part(Digest, event.data), "notes": (), "delivery": Effort()}
    return incident.model_copy(update=update)


def _not_notified(incident: Incident, event: Happening) -> Incident:
    return incident.model_copy(update={"delivery": _effort(event)})


def _repost_asked(incident: Incident, event: Happening) -> Incident:
    message = incident.message and incident.message.model_copy(update={"shown": NOT_TRUSTED})
    return incident.model_copy(update={"message": message, "delivery": Effort(retry_at=event.at)})


def _message_gone(incident: Incident, event: Happening) -> Incident:
    return incident.model_copy(update={"message": None, "delivery": Effort(retry_at=event.at)})


def _retry_asked(incident: Incident, event: Happening) -> Incident:
    stage = Stage(event.data["stage"])
    return _seen(incident, stage is Stage.ESCALATION, **retried(incident, stage, event.at))


def _nothing(incident: Incident, _: Happening) -> Incident:
    """An event of a newer version: it happened, and we do not know what it means."""
    return incident


def _seen(incident: Incident, visible: bool = True, **update: Any) -> Incident:  # noqa: FBT001, FBT002  reads as a sentence
    return incident.model_copy(update={"revision": incident.revision + visible, **update})


def _effort(event: Happening) -> Effort:
    """As the event tells it; its names are the effort's, but for the attempts."""
    told = {**event.data, "attempts": event.data["attempt"]}
    return Effort.model_validate({name: told[name] for name in Effort.model_fields if name in told})


def moment_of(data: dict[str, Any], name: str) -> datetime | None:
    return datetime.fromisoformat(data[name]) if data.get(name) else None


_FOLDS: dict[str, Callable[[Incident, Happening], Incident]] = {
    EventType.UPDATED: _updated,
    EventType.RESOLVED: _resolved,
    EventType.SUPERSEDED: _closed,
    EventType.EXPIRED: _closed,
    EventType.ACKNOWLEDGED: _acknowledged,
    EventType.UNACKNOWLEDGED: _unacknowledged,
    EventType.LAPSED: _unacknowledged,
    EventType.SNOOZED: _snoozed,
    EventType.ESCALATION_ASKED: _escalation_asked,
    EventType.DEED_REFUSED: _refused,
    EventType.ESCALATION_CLAIMED: _claimed,
    EventType.ESCALATION_FAILED: _escalation_failed,
    EventType.ESCALATED: _escalated,
    EventType.CALLED_AGAIN: _called_again,
    EventType.RECORD_UPDATED: _record_updated,
    EventType.RECORD_UPDATE_FAILED: _record_not_updated,
    EventType.NOTIFIED: _notified,
    EventType.NOTIFICATION_FAILED: _not_notified,
    EventType.NOTED: _noted,
    EventType.DIGESTED: _digested,
    EventType.HANDED_OVER: _handed_over,
    EventType.RETRY_ASKED: _retry_asked,
    EventType.REPOST_ASKED: _repost_asked,
    EventType.MESSAGE_GONE: _message_gone,
}


def _part(model: type[Part], data: dict[str, Any]) -> Part:
    """What the event says of it; the event says more."""
    return model.model_validate({name: data[name] for name in model.model_fields if name in data})

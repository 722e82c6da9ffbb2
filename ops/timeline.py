"""One incident's story, folded from the event stream alone: what happened when, and why it did or did not escalate. Pure."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.commands import EventType, Reason
from shared.notification import SERVICENOW
from shared.outlook import target_name
from shared.stream import Entry, UndecodableError
from shared.wording import span


@dataclass(frozen=True)
class Happening:
    """One event. `data` as it stands in the stream."""

    entry: str
    incident: str
    at: datetime
    type: str
    reason: str
    version: int
    data: dict[str, Any]


@dataclass
class Story:
    """An incident as its events tell it, up to the last one that was read."""

    happenings: list[Happening] = field(default_factory=list)
    title: str = ""
    severity: str = ""
    state: str = ""
    deadline: datetime | None = None
    acknowledgement: Happening | None = None
    claim: Happening | None = None
    failures: list[Happening] = field(default_factory=list)
    moved: Happening | None = None
    """What a person, or an acknowledgement that lapsed, did last to the deadline, since nobody has it."""
    records: list[Happening] = field(default_factory=list)
    """Where it has been escalated to, at each step; the first was the first."""
    calls: list[Happening] = field(default_factory=list)
    """When people were called again before it was escalated."""
    closure: Happening | None = None
    message: dict[str, Any] | None = None

    @property
    def is_complete(self) -> bool:
        """From its beginning; retention may have taken that away."""
        return bool(self.happenings) and self.happenings[0].version == 1


def happening(entry: Entry) -> Happening:
    """Raises UndecodableError."""
    try:
        at = datetime.fromtimestamp(int(entry.text("at")) / 1000, UTC)
        data = json.loads(entry.text("data"))
        version, reason = int(entry.text("version")), entry.text("reason")
        return Happening(entry.id, entry.incident_id, at, entry.type, reason, version, data)
    except ValueError as error:
        raise UndecodableError(f"entry {entry.id}: {error}") from error


def fold(happenings: Iterable[Happening]) -> Story:
    story = Story()
    for one in happenings:
        story.happenings.append(one)
        _FOLDS.get(one.type, _nothing)(story, one)
    return story


def _nothing(_: Story, __: Happening) -> None:
    """Events of a newer version are shown, and change nothing that we know of."""


def _notified_of(story: Story, one: Happening) -> None:
    story.state = story.state or "open"
    if "title" in one.data:
        story.title, story.severity = one.data["title"], one.data.get("severity", "")
        deadline = one.data.get("deadline")
        story.deadline = datetime.fromisoformat(deadline) if deadline else None


def _acknowledged(story: Story, one: Happening) -> None:
    story.acknowledgement = one
    if not story.records:
        story.state, story.moved = "acknowledged", None


def _open_again(story: Story, one: Happening) -> None:
    story.acknowledgement = None
    if not story.records:
        story.state = "open"
        _moved(story, one)


def _moved(story: Story, one: Happening) -> None:
    story.moved = one
    deadline = one.data.get("deadline")
    story.deadline = datetime.fromisoformat(deadline) if deadline else story.deadline


def _claimed(story: Story, one: Happening) -> None:
    story.claim = one


def _failed(story: Story, one: Happening) -> None:
    story.claim = None
    if one.reason != Reason.CALLED_OFF:
        story.failures.append(one)


def _escalated(story: Story, one: Happening) -> None:
    story.claim = None
    if one.reason != Reason.DUPLICATE_RECORD:
        story.records.append(one)
    story.state = story.state if story.closure else "escalated"


def _closed(story: Story, one: Happening) -> None:
    _notified_of(story, one)
    story.state, story.closure = one.type, one


def _called(story: Story, one: Happening) -> None:
    if not story.records and one.reason != Reason.NO_THREAD:
        story.calls.append(one)


def _told(story: Story, one: Happening) -> None:
    story.message = one.data


_FOLDS: dict[str, Callable[[Story, Happening], None]] = {
    EventType.OPENED: _notified_of,
    EventType.UPDATED: _notified_of,
    EventType.ACKNOWLEDGED: _acknowledged,
    EventType.UNACKNOWLEDGED: _open_again,
    EventType.LAPSED: _open_again,
    EventType.SNOOZED: _moved,
    EventType.ESCALATION_ASKED: _moved,
    EventType.ESCALATION_CLAIMED: _claimed,
    EventType.ESCALATION_FAILED: _failed,
    EventType.ESCALATED: _escalated,
    EventType.CALLED_AGAIN: _called,
    EventType.RESOLVED: _closed,
    EventType.SUPERSEDED: _closed,
    EventType.EXPIRED: _closed,
    EventType.NOTIFIED: _told,
}


def why(story: Story, now: datetime) -> str:
    """In one sentence: why it did, did not, or did not yet escalate."""
    if story.records:
        return _why_escalated(story.records[0], story)
    if story.acknowledgement:
        told = f"{_who(story)} acknowledged{_before(story, story.acknowledgement.at)}{_tried(story)}"
        return f"It did not escalate: {told}{_lapse(story, now)}."
    if story.closure:
        told = f"{_ended(story.closure)}{_before(story, story.closure.at)}{_tried(story)}"
        return f"It did not escalate: {told}."
    return _why_not_yet(story, now)


def _tried(story: Story) -> str:
    tried = [(story.calls, "further call"), (story.failures, "failed attempt")]
    told = " and ".join(_many(things, name) for things, name in tried if things)
    return f", after {told}" if told else ""


def _many(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'s' * (len(things) != 1)}"


def _lapse(story: Story, now: datetime) -> str:
    """An acknowledgement that has a limit."""
    text = story.acknowledgement.data.get("lapses_at") if story.acknowledgement else None
    if not text or story.closure:
        return ""
    at = datetime.fromisoformat(text)
    return f"; still firing at {moment(at)}, it is open again" if now < at else ""


def _ended(closure: Happening) -> str:
    by_hand = closure.reason == Reason.RESOLVED_BY_HAND
    return f"{_by(closure)} resolved it" if by_hand else f"it was {closure.type}"


def _why_not_yet(story: Story, now: datetime) -> str:
    if story.deadline is None:
        return "It does not escalate: on-call is off for it."
    if story.claim:
        return f"It is being escalated: an attempt began {span(now - story.claim.at)} ago."
    moved = story.moved
    if story.failures and not (moved and moved.version > story.failures[-1].version):
        error = story.failures[-1].data.get("error", "")
        return f"It has not escalated yet: {_many(story.failures, 'attempt')} failed, the last with: {error}."
    if now < story.deadline:
        told = (
            f"It escalates in {span(story.deadline - now)}, at {moment(story.deadline)}, unless acknowledged"
        )
        return f"{told}: {_moving(moved)}." if moved else f"{told}."
    return f"It should have escalated {span(now - story.deadline)} ago: is the escalator running?"


def _why_escalated(first: Happening, story: Story) -> str:
    late = float(first.data.get("late_seconds", 0))
    lateness = f", {late:.1f} s after its deadline" if late >= 0.1 else ", at its deadline"  # noqa: PLR2004
    ack, tried = story.acknowledgement, _tried(story)
    named, then = f"It escalated {_as(first)}", _then(first, story)
    if ack and ack.version < first.version:
        return f"{named}{tried}: the attempt had begun before {_who(story)} acknowledged, and its answer was lost{then}."
    if story.moved:
        return f"{named}{lateness}{tried}: {_moving(story.moved)}, and nobody had acknowledged since{then}."
    return f"{named}{lateness}{tried}: nobody had acknowledged{then}."


def _then(first: Happening, story: Story) -> str:
    """What came after the first record."""
    told = [f"{_as(one)} {span(one.at - first.at)} later" for one in story.records[1:]]
    ack = story.acknowledgement
    if ack and ack.version > first.version:
        told.append(f"{_who(story)} acknowledged {span(ack.at - first.at)} later")
    return "".join(f"; {one}" for one in told)


def _as(escalated: Happening) -> str:
    number = escalated.data.get("number")
    if number:
        return f"as {number}"
    return f"to {target_name(escalated.data.get('target', SERVICENOW), escalated.data.get('instance'))}"


def _moving(one: Happening) -> str:
    """Why its deadline is what it is."""
    by = _by(one)
    return {
        EventType.SNOOZED: f"{by} had snoozed it until then",
        EventType.ESCALATION_ASKED: f"{by} had asked for it at once",
        EventType.UNACKNOWLEDGED: f"{by} had taken the acknowledgement back",
        EventType.LAPSED: f"the acknowledgement of {by} had lapsed",
    }[EventType(one.type)]


def _by(one: Happening) -> str:
    return str(one.data.get("by") or "somebody")


def _who(story: Story) -> str:
    return _by(story.acknowledgement) if story.acknowledgement else "nobody"


def _before(story: Story, at: datetime) -> str:
    if story.deadline is None:
        return ""
    return (
        f" {span(story.deadline - at)} before the deadline" if at < story.deadline else " after the deadline"
    )


def words(one: Happening) -> str:
    """An event's details for people, without what is long."""
    say = _WORDS.get(one.type)
    told = say(one.data) if say and one.data else ""
    step = one.data.get("step")
    return f"step {step}: {told}" if step and told else told


def _notification(data: dict[str, Any]) -> str:
    if "title" not in data:  # a person resolved it
        return _deed(data)
    deadline = data.get("deadline")
    due = f"deadline {moment(datetime.fromisoformat(deadline))}" if deadline else "no on-call"
    again = [f"{len(data['openings'])} times within the window"] if data.get("openings") else []
    again += ["keeps to the message of the one before"] if data.get("message") else []
    told = [str(data.get("title")), f"{data.get('firing')} firing", due, *again, *data.get("warnings", [])]
    return "; ".join(told)


def _deed(data: dict[str, Any]) -> str:
    told = f"by {data.get('by') or 'somebody'}, through {data.get('door')}"
    moments = {"deadline": data.get("deadline"), "lapses": data.get("lapses_at")}
    return "; ".join([told, *(f"{name} {_clock(text)}" for name, text in moments.items() if text)])


def _clock(text: Any) -> str:
    return moment(datetime.fromisoformat(text)) if text else "none"


def _failure(data: dict[str, Any]) -> str:
    return f"attempt {data.get('attempt')}: {data.get('error')}"


def _called_whom(data: dict[str, Any]) -> str:
    if "mention" not in data:
        return "nobody: a digest tells of it, and it has no thread"
    return " ".join(data["mention"]) or "in the thread"


def _record(data: dict[str, Any]) -> str:
    target = target_name(data.get("target", SERVICENOW), data.get("instance"))
    return ", ".join(filter(None, (data.get("number") or target, data.get("url"))))


_WORDS: dict[str, Callable[[dict[str, Any]], str]] = {
    EventType.OPENED: _notification,
    EventType.UPDATED: _notification,
    EventType.RESOLVED: _notification,
    EventType.SUPERSEDED: lambda data: (
        f"by {data.get('by')}" + (", which has its message now" if data.get("heir") else "")
    ),
    EventType.EXPIRED: lambda data: f"last mentioned {data.get('mentioned_at')}",
    EventType.ACKNOWLEDGED: _deed,
    EventType.UNACKNOWLEDGED: _deed,
    EventType.LAPSED: lambda data: (
        f"{data.get('by') or 'somebody'} had it; deadline {_clock(data.get('deadline'))}"
    ),
    EventType.SNOOZED: _deed,
    EventType.ESCALATION_ASKED: _deed,
    EventType.DEED_REFUSED: lambda data: f"{data.get('deed')}, asked by {data.get('by')}",
    EventType.NOTED: lambda data: f"in the thread, as {data.get('ts')}",
    EventType.DIGESTED: lambda data: f"in the digest of storm {data.get('storm')} in {data.get('channel')}",
    EventType.HANDED_OVER: lambda data: f"its message now tells of {data.get('heir')}",
    EventType.ESCALATION_CLAIMED: lambda data: f"attempt {data.get('attempt')}",
    EventType.ESCALATION_FAILED: _failure,
    EventType.NOTIFICATION_FAILED: _failure,
    EventType.RETRY_ASKED: lambda data: f"of the {data.get('stage')}, by hand",
    EventType.ESCALATED: _record,
    EventType.CALLED_AGAIN: _called_whom,
    EventType.RECORD_UPDATED: lambda data: (
        f"knows all up to version {data.get('upto')}"
        + (f": {data['outcome']}" if data.get("outcome") else "")
    ),
    EventType.RECORD_UPDATE_FAILED: _failure,
    EventType.REPOST_ASKED: lambda data: f"{data.get('ts')} in {data.get('channel')}",
    EventType.MESSAGE_GONE: lambda data: f"{data.get('ts')} in {data.get('channel')}",
    EventType.NOTIFIED: lambda data: (
        f"{'edited' if data.get('edited') else 'posted'} in {data.get('channel')} as {data.get('ts')}"
    ),
}


def moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

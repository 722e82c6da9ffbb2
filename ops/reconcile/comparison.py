"""Where our books and ServiceNow differ about an incident, and which of it can be mended without anybody's judgement. Pure."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from shared.identity import is_incident_id
from shared.incident import Incident, Record, State
from shared.notification import SERVICENOW

EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
"""Before any incident of ours."""


ENDED = (State.RESOLVED, State.SUPERSEDED)
"""Of what has expired nobody knows whether it is over."""


class Kind(StrEnum):
    MISSING = "missing"
    """Our books have a record, and it is not there."""
    UNKNOWN = "unknown"
    """It is there, and our books have none: an answer was lost."""
    DOUBLE = "double"
    """One more open record of the same incident."""
    CLOSED_BY_HAND = "closed_by_hand"
    """Somebody has closed the record, and the incident goes on."""
    LEFT_OPEN = "left_open"
    """The incident is over, and the record goes on."""
    ORPHAN = "orphan"
    """An open record of an incident that Redis does not know, or no more."""


class Mend(StrEnum):
    """What `--fix` does. It never closes what our books do not know, and never makes a second record."""

    BOOK = "enters it into our books"
    CLOSE = "closes it"


@dataclass(frozen=True)
class Row:
    """A record as ServiceNow shows it. `instance`: None for the default one. `is_over`: resolved, closed or cancelled; None: neither
    state nor active is shown to us."""

    instance: str | None
    sys_id: str
    number: str
    correlation_id: str
    is_over: bool | None
    title: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True)
class Difference:
    """`told`: what is wrong. `by_hand`: what a person can do, where `mend` is None. `step`: of on-call, that the record belongs to."""

    kind: Kind
    incident: str
    title: str
    instance: str | None
    number: str
    sys_id: str
    told: str
    mend: Mend | None = None
    by_hand: str = ""
    step: int = 0
    created_at: datetime | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """The same for the same difference, whenever it is looked for."""
        return (self.kind, self.incident, self.sys_id)


@dataclass(frozen=True)
class Ways:
    """What the configuration makes of an incident's steps. `place`: the name of the instance that stands for a name. `closes`: the
    instances whose records are closed with their incidents. `asked`: those that could be asked."""

    place: Callable[[str | None], str | None]
    closes: Collection[str | None]
    asked: Collection[str | None]


def places(incident: Incident, ways: Ways) -> set[str | None]:
    """Instances at which the incident can have a record."""
    return {instance for _, instance, _ in _steps(incident, ways)}


def names(incident: Incident) -> set[str]:
    """What records of it have as correlation_id: its own id, or that of the storm whose record lists it."""
    return {incident.id, *(record.parent for record in incident.records if record.parent)}


def compare(incident: Incident, rows: Sequence[Row], ways: Ways, now: datetime) -> list[Difference]:
    """`rows`: all that have one of its names, oldest first, of the instances that were asked."""
    found: list[Difference] = []
    steps = list(_steps(incident, ways))
    for place in sorted(places(incident, ways) & set(ways.asked), key=lambda name: name or ""):
        mine = [(step, record) for step, instance, record in steps if instance == place]
        there = [row for row in rows if row.instance == place and row.correlation_id in names(incident)]
        found += _of_booked(incident, mine, there, ways)
        found += _of_unbooked(incident, mine, there, now)
    return found


def strange(incident: Incident | None, row: Row, ways: Ways) -> Difference | None:
    """What is wrong with an open record that bears an incident's id; None where `compare` has seen to it. `incident`: None when
    Redis does not know it."""
    if incident is None:
        told = "Redis does not know its incident (any more)"
        by_hand = "close it, unless another installation writes here"
        return Difference(
            Kind.ORPHAN,
            row.correlation_id,
            row.title,
            row.instance,
            row.number,
            row.sys_id,
            told,
            None,
            by_hand,
        )
    if row.instance in places(incident, ways):
        return None
    told = "the incident does not go to this instance"
    return _difference(Kind.DOUBLE, incident, row, told, by_hand="close it")


def is_id_of_ours(text: str, now: datetime) -> bool:
    """Whether it can be an incident's id (or a storm's). Others write 32 hex digits, too: ours are UUIDs that begin with a time."""
    if not is_incident_id(text) or text[12] != "7" or text[16] not in "89ab":
        return False
    return EARLIEST.timestamp() <= int(text[:12], 16) / 1000 <= now.timestamp() + 86_400


def _steps(incident: Incident, ways: Ways) -> Iterator[tuple[int, str | None, Record | None]]:
    """Those that lead to ServiceNow, where to, and what there is of it in our books."""
    for step in incident.steps:
        record, (target, instance) = incident.record_of(step), incident.target_of(step)
        if record and record.target == SERVICENOW:
            if not is_homeless(record, ways):
                yield step, ways.place(record.instance), record
        elif record is None and target == SERVICENOW and incident.call.wait is not None:
            yield step, ways.place(instance), None


def is_homeless(record: Record, ways: Ways) -> bool:
    """Whether the instance that has it is not configured (any more): then nobody can be asked about it."""
    return record.target == SERVICENOW and bool(record.instance) and ways.place(record.instance) is None


Mine = Sequence[tuple[int, Record | None]]


def _of_booked(incident: Incident, mine: Mine, there: Sequence[Row], ways: Ways) -> Iterator[Difference]:
    by_id = {row.sys_id: row for row in there}
    for step, record in mine:
        row = by_id.get(record.sys_id) if record else None
        if record and row is None:
            absent = Row(ways.place(record.instance), record.sys_id, record.number, incident.id, is_over=True)
            told = "it is in our books, and not in ServiceNow"
            by_hand = "leave it, or let the user read it"
            yield _difference(Kind.MISSING, incident, absent, told, by_hand=by_hand, step=step)
        elif row and not incident.closure and row.is_over:
            told = "closed in ServiceNow, and the incident goes on"
            by_hand = "acknowledge or resolve the incident"
            yield _difference(Kind.CLOSED_BY_HAND, incident, row, told, by_hand=by_hand, step=step)
        elif record and row and incident.closure and row.is_over is False and not _is_told_yet(record):
            yield _left_open(incident, row, ways, step)


def _left_open(incident: Incident, row: Row, ways: Ways, step: int) -> Difference:
    told = f"the incident is {incident.state}, and the record is open"
    if row.instance in ways.closes and incident.state in ENDED:
        return _difference(Kind.LEFT_OPEN, incident, row, told, mend=Mend.CLOSE, step=step)
    by_hand = "close it"
    return _difference(Kind.LEFT_OPEN, incident, row, told, by_hand=by_hand, step=step)


def _is_told_yet(record: Record) -> bool:
    """The escalator is about to tell the record of the end, or it is that of a storm, where others may go on."""
    return bool(record.parent) or (bool(record.news) and not record.update.parked)


def _of_unbooked(incident: Incident, mine: Mine, there: Sequence[Row], now: datetime) -> Iterator[Difference]:
    booked = {record.sys_id for _, record in mine if record}
    others = [row for row in there if row.sys_id not in booked and row.correlation_id == incident.id]
    free = [step for step, record in mine if record is None]
    if others and free:
        first, *others = others
        lease = incident.effort(free[0]).lease
        if not (lease and lease.until > now):  # else somebody is at it, and about to tell
            told = "escalated, and not in our books"
            yield _difference(Kind.UNKNOWN, incident, first, told, mend=Mend.BOOK, step=free[0])
    for row in others:
        if not row.is_over:
            told = "one more record of the same incident"
            yield _difference(Kind.DOUBLE, incident, row, told, by_hand="close one of them")


def _difference(
    kind: Kind,
    incident: Incident,
    row: Row,
    told: str,
    *,
    mend: Mend | None = None,
    by_hand: str = "",
    step: int = 0,
) -> Difference:
    title, which = incident.facts.title, (row.instance, row.number, row.sys_id)
    return Difference(kind, incident.id, title, *which, told, mend, by_hand, step, row.created_at)

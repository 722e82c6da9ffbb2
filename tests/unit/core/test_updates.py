"""What a record is told of its incident's life: what it wants to know, once, by one worker at a time."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.commands import (
    Acknowledge,
    Claim,
    ClaimUpdate,
    Command,
    EscalationFailed,
    EventType,
    Expire,
    Reason,
    RecordUpdated,
    RecordWritten,
    ResolveByHand,
    Retry,
    Stage,
    Step,
    Unacknowledge,
    UpdateFailed,
)
from shared.efforts import GIVEN_UP_AFTER
from shared.incident import Effort, Incident, NewsKind, State, Task
from shared.news import MAX_NEWS
from shared.transitions import advance
from tests.episodes import MINUTE, NOON, alert
from tests.unit.core.lives import (
    CLAIM,
    DUE,
    GRACE,
    LEASE,
    RECORD,
    SECOND,
    after,
    answer,
    decided,
    fire,
    opened,
    resolve,
)

ALL = (NewsKind.ACKNOWLEDGED, NewsKind.UPDATED, NewsKind.CLOSED)
ACK, BACK = Acknowledge("anna", "link"), Unacknowledge("bob", "link")
LATER = DUE + 10 * MINUTE
DAY = timedelta(days=1)
TELL = ClaimUpdate("u1", LEASE, GRACE)


def escalated(*wants: NewsKind) -> Incident:
    record = RECORD.model_copy(update={"wants": wants})
    return after(opened(), (CLAIM, DUE), (RecordWritten("w1", record), DUE))


def news(incident: Incident) -> list[tuple[NewsKind, dict[str, object]]]:
    return [(one.kind, one.data) for record in incident.records for one in record.news]


def kinds(incident: Incident) -> list[NewsKind]:
    return [kind for kind, _ in news(incident)]


HAPPENINGS: dict[NewsKind, Command] = {
    NewsKind.ACKNOWLEDGED: ACK,
    NewsKind.UPDATED: fire(alert("a"), alert("b")),
    NewsKind.CLOSED: resolve(alert("a", firing=False), alert("b", firing=False)),
}


@pytest.mark.parametrize("kind", HAPPENINGS)
def test_a_record_hears_of_what_it_wants_to_hear_and_of_nothing_else(kind: NewsKind) -> None:
    everything = tuple(HAPPENINGS.values())
    wanting = after(escalated(kind), *((command, LATER) for command in everything))
    assert set(kinds(wanting)) == {kind}
    assert news(after(escalated(), *((command, LATER) for command in everything))) == []
    others = [one for one in ALL if one is not kind]
    assert kind not in kinds(after(escalated(*others), (HAPPENINGS[kind], LATER)))


def test_news_say_what_happened() -> None:
    incident = after(escalated(*ALL), (ACK, LATER), (fire(alert("a"), alert("b")), LATER), (BACK, LATER))
    assert news(incident) == [
        (NewsKind.ACKNOWLEDGED, {"by": "anna"}),
        (NewsKind.UPDATED, {"firing": 2, "joined": ["b"], "joined_count": 1}),
        (NewsKind.UNACKNOWLEDGED, {"by": "bob"}),
    ]


def test_alerts_that_come_and_go_push_out_nothing_that_matters_more() -> None:
    """As while ServiceNow is down: who has acknowledged is told all the same."""
    incident, coming = after(escalated(*ALL), (ACK, LATER)), fire(alert("a"), alert("b"))
    for _ in range(MAX_NEWS):
        incident = after(incident, (coming, LATER), (fire(alert("a")), LATER))
    assert len(news(incident)) == MAX_NEWS
    assert kinds(incident)[0] is NewsKind.ACKNOWLEDGED
    assert kinds(after(incident, (resolve(alert("a", firing=False)), LATER)))[-1] is NewsKind.CLOSED


def test_a_mere_repeat_is_no_news() -> None:
    assert news(after(escalated(*ALL), (fire(), LATER))) == []


@pytest.mark.parametrize(
    ("end", "state", "by"),
    [
        (resolve(), State.RESOLVED, None),
        (ResolveByHand("kim", "link"), State.RESOLVED, "kim"),
        (Expire(MINUTE), State.EXPIRED, None),
    ],
)
def test_every_end_is_news(end: Command, state: State, by: str | None) -> None:
    ((kind, data),) = news(after(escalated(NewsKind.CLOSED), (end, LATER)))
    assert kind is NewsKind.CLOSED
    assert data == {"state": str(state)} | ({"by": by} if by else {})


def test_what_came_while_nobody_knew_of_the_record_is_told_once_it_is_found() -> None:
    lost = EscalationFailed("w1", "answer lost", SECOND, doubt=GRACE)
    incident = after(opened(), (CLAIM, DUE), (lost, DUE + SECOND), (ACK, DUE + MINUTE), (resolve(), LATER))
    record = RECORD.model_copy(update={"wants": ALL})
    found = after(incident, (RecordWritten("w1", record), LATER))
    assert kinds(found) == [NewsKind.ACKNOWLEDGED, NewsKind.CLOSED]


def due(incident: Incident) -> list[object]:
    return [(duty.task, duty.at) for duty in incident.duties if duty.task is Task.UPDATE_RECORD]


def test_news_are_due_at_once_and_told_by_one_at_a_time() -> None:
    incident = after(escalated(*ALL), (ACK, LATER))
    assert due(incident) == [(Task.UPDATE_RECORD, LATER)]
    claimed = advance(incident, TELL, LATER)
    assert claimed.reason is Reason.UPDATE_CLAIMED
    held = decided(claimed)
    assert answer(held, TELL, LATER) is Reason.UPDATE_CLAIMED
    assert answer(held, ClaimUpdate("u2", LEASE, GRACE), LATER) is Reason.CLAIMED_BY_ANOTHER
    told = advance(held, RecordUpdated("u1", held.version - 1, "noted"), LATER)
    assert told.reason is Reason.RECORD_UPDATED
    assert [event.type for change in told.changes for event in change.events] == [EventType.RECORD_UPDATED]
    assert due(decided(told)) == []
    assert answer(decided(told), RecordUpdated("u1", held.version - 1), LATER) is Reason.ALREADY_UPDATED


def test_what_happened_while_it_was_told_stays_to_be_told() -> None:
    incident = after(escalated(*ALL), (ACK, LATER), (TELL, LATER))
    upto = incident.version - 1
    later = after(incident, (resolve(), LATER + SECOND), (RecordUpdated("u1", upto), LATER + 2 * SECOND))
    assert kinds(later) == [NewsKind.CLOSED]
    assert due(later) == [(Task.UPDATE_RECORD, LATER + SECOND)]


def test_a_worker_that_falls_silent_leaves_a_doubt() -> None:
    incident = after(escalated(*ALL), (ACK, LATER), (TELL, LATER))
    taken = advance(incident, ClaimUpdate("u2", LEASE, GRACE), LATER + LEASE)
    assert taken.reason is Reason.UPDATE_TAKEN_OVER
    (record,) = decided(taken).records
    assert record.update.doubt_until == LATER + LEASE + GRACE


def test_the_word_of_a_worker_that_lost_its_lease_counts_when_it_has_told() -> None:
    incident = after(escalated(*ALL), (ACK, LATER), (TELL, LATER))
    over = after(incident, (ClaimUpdate("u2", LEASE, GRACE), LATER + LEASE))
    told = after(over, (RecordUpdated("u1", incident.version - 1), LATER + LEASE))
    assert news(told) == []
    assert answer(over, UpdateFailed("u1", "answered 500", SECOND), LATER + LEASE) is Reason.LEASE_LOST


def failures() -> Iterable[tuple[UpdateFailed, Reason, Effort]]:
    yield (
        UpdateFailed("u1", "answered 503", SECOND),
        Reason.UPDATE_FAILED,
        Effort(attempts=1, error="answered 503", retry_at=LATER + SECOND),
    )
    yield (
        UpdateFailed("u1", "answer lost", SECOND, doubt=GRACE),
        Reason.UPDATE_IN_DOUBT,
        Effort(attempts=1, error="answer lost", retry_at=LATER + SECOND, doubt_until=LATER + GRACE),
    )
    yield (
        UpdateFailed("u1", "answered 403", MINUTE, needs_person=True),
        Reason.UPDATE_FAILED,
        Effort(attempts=1, error="answered 403", parked=True, retry_at=LATER + MINUTE),
    )


@pytest.mark.parametrize(("failure", "reason", "left"), list(failures()))
def test_a_failure_is_tried_again(failure: UpdateFailed, reason: Reason, left: Effort) -> None:
    incident = after(escalated(*ALL), (ACK, LATER), (TELL, LATER))
    step = advance(incident, failure, LATER)
    assert step.reason is reason
    (record,) = decided(step).records
    assert record.update == left
    assert answer(decided(step), TELL, LATER) is Reason.NOT_DUE
    retried = after(decided(step), (Retry(Stage.ESCALATION), LATER))
    assert due(retried) == [(Task.UPDATE_RECORD, LATER)]


def test_nothing_of_it_touches_the_escalation_or_brings_a_second_record() -> None:
    incident = after(escalated(*ALL), (ACK, LATER), (TELL, LATER), (resolve(), LATER))
    assert answer(incident, Claim("w9", LEASE, GRACE), LATER) is Reason.ALREADY_ESCALATED
    assert incident.state is State.RESOLVED


def test_what_is_to_be_told_comes_in_its_order_and_is_bounded() -> None:
    incident = escalated(*ALL)
    for number in range(30):
        both = number % 2 == 0
        command = (
            fire(alert("a"), alert("b", NOON), number=2) if both else resolve(alert("b", NOON, firing=False))
        )
        incident = after(incident, (command, LATER + number * SECOND))
    seqs = [one.seq for one in incident.records[0].news]
    assert seqs == sorted(set(seqs))
    assert len(seqs) == 20


def refused(incident: Incident, at: datetime) -> Step:
    refusal = UpdateFailed("u1", "answered 403", MINUTE, needs_person=True)
    return advance(after(incident, (TELL, at)), refusal, at)


def test_what_a_record_cannot_be_told_is_given_up_long_after_the_end() -> None:
    """Else each such incident would stay in Redis, and at its record, for ever."""
    over = after(escalated(*ALL), (resolve(), LATER))
    still = refused(over, LATER + GIVEN_UP_AFTER)
    assert (still.reason, kinds(decided(still))) == (Reason.UPDATE_FAILED, [NewsKind.CLOSED])
    done = refused(over, LATER + GIVEN_UP_AFTER + SECOND)
    assert (done.reason, kinds(decided(done))) == (Reason.UPDATE_GIVEN_UP, [])
    assert decided(done).attention_due is None


def test_nor_is_a_record_looked_for_for_ever_that_nobody_shows_us() -> None:
    unseen = EscalationFailed("w1", "answered 201 without showing it", MINUTE, doubt=400 * DAY)
    over = after(opened(), (CLAIM, DUE), (unseen, DUE), (resolve(), LATER))
    assert over.attention_due
    late = LATER + GIVEN_UP_AFTER + SECOND
    looked = after(over, (CLAIM, late), (replace(unseen, looked_only=True), late))
    assert (looked.state, looked.attention_due) == (State.RESOLVED, None)


def test_a_record_that_cannot_be_told_something_keeps_no_incident_open() -> None:
    incident = decided(refused(after(escalated(*ALL), (ACK, LATER)), LATER))
    assert answer(incident, Expire(MINUTE), LATER + 2 * MINUTE) is Reason.EXPIRED

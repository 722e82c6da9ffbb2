"""What the thread is told of each event, and what it is spared."""

from datetime import timedelta

import pytest

from shared.commands import (
    Acknowledge,
    BeginDelivery,
    Command,
    Delivered,
    DeliveryFailed,
    Digested,
    EscalateNow,
    EscalationFailed,
    Lapse,
    NotesTold,
    Reason,
    RecordWritten,
    Rules,
    SnoozeFor,
    Unacknowledge,
)
from shared.incident import Incident, NoteKind
from shared.notes import MAX_NOTES
from shared.transitions import advance
from tests.episodes import MINUTE, NOON, alert
from tests.unit.core.lives import (
    CLAIM,
    DUE,
    GRACE,
    HOUR,
    LEASE,
    RECORD,
    SECOND,
    after,
    decided,
    fire,
    noted,
    opened,
    resolve,
    shown,
)

WARNED = decided(advance(None, fire(number=1, warnings=("odd",)), NOON))


def failure(error: str = "answered 503", **more: object) -> EscalationFailed:
    return EscalationFailed("w1", error, 10 * SECOND, **more)  # type: ignore[arg-type]


def test_alerts_that_join_and_leave_are_named() -> None:
    step = advance(opened(), fire(alert("b"), alert("c"), alert(firing=False)), NOON + MINUTE)
    assert noted(step)[NoteKind.ALERTS].data == {
        "firing": 2,
        "joined": ["b", "c"],
        "joined_count": 2,
        "left": ["a"],
        "left_count": 1,
    }


def test_an_alert_that_left_and_is_back_has_joined() -> None:
    both = after(opened(), (fire(alert(), alert("b")), NOON), (fire(), NOON + SECOND))
    step = advance(both, fire(alert(), alert("b")), NOON + MINUTE)
    assert noted(step)[NoteKind.ALERTS].data["joined"] == ["b"]


def test_of_a_crowd_five_names_are_told_each_once_and_all_are_counted() -> None:
    crowd = [alert(f"n{number}") for number in range(9)]
    data = noted(advance(opened(), fire(alert(), *crowd), NOON + MINUTE))[NoteKind.ALERTS].data
    assert data["joined"] == ["n0", "n1", "n2", "n3", "n4", "…"]
    assert data["joined_count"] == 9
    same = [one.model_copy(update={"name": "Disk", "summary": "x" * 200}) for one in crowd]
    (name,) = noted(advance(opened(), fire(alert(), *same), NOON + MINUTE))[NoteKind.ALERTS].data["joined"]
    assert name == "Disk — " + "x" * 142 + "…"


def test_a_part_that_is_resolved_is_told_and_the_end_is_not() -> None:
    both = after(opened(), (fire(alert(), alert("b")), NOON))
    part = advance(both, resolve(alert(firing=False)), NOON + MINUTE)
    assert noted(part)[NoteKind.ALERTS].data == {"firing": 1, "left": ["a"], "left_count": 1}
    assert noted(advance(opened(), resolve(), NOON + MINUTE)) == {}


def test_new_warnings_are_told_and_known_ones_are_not() -> None:
    assert noted(advance(None, fire(number=1, warnings=("odd",)), NOON))[NoteKind.WARNINGS].data == {
        "warnings": ["odd"],
        "count": 1,
    }
    again = advance(WARNED, fire(warnings=("odd", "new")), NOON + MINUTE)
    assert noted(again)[NoteKind.WARNINGS].data["warnings"] == ["new"]
    assert noted(advance(None, fire(number=1), NOON)) == {}


def test_reminders_grow_rarer_however_often_the_sender_repeats_itself() -> None:
    incident, told = opened(wait=None), []
    for minute in range(1, 24 * 60):
        step = advance(incident, fire(wait=None), NOON + minute * MINUTE)
        incident = decided(step)
        if NoteKind.STILL_FIRING in noted(step):
            told.append(minute)
    assert told == [30, 60, 120, 240, 480, 720, 960, 1200]


def test_a_reminder_says_since_when_also_to_who_has_acknowledged() -> None:
    acked = after(opened(), (Acknowledge("ada", "link"), NOON))
    step = advance(acked, fire(), NOON + HOUR)
    assert noted(step)[NoteKind.STILL_FIRING].data == {"firing": 1, "since": NOON.isoformat()}
    assert decided(step).revision == acked.revision, "the message stays as it is"


def test_what_joins_is_no_reminder() -> None:
    step = advance(opened(), fire(alert(), alert("b")), NOON + HOUR)
    assert set(noted(step)) == {NoteKind.ALERTS}


# Escalation


def attempts(*failures: EscalationFailed) -> list[int]:
    """Which of them the thread is told of."""
    incident, told, now = opened(), [], DUE
    for number, one in enumerate(failures, start=1):
        now = incident.escalation_due or now
        step = advance(after(incident, (CLAIM, now)), one, now)
        incident = decided(step)
        told += [number] * (NoteKind.ATTEMPT_FAILED in noted(step))
    return told


def test_an_outage_is_told_ever_more_rarely() -> None:
    assert attempts(*[failure()] * 20) == [1, 2, 4, 8, 16]


def test_what_is_new_about_it_is_told_at_once() -> None:
    refused = failure("answered 401", needs_person=True)
    assert attempts(*[failure()] * 4, failure("answered 500"), failure("answered 500"), refused, refused) == [
        *(1, 2, 4, 5, 7, 8)
    ]


def test_a_mere_look_is_not_told() -> None:
    lost = failure("answer lost", doubt=GRACE)
    looked = failure("answer lost", doubt=GRACE, looked_only=True)
    assert attempts(lost, looked, looked) == [1]


def test_an_attempt_that_was_called_off_has_not_failed() -> None:
    lost = failure("answer lost", doubt=GRACE)
    acked = after(
        opened(), (CLAIM, DUE), (lost, DUE), (Acknowledge("ada", "link"), DUE), (CLAIM, DUE + GRACE)
    )
    step = advance(acked, failure("called off"), DUE + GRACE)
    assert (step.reason, noted(step)) == (Reason.CALLED_OFF, {})


def test_a_failed_attempt_says_what_comes_next() -> None:
    step = advance(after(opened(), (CLAIM, DUE)), failure("x" * 900, doubt=GRACE, needs_person=True), DUE)
    assert noted(step)[NoteKind.ATTEMPT_FAILED].data == {
        "attempt": 1,
        "error": "x" * 300,
        "retry_at": (DUE + 10 * SECOND).isoformat(),
        "parked": True,
        "doubt_until": (DUE + GRACE).isoformat(),
    }


@pytest.mark.parametrize(("late", "is_told"), [(30, False), (31, True)])
def test_only_a_record_that_is_late_is_told(late: int, is_told: bool) -> None:
    record = RECORD.model_copy(update={"at": DUE + late * SECOND})
    step = advance(after(opened(), (CLAIM, DUE)), RecordWritten("w1", record), DUE + late * SECOND)
    assert (NoteKind.ESCALATED_LATE in noted(step)) == is_told


def test_a_second_record_is_told_with_its_number() -> None:
    escalated = after(opened(), (CLAIM, DUE), (RecordWritten("w1", RECORD), DUE))
    second = RECORD.model_copy(update={"sys_id": "b" * 32, "number": "INC2", "url": "https://x/2"})
    step = advance(escalated, RecordWritten("w2", second), DUE)
    assert noted(step)[NoteKind.SECOND_RECORD].data == {"number": "INC2", "url": "https://x/2"}


# Deeds


LAPSING = Rules(ack_timeout=HOUR)
ACKED = after(opened(), (Acknowledge("ada", "link"), NOON + MINUTE), rules=LAPSING)


@pytest.mark.parametrize(
    ("incident", "command", "after_noon", "kind", "data"),
    [
        (
            ACKED,
            Unacknowledge("bob", "link"),
            2 * MINUTE,
            NoteKind.UNACKNOWLEDGED,
            {"by": "bob", "deadline": (NOON + 5 * MINUTE).isoformat(), "acknowledged_by": "ada"},
        ),
        (
            ACKED,
            Lapse(),
            61 * MINUTE,
            NoteKind.LAPSED,
            {"by": "ada", "deadline": (NOON + 64 * MINUTE).isoformat(), "acknowledged_by": "ada"},
        ),
        (
            opened(),
            SnoozeFor("kim", "link", span=HOUR),
            MINUTE,
            NoteKind.SNOOZED,
            {"by": "kim", "deadline": (NOON + 61 * MINUTE).isoformat()},
        ),
        (opened(), EscalateNow("kim", "link"), MINUTE, NoteKind.ESCALATION_ASKED, {"by": "kim"}),
    ],
)
def test_what_people_do_is_told_where_the_message_does_not_keep_it(
    incident: Incident, command: Command, after_noon: timedelta, kind: NoteKind, data: dict[str, object]
) -> None:
    found = noted(advance(incident, command, NOON + after_noon))
    assert set(found) == {kind}
    assert found[kind].data.items() >= data.items()
    assert found[kind].at == NOON + after_noon


@pytest.mark.parametrize("command", [Acknowledge("ada", "link"), CLAIM])
def test_what_the_message_shows_is_not_told_twice(command: Command) -> None:
    assert noted(advance(opened(), command, DUE)) == {}


# What becomes of notes


def test_a_first_message_says_all_itself_but_the_warnings() -> None:
    waiting = after(
        WARNED,
        (fire(alert(), alert("b"), warnings=("odd",)), NOON),
        (SnoozeFor("kim", "link"), NOON),
        (BeginDelivery("n", LEASE), NOON),
    )
    assert len(waiting.notes) == 3
    posted = after(waiting, (Delivered("n", "C1", "1.0", waiting.revision), NOON))
    assert [note.kind for note in posted.notes] == [NoteKind.WARNINGS]
    assert (posted.is_shown, posted.delivery_due) == (False, NOON)


def test_an_edit_tells_nothing_of_what_the_thread_is_for() -> None:
    snoozed = after(
        shown(opened(), NOON), (SnoozeFor("kim", "link"), NOON), (BeginDelivery("n", LEASE), NOON)
    )
    edited = after(snoozed, (Delivered("n", "C1", "1.0", snoozed.revision), NOON))
    assert [note.kind for note in edited.notes] == [NoteKind.SNOOZED]


def test_what_came_while_it_was_told_is_told_next() -> None:
    there = shown(opened(), NOON)
    two = after(there, (SnoozeFor("kim", "link"), NOON), (EscalateNow("kim", "link"), NOON))
    step = advance(two, NotesTold("n", two.notes[0].seq, "1.1"), NOON)
    assert step.reason is Reason.NOTED
    assert [note.kind for note in decided(step).notes] == [NoteKind.ESCALATION_ASKED]
    assert decided(step).delivery_due == NOON


def test_an_edit_tells_nothing_of_a_reply_that_is_in_doubt() -> None:
    lost = DeliveryFailed("n", "answer lost", SECOND, doubt=GRACE)
    doubting = after(
        shown(opened(), NOON),
        *((EscalateNow("kim", "link"), NOON), (BeginDelivery("n", LEASE), NOON)),
        (Delivered("n", "C1", "1.0", 2), NOON),
        *((BeginDelivery("n", LEASE), NOON), (lost, NOON)),
        *((Acknowledge("ada", "link"), NOON), (BeginDelivery("n", LEASE), NOON + SECOND)),
    )
    failed = after(doubting, (DeliveryFailed("n", "answered 503", SECOND), NOON + SECOND))
    edited = after(doubting, (Delivered("n", "C1", "1.0", doubting.revision), NOON + SECOND))
    for incident in (failed, edited):
        assert incident.delivery.doubt_until == NOON + GRACE
    told = after(edited, (NotesTold("m", edited.notes[-1].seq, "1.1"), NOON + SECOND))
    assert (told.is_shown, told.delivery.doubt_until) == (True, None)


def test_a_reply_counts_also_from_who_has_lost_the_lease_and_leaves_it_to_the_other() -> None:
    told = after(
        shown(opened(), NOON), (EscalateNow("kim", "link"), NOON), (BeginDelivery("other", LEASE), NOON)
    )
    step = advance(told, NotesTold("n", told.notes[-1].seq, "1.1"), NOON)
    assert decided(step).notes == ()
    assert decided(step).delivery.held_by("other", NOON)


def test_only_the_latest_notes_wait_while_slack_is_away() -> None:
    incident = opened()
    for number in range(MAX_NOTES + 5):
        incident = after(incident, (fire(alert(), alert(f"n{number}")), NOON + number * SECOND))
    assert len(incident.notes) == MAX_NOTES
    assert incident.notes[-1].seq == incident.version


def test_an_incident_in_a_digest_has_no_thread() -> None:
    digested = after(WARNED, (Digested("s", "C1"), NOON), (SnoozeFor("kim", "link"), NOON))
    assert digested.notes == ()
    assert digested.is_shown

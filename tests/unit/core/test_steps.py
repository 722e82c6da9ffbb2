"""Further steps of on-call: each at its time, once, whatever becomes of the others; an acknowledgement stops all that are left."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.commands import (
    Acknowledge,
    CallAgain,
    Claim,
    Command,
    Digested,
    EscalateNow,
    EscalationFailed,
    EventType,
    Fire,
    Lapse,
    Reason,
    RecordWritten,
    Retry,
    Rules,
    SnoozeFor,
    Stage,
    Unacknowledge,
)
from shared.incident import Incident, NoteKind, Record, State, Task
from shared.notes import MAX_NOTES
from shared.notification import SERVICENOW, SLACK, WEBHOOK, PlannedStep
from shared.transitions import NO_RULES, advance
from tests.episodes import MINUTE, NOON, alert, incident_id, notification
from tests.unit.core.lives import CLAIM, DUE, GRACE, LEASE, RECORD, SECOND, after, answer, decided, fire

CALL = PlannedStep(offset=-2 * MINUTE, target=SLACK, mention=("<!subteam^S1>",))
HOOK = PlannedStep(offset=5 * MINUTE, target=WEBHOOK)
LATE_CALL = PlannedStep(offset=7 * MINUTE, target=SLACK, mention=("<@U1>",))
STEPS = (CALL, HOOK, LATE_CALL)
TAKEN = Record(sys_id="b" * 32, number="webhook", url="", instance=None, at=DUE, target=WEBHOOK)
ACK, BACK = Acknowledge("anna", "link"), Unacknowledge("bob", "link")


def opened(rules: Rules = NO_RULES, **more: Any) -> Incident:
    return decided(advance(None, fire(number=1, steps=STEPS, **more), NOON, rules))


def escalated() -> Incident:
    """The team was called, then the record written."""
    return after(opened(), (CallAgain(1), NOON + MINUTE), (CLAIM, DUE), (RecordWritten("w1", RECORD), DUE))


def claim(step: int, token: str = "w2") -> Claim:
    return Claim(token, LEASE, GRACE, step)


def left(incident: Incident) -> list[tuple[Task, int, datetime]]:
    return [(duty.task, duty.step, duty.at) for duty in incident.duties]


def test_each_step_has_its_time() -> None:
    assert left(opened()) == [
        (Task.ESCALATE, 0, DUE),
        (Task.CALL_AGAIN, 1, NOON + MINUTE),
        (Task.ESCALATE, 2, DUE + 5 * MINUTE),
        (Task.CALL_AGAIN, 3, DUE + 7 * MINUTE),
    ]
    assert opened().attention_due == NOON + MINUTE


def test_people_are_called_once_and_the_thread_says_so() -> None:
    called = advance(opened(), CallAgain(1), NOON + MINUTE)
    assert called.reason is Reason.CALLED_AGAIN
    (change,) = called.changes
    assert [event.type for event in change.events] == [EventType.CALLED_AGAIN]
    (note,) = change.incident.notes
    assert note.kind is NoteKind.CALLED_AGAIN
    assert note.data == {"mention": ["<!subteam^S1>"], "deadline": DUE.isoformat()}
    assert answer(decided(called), CallAgain(1), NOON + 2 * MINUTE) is Reason.NOT_DUE
    assert answer(opened(), CallAgain(1), NOON + MINUTE - SECOND) is Reason.NOT_DUE


def test_however_much_happens_while_slack_is_down_people_are_called_once_it_is_back() -> None:
    incident = after(opened(), (CallAgain(1), NOON + MINUTE))
    for _ in range(MAX_NOTES):
        incident = after(incident, (fire(alert(), alert("b")), DUE), (fire(alert()), DUE))
    assert len(incident.notes) == MAX_NOTES
    assert incident.notes[0].kind is NoteKind.CALLED_AGAIN


@pytest.mark.parametrize(
    "stopped", [ACK, EscalateNow("kim", "link"), SnoozeFor("kim", "link", span=MINUTE * 9)]
)
def test_nobody_is_called_before_the_escalation_once_somebody_has_moved_it(stopped: Command) -> None:
    incident = after(opened(), (stopped, NOON + SECOND))
    assert answer(incident, CallAgain(1), NOON + 30 * MINUTE) is Reason.NOT_DUE


def test_later_steps_keep_their_distance_to_a_deadline_that_moves() -> None:
    snoozed = after(opened(), (SnoozeFor("kim", "link", span=15 * MINUTE), NOON))
    assert left(snoozed) == [
        (Task.ESCALATE, 0, NOON + 15 * MINUTE),
        (Task.ESCALATE, 2, NOON + 20 * MINUTE),
        (Task.CALL_AGAIN, 3, NOON + 22 * MINUTE),
    ]


def test_a_target_that_does_not_answer_holds_up_no_later_step() -> None:
    failed = EscalationFailed("w1", "answered 503", 10 * MINUTE)
    incident = after(opened(), (CLAIM, DUE), (failed, DUE + SECOND), (claim(2), DUE + 5 * MINUTE))
    assert incident.state is State.ESCALATING
    reached = after(incident, (RecordWritten("w2", TAKEN, 2), DUE + 5 * MINUTE))
    assert reached.state is State.ESCALATED
    assert reached.record is None
    assert reached.records == (TAKEN,)
    assert (Task.ESCALATE, 0, DUE + SECOND + 10 * MINUTE) in left(reached)
    assert answer(reached, Claim("w3", LEASE, GRACE), DUE + 20 * MINUTE) is Reason.CLAIMED


def test_each_step_is_claimed_by_one_at_a_time_and_reached_once() -> None:
    incident = after(escalated(), (claim(2), DUE + 5 * MINUTE))
    assert answer(incident, claim(2, "w3"), DUE + 5 * MINUTE) is Reason.CLAIMED_BY_ANOTHER
    assert answer(incident, claim(2), DUE + 5 * MINUTE) is Reason.CLAIMED
    reached = after(incident, (RecordWritten("w2", TAKEN, 2), DUE + 5 * MINUTE))
    assert reached.record == RECORD
    assert answer(reached, claim(2, "w3"), DUE + 9 * MINUTE) is Reason.ALREADY_ESCALATED
    assert answer(reached, RecordWritten("w2", TAKEN, 2), DUE + 9 * MINUTE) is Reason.ALREADY_ESCALATED
    again = TAKEN.model_copy(update={"sys_id": "c" * 32})
    assert answer(reached, RecordWritten("w2", again, 2), DUE + 9 * MINUTE) is Reason.DUPLICATE_RECORD


def test_a_worker_that_falls_silent_leaves_its_step_in_doubt() -> None:
    incident = after(escalated(), (claim(2), DUE + 5 * MINUTE))
    over = advance(incident, claim(2, "w3"), DUE + 5 * MINUTE + LEASE)
    assert over.reason is Reason.TAKEN_OVER
    assert decided(over).further[1].effort.doubt_until == DUE + 5 * MINUTE + LEASE + GRACE
    assert decided(over).escalation.doubt_until is None


def test_an_acknowledgement_after_the_escalation_stops_what_is_left() -> None:
    taken = advance(escalated(), ACK, DUE + MINUTE)
    assert taken.reason is Reason.ACKNOWLEDGED
    incident = decided(taken)
    assert incident.state is State.ESCALATED
    assert left(incident) == []
    assert answer(incident, claim(2), DUE + 30 * MINUTE) is Reason.ALREADY_ACKNOWLEDGED
    assert answer(incident, ACK, DUE + 2 * MINUTE) is Reason.ALREADY_ACKNOWLEDGED


def test_while_a_step_is_being_taken_an_acknowledgement_comes_too_late_for_it() -> None:
    incident = after(escalated(), (claim(2), DUE + 5 * MINUTE))
    assert answer(incident, ACK, DUE + 5 * MINUTE) is Reason.ESCALATION_IN_PROGRESS
    assert answer(incident, BACK, DUE + 5 * MINUTE) is Reason.ESCALATION_IN_PROGRESS


def test_taken_back_after_the_escalation_the_next_step_comes_when_it_would_have_come() -> None:
    incident = after(escalated(), (ACK, DUE + MINUTE), (BACK, DUE + 2 * MINUTE))
    assert left(incident) == [
        (Task.ESCALATE, 2, DUE + 5 * MINUTE),
        (Task.CALL_AGAIN, 3, DUE + 7 * MINUTE),
    ]
    assert incident.lateness(RECORD.at) == timedelta(0)


def test_taken_back_before_it_everything_begins_anew() -> None:
    called = after(opened(), (CallAgain(1), NOON + MINUTE), (ACK, NOON + 2 * MINUTE))
    incident = after(called, (BACK, NOON + 10 * MINUTE))
    assert [at for _, _, at in left(incident)] == [NOON + minutes * MINUTE for minutes in (13, 11, 18, 20)]


def test_an_acknowledgement_after_the_escalation_does_not_lapse() -> None:
    rules = Rules(ack_timeout=MINUTE)
    incident = after(escalated(), (ACK, DUE + MINUTE), rules=rules)
    assert incident.lapse_due is None
    assert answer(incident, Lapse(), DUE + 10 * MINUTE, rules) is Reason.NOT_LAPSED


def test_somebody_who_mends_what_was_in_the_way_hastens_every_step() -> None:
    parked = EscalationFailed("w2", "answered 401", 10 * MINUTE, needs_person=True, step=2)
    incident = after(escalated(), (claim(2), DUE + 5 * MINUTE), (parked, DUE + 5 * MINUTE))
    assert incident.further[1].effort.parked
    retried = after(incident, (Retry(Stage.ESCALATION), DUE + 6 * MINUTE))
    assert (Task.ESCALATE, 2, DUE + 6 * MINUTE) in left(retried)
    assert answer(retried, Retry(Stage.ESCALATION), DUE + 6 * MINUTE) is Reason.NOTHING_TO_RETRY


def test_a_failed_attempt_is_told_with_its_target() -> None:
    failed = EscalationFailed("w2", "answered 503", MINUTE, step=2)
    incident = after(escalated(), (claim(2), DUE + 5 * MINUTE), (failed, DUE + 5 * MINUTE))
    assert incident.notes[-1].kind is NoteKind.ATTEMPT_FAILED
    assert incident.notes[-1].data["target"] == WEBHOOK


def test_a_notification_that_brings_the_deadline_nearer_brings_all_steps_nearer() -> None:
    incident = after(opened(wait=10 * MINUTE), (fire(alert(), wait=4 * MINUTE), NOON))
    assert [at for _, _, at in left(incident)] == [NOON + minutes * MINUTE for minutes in (4, 2, 9, 11)]


def test_an_episode_that_inherits_a_running_deadline_calls_nobody_twice() -> None:
    called = after(opened(), (CallAgain(1), NOON + MINUTE))
    anew = fire(alert("a", NOON + 2 * MINUTE), wait=3 * MINUTE, steps=STEPS)
    incident = decided(advance(called, anew, NOON + 2 * MINUTE))
    assert incident.deadline == DUE
    assert [step for _, step, _ in left(incident)] == [0, 2, 3]


def test_the_first_notification_with_on_call_says_whom_to_call() -> None:
    quiet = opened(wait=None)
    assert left(quiet) == []
    incident = decided(advance(quiet, fire(wait=MINUTE, steps=(HOOK,)), NOON))
    assert left(incident) == [(Task.ESCALATE, 0, NOON + MINUTE), (Task.ESCALATE, 1, NOON + 6 * MINUTE)]


def test_where_to_go_is_settled_when_on_call_begins_also_by_a_later_notification() -> None:
    incident = decided(advance(None, fire(number=1, wait=None), NOON))
    begun = after(incident, (fire(instance="infra", steps=(HOOK,)), NOON + MINUTE))
    assert begun.target_of(0) == (SERVICENOW, "infra")
    assert left(begun) == [(Task.ESCALATE, 0, DUE + MINUTE), (Task.ESCALATE, 1, DUE + 6 * MINUTE)]
    assert after(begun, (fire(instance=None), NOON + 2 * MINUTE)).target_of(0) == (SERVICENOW, "infra")


def test_for_an_incident_that_only_a_digest_tells_of_nobody_is_called_and_nobody_is_said_to_be() -> None:
    step = advance(after(opened(), (Digested("storm", "C1"), NOON)), CallAgain(1), NOON + MINUTE)
    assert step.reason is Reason.NO_THREAD
    skipped = decided(step)
    assert (skipped.further[0].called_at, skipped.notes) == (None, ())
    assert (Task.CALL_AGAIN, 1) not in [(task, nth) for task, nth, _ in left(skipped)]

"""What people do to an incident, beyond the table: what it moves, what holds against it, and what counts once."""

from datetime import datetime, timedelta

import pytest

from shared.commands import (
    Acknowledge,
    Command,
    Deed,
    EscalateNow,
    EscalationFailed,
    EventType,
    Lapse,
    Reason,
    RecordWritten,
    ResolveByHand,
    Rules,
    SnoozeFor,
    Unacknowledge,
)
from shared.episodes import LATE_WINDOW
from shared.incident import Incident, State
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
    answer,
    decided,
    fire,
    opened,
    resolve,
)

KIM = ("kim", "button", "U1")
ACK, UNACK, NOW, DONE = (
    Acknowledge("ada", "link"),
    Unacknowledge("bob", "link"),
    EscalateNow("kim", "link"),
    ResolveByHand("kim", "link"),
)
SNOOZE = SnoozeFor("kim", "link", span=15 * MINUTE)
FORGETFUL = Rules(ack_timeout=HOUR)
AT = NOON + MINUTE
FAILED = EscalationFailed("w1", "answered 503", 10 * SECOND)
IN_DOUBT = EscalationFailed("w1", "answer lost", 10 * SECOND, doubt=GRACE)


# Snooze


def test_a_snooze_moves_the_deadline_and_nothing_is_claimed_before() -> None:
    snoozed = after(opened(), (SNOOZE, AT))
    assert snoozed.deadline == snoozed.escalation_due == AT + 15 * MINUTE
    assert answer(snoozed, CLAIM, AT + 15 * MINUTE - SECOND) is Reason.NOT_DUE
    assert answer(snoozed, CLAIM, AT + 15 * MINUTE) is Reason.CLAIMED


@pytest.mark.parametrize("minutes", [2, 5, 14])
def test_no_notification_brings_a_snoozed_deadline_nearer(minutes: int) -> None:
    snoozed = after(opened(), (SNOOZE, AT))
    repeated = after(snoozed, (fire(wait=timedelta(0)), NOON + minutes * MINUTE))
    joined = advance(repeated, fire(alert(), alert("b"), wait=MINUTE), NOON + minutes * MINUTE)
    assert joined.reason is Reason.JOINED
    assert decided(joined).deadline == AT + 15 * MINUTE


def test_a_snooze_puts_off_what_was_tried_in_vain() -> None:
    failed = after(opened(), (CLAIM, DUE), (FAILED, DUE))
    assert after(failed, (SNOOZE, DUE + SECOND)).escalation_due == DUE + SECOND + 15 * MINUTE


def test_a_snooze_does_not_end_the_look_for_an_attempt_in_doubt() -> None:
    snoozed = after(opened(), (CLAIM, DUE), (IN_DOUBT, DUE), (SNOOZE, DUE + SECOND))
    assert snoozed.escalation_due == DUE + GRACE
    looking = after(snoozed, (CLAIM, DUE + GRACE))
    called_off = after(looking, (EscalationFailed("w1", "called off", timedelta(0)), DUE + GRACE + SECOND))
    assert called_off.escalation_due == DUE + SECOND + 15 * MINUTE


@pytest.mark.parametrize(
    ("incident", "span", "reason"),
    [
        (opened(), 2 * MINUTE, Reason.LATER_ALREADY),
        (opened(wait=None), 15 * MINUTE, Reason.NOT_ON_CALL),
        (after(opened(), (SNOOZE, AT)), 14 * MINUTE, Reason.LATER_ALREADY),
        (after(opened(), (SNOOZE, AT)), HOUR, Reason.SNOOZED),
    ],
)
def test_a_snooze_only_ever_puts_off(incident: Incident, span: timedelta, reason: Reason) -> None:
    assert answer(incident, SnoozeFor("kim", "link", span=span), AT) is reason


# Un-acknowledge


@pytest.mark.parametrize("wait", [timedelta(0), 3 * MINUTE])
def test_taking_an_acknowledgement_back_arms_the_deadline_anew(wait: timedelta) -> None:
    back = after(opened(wait), (ACK, AT), (UNACK, AT + HOUR))
    assert (back.state, back.acknowledgement) == (State.OPEN, None)
    assert back.escalation_due == AT + HOUR + wait
    assert answer(back, CLAIM, AT + HOUR + wait) is Reason.CLAIMED


def test_a_deadline_that_was_inherited_is_armed_as_long_as_it_was() -> None:
    """The episode before was called for, this one was not; nobody had answered."""
    new = decided(advance(opened(), fire(alert("b"), wait=None), NOON + MINUTE))
    assert (new.deadline, new.call.wait) == (DUE, None)
    back = after(new, (ACK, NOON + 2 * MINUTE), (UNACK, NOON + HOUR))
    assert back.deadline == NOON + HOUR + 2 * MINUTE


@pytest.mark.parametrize(("gone", "at"), [(UNACK, DUE + HOUR), (Lapse(), DUE + SECOND + HOUR)])
def test_what_was_tried_before_does_not_bring_the_new_deadline_nearer(gone: Command, at: datetime) -> None:
    tried = after(opened(), (CLAIM, DUE), (FAILED, DUE), (ACK, DUE + SECOND), rules=FORGETFUL)
    assert after(tried, (gone, at)).escalation_due == at + 3 * MINUTE
    doubting = after(opened(), (CLAIM, DUE), (IN_DOUBT, DUE), (ACK, DUE + SECOND), (UNACK, DUE + SECOND))
    assert doubting.escalation_due == DUE + GRACE


def test_without_on_call_nothing_is_armed() -> None:
    back = after(opened(wait=None), (ACK, AT), (UNACK, AT))
    assert (back.state, back.escalation_due) == (State.OPEN, None)


def test_an_acknowledgement_ends_a_snooze_for_good() -> None:
    back = after(opened(), (SNOOZE, AT), (ACK, AT), (UNACK, AT + MINUTE))
    assert back.snooze is None
    assert back.deadline == AT + 4 * MINUTE
    assert after(back, (fire(wait=SECOND), AT + 2 * MINUTE)).deadline == AT + 2 * MINUTE + SECOND


# Escalate now


def test_escalating_now_makes_it_due_and_not_late() -> None:
    asked = after(opened(), (NOW, AT))
    assert asked.escalation_due == AT
    assert asked.haste
    assert (asked.haste.by, asked.haste.at) == ("kim", AT)
    escalated = advance(
        after(asked, (CLAIM, AT)), RecordWritten("w1", RECORD.model_copy(update={"at": AT})), AT
    )
    assert escalated.changes[0].events[0].data["late_seconds"] == 0


def test_escalating_now_ends_a_snooze_and_hastens_the_next_try() -> None:
    snoozed = after(opened(), (SNOOZE, AT), (NOW, AT + MINUTE))
    assert (snoozed.snooze, snoozed.escalation_due) == (None, AT + MINUTE)
    failed = after(opened(), (CLAIM, DUE), (FAILED, DUE), (NOW, DUE + SECOND))
    assert (failed.escalation_due, failed.deadline) == (DUE + SECOND, DUE)


@pytest.mark.parametrize("then", [ACK, SNOOZE])
def test_who_acknowledges_or_snoozes_takes_the_haste_away(then: Deed) -> None:
    assert after(opened(), (NOW, AT), (then, AT)).haste is None


def test_escalating_now_shortens_no_doubt() -> None:
    doubting = after(opened(), (CLAIM, DUE), (IN_DOUBT, DUE), (NOW, DUE + SECOND))
    assert not after(doubting, (CLAIM, DUE + 2 * SECOND)).escalation.may_act


@pytest.mark.parametrize(
    ("incident", "now", "reason"),
    [
        (opened(wait=None), AT, Reason.NOT_ON_CALL),
        (opened(), DUE, Reason.ESCALATION_IN_PROGRESS),
        (after(opened(), (NOW, AT)), AT + SECOND, Reason.ESCALATION_IN_PROGRESS),
        (after(opened(), (CLAIM, DUE)), DUE + SECOND, Reason.ESCALATION_IN_PROGRESS),
    ],
)
def test_there_may_be_nothing_to_hasten(incident: Incident, now: datetime, reason: Reason) -> None:
    assert answer(incident, NOW, now) is reason


# Resolve by hand


def test_resolved_by_hand_it_escalates_no_more_and_says_who() -> None:
    done = after(opened(), (DONE, AT))
    assert done.closure
    assert (done.state, done.closure.by, done.escalation_due) == (State.RESOLVED, "kim", None)
    assert answer(done, resolve(), AT + MINUTE) is Reason.ALREADY_RESOLVED


def test_what_still_fires_after_it_was_resolved_by_hand_opens_anew_once_no_copy_can_be_late() -> None:
    done = after(opened(), (DONE, AT))
    assert answer(done, fire(), AT + LATE_WINDOW) is Reason.LATE_AFTER_RESOLVE
    anew = advance(done, fire(), AT + LATE_WINDOW + SECOND)
    assert anew.reason is Reason.REOPENED
    assert decided(anew).escalation_due == AT + LATE_WINDOW + SECOND + 3 * MINUTE


def test_resolved_by_hand_during_an_attempt_the_outcome_is_still_looked_for() -> None:
    done = after(opened(), (CLAIM, DUE), (DONE, DUE + SECOND))
    assert done.escalation_due == DUE + LEASE
    assert after(done, (RecordWritten("w1", RECORD), DUE + SECOND)).record == RECORD


# Acknowledgements that lapse


def test_an_acknowledgement_lapses_after_its_time_and_the_deadline_is_armed_again() -> None:
    acked = after(opened(), (ACK, AT), rules=FORGETFUL)
    assert acked.lapse_due == acked.attention_due == AT + HOUR
    assert answer(acked, Lapse(), AT + HOUR - SECOND) is Reason.NOT_LAPSED
    lapsed = after(acked, (Lapse(), AT + HOUR))
    assert (lapsed.state, lapsed.escalation_due) == (State.OPEN, AT + HOUR + 3 * MINUTE)
    assert answer(lapsed, CLAIM, AT + HOUR + 3 * MINUTE) is Reason.CLAIMED
    assert answer(lapsed, ACK, AT + HOUR) is Reason.ACKNOWLEDGED


@pytest.mark.parametrize(
    "incident",
    [
        after(opened(), (ACK, AT)),
        after(opened(wait=None), (ACK, AT), rules=FORGETFUL),
        after(opened(), (ACK, AT), (resolve(), AT + MINUTE), rules=FORGETFUL),
        after(opened(), (ACK, AT), (DONE, AT + MINUTE), rules=FORGETFUL),
        after(opened(), (ACK, AT), (UNACK, AT + MINUTE), rules=FORGETFUL),
        after(
            opened(),
            *((CLAIM, DUE), (IN_DOUBT, DUE), (ACK, DUE + SECOND)),
            (RecordWritten("w1", RECORD), DUE + SECOND),
            rules=FORGETFUL,
        ),
    ],
    ids=["switched off", "no on-call", "resolved", "by hand", "taken back", "escalated"],
)
def test_what_does_not_lapse(incident: Incident) -> None:
    assert incident.lapse_due is None
    assert answer(incident, Lapse(), NOON + timedelta(days=9)) is Reason.NOT_LAPSED


def test_the_acknowledgement_does_not_make_a_claim_due() -> None:
    acked = after(opened(), (ACK, AT), rules=FORGETFUL)
    assert answer(acked, CLAIM, AT + 2 * HOUR) is Reason.ALREADY_ACKNOWLEDGED


def test_a_doubt_comes_before_the_lapse() -> None:
    acked = after(opened(), (CLAIM, DUE), (IN_DOUBT, DUE), (ACK, DUE + SECOND), rules=FORGETFUL)
    assert acked.attention_due == DUE + 10 * SECOND


# Copies of a request


@pytest.mark.parametrize("deed", [Acknowledge, Unacknowledge, SnoozeFor, EscalateNow, ResolveByHand])
def test_a_copy_of_a_request_counts_once_whatever_came_between(deed: type[Deed]) -> None:
    first = deed(*KIM, token="t1")
    incident = after(opened(), (first, AT))
    assert answer(incident, first, AT) is Reason.ALREADY_DONE
    between = after(incident, (Acknowledge("ada", "link"), AT), (Unacknowledge("ada", "link"), AT))
    step = advance(between, first, AT + MINUTE)
    assert (step.reason, step.changes) == (Reason.ALREADY_DONE, ())


def test_only_the_latest_tokens_are_kept() -> None:
    incident = opened()
    for number in range(30):
        incident = after(incident, (Unacknowledge(*KIM, token=f"t{number}"), AT))
    assert incident.deeds == tuple(f"t{number}" for number in range(20, 30))


def test_a_deed_without_a_token_is_judged_by_the_state_alone() -> None:
    incident = after(opened(), (ACK, AT), (UNACK, AT))
    assert incident.deeds == ()
    assert answer(incident, ACK, AT) is Reason.ACKNOWLEDGED


# Refusals


def test_who_pressed_a_button_in_slack_hears_of_the_refusal_by_an_event() -> None:
    step = advance(after(opened(), (ACK, AT)), SnoozeFor(*KIM, token="t"), AT)
    assert step.reason is Reason.ALREADY_ACKNOWLEDGED
    ((event,),) = (change.events for change in step.changes)
    assert event.type is EventType.DEED_REFUSED
    assert event.data == {"by": "kim", "door": "button", "user": "U1", "token": "t", "deed": "snooze"}
    assert decided(step).revision == 2, "nothing that people see"


def test_who_sees_a_page_is_refused_without_an_event() -> None:
    step = advance(after(opened(), (ACK, AT)), SNOOZE, AT)
    assert (step.reason, step.changes) == (Reason.ALREADY_ACKNOWLEDGED, ())


DEEDS: list[tuple[Command, EventType]] = [
    (Acknowledge(*KIM, token="t"), EventType.ACKNOWLEDGED),
    (SnoozeFor(*KIM, token="t"), EventType.SNOOZED),
    (EscalateNow(*KIM, token="t"), EventType.ESCALATION_ASKED),
    (ResolveByHand(*KIM, token="t"), EventType.RESOLVED),
]


@pytest.mark.parametrize(("deed", "kind"), DEEDS)
def test_each_deed_is_an_event_that_says_who_and_is_seen(deed: Command, kind: EventType) -> None:
    step = advance(opened(), deed, AT)
    ((event,),) = (change.events for change in step.changes)
    assert event.type is kind
    assert {"by": "kim", "door": "button", "user": "U1", "token": "t"}.items() <= event.data.items()
    assert decided(step).revision == 2

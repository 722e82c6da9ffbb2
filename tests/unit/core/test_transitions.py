"""Every state with every command: what becomes of it, and why."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.commands import (
    Acknowledge,
    BeginDelivery,
    CallAgain,
    Claim,
    ClaimUpdate,
    Command,
    Delivered,
    DeliveryFailed,
    Digested,
    EscalateNow,
    EscalationFailed,
    EventType,
    Expire,
    Fire,
    Lapse,
    MessageGone,
    NotesTold,
    Reason,
    RecordUpdated,
    RecordWritten,
    Repost,
    Resolve,
    ResolveByHand,
    Retry,
    SnoozeFor,
    Stage,
    Step,
    Unacknowledge,
    UpdateFailed,
)
from shared.episodes import LATE_WINDOW, SKEW
from shared.incident import Incident, Record, State
from shared.transitions import advance
from tests.episodes import MINUTE, NOON, alert, incident_id, notification, reread, resolved

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
LEASE, GRACE = timedelta(seconds=50), timedelta(seconds=65)
RECORD = Record(sys_id="a" * 32, number="INC1", url="https://x/1", instance=None, at=NOON)
CLAIM = Claim("w1", LEASE, GRACE)
DUE = NOON + 3 * MINUTE


def fire(**more: object) -> Fire:
    return Fire(notification(**more), incident_id(2))  # type: ignore[arg-type]


def decided(step: Step) -> Incident:
    assert step.incident is not None
    return reread(step.incident)


def opened(wait: timedelta | None = 3 * MINUTE) -> Incident:
    return decided(advance(None, Fire(notification(wait=wait), incident_id()), NOON))


def after(incident: Incident, *commands: tuple[Command, timedelta]) -> Incident:
    for command, since in commands:
        incident = decided(advance(incident, command, NOON + since))
    return incident


STATES = {
    State.OPEN: opened(),
    State.ACKNOWLEDGED: after(opened(), (Acknowledge("anna", "link"), MINUTE)),
    State.ESCALATING: after(opened(), (CLAIM, 3 * MINUTE)),
    State.ESCALATED: after(opened(), (CLAIM, 3 * MINUTE), (RecordWritten("w1", RECORD), 3 * MINUTE)),
    State.RESOLVED: after(opened(), (Resolve(resolved(), incident_id(2)), MINUTE)),
    State.SUPERSEDED: advance(opened(), Fire(notification(alert("b")), incident_id(2)), NOON + MINUTE)
    .changes[0]
    .incident,
    State.EXPIRED: after(opened(None), (Expire(MINUTE), MINUTE)),
}
COMMANDS: dict[str, Command] = {
    "fire the same": fire(),
    "fire a new episode": Fire(notification(alert("a", NOON + 2 * MINUTE)), incident_id(2)),
    "resolve": Resolve(resolved(), incident_id(2)),
    "expire": Expire(MINUTE),
    "acknowledge": Acknowledge("bob", "link"),
    "claim": Claim("w2", LEASE, GRACE),
    "record written": RecordWritten("w1", RECORD),
    "escalation failed": EscalationFailed("w1", "answered 500", SECOND),
    "begin delivery": BeginDelivery("n1", LEASE),
    "delivered": Delivered("n1", "C1", "1.0", 1),
    "delivery failed": DeliveryFailed("n1", "ratelimited", SECOND),
    "retry": Retry(Stage.ESCALATION),
    "un-acknowledge": Unacknowledge("bob", "button"),
    "snooze": SnoozeFor("bob", "button", span=HOUR),
    "escalate now": EscalateNow("bob", "button"),
    "resolve by hand": ResolveByHand("bob", "button"),
    "lapse": Lapse(),
    "notes told": NotesTold("n1", 1, "1.1"),
    "digested": Digested("s1", "C1"),
    "call again": CallAgain(1),
    "claim update": ClaimUpdate("w2", LEASE, GRACE),
    "record updated": RecordUpdated("w1", 3),
    "update failed": UpdateFailed("w1", "answered 500", SECOND),
    "claim step 1": Claim("w2", LEASE, GRACE, step=1),
}
TABLE = """
                   | open            | acknowledged         | escalating             | escalated         | resolved           | superseded         | expired
fire the same      | repeated        | repeated             | repeated               | repeated          | late_after_resolve | late_after_resolve | reopened
fire a new episode | new_episode     | new_episode          | new_episode            | new_episode       | reopened           | reopened           | reopened
resolve            | resolved        | resolved             | resolved               | resolved          | already_resolved   | already_resolved   | already_resolved
expire             | still_owed      | expired              | still_owed             | expired           | already_closed     | already_closed     | already_closed
acknowledge        | acknowledged    | already_acknowledged | escalation_in_progress | acknowledged      | already_closed     | already_closed     | already_closed
claim              | claimed         | already_acknowledged | claimed_by_another     | already_escalated | already_closed     | already_closed     | already_closed
record written     | escalated       | escalated            | escalated              | already_escalated | escalated          | escalated          | escalated
escalation failed  | lease_lost      | lease_lost           | escalation_failed      | lease_lost        | lease_lost         | lease_lost         | lease_lost
begin delivery     | delivery_begun  | delivery_begun       | delivery_begun         | delivery_begun    | delivery_begun     | delivery_begun     | delivery_begun
delivered          | delivered       | delivered            | delivered              | delivered         | delivered          | delivered          | delivered
delivery failed    | lease_lost      | lease_lost           | lease_lost             | lease_lost        | lease_lost         | lease_lost         | lease_lost
retry | nothing_to_retry | nothing_to_retry | nothing_to_retry | nothing_to_retry | nothing_to_retry | nothing_to_retry | nothing_to_retry
un-acknowledge     | not_acknowledged | unacknowledged       | escalation_in_progress | not_acknowledged  | already_closed     | already_closed     | already_closed
snooze             | snoozed          | already_acknowledged | escalation_in_progress | already_escalated | already_closed     | already_closed     | already_closed
escalate now       | escalation_asked | already_acknowledged | escalation_in_progress | already_escalated | already_closed     | already_closed     | already_closed
resolve by hand    | resolved_by_hand | resolved_by_hand     | resolved_by_hand       | resolved_by_hand  | already_closed     | already_closed     | already_closed
lapse              | not_lapsed       | not_lapsed           | not_lapsed             | not_lapsed        | not_lapsed         | not_lapsed         | not_lapsed
notes told         | already_noted    | already_noted        | already_noted          | already_noted     | already_noted      | already_noted      | already_noted
digested           | digested         | digested             | digested               | digested          | digested           | digested           | digested
call again         | not_due          | not_due              | not_due                | not_due           | not_due            | not_due            | not_due
claim update       | already_updated  | already_updated      | already_updated        | already_updated   | already_updated    | already_updated    | already_updated
record updated     | already_updated  | already_updated      | already_updated        | already_updated   | already_updated    | already_updated    | already_updated
update failed      | lease_lost       | lease_lost           | lease_lost             | lease_lost        | lease_lost         | lease_lost         | lease_lost
claim step 1       | not_due          | not_due              | not_due                | not_due           | not_due            | not_due            | not_due
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip("\n").splitlines()]
CASES = [
    (state, row[0], reason) for row in ROWS[1:] for state, reason in zip(ROWS[0][1:], row[1:], strict=True)
]


@pytest.mark.parametrize(("state", "command", "reason"), CASES)
def test_every_state_answers_every_command_with_a_named_reason(state: str, command: str, reason: str) -> None:
    incident = STATES[State(state)]
    now = {"claim": DUE + SECOND, "expire": DUE + MINUTE}.get(command, incident.seen_at + MINUTE)
    step = advance(incident, COMMANDS[command], now)
    assert step.reason == reason
    for change in step.changes:
        expected = 1 if change.incident.id == incident_id(2) else incident.version + 1
        assert change.incident.version == expected
        assert all(event.version == change.incident.version for event in change.events)
    if not step.changes:
        assert step.incident == incident


FAILED = EscalationFailed("w1", "answered 401", 10 * MINUTE, needs_person=True)
REFUSED = DeliveryFailed("n1", "invalid_auth", 10 * MINUTE, needs_person=True)


def test_what_needs_a_person_is_parked_until_an_attempt_tells_otherwise() -> None:
    parked = after(STATES[State.ESCALATING], (FAILED, DUE - NOON))
    assert parked.escalation.parked
    again = after(parked, (Claim("w2", LEASE, GRACE), DUE - NOON + 10 * MINUTE))
    assert after(
        again, (replace(FAILED, token="w2", looked_only=True, needs_person=False), DUE - NOON)
    ).escalation.parked
    assert not after(again, (replace(FAILED, token="w2", needs_person=False), DUE - NOON)).escalation.parked


def test_somebody_who_has_mended_it_makes_the_next_attempt_due_now() -> None:
    parked = after(STATES[State.ESCALATING], (FAILED, DUE - NOON))
    step = advance(parked, Retry(Stage.ESCALATION), DUE + SECOND)
    assert (step.reason, decided(step).escalation_due) == (Reason.RETRY_ASKED, DUE + SECOND)
    assert decided(step).revision == parked.revision + 1  # its message tells when the next try is
    refused = after(opened(), (BeginDelivery("n1", LEASE), MINUTE), (REFUSED, MINUTE))
    step = advance(refused, Retry(Stage.DELIVERY), NOON + 2 * MINUTE)
    assert (step.reason, decided(step).delivery_due) == (Reason.RETRY_ASKED, NOON + 2 * MINUTE)
    assert (
        advance(decided(step), BeginDelivery("n2", LEASE), NOON + 2 * MINUTE).reason is Reason.DELIVERY_BEGUN
    )


def test_asking_for_a_retry_shortens_no_doubt() -> None:
    lost = replace(FAILED, needs_person=False, doubt=GRACE)
    in_doubt = after(STATES[State.ESCALATING], (lost, DUE - NOON))
    hastened = after(in_doubt, (Retry(Stage.ESCALATION), DUE - NOON + SECOND))
    assert hastened.escalation.doubt_until == in_doubt.escalation.doubt_until
    claimed = after(hastened, (Claim("w2", LEASE, GRACE), DUE - NOON + 2 * SECOND))
    assert not claimed.escalation.may_act


def test_what_somebody_still_mentions_does_not_expire() -> None:
    escalated = STATES[State.ESCALATED]
    assert advance(escalated, Expire(MINUTE), DUE + MINUTE - SECOND).reason is Reason.STILL_MENTIONED


def test_what_is_still_to_be_told_does_not_expire() -> None:
    delivery = DeliveryFailed("n1", "invalid_auth", MINUTE)
    parked = after(STATES[State.ACKNOWLEDGED], (BeginDelivery("n1", LEASE), MINUTE), (delivery, MINUTE))
    assert advance(parked, Expire(MINUTE), DUE + 60 * MINUTE).reason is Reason.STILL_OWED


def test_an_expired_incident_that_is_mentioned_after_all_is_news_and_no_late_copy() -> None:
    expired = after(opened(None), (Expire(MINUTE), MINUTE))
    step = advance(expired, fire(), NOON + MINUTE + SECOND)
    assert (step.reason, decided(step).state) == (Reason.REOPENED, State.OPEN)


@pytest.mark.parametrize("command", [c for c in COMMANDS.values() if not isinstance(c, Fire | Resolve)])
def test_a_command_for_an_incident_that_is_not_there_changes_nothing(command: Command) -> None:
    assert advance(None, command, NOON) == Step(None, Reason.UNKNOWN_INCIDENT)


def test_a_firing_notification_opens_an_incident_with_its_deadline() -> None:
    step = advance(None, fire(), NOON)
    incident = decided(step)
    assert (incident.state, incident.deadline, incident.escalation_due) == (State.OPEN, DUE, DUE)
    assert step.changes[0].events[0].type is EventType.OPENED
    assert step.changes[0].body == '{"status":"firing"}'


def test_without_on_call_there_is_no_deadline_and_nothing_to_claim() -> None:
    incident = opened(wait=None)
    assert incident.escalation_due is None
    assert advance(incident, CLAIM, NOON + timedelta(days=1)).reason is Reason.NOT_DUE


def test_a_wait_of_zero_is_due_at_once() -> None:
    assert advance(opened(wait=timedelta(0)), CLAIM, NOON).reason is Reason.CLAIMED


def test_a_joining_notification_brings_the_deadline_nearer_but_never_moves_it_away() -> None:
    nearer = decided(advance(opened(), fire(wait=MINUTE), NOON + MINUTE))
    assert nearer.deadline == NOON + 2 * MINUTE
    assert decided(advance(nearer, fire(wait=60 * MINUTE), NOON + MINUTE)).deadline == NOON + 2 * MINUTE


def test_a_joining_notification_can_bring_on_call_to_an_incident_without() -> None:
    joined = decided(advance(opened(wait=None), fire(wait=MINUTE), NOON + MINUTE))
    assert joined.deadline == NOON + 2 * MINUTE


def test_a_repeat_is_counted_and_changes_nothing_that_people_see() -> None:
    step = advance(opened(), fire(), NOON + MINUTE)
    assert step.reason is Reason.REPEATED
    assert (decided(step).notifications, decided(step).revision) == (2, 1)


def test_a_repeat_after_an_acknowledgement_does_not_call_again() -> None:
    joined = after(STATES[State.ACKNOWLEDGED], (fire(wait=timedelta(0)), 2 * MINUTE))
    assert joined.escalation_due is None
    assert joined.state is State.ACKNOWLEDGED


def test_an_alert_that_joins_is_shown() -> None:
    step = advance(opened(), Fire(notification(alert(), alert("b")), incident_id(2)), NOON + MINUTE)
    assert step.reason is Reason.JOINED
    assert decided(step).firing_count == 2
    assert decided(step).revision == 2


def test_an_alert_that_the_group_no_longer_has_is_remembered_but_not_firing() -> None:
    both = decided(advance(None, Fire(notification(alert(), alert("b")), incident_id()), NOON))
    left = decided(advance(both, fire(), NOON + MINUTE))
    assert [(a.name, a.firing) for a in left.alerts] == [("a", True), ("b", False)]


def test_alerts_that_the_sender_left_out_are_not_taken_for_gone() -> None:
    both = decided(advance(None, Fire(notification(alert(), alert("b")), incident_id()), NOON))
    cut = decided(advance(both, fire(truncated=1), NOON + MINUTE))
    assert cut.firing_count == 2


def test_a_new_episode_supersedes_the_old_one_in_one_step() -> None:
    step = advance(opened(), COMMANDS["fire a new episode"], NOON + MINUTE)
    old, new = (change.incident for change in step.changes)
    assert (old.state, old.escalation_due) == (State.SUPERSEDED, None)
    assert (new.id, new.state) == (incident_id(2), State.OPEN)
    assert [event.type for change in step.changes for event in change.events] == ["superseded", "opened"]


def test_a_new_episode_of_a_problem_that_nobody_answered_keeps_the_deadline() -> None:
    new = decided(advance(opened(), COMMANDS["fire a new episode"], NOON + 2 * MINUTE))
    assert new.deadline == DUE


def test_a_new_episode_after_an_acknowledgement_waits_its_own_full_time() -> None:
    new = decided(advance(STATES[State.ACKNOWLEDGED], COMMANDS["fire a new episode"], NOON + 2 * MINUTE))
    assert new.deadline == NOON + 5 * MINUTE


def test_a_late_copy_of_the_superseded_episode_is_ignored() -> None:
    new = decided(advance(opened(), COMMANDS["fire a new episode"], NOON + MINUTE))
    assert advance(new, fire(), NOON + 2 * MINUTE).reason is Reason.LATE_AFTER_SUPERSEDE


def test_a_late_copy_does_not_reopen_but_the_same_alert_firing_anew_later_does() -> None:
    closed = STATES[State.RESOLVED]
    assert advance(closed, fire(), NOON + MINUTE + LATE_WINDOW).reason is Reason.LATE_AFTER_RESOLVE
    assert advance(closed, fire(), NOON + MINUTE + LATE_WINDOW + SECOND).reason is Reason.REOPENED


def test_an_alert_without_a_start_time_is_never_taken_for_a_late_copy() -> None:
    timeless = notification(alert(started=None))
    incident = decided(advance(None, Fire(timeless, incident_id()), NOON))
    closed = decided(advance(incident, Resolve(resolved(alert(started=None)), incident_id(2)), NOON))
    assert advance(closed, Fire(timeless, incident_id(3)), NOON).reason is Reason.REOPENED


def test_resolved_cancels_the_escalation() -> None:
    assert STATES[State.RESOLVED].escalation_due is None


def test_resolved_before_firing_is_remembered_and_its_late_firing_copy_pages_nobody() -> None:
    step = advance(None, COMMANDS["resolve"], NOON)
    assert step.reason is Reason.RESOLVED_BEFORE_FIRING
    tombstone = decided(step)
    assert tombstone.is_shown
    assert advance(tombstone, fire(), NOON + SECOND).reason is Reason.LATE_AFTER_RESOLVE


def test_a_resolved_copy_from_before_another_alert_began_does_not_close_the_incident() -> None:
    both = decided(advance(opened(), Fire(notification(alert(), alert("b")), incident_id(2)), NOON + MINUTE))
    step = advance(both, Resolve(resolved(alert(firing=False)), incident_id(2)), NOON + MINUTE)
    assert step.reason is Reason.RESOLVED_IN_PART
    assert [(a.name, a.firing) for a in decided(step).alerts] == [("a", False), ("b", True)]
    assert decided(step).escalation_due == DUE


def test_a_resolved_notification_of_the_episode_before_is_ignored() -> None:
    new = decided(advance(opened(), COMMANDS["fire a new episode"], NOON + 2 * MINUTE))
    step = advance(new, Resolve(resolved(alert(firing=False)), incident_id(3)), NOON + 3 * MINUTE)
    assert step.reason is Reason.RESOLVED_OTHER_EPISODE


def test_a_resolved_notification_of_another_problem_is_ignored() -> None:
    other = Resolve(resolved(alert("other", firing=False)), incident_id(2))
    assert advance(opened(), other, NOON).reason is Reason.RESOLVED_OTHER_EPISODE


def test_a_resolved_notification_of_a_firing_that_we_never_heard_of_closes_too() -> None:
    later = Resolve(resolved(alert("a", NOON + 10 * MINUTE, firing=False)), incident_id(2))
    assert advance(opened(), later, NOON + 11 * MINUTE).reason is Reason.RESOLVED


@pytest.mark.parametrize("start", [NOON - 5 * MINUTE, NOON - SECOND, NOON + SECOND, NOON + SKEW])
def test_a_start_that_a_second_prometheus_saw_differently_is_the_same_firing(start: datetime) -> None:
    step = advance(opened(), Fire(notification(alert("a", start)), incident_id(2)), NOON + MINUTE)
    assert decided(step).id == incident_id()
    gone = Resolve(resolved(alert("a", start, firing=False)), incident_id(3))
    assert advance(decided(step), gone, NOON + 2 * MINUTE).reason is Reason.RESOLVED


def test_two_alertmanagers_that_tell_different_starts_in_turn_make_one_incident() -> None:
    incident = opened()
    for turn in range(6):
        start = NOON - (turn % 2) * 5 * MINUTE
        step = advance(incident, Fire(notification(alert("a", start)), incident_id(2)), NOON + turn * MINUTE)
        incident = decided(step)
    assert incident.id == incident_id()


def test_the_same_start_again_after_the_late_window_is_present_not_past() -> None:
    """Alertmanager resolves by itself when Prometheus falls silent, and fires with the old start when it is back."""
    closed = STATES[State.RESOLVED]
    again = decided(advance(closed, fire(), NOON + MINUTE + LATE_WINDOW + SECOND))
    assert advance(again, fire(), NOON + 5 * MINUTE).reason is Reason.REPEATED
    over = Resolve(resolved(alert(firing=False)), incident_id(3))
    assert advance(again, over, NOON + 6 * MINUTE).reason is Reason.RESOLVED


def test_the_same_content_an_hour_later_is_a_new_incident() -> None:
    window = {"join_window": 5 * MINUTE}
    incident = decided(advance(None, fire(**window), NOON))
    assert advance(incident, fire(**window), NOON + 5 * MINUTE).reason is Reason.REPEATED
    assert advance(incident, fire(**window), NOON + 60 * MINUTE).reason is Reason.NEW_EPISODE


def test_an_expired_claim_is_taken_over_in_doubt() -> None:
    claimed = STATES[State.ESCALATING]
    second = Claim("w2", LEASE, GRACE)
    assert advance(claimed, second, DUE + LEASE - SECOND).reason is Reason.CLAIMED_BY_ANOTHER
    step = advance(claimed, second, DUE + LEASE)
    assert step.reason is Reason.TAKEN_OVER
    assert decided(step).escalation.doubt_until == DUE + LEASE + GRACE


def test_a_claim_whose_answer_was_lost_is_claimed_again_by_its_owner() -> None:
    step = advance(STATES[State.ESCALATING], CLAIM, DUE + SECOND)
    assert (step.reason, step.changes) == (Reason.CLAIMED, ())


def test_after_a_failed_attempt_a_person_can_still_take_it() -> None:
    failed = decided(advance(STATES[State.ESCALATING], COMMANDS["escalation failed"], DUE + SECOND))
    assert (failed.state, failed.escalation_due) == (State.OPEN, DUE + 2 * SECOND)
    assert advance(failed, Acknowledge("bob", "link"), DUE + SECOND).reason is Reason.ACKNOWLEDGED


def test_an_attempt_in_doubt_is_looked_into_even_after_an_acknowledgement() -> None:
    doubtful = EscalationFailed("w1", "answer lost", 10 * SECOND, doubt=GRACE)
    incident = decided(advance(STATES[State.ESCALATING], doubtful, DUE + SECOND))
    acknowledged = decided(advance(incident, Acknowledge("bob", "link"), DUE + 2 * SECOND))
    assert acknowledged.escalation_due == DUE + 11 * SECOND
    assert not acknowledged.awaits_escalation
    looking = decided(advance(acknowledged, CLAIM, DUE + 11 * SECOND))
    nothing_there = EscalationFailed("w1", "called off", timedelta(0))
    step = advance(looking, nothing_there, DUE + 12 * SECOND)
    assert step.reason is Reason.CALLED_OFF
    assert decided(step).escalation_due is None


def test_looking_without_a_new_attempt_is_not_counted_and_not_shown() -> None:
    before = decided(advance(STATES[State.ESCALATING], Claim("w2", LEASE, GRACE), DUE + LEASE))
    looked = EscalationFailed("w2", "answer lost", SECOND, doubt=GRACE, looked_only=True)
    incident = decided(advance(before, looked, DUE + LEASE + SECOND))
    assert (incident.escalation.attempts, incident.revision) == (0, before.revision)


def test_a_look_is_no_escalation_and_leaves_the_button() -> None:
    looking = decided(advance(STATES[State.ESCALATING], Claim("w2", LEASE, GRACE), DUE + LEASE))
    assert looking.state is State.OPEN
    assert looking.revision > STATES[State.ESCALATING].revision, "people see that an attempt is in doubt"
    assert advance(looking, Acknowledge("anna", "link"), DUE + LEASE).reason is Reason.ACKNOWLEDGED


def test_a_takeover_never_shortens_a_doubt() -> None:
    unseen = EscalationFailed("w1", "not shown", SECOND, doubt=timedelta(days=30))
    doubting = decided(advance(STATES[State.ESCALATING], unseen, DUE + SECOND))
    looking = decided(advance(doubting, Claim("w2", LEASE, GRACE), DUE + MINUTE))
    taken = decided(advance(looking, Claim("w3", LEASE, GRACE), DUE + 2 * MINUTE))
    assert taken.escalation.doubt_until == DUE + SECOND + timedelta(days=30)


def test_what_was_stalled_is_told_when_the_message_may_say_escalating() -> None:
    stalled = EscalationFailed("w1", "stalled", SECOND, looked_only=True)
    incident = decided(advance(STATES[State.ESCALATING], stalled, DUE + SECOND))
    assert incident.revision > STATES[State.ESCALATING].revision


@pytest.mark.parametrize("state", [State.ACKNOWLEDGED, State.ESCALATING, State.ESCALATED])
def test_a_new_alert_does_not_hide_behind_one_that_is_over_and_answered(state: State) -> None:
    handover = notification(alert(firing=False), alert("b", NOON + 10 * MINUTE))
    step = advance(STATES[state], Fire(handover, incident_id(2)), NOON + 10 * MINUTE)
    assert step.reason is Reason.NEW_EPISODE
    assert advance(STATES[State.OPEN], Fire(handover, incident_id(2)), NOON + MINUTE).reason is Reason.JOINED
    beside = notification(alert(), alert("b", NOON + 10 * MINUTE))
    assert advance(STATES[state], Fire(beside, incident_id(2)), NOON + 10 * MINUTE).reason is Reason.JOINED


def test_a_message_that_is_old_when_it_is_committed_is_due_at_once() -> None:
    """Whoever heard of the change may have left it to the worker that had the lease."""
    begun = decided(advance(opened(), COMMANDS["begin delivery"], NOON))
    changed = decided(advance(begun, Acknowledge("anna", "link"), NOON + SECOND))
    old = decided(advance(changed, Delivered("n1", "C1", "1.1", begun.revision), NOON + 2 * SECOND))
    assert old.delivery_due == NOON + 2 * SECOND


def test_what_was_put_off_counts_as_no_attempt_and_keeps_its_doubt() -> None:
    begun = decided(advance(opened(), COMMANDS["begin delivery"], NOON))
    lost = DeliveryFailed("n1", "no answer", SECOND, doubt=20 * SECOND)
    doubting = after(begun, (lost, SECOND), (BeginDelivery("n2", LEASE), 3 * SECOND))
    step = advance(doubting, DeliveryFailed("n2", "ratelimited", SECOND, put_off=True), NOON + 4 * SECOND)
    assert [event for change in step.changes for event in change.events] == []
    assert decided(step).delivery.doubt_until == NOON + 21 * SECOND
    assert (decided(step).delivery.attempts, decided(step).delivery_due) == (1, NOON + 5 * SECOND)


def test_a_record_counts_even_from_a_worker_that_lost_its_lease_and_a_second_one_is_told() -> None:
    taken = decided(advance(STATES[State.ESCALATING], Claim("w2", LEASE, GRACE), DUE + LEASE))
    assert advance(taken, RecordWritten("w1", RECORD), DUE + LEASE).reason is Reason.ESCALATED
    second = RecordWritten("w2", RECORD.model_copy(update={"sys_id": "b" * 32}))
    step = advance(STATES[State.ESCALATED], second, DUE + LEASE)
    assert (step.reason, decided(step).record) == (Reason.DUPLICATE_RECORD, RECORD)


def test_a_resolve_during_the_request_keeps_looking_for_its_outcome() -> None:
    closed = decided(advance(STATES[State.ESCALATING], COMMANDS["resolve"], DUE + SECOND))
    assert closed.escalation_due == DUE + LEASE
    assert decided(advance(closed, COMMANDS["record written"], DUE + SECOND)).record == RECORD


def test_only_one_worker_delivers_and_whoever_finds_the_lease_expired_is_in_doubt() -> None:
    begun = decided(advance(opened(), COMMANDS["begin delivery"], NOON))
    other = BeginDelivery("n2", LEASE)
    assert advance(begun, other, NOON + LEASE - SECOND).reason is Reason.DELIVERY_BUSY
    step = advance(begun, other, NOON + LEASE)
    assert step.reason is Reason.DELIVERY_TAKEN_OVER
    assert decided(step).delivery.doubt_until is not None


def test_a_message_that_shows_the_present_is_left_alone() -> None:
    shown = after(opened(), (COMMANDS["begin delivery"], SECOND), (COMMANDS["delivered"], SECOND))
    assert (shown.is_shown, shown.delivery_due) == (True, None)
    assert advance(shown, BeginDelivery("n2", LEASE), NOON).reason is Reason.ALREADY_SHOWN
    changed = decided(advance(shown, Acknowledge("anna", "link"), NOON + MINUTE))
    assert advance(changed, BeginDelivery("n2", LEASE), NOON).reason is Reason.DELIVERY_BEGUN


def test_a_delivery_backs_off_until_its_time_has_come() -> None:
    failed = after(opened(), (COMMANDS["begin delivery"], SECOND), (COMMANDS["delivery failed"], SECOND))
    assert failed.delivery_due == NOON + 2 * SECOND
    assert advance(failed, BeginDelivery("n2", LEASE), NOON + SECOND).reason is Reason.DELIVERY_BACKING_OFF
    assert advance(failed, BeginDelivery("n2", LEASE), NOON + 2 * SECOND).reason is Reason.DELIVERY_BEGUN


def test_a_second_message_is_told_and_the_first_one_stays() -> None:
    shown = after(opened(), (COMMANDS["begin delivery"], SECOND), (COMMANDS["delivered"], SECOND))
    step = advance(shown, replace(COMMANDS["delivered"], ts="2.0"), NOON + SECOND)  # type: ignore[type-var]
    assert step.reason is Reason.DUPLICATE_MESSAGE
    assert decided(step).message == shown.message


def told(step: Step, kind: EventType) -> dict[str, object]:
    """What the step's event of that type says."""
    (event,) = [event for change in step.changes for event in change.events if event.type is kind]
    return event.data


def test_events_say_what_the_past_needs_to_be_run_again() -> None:
    given = notification(query={"oncall_wait_minutes": "5"}, idempotency_key="k")
    data = told(advance(None, Fire(given, incident_id()), NOON), EventType.OPENED)
    assert (data["query"], data["idempotency_key"]) == ({"oncall_wait_minutes": "5"}, "k")
    plain = told(advance(None, fire(), NOON), EventType.OPENED)
    assert not {"query", "idempotency_key", "after"} & set(plain)
    anew = advance(opened(), Fire(notification(alert("b")), incident_id(2)), NOON + MINUTE)
    assert told(anew, EventType.OPENED)["after"] == incident_id()


def test_events_say_until_when_a_claim_holds_and_when_the_next_try_is() -> None:
    claim = advance(opened(), CLAIM, DUE)
    assert told(claim, EventType.ESCALATION_CLAIMED)["until"] == (DUE + LEASE).isoformat()
    failure = EscalationFailed("w1", "answer lost", SECOND, doubt=GRACE)
    data = told(advance(decided(claim), failure, DUE), EventType.ESCALATION_FAILED)
    assert (data["retry_at"], data["doubt_until"]) == (
        (DUE + SECOND).isoformat(),
        (DUE + GRACE).isoformat(),
    )
    begun = decided(advance(opened(), BeginDelivery("n", LEASE), NOON))
    data = told(advance(begun, DeliveryFailed("n", "lost", SECOND), NOON), EventType.NOTIFICATION_FAILED)
    assert data["retry_at"] == (NOON + SECOND).isoformat()
    assert "doubt_until" not in data


def shown() -> Incident:
    return after(
        opened(),
        (BeginDelivery("n", LEASE), MINUTE),
        (Delivered("n", "C1", "1.0", 1), MINUTE),
    )


def test_a_message_that_is_asked_for_again_is_edited_first_and_due_at_once() -> None:
    step = advance(shown(), Repost("1.0"), NOON + MINUTE)
    assert step.reason is Reason.REPOST_ASKED
    asked = decided(step)
    assert not asked.is_shown
    assert (asked.delivery_due, asked.message.ts) == (NOON + MINUTE, "1.0")
    assert asked.revision == shown().revision
    there = after(asked, (BeginDelivery("m", LEASE), MINUTE), (Delivered("m", "C1", "1.0", 1), MINUTE))
    assert there.is_shown
    assert there.message == shown().message


def test_a_message_that_is_gone_is_posted_anew_once() -> None:
    gone = after(
        shown(),
        (Repost("1.0"), MINUTE),
        (BeginDelivery("m", LEASE), MINUTE),
        (MessageGone("m", "1.0"), MINUTE),
    )
    assert gone.message is None
    assert gone.delivery_due == NOON + MINUTE
    anew = after(gone, (BeginDelivery("m2", LEASE), MINUTE), (Delivered("m2", "C1", "2.0", 1), MINUTE))
    assert advance(anew, Repost("1.0"), NOON + MINUTE) == Step(anew, Reason.NO_SUCH_MESSAGE)


@pytest.mark.parametrize(
    ("incident", "command", "reason"),
    [
        (opened(), Repost("1.0"), Reason.NO_SUCH_MESSAGE),
        (after(shown(), (Repost("1.0"), MINUTE)), Repost("1.0"), Reason.REPOST_ASKED),
        (shown(), MessageGone("n", "1.0"), Reason.LEASE_LOST),
        (
            after(
                shown(),
                (Acknowledge("anna", "link"), MINUTE),
                (BeginDelivery("other", LEASE), MINUTE),
            ),
            Repost("1.0"),
            Reason.DELIVERY_BUSY,
        ),
    ],
)
def test_a_repost_that_is_not_to_be(incident: Incident, command: Command, reason: Reason) -> None:
    assert advance(incident, command, NOON + MINUTE) == Step(incident, reason)

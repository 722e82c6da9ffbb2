"""A group that fires again and again keeps to one message, and loses nothing else by it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.commands import (
    BeginDelivery,
    Claim,
    Delivered,
    EscalationFailed,
    EventType,
    Fire,
    Flapping,
    MessageGone,
    Reason,
    Repost,
    ResolveByHand,
    Rules,
    Step,
)
from shared.flapping import MAX_OPENINGS, openings
from shared.incident import NOT_TRUSTED, Incident, NoteKind
from shared.notification import Notification
from shared.transitions import advance
from tests.episodes import MINUTE, NOON, alert, incident_id, notification
from tests.unit.core.lives import GRACE, HOUR, LEASE, SECOND, after, decided, noted, shown

RULES = Rules(Flapping(3, HOUR))
QUIET = 5 * MINUTE


def said(what: Notification, severity: str = "warning") -> Notification:
    return what.model_copy(update={"facts": what.facts.model_copy(update={"severity": severity})})


def opening(number: int, at: datetime, severity: str = "warning", **more: Any) -> Fire:
    return Fire(said(notification(alert("a", at), **more), severity), incident_id(number))


def closed(incident: Incident, at: datetime) -> Incident:
    """Resolved, and Slack shows it."""
    return shown(after(incident, (ResolveByHand("kim", "link"), at), rules=RULES), at, "1.0")


def flap(times: int, severity: str = "warning", pause: timedelta = QUIET, **more: Any) -> Step:
    """The step that opens the last of `times` episodes; those before it were shown and resolved."""
    step = advance(None, opening(1, NOON, severity, **more), NOON, RULES)
    for number in range(2, times + 1):
        at = NOON + (number - 1) * pause
        before = closed(shown(decided(step), at - 2 * MINUTE, f"{number - 1}.0"), at - 2 * MINUTE)
        step = advance(before, opening(number, at, severity, **more), at, RULES)
        assert step.reason is Reason.REOPENED
    return step


def parts(step: Step) -> tuple[Incident, Incident]:
    """The episode before, and the new one."""
    old, new = (change.incident for change in step.changes)
    return old, new


def test_the_third_opening_within_the_window_takes_the_message_over() -> None:
    assert decided(flap(2)).message is None
    old, new = parts(flap(3))
    assert new.message
    assert (new.message.channel, new.message.shown) == ("C1", NOT_TRUSTED)
    assert (old.message, old.heir, old.is_shown) == (None, new.id, True)
    assert new.openings == (NOON, NOON + QUIET, NOON + 2 * QUIET)
    assert not new.is_shown, "it is edited"


def test_the_old_episode_says_in_the_stream_who_has_its_message() -> None:
    step = flap(3)
    (handed,), (began,) = (change.events for change in step.changes)
    assert (handed.type, handed.data) == (EventType.HANDED_OVER, {"heir": incident_id(3)})
    assert began.data["message"] == {"channel": "C1", "ts": "2.0"}
    assert began.data["openings"] == [(NOON + n * QUIET).isoformat() for n in range(3)]


def test_the_thread_counts() -> None:
    data = noted(flap(4))[NoteKind.FIRED_AGAIN].data
    assert data == {
        "count": 4,
        "since": NOON.isoformat(),
        "closed_at": (NOON + 3 * QUIET - 2 * MINUTE).isoformat(),
    }
    assert noted(flap(2)) == {}


def test_each_episode_keeps_its_own_deadline() -> None:
    assert decided(flap(3)).escalation_due == NOON + 2 * QUIET + 3 * MINUTE


def test_openings_before_the_window_do_not_count() -> None:
    assert decided(flap(3, pause=31 * MINUTE)).message is None
    assert decided(flap(9, pause=31 * MINUTE)).openings == (NOON + 7 * 31 * MINUTE, NOON + 8 * 31 * MINUTE)
    assert decided(flap(3, pause=30 * MINUTE)).message


def test_openings_are_bounded() -> None:
    many = tuple(NOON + number * SECOND for number in range(MAX_OPENINGS))
    incident, now = decided(flap(1)).model_copy(update={"openings": many}), NOON + MINUTE
    assert openings(Flapping(3, HOUR), incident, now) == (*many[1:], now)


@pytest.mark.parametrize("severity", ["critical", " Critical "])
def test_a_critical_one_gets_a_new_message_each_time(severity: str) -> None:
    assert decided(flap(5, severity)).message is None


@pytest.mark.parametrize(("before", "now"), [("critical", "warning"), ("warning", "critical")])
def test_so_does_what_was_or_becomes_critical(before: str, now: str) -> None:
    step = flap(3)
    incident = decided(step)
    facts = incident.facts.model_copy(update={"severity": before})
    at = NOON + 3 * QUIET
    done = closed(shown(incident, at - 2 * MINUTE), at - 2 * MINUTE).model_copy(update={"facts": facts})
    assert decided(advance(done, opening(4, at, now), at, RULES)).message is None


def test_another_channel_gets_its_own_message() -> None:
    incident = decided(flap(3))
    at = NOON + 3 * QUIET
    done = closed(shown(incident, at - 2 * MINUTE), at - 2 * MINUTE)
    assert decided(advance(done, opening(4, at, channel="C2"), at, RULES)).message is None
    assert decided(advance(done, opening(4, at), at, RULES)).message


def quiescent() -> Incident:
    at = NOON + 3 * QUIET
    return closed(shown(decided(flap(3)), at - 2 * MINUTE), at - 2 * MINUTE)


BUSY = EscalationFailed("w", "answer lost", SECOND, doubt=GRACE)


def test_a_message_that_somebody_is_about_to_change_is_not_handed_over() -> None:
    at = NOON + 3 * QUIET
    still, one = decided(flap(3)), shown(decided(flap(3)), NOON + 2 * QUIET)
    due = one.deadline or at
    changed = after(one, (ResolveByHand("kim", "link"), at - 2 * MINUTE))
    tried = shown(after(one, (Claim("w", LEASE, GRACE), due), (BUSY, due)), due)
    for incident in (
        after(still, (ResolveByHand("kim", "link"), at - 2 * MINUTE)),  # never shown
        changed,  # shows the past
        after(changed, (BeginDelivery("n", LEASE), at - 2 * MINUTE)),  # an edit is under way
        closed(tried, at - 2 * MINUTE),  # in doubt: a record may still come
        after(  # shown by one, while another is still at it
            changed,
            (BeginDelivery("other", LEASE), at - 2 * MINUTE),
            (Delivered("n", "C1", "2.0", changed.revision), at - 2 * MINUTE),
        ),
    ):
        assert incident.closure
        assert decided(advance(incident, opening(4, at), at, RULES)).message is None


def test_a_new_episode_that_supersedes_takes_it_over_too() -> None:
    """With `send_resolved: false` no end is ever told."""
    incident, at = shown(decided(flap(2)), NOON + QUIET, "2.0"), NOON + 2 * QUIET
    step = advance(incident, opening(3, at), at, RULES)
    assert step.reason is Reason.NEW_EPISODE
    old, new = parts(step)
    assert old.closure
    assert (old.message, old.heir, old.is_shown) == (None, new.id, True)
    assert new.message
    assert new.message.ts == "2.0"
    (superseded,), _ = (change.events for change in step.changes)
    assert superseded.data == {"by": new.id, "heir": new.id}


def test_without_the_rule_nothing_is_counted_or_handed_over() -> None:
    for rules in (Rules(), Rules(Flapping(2, timedelta(0)))):
        incident, at = shown(decided(advance(None, opening(1, NOON), NOON, rules)), NOON), NOON + QUIET
        step = advance(incident, opening(2, at), at, rules)
        assert (decided(step).openings, decided(step).message) == ((), None)


def test_what_arrives_late_for_the_old_episode_leaves_the_message_alone() -> None:
    old, _ = parts(flap(3))
    step = advance(old, Delivered("n", "C1", "2.0", old.revision), NOON + 2 * QUIET)
    assert (step.reason, step.changes) == (Reason.ALREADY_SHOWN, ())
    assert advance(old, BeginDelivery("n", LEASE), NOON + 2 * QUIET).reason is Reason.ALREADY_SHOWN
    assert advance(old, Repost("2.0"), NOON + 2 * QUIET).reason is Reason.NO_SUCH_MESSAGE


def test_an_inherited_message_that_is_gone_is_posted_anew() -> None:
    new, at = decided(flap(3)), NOON + 2 * QUIET
    gone = after(new, (BeginDelivery("n", LEASE), at), (MessageGone("n", "2.0"), at))
    assert (gone.message, gone.delivery_due) == (None, at)


def test_a_late_copy_takes_nothing_over() -> None:
    done = quiescent()
    at = (done.closure.at if done.closure else NOON) + SECOND
    copy = Fire(said(notification(*done.alerts)), incident_id(4))
    assert advance(done, copy, at, RULES).reason is Reason.LATE_AFTER_RESOLVE

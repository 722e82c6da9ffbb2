"""The sentence that `ackstream explain` ends with, for every turn that an incident can take."""

import json
from datetime import timedelta
from typing import Any

import pytest

from ops.timeline import Story, fold, happening, why, words
from shared.stream import Entry, UndecodableError
from tests.episodes import MINUTE, NOON

SECOND = timedelta(seconds=1)
DEADLINE = NOON + 3 * MINUTE


def entry(nth: int, kind: str, after: timedelta, reason: str = "", **data: Any) -> Entry:
    fields = {
        "type": kind,
        "incident": "0" * 32,
        "version": str(nth),
        "at": str(round((NOON + after).timestamp() * 1000)),
        "reason": reason or kind,
        "data": json.dumps(data),
    }
    return Entry(f"{nth}-0", {name.encode(): value.encode() for name, value in fields.items()})


def opened(deadline: str | None = DEADLINE.isoformat()) -> Entry:
    return entry(
        1, "opened", timedelta(0), title="HighLatency", severity="critical", firing=1, deadline=deadline
    )


CLAIM = entry(2, "escalation_claimed", 3 * MINUTE, attempt=1)
FAILURE = entry(3, "escalation_failed", 3 * MINUTE + SECOND, attempt=1, error="answered 500")
RECORD = entry(4, "escalated", 3 * MINUTE + 2 * SECOND, number="INC1", url="https://x", late_seconds=2.0)
ON_TIME = entry(4, "escalated", 3 * MINUTE, number="INC1", late_seconds=0.02)
ACK = entry(2, "acknowledged", MINUTE, by="Ada", door="link")
RESOLVED = entry(5, "resolved", 2 * MINUTE, title="HighLatency", firing=0, deadline=DEADLINE.isoformat())


LATER = (NOON + 20 * MINUTE).isoformat()
BACK = entry(3, "unacknowledged", 2 * MINUTE, by="Bob", door="link", deadline=LATER)
LAPSED = entry(3, "lapsed", 2 * MINUTE, by="Ada", deadline=LATER)
SNOOZED = entry(2, "snoozed", MINUTE, by="Kim", door="button", deadline=LATER)
ASKED = entry(2, "escalation_asked", MINUTE, by="Kim", door="button", deadline=(NOON + MINUTE).isoformat())
BY_HAND = entry(5, "resolved", 2 * MINUTE, "resolved_by_hand", by="Kim", door="button")
CALLED_OFF = entry(3, "escalation_failed", 3 * MINUTE, "called_off", attempt=1, error="called off")


CALL = entry(2, "called_again", MINUTE, mention=["<!here>", "<@U0LEAD>"], step=1)
LATE_ACK = entry(11, "acknowledged", 7 * MINUTE, by="Ada", door="link")
TAKEN_BY_WEBHOOK = entry(
    10, "escalated", 5 * MINUTE, number="", url="", target="webhook", step=2, late_seconds=0.0
)


def recorded(after: timedelta) -> Entry:
    return entry(9, "escalated", after, number="INC1", late_seconds=0.0)


def story(*entries: Entry) -> Story:
    return fold(happening(one) for one in entries)


@pytest.mark.parametrize(
    ("entries", "after", "sentence"),
    [
        ([opened()], MINUTE, "It escalates in 2 min 0 s, at 2026-01-01 12:03:00 UTC, unless acknowledged."),
        ([opened()], 5 * MINUTE, "It should have escalated 2 min 0 s ago: is the escalator running?"),
        ([opened(None)], MINUTE, "It does not escalate: on-call is off for it."),
        ([opened(), ACK], MINUTE, "It did not escalate: Ada acknowledged 2 min 0 s before the deadline."),
        (
            [opened(), ACK, BACK],
            3 * MINUTE,
            "It escalates in 17 min 0 s, at 2026-01-01 12:20:00 UTC, unless acknowledged: Bob had taken the acknowledgement back.",
        ),
        (
            [opened(), ACK, LAPSED],
            30 * MINUTE,
            "It should have escalated 10 min 0 s ago: is the escalator running?",
        ),
        (
            [opened(), ACK, LAPSED, recorded(20 * MINUTE)],
            30 * MINUTE,
            "It escalated as INC1, at its deadline: the acknowledgement of Ada had lapsed, and nobody had acknowledged since.",
        ),
        (
            [opened(), SNOOZED],
            5 * MINUTE,
            "It escalates in 15 min 0 s, at 2026-01-01 12:20:00 UTC, unless acknowledged: Kim had snoozed it until then.",
        ),
        (
            [opened(), CLAIM, FAILURE, entry(4, "snoozed", 4 * MINUTE, by="Kim", deadline=LATER)],
            5 * MINUTE,
            "It escalates in 15 min 0 s, at 2026-01-01 12:20:00 UTC, unless acknowledged: Kim had snoozed it until then.",
        ),
        (
            [opened(), SNOOZED, ACK],
            5 * MINUTE,
            "It did not escalate: Ada acknowledged 19 min 0 s before the deadline.",
        ),
        (
            [opened(), ASKED, recorded(MINUTE)],
            5 * MINUTE,
            "It escalated as INC1, at its deadline: Kim had asked for it at once, and nobody had acknowledged since.",
        ),
        (
            [opened(), BY_HAND],
            5 * MINUTE,
            "It did not escalate: Kim resolved it 1 min 0 s before the deadline.",
        ),
        (
            [opened(), CLAIM, CALLED_OFF],
            2 * MINUTE,
            "It escalates in 1 min 0 s, at 2026-01-01 12:03:00 UTC, unless acknowledged.",
        ),
        ([opened(), RESOLVED], MINUTE, "It did not escalate: it was resolved 1 min 0 s before the deadline."),
        ([opened(), CLAIM], 4 * MINUTE, "It is being escalated: an attempt began 1 min 0 s ago."),
        (
            [opened(), CLAIM, FAILURE],
            4 * MINUTE,
            "It has not escalated yet: 1 attempt failed, the last with: answered 500.",
        ),
        (
            [opened(), CLAIM, ON_TIME],
            4 * MINUTE,
            "It escalated as INC1, at its deadline: nobody had acknowledged.",
        ),
        (
            [opened(), CLAIM, FAILURE, RECORD],
            4 * MINUTE,
            "It escalated as INC1, 2.0 s after its deadline, after 1 failed attempt: nobody had acknowledged.",
        ),
        (
            [opened(), CLAIM, FAILURE, entry(4, "acknowledged", 4 * MINUTE, by="Ada")],
            5 * MINUTE,
            "It did not escalate: Ada acknowledged after the deadline, after 1 failed attempt.",
        ),
        (
            [opened(), entry(2, "acknowledged", MINUTE, by="Ada", lapses_at=LATER)],
            5 * MINUTE,
            "It did not escalate: Ada acknowledged 2 min 0 s before the deadline; still firing at 2026-01-01 12:20:00 UTC, "
            "it is open again.",
        ),
        (
            [opened(), entry(2, "acknowledged", MINUTE, by="Ada", lapses_at=LATER), RESOLVED],
            5 * MINUTE,
            "It did not escalate: Ada acknowledged 2 min 0 s before the deadline.",
        ),
        (
            [opened(), CLAIM, FAILURE, FAILURE, entry(5, "resolved", 4 * MINUTE)],
            5 * MINUTE,
            "It did not escalate: it was resolved after the deadline, after 2 failed attempts.",
        ),
        (
            [opened(), CLAIM, FAILURE, ACK, RECORD],
            4 * MINUTE,
            "It escalated as INC1, after 1 failed attempt: the attempt had begun before Ada acknowledged, and its answer was lost.",
        ),
        (
            [opened(), CALL, recorded(3 * MINUTE), LATE_ACK],
            8 * MINUTE,
            "It escalated as INC1, at its deadline, after 1 further call: nobody had acknowledged; Ada acknowledged 4 min 0 s later.",
        ),
        (
            [opened(), recorded(3 * MINUTE), TAKEN_BY_WEBHOOK],
            8 * MINUTE,
            "It escalated as INC1, at its deadline: nobody had acknowledged; to the webhook 2 min 0 s later.",
        ),
        (
            [
                opened(),
                SNOOZED,
                recorded(20 * MINUTE),
                LATE_ACK,
                entry(12, "unacknowledged", 30 * MINUTE, by="Bob"),
            ],
            40 * MINUTE,
            "It escalated as INC1, at its deadline: Kim had snoozed it until then, and nobody had acknowledged since.",
        ),
    ],
)
def test_why(entries: list[Entry], after: timedelta, sentence: str) -> None:
    assert why(story(*entries), NOON + after) == sentence


def test_what_was_escalated_stays_so_whoever_takes_it() -> None:
    assert story(opened(), recorded(3 * MINUTE), LATE_ACK).state == "escalated"


def test_what_a_newer_version_wrote_is_shown_and_changes_nothing() -> None:
    told = story(opened(), entry(2, "from_the_future", MINUTE, until="later"))
    assert [one.type for one in told.happenings] == ["opened", "from_the_future"]
    assert told.state == "open"
    assert words(told.happenings[-1]) == ""


def test_a_beginning_that_retention_has_taken_is_missed() -> None:
    assert story(opened()).is_complete
    assert not story(ACK).is_complete


@pytest.mark.parametrize("name", ["at", "data", "version"])
def test_an_entry_that_cannot_be_read_is_told_as_such(name: str) -> None:
    fields = {**ACK.fields, name.encode(): b"x"}
    with pytest.raises(UndecodableError):
        happening(Entry("1-0", fields))


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (ACK, "by Ada, through link"),
        (
            entry(2, "acknowledged", MINUTE, by="Ada", door="link", lapses_at=LATER),
            "by Ada, through link; lapses 2026-01-01 12:20:00 UTC",
        ),
        (BACK, "by Bob, through link; deadline 2026-01-01 12:20:00 UTC"),
        (entry(2, "unacknowledged", MINUTE, by="Bob", door="link"), "by Bob, through link"),
        (LAPSED, "Ada had it; deadline 2026-01-01 12:20:00 UTC"),
        (SNOOZED, "by Kim, through button; deadline 2026-01-01 12:20:00 UTC"),
        (ASKED, "by Kim, through button; deadline 2026-01-01 12:01:00 UTC"),
        (BY_HAND, "by Kim, through button"),
        (CALL, "step 1: <!here> <@U0LEAD>"),
        (RECORD, "INC1, https://x"),
        (TAKEN_BY_WEBHOOK, "step 2: the webhook"),
        (entry(9, "record_updated", MINUTE, upto=7, outcome="noted"), "knows all up to version 7: noted"),
        (
            entry(9, "record_update_failed", MINUTE, attempt=2, error="answered 403", step=2),
            "step 2: attempt 2: answered 403",
        ),
        (entry(2, "deed_refused", MINUTE, by="Kim", deed="snooze"), "snooze, asked by Kim"),
        (entry(2, "noted", MINUTE, upto=3, ts="1.1"), "in the thread, as 1.1"),
        (entry(2, "digested", MINUTE, storm="7", channel="C1"), "in the digest of storm 7 in C1"),
        (entry(2, "handed_over", MINUTE, heir="a1"), "its message now tells of a1"),
        (entry(2, "superseded", MINUTE, by="a1", heir="a1"), "by a1, which has its message now"),
        (
            entry(1, "opened", MINUTE, title="T", firing=1, openings=[LATER, LATER], message={"ts": "1.0"}),
            "T; 1 firing; no on-call; 2 times within the window; keeps to the message of the one before",
        ),
    ],
)
def test_each_event_is_told_in_words(one: Entry, told: str) -> None:
    assert words(happening(one)) == told

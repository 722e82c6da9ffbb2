"""What a reply in the thread says of each thing that may be told there."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.slack_content import check_content
from services.notifier.thread import reply
from shared.deliveries import notes_after_post
from shared.incident import Acknowledgement, Closure, Note, NoteKind, State
from tests.episodes import MINUTE, NOON
from tests.unit.notifier import sources
from tests.unit.notifier.test_limits import assert_harmless, hostile, moments, urls
from tests.unit.notifier.test_message import clock

LATER = NOON + 30 * MINUTE
DUE = (NOON + 33 * MINUTE).isoformat()
UNLESS = f"Escalates {clock('12:33')} unless acknowledged"
RECORD = {"number": "INC1", "url": "https://snow.example/1"}


def text_of(*notes: Note) -> str:
    arguments = reply(sources.incident(notes=notes))
    check_content(arguments, text_limit=4000)
    text: str = arguments["text"]
    return text


def note(kind: NoteKind, seq: int = 1, at: datetime = LATER, **data: Any) -> Note:
    return Note(seq=seq, at=at, kind=kind, data=data)


ACKED = {"acknowledged_by": "anna", "acknowledged_at": NOON.isoformat()}
TOLD: list[tuple[NoteKind, dict[str, Any], str]] = [
    (
        NoteKind.ALERTS,
        {"firing": 2, "joined": ["Disk — <db-2> is full"], "joined_count": 1},
        "🔥 1 more alert: Disk — &lt;db-2&gt; is full. 2 are firing now",
    ),
    (
        NoteKind.ALERTS,
        {"firing": 9, "joined": ["Disk", "CPU"], "joined_count": 7},
        "🔥 7 more alerts: Disk, CPU. 9 are firing now",
    ),
    (
        NoteKind.ALERTS,
        {"firing": 1, "left": ["Disk"], "left_count": 1},
        "✅ 1 alert resolved: Disk. 1 is firing now",
    ),
    (
        NoteKind.ALERTS,
        {"firing": 3, "joined": ["CPU"], "joined_count": 1, "left": ["Disk"], "left_count": 2},
        "🔥 1 more alert: CPU; 2 resolved: Disk. 3 are firing now",
    ),
    (
        NoteKind.ALERTS,
        {"firing": 0, "left": [], "left_count": 2},
        "✅ 2 alerts resolved. 0 are firing now",
    ),
    (
        NoteKind.STILL_FIRING,
        {"firing": 1, "since": NOON.isoformat()},
        "🔥 Still firing after 30 min 0 s",
    ),
    (
        NoteKind.STILL_FIRING,
        {"firing": 4, "since": NOON.isoformat()},
        "🔥 Still firing after 30 min 0 s: 4 alerts",
    ),
    (
        NoteKind.FIRED_AGAIN,
        {"count": 5, "since": NOON.isoformat(), "closed_at": (LATER - 4 * MINUTE).isoformat()},
        f"🔁 Fired again after 4 min 0 s of quiet: 5 times since {clock('12:00')}",
    ),
    (
        NoteKind.FIRED_AGAIN,
        {"count": 5, "since": NOON.isoformat(), "closed_at": LATER.isoformat()},
        f"🔁 Fired again: 5 times since {clock('12:00')}",
    ),
    (NoteKind.FIRED_AGAIN, {"count": 0}, "🔁 Fired again"),
    (
        NoteKind.WARNINGS,
        {"warnings": ["wait=<soon> is no number"], "count": 1},
        "⚠️ wait=&lt;soon&gt; is no number",
    ),
    (
        NoteKind.WARNINGS,
        {"warnings": ["one", "two"], "count": 9},
        "⚠️ Warnings:\n• one\n• two\n• … and 7 more",
    ),
    (
        NoteKind.ATTEMPT_FAILED,
        {"attempt": 2, "error": "answered 503", "retry_at": DUE},
        f"⚠️ Attempt 2 to escalate failed: answered 503. Next try {clock('12:33')}",
    ),
    (
        NoteKind.ATTEMPT_FAILED,
        {"attempt": 1, "error": "answered 401", "retry_at": DUE, "parked": True},
        f"⚠️ Attempt 1 to escalate failed: answered 401. Somebody has to mend this. Next try {clock('12:33')}",
    ),
    (
        NoteKind.ATTEMPT_FAILED,
        {"attempt": 1, "error": "", "retry_at": LATER.isoformat(), "doubt_until": DUE},
        "⚠️ Attempt 1 to escalate failed: no answer. ServiceNow may have taken it all the same; "
        f"looking until {clock('12:33')}",
    ),
    (NoteKind.ATTEMPT_FAILED, {"attempt": 1, "error": "x"}, "⚠️ Attempt 1 to escalate failed: x"),
    (
        NoteKind.ESCALATED_LATE,
        {"late_seconds": 1740.0, **RECORD},
        "⚠️ Escalated 29 min 0 s late: <https://snow.example/1|INC1>",
    ),
    (
        NoteKind.SECOND_RECORD,
        RECORD,
        "⚠️ There is a second record of this incident: <https://snow.example/1|INC1>",
    ),
    (
        NoteKind.UNACKNOWLEDGED,
        {**ACKED, "by": "bob", "deadline": DUE},
        f"↩️ bob took back the acknowledgement of anna. {UNLESS}",
    ),
    (
        NoteKind.UNACKNOWLEDGED,
        {**ACKED, "by": "anna"},
        "↩️ anna took back the acknowledgement",
    ),
    (
        NoteKind.LAPSED,
        {**ACKED, "by": "anna", "deadline": DUE},
        f"⏰ Still firing 30 min 0 s after anna acknowledged it. {UNLESS}",
    ),
    (
        NoteKind.LAPSED,
        {**ACKED, "acknowledged_by_user": "U0ANNA", "by": "anna", "deadline": DUE},
        f"⏰ Still firing 30 min 0 s after <@U0ANNA> acknowledged it. {UNLESS}",
    ),
    (
        NoteKind.LAPSED,
        {**ACKED, "acknowledged_by_user": "U0ANNA|x> <!here", "by": "anna", "deadline": DUE},
        f"⏰ Still firing 30 min 0 s after anna acknowledged it. {UNLESS}",
    ),
    (
        NoteKind.ATTEMPT_FAILED,
        {"attempt": 1, "error": "x", "target": "webhook", "doubt_until": DUE},
        f"⚠️ Attempt 1 to reach the webhook failed: x. The webhook may have taken it all the same; next try {clock('12:33')}",
    ),
    (
        NoteKind.ESCALATED_LATE,
        {"late_seconds": 60.0, "number": "", "url": "", "target": "webhook"},
        "⚠️ Escalated 1 min 0 s late: the webhook",
    ),
    (
        NoteKind.CALLED_AGAIN,
        {"mention": ["<!subteam^S0OPS>", "<@U0LEAD>"], "deadline": DUE},
        f"📣 <!subteam^S0OPS> <@U0LEAD>: nobody has acknowledged it yet. {UNLESS}",
    ),
    (NoteKind.CALLED_AGAIN, {"mention": []}, "📣 Nobody has acknowledged it yet"),
    (NoteKind.SNOOZED, {"by": "kim", "deadline": DUE}, f"😴 kim snoozed it. {UNLESS}"),
    (NoteKind.SNOOZED, {"by": "", "deadline": DUE}, f"😴 somebody snoozed it. {UNLESS}"),
    (NoteKind.ESCALATION_ASKED, {"by": "<!channel>"}, "🚨 &lt;!channel&gt; asked to escalate at once"),
]


@pytest.mark.parametrize(("kind", "data", "text"), TOLD)
def test_each_note_is_one_short_text(kind: NoteKind, data: dict[str, Any], text: str) -> None:
    assert text_of(note(kind, **data)) == text


def test_there_are_words_for_every_kind_of_note() -> None:
    assert {kind for kind, _, _ in TOLD} == set(NoteKind)


def test_all_that_is_new_is_one_reply_whose_metadata_says_how_far_it_tells() -> None:
    incident = sources.incident(
        notes=(note(NoteKind.ESCALATION_ASKED, 3, by="kim"), note(NoteKind.SECOND_RECORD, 7, **RECORD))
    )
    arguments = reply(incident)
    assert arguments["text"].splitlines() == [
        "🚨 kim asked to escalate at once",
        "⚠️ There is a second record of this incident: <https://snow.example/1|INC1>",
    ]
    payload = {"notes_of": incident.id, "upto": 7}
    assert arguments["metadata"] == {"event_type": "ackstream_notes", "event_payload": payload}


def test_who_was_to_be_called_is_left_alone_once_somebody_has_it() -> None:
    call = note(NoteKind.CALLED_AGAIN, mention=["<!here>"], deadline=DUE)
    for update in (
        {"acknowledgement": Acknowledgement(at=LATER, by="ann", door="link")},
        {"closure": Closure(at=LATER, state=State.RESOLVED)},
    ):
        text: str = reply(sources.incident(notes=(call,), **update))["text"]
        assert "<!here>" not in text
        assert "nobody need be called" in text


def test_a_call_is_never_cut_off() -> None:
    crowd = [note(NoteKind.WARNINGS, warnings=["x" * 1000] * 5, count=5) for _ in range(9)]
    assert text_of(*crowd, note(NoteKind.CALLED_AGAIN, mention=["<!here>"])).startswith("📣 <!here>: nobody")


def test_a_call_that_came_before_the_first_message_is_still_made() -> None:
    call = note(NoteKind.CALLED_AGAIN, mention=["<!here>"])
    told = notes_after_post(sources.incident(notes=(note(NoteKind.SNOOZED, by="kim"), call)))
    assert told == (call,)


counts = st.integers(0, 10**6)
texts = st.lists(hostile, max_size=6)
times = moments.map(datetime.isoformat)
data = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("firing", "count", "joined_count", "left_count", "attempt"), counts),
        **dict.fromkeys(("joined", "left", "warnings"), texts),
        **dict.fromkeys(("since", "closed_at", "retry_at", "doubt_until", "acknowledged_at"), times),
        **dict.fromkeys(("by", "acknowledged_by", "error", "number"), hostile),
        "deadline": times,
        "late_seconds": st.floats(0, 10**9),
        "parked": st.booleans(),
        "url": urls | hostile,
    },
)
notes = st.lists(
    st.builds(Note, seq=counts, at=moments, kind=st.sampled_from(NoteKind), data=data),
    min_size=1,
    max_size=20,
)


@settings(max_examples=150)
@given(notes)
def test_whatever_is_told_slack_takes_it_and_it_calls_nobody(told: list[Note]) -> None:
    text = text_of(*told)
    assert_harmless(text)
    assert 0 < len(text) <= 3500


def test_a_note_that_is_too_long_is_cut_and_never_inside_our_markup() -> None:
    for length in range(290, 310):
        text = text_of(note(NoteKind.ATTEMPT_FAILED, attempt=1, error="&" * length, retry_at=DUE))
        assert_harmless(text)
    crowd = [note(NoteKind.WARNINGS, warnings=["x" * 1000] * 5, count=5) for _ in range(9)]
    assert text_of(*crowd).endswith("…")

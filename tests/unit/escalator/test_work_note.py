"""What a work note says, in plain words, and how it is known again."""

from datetime import timedelta
from typing import Any

import pytest

from services.escalator.work_note import told, work_note
from shared.commands import Command, Fire
from shared.incident import Closure, Incident, Message, News, NewsKind, State
from shared.transitions import advance
from tests.episodes import MINUTE, NOON, alert, incident_id, notification

ID = incident_id()
MARK = f"[ackstream {ID}-7]"


def opened(**update: Any) -> Incident:
    command: Command = Fire(notification(alert("a")), ID)
    incident = advance(None, command, NOON).incident
    assert incident
    return incident.model_copy(update=update)


def news(kind: NewsKind, seq: int = 7, minutes: int = 10, **data: Any) -> News:
    return News(seq=seq, at=NOON + minutes * MINUTE, kind=kind, data=data)


def closed(state: State, by: str = "") -> Closure:
    return Closure(at=NOON + timedelta(hours=2, minutes=5), state=state, by=by)


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (news(NewsKind.ACKNOWLEDGED, by="anna"), "12:10:00 UTC  acknowledged by anna"),
        (news(NewsKind.ACKNOWLEDGED, by="anna", at="2026-01-01T14:04:00+02:00"), "12:04:00 UTC  acknowledged by anna"),
        (news(NewsKind.UNACKNOWLEDGED, by="bob"), "12:10:00 UTC  not acknowledged any more: taken back by bob"),
        (news(NewsKind.UNACKNOWLEDGED), "12:10:00 UTC  not acknowledged any more"),
        (news(NewsKind.UPDATED, joined=["b"], joined_count=1, firing=2), "12:10:00 UTC  1 alert began to fire (b); 2 firing"),
        (news(NewsKind.UPDATED, joined=["b"], joined_count=2, left=["c", "d"], left_count=2, firing=2), "12:10:00 UTC  2 alerts began to fire (b); 2 alerts ceased to fire (c, d); 2 firing"),
    ],
)  # fmt: skip
def test_a_line_says_what_happened_and_when(one: News, line: str) -> None:
    assert work_note(opened(), [one], 4000) == f"2026-01-01 {line}\n{MARK}"


@pytest.mark.parametrize(
    ("closure", "words"),
    [
        (closed(State.RESOLVED), "resolved after 2 h 5 min"),
        (closed(State.RESOLVED, "kim"), "resolved by kim after 2 h 5 min"),
        (closed(State.SUPERSEDED), "superseded after 2 h 5 min: it fires anew, as another incident"),
        (closed(State.EXPIRED), "expired after 2 h 5 min: no notification has mentioned it for long"),
    ],
)
def test_the_end_is_told_with_how_and_after_how_long(closure: Closure, words: str) -> None:
    end = news(NewsKind.CLOSED, minutes=125, state=str(closure.state))
    assert work_note(opened(closure=closure), [end], 4000) == f"2026-01-01 14:05:00 UTC  {words}\n{MARK}"


def test_several_news_are_one_note_that_leads_to_slack() -> None:
    incident = opened(message=Message(channel="C0123456789", ts="1772334002.000200", shown=1))
    both = [news(NewsKind.ACKNOWLEDGED, 5, by="anna"), news(NewsKind.UPDATED, firing=3, minutes=11)]
    assert work_note(incident, both, 4000) == (
        "2026-01-01 12:10:00 UTC  acknowledged by anna\n"
        "2026-01-01 12:11:00 UTC  3 firing\n"
        f"Slack: https://slack.com/archives/C0123456789/p1772334002000200\n{MARK}"
    )


def test_what_strangers_say_stays_plain_text_on_its_line_and_forges_nothing() -> None:
    name = f"x\n[code]<b>\u202e\x00[ackstream {ID}-99]"
    note = work_note(opened(), [news(NewsKind.ACKNOWLEDGED, by=name), news(NewsKind.UPDATED, joined=[name] * 5, joined_count=5)], 4000)  # fmt: skip
    assert len(note.splitlines()) == 3
    assert "[code]" not in note
    assert note.isprintable() or not {"\x00", "\u202e"} & set(note)
    assert told(note, opened()) == 7


def test_a_long_note_is_cut_before_its_mark() -> None:
    many = [news(NewsKind.ACKNOWLEDGED, number, by="n" * 500) for number in range(1, 21)]
    note = work_note(opened(), many, 4000)
    assert len(note) == 4000
    assert note.endswith(f"…\n[ackstream {ID}-20]")


@pytest.mark.parametrize(
    ("journal", "upto"),
    [
        ("", 0),
        ("2026 - Ada (Work notes)\nI will look at it\n\n", 0),
        (f"2026 - Ackstream (Work notes)\nb\n[ackstream {ID}-12]\n\n2026 - …\na\n{MARK}\n\n", 12),
        (f"a\n[ackstream {incident_id(2)}-12]\n", 0),
        (f"[ackstream {ID}-]", 0),
    ],
)
def test_the_latest_mark_of_this_incident_says_what_is_told(journal: str, upto: int) -> None:
    assert told(journal, opened()) == upto

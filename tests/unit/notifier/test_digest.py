"""A digest as Slack gets it: within the limits whatever its incidents say, and in words that people understand at once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.slack_content import check_content
from services.notifier.digest import (
    Worst,
    closing_line,
    digest_message,
    headline,
    plain_digest,
    reopened_line,
)
from shared.incident import Incident
from shared.storms import Crowd, Named, Storm, Wish
from tests.unit.notifier.test_limits import OURS, assert_harmless, hostile, incidents, texts

BEGUN = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORM = Storm(
    id="a" * 32,
    channel="C1",
    begun=BEGUN,
    members=10_000,
    open=9_812,
    acknowledged=100,
    escalated=20,
    resolved=68,
    recorded=30,
    overflow=37,
    singly=12,
    last=BEGUN + timedelta(seconds=61),
    over=None,
    wish=None,
    carried=0,
    reopened=0,
    reopened_told=0,
    changes=7,
    shown=3,
    place="C1",
    ts="",
    look=None,
    retry_at=None,
    attempts=0,
    error="",
    parked=False,
    wanted=False,
    closed=False,
    now=BEGUN + timedelta(seconds=62),
)
OVER = replace(STORM, over=BEGUN + timedelta(seconds=181), ts="1.0")
EMPTY = Crowd((), 0, ())
URL = f"{OURS}api/storm/1"


def test_the_thread_is_told_how_many_are_open_again_and_who_had_acknowledged_all() -> None:
    storm = replace(STORM, reopened=12, reopened_told=3)
    assert reopened_line(storm)["text"].startswith("⏰ 9 incidents that had been acknowledged are open again")
    wish = Wish("Ada", "button", "U123", "token", BEGUN)
    one = replace(storm, reopened=4, wish=wish)
    assert reopened_line(one)["text"].startswith("⏰ <@U123> 1 incident that had been acknowledged is open")
    forged = replace(one, wish=replace(wish, user="U1> <!channel"))
    assert "<" not in reopened_line(forged)["text"]


def test_the_header_line_is_enough() -> None:
    crowd = Crowd((Named("A", "critical", 1, 3000), Named("B & C", "", 1, 2), Named("D", "", 1, 1)), 3, ())
    told = "[STORM] 9,812 of 10,000 incidents open — A (critical) 3,000, B &amp; C 2"
    assert headline(STORM, crowd) == told
    assert headline(STORM, EMPTY) == "[STORM] 9,812 of 10,000 incidents open"
    assert headline(OVER, crowd) == "[STORM over] 10,000 incidents, 9,812 still open"


def test_it_tells_totals_names_and_how_many_more() -> None:
    crowd = Crowd((Named("HighLatency", "critical", 3000, 3120), Named("DiskFull", "", 1, 2)), 12, ())
    text = str(digest_message(STORM, crowd, [], URL))
    for part in (
        "9,812 open · 100 acknowledged · 20 escalated · 68 resolved · 30 got a record in ServiceNow",
        "• *HighLatency* (critical): 3,000 open of 3,120",
        "• *DiskFull*: 1 open of 2",
        "… and 10 more names",
        "⚠️ 37 of the open ones are as bad",
        "12 more were posted singly",
        "Acknowledge all (9,812)",
    ):
        assert part in text


def test_the_closing_line_has_the_totals() -> None:
    text = closing_line(OVER)["text"]
    for part in (
        "10,000 incidents",
        "(1 min 1 s)",
        "12 more posted singly",
        "20 escalated",
        "messages of its own again",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("more", "color"),
    [
        ({}, "#C70039"),
        ({"open": 0}, "#7B1FA2"),
        ({"open": 0, "escalated": 0}, "#F2A900"),
        ({"open": 0, "escalated": 0, "acknowledged": 0}, "#36A64F"),
    ],
)
def test_its_colour_is_that_of_what_is_worst(more: dict[str, int], color: str) -> None:
    storm: Storm = replace(STORM, **more)  # type: ignore[arg-type]
    message = digest_message(storm, EMPTY, [], URL)
    assert message["attachments"][0]["color"] == color
    assert ("ack_storm" in str(message)) == bool(storm.open)


def test_who_acknowledged_all_is_told() -> None:
    wish = Wish("Ada & <Co>", "digest", "", "t", BEGUN)
    text = str(digest_message(replace(STORM, wish=wish, carried=9000), EMPTY, [], URL))
    assert "Ada &amp; &lt;Co&gt; acknowledged all that was open" in text
    assert ": 9,000" in text


named = st.builds(Named, name=hostile, severity=hostile, open=st.just(10**6), total=st.just(10**6))
worst = st.builds(Worst, incident=incidents, url=st.none() | st.just(URL) | st.just(OURS + "a" * 4000))


@settings(max_examples=60)
@given(
    names=st.lists(named, max_size=3).map(lambda some: tuple(some * 4)),
    worst=st.lists(worst, max_size=2).map(lambda some: some * 5),
    by=hostile,
    over=st.booleans(),
)
def test_slack_takes_it_whatever_the_incidents_say(
    names: tuple[Named, ...], worst: list[Worst], by: str, over: bool
) -> None:
    wish = Wish(by, "digest", "", "t", BEGUN)
    storm = replace(OVER if over else STORM, wish=wish)
    crowd = Crowd(names, 10**6, ())
    for message in (digest_message(storm, crowd, worst, URL), plain_digest(storm, crowd, by, URL)):
        check_content(message, text_limit=4000)
        for text in [message["text"], *texts(message["attachments"])]:
            assert len(text) <= 4000
            assert_harmless(text)

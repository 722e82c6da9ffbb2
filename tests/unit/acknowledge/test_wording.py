import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.wording import moment, tone
from shared.wording import MAX_NAME, clean_name, is_web, span

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 min 0 s"),
        (160, "2 min 40 s"),
        (3600, "1 h"),
        (3660, "1 h 1 min"),
        (90061, "1 d 1 h"),
        (86460, "1 d"),
    ],
)
def test_a_span_is_said_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert span(timedelta(seconds=seconds)) == words


def test_a_moment_of_today_goes_without_a_date_and_is_machine_readable() -> None:
    berlin = timezone(timedelta(hours=1))
    assert (
        moment(NOON.astimezone(berlin), NOON) == '<time datetime="2026-11-21T12:00:00Z">12:00:00 UTC</time>'
    )
    assert "20 Nov 2026, 12:00:00 UTC" in moment(NOON - timedelta(days=1), NOON)


@pytest.mark.parametrize(
    ("severity", "name"),
    [("critical", "bad"), (" WARNING ", "warn"), ("info", "note"), ("purple", "plain"), ("", "plain")],
)
def test_a_severity_has_a_tone(severity: str, name: str) -> None:
    assert tone(severity) == name


@pytest.mark.parametrize("url", ["https://x.example/", "HTTP://x.example"])
def test_web_addresses_are_linked(url: str) -> None:
    assert is_web(url)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "//x.example",
        "https:",
        "http://[",
        "",
    ],
)
def test_other_addresses_are_not_linked(url: str) -> None:
    assert not is_web(url)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Ann \t\r\n Ng ", "Ann Ng"),
        ("Ann\x00\x1b[31m", "Ann[31m"),
        ("\ud800Ann", "Ann"),
        ("Ann\u202egnN", "AnngnN"),
        ("\u200e \u2028 \x00", ""),
        ("नुक्\u200dता", "नुक्\u200dता"),
        ("a" * 200, "a" * MAX_NAME),
        ("a" * 79 + " b", "a" * 79),
    ],
)
def test_a_name_becomes_one_short_visible_line(typed: str, kept: str) -> None:
    assert clean_name(typed) == kept


@given(st.text(st.characters(exclude_categories=()), max_size=300))
def test_no_name_keeps_controls_or_surrogates(text: str) -> None:
    name = clean_name(text)
    assert len(name) <= MAX_NAME
    assert name == " ".join(name.split())
    assert not {unicodedata.category(char) for char in name} & {"Cc", "Cs"}
    assert clean_name(name) == name

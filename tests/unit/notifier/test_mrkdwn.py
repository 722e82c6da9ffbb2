"""Escaping, cutting and our own markup, for whatever text comes."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.mrkdwn import boundary, code, codeblock, cut, date, escape, link
from shared.plain_text import clean


def test_only_the_three_signs_that_slack_knows_are_escaped() -> None:
    assert escape("""<a & "b" 'c'>""") == """&lt;a &amp; "b" 'c'&gt;"""


def test_control_characters_surrogates_and_direction_marks_are_removed() -> None:
    assert escape("a\x00b\x07c\x9b\ud800d\u202ee\tf\r\ng\rh") == "abcde\tf\ng\nh"


@pytest.mark.parametrize("call", ["@channel", "@here", "@Everyone"])
def test_a_bare_call_to_everybody_is_defused(call: str) -> None:
    assert call not in escape(f"wake {call} now")
    assert escape("mail me@here.example") == "mail me@here.example"


def test_a_link_escapes_its_label_and_encodes_what_would_end_its_target() -> None:
    made = link("https://x.example/a b|c>d?e=1&f=2", "<see> &\n that|this")
    assert made == "<https://x.example/a%20b%7Cc%3Ed?e=1&amp;f=2|&lt;see&gt; &amp; that|this>"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "!channel", "https://", "http://[", "", "/relative"])
def test_what_is_no_web_address_is_its_label_only(url: str) -> None:
    assert link(url, "Runbook") == "Runbook"


def test_a_link_too_long_for_a_section_is_its_label_only() -> None:
    assert link("https://x.example/" + "a" * 2000, "Runbook") == "Runbook"


def test_code_survives_backticks_and_line_ends() -> None:
    assert code("a`b\nc<d>") == "`a\u02cbb c&lt;d&gt;`"
    assert code(" \n") == ""
    assert codeblock("a\n```\nb") == "```\na\n\u02cb\u02cb\u02cb\nb\n```"


def test_a_date_has_a_fallback_in_utc() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert date(noon) == "<!date^1767268800^{date_short_pretty} {time}|2026-01-01 12:00 UTC>"
    assert date(noon.replace(tzinfo=None)) == date(noon)


@pytest.mark.parametrize("year", [1, 1969])
def test_alertmanagers_year_one_is_no_date(year: int) -> None:
    assert date(datetime(year, 1, 1, tzinfo=UTC)) == ""


def test_a_cut_never_splits_an_entity_or_a_link() -> None:
    text = "ab&amp;cd<https://x.example/|label>e"
    assert boundary(text, 4) == 2
    assert boundary(text, 7) == 7
    assert boundary(text, 20) == 9
    assert cut(text, 12) == "ab&amp;cd…"
    assert cut(text, len(text)) == text


@given(st.text(st.characters(exclude_categories=()) | st.sampled_from("<>&|a\n")), st.integers(1, 40))
def test_what_is_escaped_and_cut_reads_as_a_beginning_of_the_original(text: str, limit: int) -> None:
    whole = escape(text)
    shown = cut(whole, limit)
    assert len(shown) <= limit
    kept = shown if shown == whole else shown.removesuffix("…")
    assert "<" not in kept
    plain = kept.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert clean(text).startswith(plain)


def test_a_link_without_a_label_stays_on_its_line() -> None:
    assert (
        link("https://x.example/\n<!here>")
        == "<https://x.example/%0A%3C!here%3E|https://x.example/ &lt;!here&gt;>"
    )

"""Which part of the past somebody means."""

from datetime import timedelta

import pytest

from ops.replay.selection import Bound, Range, Selection, SelectionError, opening
from shared.identity import new_incident_id
from tests.episodes import MINUTE, NOON, incident_id

NOON_MS = "1767268800000"


@pytest.mark.parametrize(
    ("typed", "entry"),
    [
        ("2026-01-01T12:00", NOON_MS),
        ("2026-01-01 12:00:00", NOON_MS),
        ("2026-01-01T13:00+01:00", NOON_MS),
        ("2026-01-01T12:00Z", NOON_MS),
        ("2026-01-01", "1767225600000"),
        ("20260101", "1767225600000"),
        ("1700000000000-0", "1700000000000-0"),
        ("1700000000000-17", "1700000000000-17"),
        ("1700000000000", "1700000000000"),
        ("now", NOON_MS),
        ("-90s", "1767268710000"),
        ("-30m", "1767267000000"),
        ("-1h", "1767265200000"),
        ("-2d", "1767096000000"),
        ("-1w", "1766664000000"),
        (" -1h ", "1767265200000"),
        ("-99999d", "0"),
        ("-999999999d", "0"),
    ],
)
def test_a_moment_may_be_said_in_many_ways(typed: str, entry: str) -> None:
    assert Bound.parse(typed).at(NOON) == entry


@pytest.mark.parametrize(
    "typed", ["", "yesterday", "1h", "-1y", "-h", "2026-13-01", "12:00", "1-2-3", "--1h"]
)
def test_what_is_no_moment_says_what_is(typed: str) -> None:
    with pytest.raises(SelectionError, match="is no moment: say 2026-01-31T03:00"):
        Bound.parse(typed)


def test_nothing_said_means_everything() -> None:
    assert Selection.parse(None, None, ()).at(NOON) == Range("-", "+")
    assert Range().is_everything
    assert not Range(incidents=frozenset({incident_id()})).is_everything


@pytest.mark.parametrize(
    ("start", "end", "fine"),
    [
        ("-1h", "-30m", True),
        ("-30m", "-1h", False),
        ("-1h", "-1h", True),
        ("1700000000000-5", "1700000000000", True),
        ("1700000000000-5", "1700000000000-4", False),
        ("now", None, True),
    ],
)
def test_a_range_that_ends_before_it_begins_is_refused(start: str, end: str | None, fine: bool) -> None:
    selection = Selection.parse(start, end, ())
    if fine:
        selection.at(NOON)
    else:
        with pytest.raises(SelectionError, match="--to lies before --from"):
            selection.at(NOON)


def test_an_incident_is_named_by_its_id() -> None:
    assert Selection.parse(None, None, (incident_id(),)).incidents == {incident_id()}
    with pytest.raises(SelectionError, match="is not an incident id"):
        Selection.parse(None, None, ("INC0010001",))


def test_reading_begins_before_the_oldest_incident_opened() -> None:
    ids = frozenset(new_incident_id(NOON + n * MINUTE, 0, bytes(9)) for n in range(3))
    assert Bound(opening(ids)).at(NOON) == Bound(before_now=timedelta(minutes=1)).at(NOON)


def test_an_entry_lies_before_the_range_or_not() -> None:
    range_ = Range("1700000000000-5", "+")
    assert range_.begins_after("1700000000000-4")
    assert range_.begins_after("1699999999999-9")
    assert not range_.begins_after("1700000000000-5")
    assert not Range().begins_after("0-1")

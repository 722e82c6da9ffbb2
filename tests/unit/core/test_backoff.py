from datetime import timedelta

import pytest

from shared.backoff import CAP, FIRST, LONGEST_RETRY_AFTER, NEEDS_PERSON, RAREST, SHORTEST, backoff

SECOND = timedelta(seconds=1)


def test_it_doubles_from_the_first_to_the_cap() -> None:
    waits = [backoff(attempts, jitter=1) for attempts in (0, 1, 2, 20)]
    assert waits == [FIRST, 2 * FIRST, 4 * FIRST, CAP]


def test_jitter_spreads_a_crowd_over_the_whole_wait() -> None:
    assert [backoff(3, jitter=dice) for dice in (0, 0.25, 0.5)] == [SHORTEST, 2 * FIRST, 4 * FIRST]


@pytest.mark.parametrize("attempts", [0, 5, 50])
def test_the_other_sides_word_counts_however_often_it_was_said(attempts: int) -> None:
    """A queue in front of a rate limit must move at its rate, not slow down with every refusal."""
    assert SECOND <= backoff(attempts, retry_after=SECOND) <= 1.1 * SECOND


def test_nobody_parks_a_page_for_days_with_a_slip_in_a_header() -> None:
    assert backoff(0, retry_after=timedelta(days=9), jitter=0) == LONGEST_RETRY_AFTER


def test_what_needs_a_person_is_tried_slowly() -> None:
    assert backoff(0, needs_person=True, jitter=0) == NEEDS_PERSON
    assert backoff(0, needs_person=True, retry_after=SECOND, jitter=0) == NEEDS_PERSON


def test_what_nobody_waits_for_is_tried_ever_more_rarely_until_somebody_has_mended_it() -> None:
    """A thousand records that a data policy keeps from being closed must not be a thousand requests a minute."""
    waits = [backoff(attempts, needs_person=True, patient=True, jitter=0) for attempts in (0, 1, 2, 50)]
    assert waits == [NEEDS_PERSON, 2 * NEEDS_PERSON, 4 * NEEDS_PERSON, RAREST]
    assert backoff(20, patient=True, jitter=1) == CAP


def test_a_longer_word_of_the_other_side_counts_there_too() -> None:
    wait = backoff(0, needs_person=True, retry_after=5 * NEEDS_PERSON, jitter=0)
    assert wait == 5 * NEEDS_PERSON

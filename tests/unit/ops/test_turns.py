"""Why somebody waits, in words."""

from datetime import UTC, datetime

import pytest

from ops.turns import Turn, why

SILENT = datetime(2026, 1, 1, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (Turn("infra", 1, None, None, None), "a turn at the instance infra"),
        (Turn("webhook", 1, None, None, None), "a turn at the webhook"),
        (
            Turn("webhook", 1, None, SILENT, None),
            "the webhook, which does not answer since 2026-01-01 03:00:00 UTC",
        ),
        (
            Turn("webhook", 1, None, None, 90.0),
            "the webhook, which asked to be left alone for another 1 min 30 s",
        ),
    ],
)
def test_it_is_told_what_is_waited_for(turn: Turn, words: str) -> None:
    assert why(turn) == words

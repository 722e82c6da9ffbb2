"""What goes together after `ackstream replay`, and what does not."""

from pathlib import Path
from typing import Any

import pytest

from ops.replay.wish import Wish, WishError

NONE: dict[str, Any] = {
    "start": None,
    "end": None,
    "incidents": (),
    "group": None,
    "force": False,
    "dry_run": False,
    "channel": None,
    "speed": None,
    "into": None,
    "redact": False,
    "what_if": None,
    "as_new": False,
    "until_delivered": False,
}


def wish(**given: Any) -> Wish:
    return Wish(**{**NONE, **given})


@pytest.mark.parametrize(
    ("given", "way"),
    [
        ({"group": "escalator"}, "--group"),
        ({"group": "notifier", "force": True}, "--group"),
        ({"dry_run": True, "start": "-1h"}, "--dry-run"),
        ({"channel": "C1", "speed": 10.0}, "--channel"),
        ({"into": "redis://x", "redact": True}, "--into"),
        ({"what_if": Path("c.yaml")}, "--what-if"),
        ({"as_new": True, "speed": 2.0, "until_delivered": True}, "--as-new"),
    ],
)
def test_one_way_with_what_belongs_to_it(given: dict[str, Any], way: str) -> None:
    assert wish(**given).check() == way


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "say what to do with the past: one of --group, --dry-run, --channel"),
        ({"dry_run": True, "as_new": True}, "--dry-run and --as-new do not go together; run one after"),
        ({"dry_run": True, "force": True}, "--force goes with --group notifier, not with --dry-run"),
        ({"group": "escalator", "force": True}, "records are never written again"),
        ({"dry_run": True, "speed": 2.0}, "--speed goes with --channel or --as-new, not with --dry-run"),
        (
            {"what_if": Path("x"), "redact": True},
            "--redact goes with --into, not with --what-if; leave it out",
        ),
        ({"channel": "C1", "until_delivered": True}, "--exit goes with --as-new, not with --channel"),
    ],
)
def test_what_does_not_go_together_says_what_to_change(given: dict[str, Any], said: str) -> None:
    with pytest.raises(WishError, match=said):
        wish(**given).check()

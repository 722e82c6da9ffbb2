"""A message of a replay is known as one, and calls nobody."""

import json
from typing import Any

import pytest

from ops.replay.marking import MARK, as_replay, without_mentions
from services.notifier.message import Look, plain_message, slack_message
from shared.commands import Fire
from shared.incident import Incident
from shared.transitions import advance
from tests.episodes import NOON, incident_id, notification

LOOK = Look("Acknowledge", "primary", disable_button=False)
LINK = f"https://ack.example.com/api/ack/{incident_id()}?exp=1&sig=x"


def opened() -> Incident:
    incident = advance(None, Fire(notification(), incident_id()), NOON).incident
    assert incident
    return incident


@pytest.fixture
def marked() -> dict[str, Any]:
    text = "<!channel> <!subteam^S1|@sre> <@U123|ada> <@U456> @here"
    return as_replay(slack_message(opened(), text, LOOK, LINK), opened(), NOON)


def test_it_is_marked_on_the_lock_screen_and_on_top(marked: dict[str, Any]) -> None:
    (attachment,) = marked["attachments"]
    assert marked["text"].startswith(f"{MARK} [FIRING:1]")
    assert attachment["fallback"].startswith(MARK)
    assert attachment["blocks"][0]["elements"][0]["text"].startswith(
        f"{MARK} This is the past, 2026-01-01 12:00:00"
    )


def test_it_has_no_button_and_no_link(marked: dict[str, Any]) -> None:
    said = json.dumps(marked)
    assert '"actions"' not in said
    assert "/api/ack/" not in said


def test_it_calls_nobody(marked: dict[str, Any]) -> None:
    said = json.dumps(marked, ensure_ascii=False)
    for mention in ("<!channel", "<!subteam", "<@U", " @here"):
        assert mention not in said
    assert "ada" in said, "the words stay"


def test_no_notifier_can_take_it_for_its_own(marked: dict[str, Any]) -> None:
    assert marked["metadata"]["event_type"] == "ackstream_replay"
    assert "incident_id" not in marked["metadata"]["event_payload"]


def test_a_plain_message_is_marked_too() -> None:
    plain = as_replay(plain_message(opened(), "why", None), opened(), NOON)
    assert plain["text"].startswith(f"{MARK} [FIRING:1]")


def test_dates_and_links_stay() -> None:
    text = "<!date^1767268800^{date} {time}|noon> <https://x.example.com|x> mail@everyone.example"
    assert without_mentions(text) == text

"""Buttons that tell us who pressed them."""

from typing import Any

import pytest

from sandbox.slack_content import check_content
from services.notifier.look import Look
from services.notifier.message import slack_message
from shared.incident import Acknowledgement, Closure, Effort, Incident, Lease, State
from shared.notification import Call, Facts
from shared.offers import Offer
from tests.episodes import MINUTE, NOON
from tests.unit.notifier.sources import incident
from tests.unit.notifier.test_message import record

PAGE = "https://ack.example/api/ack/1?exp=1&sig=2"
LOOK = Look("Acknowledge Alert", "primary", disable_button=False, interactive=True)
FACTS = Facts(source="alertmanager", title="HighLatency", severity="critical")
TAKEN = Acknowledgement(at=NOON, by="anna", door="button", user="U1")
SURE = {"escalate_incident": "danger", "resolve_incident": None}


def shown(made: Incident, look: Look = LOOK, page: str | None = PAGE) -> list[dict[str, Any]]:
    arguments = slack_message(made, "text", look, page)
    check_content(arguments, text_limit=4000)
    blocks = [block for block in arguments["attachments"][0]["blocks"] if block["type"] == "actions"]
    assert [block["block_id"] for block in blocks] == ["incident_actions"] * len(blocks)
    return [button for block in blocks for button in block["elements"]]


@pytest.mark.parametrize(
    ("update", "actions"),
    [
        ({}, ["ack_incident", "snooze_15", "snooze_60", "escalate_incident", "resolve_incident"]),
        ({"acknowledgement": TAKEN}, ["unack_incident", "resolve_incident"]),
        ({"record": record()}, ["ack_incident", "resolve_incident"]),
        ({"record": record(), "acknowledgement": TAKEN}, ["unack_incident", "resolve_incident"]),
        ({"escalation": Effort(lease=Lease(token="t", at=NOON, until=NOON + MINUTE))}, []),
        ({"closure": Closure(at=NOON, state=State.RESOLVED)}, []),
        ({"call": Call(wait=None), "deadline": None}, []),
        ({"call": Call(wait=0 * MINUTE), "deadline": NOON}, []),
    ],
)
def test_each_state_has_its_buttons_which_name_the_incident_and_lead_nowhere(
    update: dict[str, Any], actions: list[str]
) -> None:
    made = incident(FACTS, **update)
    buttons = shown(made)
    assert [button["action_id"] for button in buttons] == actions
    assert {button["value"] for button in buttons} <= {made.id}
    assert not [button for button in buttons if "url" in button]


def test_what_cannot_be_taken_back_is_asked_for_twice() -> None:
    asked = {
        button["action_id"]: button["confirm"] for button in shown(incident(FACTS)) if "confirm" in button
    }
    assert {action: dialog.get("style") for action, dialog in asked.items()} == SURE


def test_the_first_button_looks_as_configured() -> None:
    first, *others = shown(incident(FACTS))
    assert (first["text"]["text"], first["style"]) == ("Acknowledge Alert", "primary")
    assert {button.get("style") for button in others} == {None, "danger"}


def test_buttons_that_are_switched_off_become_a_link_to_the_page() -> None:
    look = Look("Ack", "primary", disable_button=True, interactive=True)
    assert shown(incident(FACTS), look) == []
    assert PAGE.replace("&", "&amp;") in str(slack_message(incident(FACTS), "text", look, PAGE))


def test_a_message_that_only_shows_the_past_has_none() -> None:
    assert shown(incident(FACTS), page=None) == []


def test_every_offer_has_a_button() -> None:
    offered = {Offer(name) for name in Offer}
    states = (incident(FACTS), incident(FACTS, acknowledgement=TAKEN))
    assert len({button["action_id"] for made in states for button in shown(made)}) == len(offered)

"""Slack's words for a press, and what we make of them."""

import copy
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.commands import Acknowledge, Deed, EscalateNow, ResolveByHand, SnoozeFor, Unacknowledge
from shared.interactions import MalformedInteractionError, Pressed, StormPressed, pressed
from tests.episodes import incident_id

WHO = {"by": "alex", "door": "button", "user": "U0ALEX"}


def payload(action_id: str = "ack_incident", **action: Any) -> dict[str, Any]:
    """As Slack sends it, less what we do not read."""
    given = {
        "action_id": action_id,
        "block_id": "incident_actions",
        "type": "button",
        "text": {"type": "plain_text", "text": "Acknowledge"},
        "value": incident_id(),
        "action_ts": "1767268800.123456",
    }
    return {
        "type": "block_actions",
        "user": {"id": "U0ALEX", "username": "alex", "name": "alex", "team_id": "T1"},
        "container": {"type": "message", "message_ts": "1767268800.000100", "channel_id": "C1"},
        "response_url": "https://hooks.slack.com/actions/T1/2/3",
        "actions": [given | action],
    }


def altered(where: str, value: Any) -> dict[str, Any]:
    """The payload with something else at a place such as `actions.0.value`; None takes it away."""
    changed: Any = copy.deepcopy(payload())
    *way, last = [int(step) if step.isdecimal() else step for step in where.split(".")]
    inner = changed
    for step in way:
        inner = inner[step]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return dict(changed)


@pytest.mark.parametrize(
    ("action_id", "kind", "more"),
    [
        ("ack_incident", Acknowledge, {}),
        ("unack_incident", Unacknowledge, {}),
        ("snooze_15", SnoozeFor, {"span": timedelta(minutes=15)}),
        ("snooze_60", SnoozeFor, {"span": timedelta(hours=1)}),
        ("escalate_incident", EscalateNow, {}),
        ("resolve_incident", ResolveByHand, {}),
    ],
)
def test_each_button_is_a_deed_of_who_pressed_it(
    action_id: str, kind: type[Deed], more: dict[str, Any]
) -> None:
    found = pressed(payload(action_id))
    assert isinstance(found, Pressed)
    assert found.incident_id == incident_id()
    assert found.deed == kind(**WHO, token=f"1767268800.123456:{action_id}", **more)


def test_a_digest_s_button_names_its_storm() -> None:
    found = pressed(payload("ack_storm", value="storm-1"))
    assert found == StormPressed("storm-1", "alex", "U0ALEX", "1767268800.123456:ack_storm")


@pytest.mark.parametrize(
    ("name", "username", "by"),
    [
        ("", "alex.m", "alex.m"),
        (None, None, "U0ALEX"),
        ("a\u202eb\nc", "x", "ab c"),
        (7, "x", "x"),
        ("x" * 99, "", "x" * 80),
    ],
)
def test_everybody_is_called_something(name: Any, username: Any, by: str) -> None:
    found = pressed(altered("user", {"id": "U0ALEX", "name": name, "username": username}))
    assert isinstance(found, Pressed)
    assert found.deed.by == by


@pytest.mark.parametrize(
    "odd",
    [
        payload("ack_incident", url="https://ack.example/"),
        payload("somebody_elses"),
        {"type": "view_submission"},
        {"type": "message_action", "callback_id": "x"},
    ],
)
def test_what_asks_nothing_of_us_is_nothing(odd: dict[str, Any]) -> None:
    assert pressed(odd) is None


@pytest.mark.parametrize(
    "odd",
    [
        *(None, [], "x", 7, {}, {"type": 7}, {"type": "block_actions"}),
        *(altered("actions", value) for value in ([], {}, "x", [None], [[]], [{}])),
        *(altered("user", value) for value in (None, "U1", {}, {"id": ""}, {"id": ["U1"]}, {"id": "U\n1"})),
        *(altered("actions.0.value", value) for value in (None, "", 1, "x", incident_id() + "\n", "F" * 32)),
        *(altered("actions.0.action_ts", value) for value in (None, "", 1, "1" * 256, "\ud800")),
        *(altered("actions.0.action_id", value) for value in (None, "", ["ack_incident"])),
    ],
)
def test_what_slack_would_not_send_is_refused_with_a_reason(odd: Any) -> None:
    with pytest.raises(MalformedInteractionError, match=r"missing|odd|no "):
        pressed(odd)


texts = st.text(max_size=8) | st.sampled_from(["block_actions", "ack_incident", incident_id()])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "actions", "user", "id", "value", "action_id"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
places = st.sampled_from(
    [
        "type",
        "user",
        "user.id",
        "user.name",
        "actions",
        "actions.0",
        *(f"actions.0.{name}" for name in ("value", "action_id", "action_ts")),
    ]
)


@settings(max_examples=300)
@given(values | st.builds(altered, places, values))
def test_nothing_that_is_json_is_more_than_malformed(anything: Any) -> None:
    try:
        found = pressed(anything)
    except MalformedInteractionError:
        return
    assert found is None or isinstance(found, StormPressed) or found.incident_id == incident_id()

"""Buttons that act, from Slack's press to the record, by both ways that Slack has."""

import asyncio
import signal
import time
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from ops.sample_alert import alert_body
from sandbox.faults import Fault
from shared.store import Store
from tests.e2e.conftest import StackFactory
from tests.servers import RedisServer
from tests.stack import Stack, buttons, color
from tests.waiting import wait_until

AMBER, RED, GREEN = "F2A900", "C70039", "36A64F"
BROKEN = alert_body("HighLatency", "critical", "p99 latency of checkout is above 2 s")


@pytest.fixture(params=["http", "socket"])
async def stack(request: pytest.FixtureRequest, new_stack: StackFactory) -> Stack:
    stack = new_stack(interactivity=request.param)
    if request.param == "http":
        stack.sandbox.world.slack.rules.change(interactivity_url=f"{stack.url}/slack/interactions")
    await stack.start_all()
    if request.param == "socket":
        await connected(stack, 1)
    return stack


async def connected(stack: Stack, count: int) -> None:
    mode = stack.sandbox.world.slack.socket_mode
    await wait_until(lambda: len(mode.connections) == count, f"{count} connections")


def actions(message: dict[str, Any]) -> list[str]:
    return [button["action_id"] for button in buttons(message)]


async def test_a_night_with_buttons(stack: Stack, store: Store) -> None:
    incident = (await stack.send(BROKEN)).json()["incident_id"]
    message = await stack.message(lambda one: "ack_incident" in actions(one), "a message with buttons")
    assert not [button for button in buttons(message) if "url" in button]

    # Kim takes it; Alex, who still sees the button, was a moment too late, and only Alex is told.
    slow = Fault(target="slack", kind="latency", match="chat.update", seconds=1.5, count=1)
    stack.sandbox.world.faults.add(slow)
    assert (await stack.press(message, "ack_incident"))["warning"] == ""
    assert (await stack.press(message, "ack_incident", "U0ALEX"))["warning"] == ""
    message = await stack.message(lambda one: color(one) == AMBER, "an amber message")
    assert "kim" in message["text"]
    whispers = await wait_until(
        lambda: stack.sandbox.world.slack.calls.named("chat.postEphemeral"), "a whisper"
    )
    assert [
        (call.arguments["user"], "kim acknowledged it" in call.arguments["text"]) for call in whispers
    ] == [("U0ALEX", True)]

    # Kim gives it back, Sam puts it off, and then there is no time to wait.
    await stack.press(message, "unack_incident")
    message = await stack.message(lambda one: color(one) == RED, "a red message")
    await stack.press(message, "snooze_60", "U0SAM")
    await stack.press(message, "escalate_incident", "U0SAM")
    assert await wait_until(stack.records, "a record")
    left = ["ack_incident", "resolve_incident"]
    message = await stack.message(lambda one: actions(one) == left, "what is left to do")

    # Sam takes it all the same; Alex sees it through.
    await stack.press(message, "ack_incident", "U0SAM")
    taken = ["unack_incident", "resolve_incident"]
    message = await stack.message(lambda one: actions(one) == taken, "that Sam has it")
    assert "ACKNOWLEDGED by sam" in message["text"]
    await stack.press(message, "resolve_incident", "U0ALEX")
    message = await stack.message(lambda one: color(one) == GREEN, "a green message")
    assert (actions(message), len(stack.messages()), len(stack.records())) == ([], 1, 1)
    loaded = (await store.load(incident)).incident
    assert loaded
    assert loaded.closure
    assert loaded.closure.by == "alex"
    for service in ("ingest", "notifier"):
        assert "sandbox-signing-secret" not in stack.log(service)
        assert "xapp-" not in stack.log(service)
        assert "ticket=" not in stack.log(service)


async def test_one_of_two_notifiers_is_killed_and_every_press_counts_once(
    new_stack: StackFactory, store: Store
) -> None:
    stack = new_stack(interactivity="socket")
    stack.sandbox.world.slack.rules.change(patience=2)
    stack.start("ingest")
    for name in ("one", "two"):
        stack.start(name, command="notifier")
    for name in ("ingest", "one", "two"):
        await stack.ready(name)
    await connected(stack, 2)
    ids = [
        (await stack.send(alert_body(f"Alert{i}", "warning", "x"))).json()["incident_id"] for i in range(12)
    ]
    shown = await wait_until(lambda: len(stack.messages()) == 12 and stack.messages(), "12 messages")

    presses = [asyncio.create_task(stack.press(message, "ack_incident")) for message in shown]
    stack.kill("one", signal.SIGKILL)
    told = await asyncio.gather(*presses)
    assert {press["warning"] for press in told} == {""}
    for incident_id in ids:
        incident = (await store.load(incident_id)).incident
        assert incident
        assert incident.acknowledgement
        assert incident.deeds == (incident.deeds[0],), "one press, counted once"

    # It comes back and has its connection again; both end within their time.
    stack.start("one", command="notifier")
    await stack.ready("one")
    await connected(stack, 2)
    began = time.monotonic()
    assert [stack.kill(name, signal.SIGTERM) for name in ("one", "two")] == [0, 0]
    assert time.monotonic() - began < 10
    await connected(stack, 0)


async def test_slack_being_down_keeps_no_notifier_from_starting(new_stack: StackFactory) -> None:
    stack = new_stack(interactivity="socket")
    rules = [
        {"target": "slack", "kind": "status", "status": 503, "match": "apps.connections.open", "name": "down"}
    ]
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.post(f"{stack.sandbox.url}/_sandbox/faults", json=rules)
        stack.start("ingest")
        stack.start("notifier")
        await stack.ready("notifier")
        checks = (await client.get(f"{stack.address('notifier')}/readyz")).json()["checks"]
        assert checks["socket"].startswith("ok: not connected")
        await stack.ready("ingest")
        await stack.send(BROKEN)
        await stack.message(lambda one: "ack_incident" in actions(one), "a message all the same")
        await client.delete(f"{stack.sandbox.url}/_sandbox/faults?name=down")
        await wait_until(
            lambda: stack.sandbox.world.slack.socket_mode.connections, "a connection", seconds=40
        )


async def test_slack_warns_who_presses_while_redis_does_not_answer(
    new_stack: StackFactory, own_redis_server: RedisServer, client: Redis
) -> None:
    stack = new_stack(own_redis_server.url, interactivity="http")
    stack.sandbox.world.slack.rules.change(interactivity_url=f"{stack.url}/slack/interactions")
    await stack.start_all()
    await stack.send(BROKEN)
    message = await stack.message(lambda one: "ack_incident" in actions(one), "a message with buttons")
    own_redis_server.pause()
    press = await stack.press(message, "ack_incident")
    assert (press["status"], press["seconds"] < 3) == (503, True)
    own_redis_server.resume()
    assert (await stack.press(message, "ack_incident"))["status"] == 200
    await stack.message(lambda one: color(one) == AMBER, "an amber message")

"""Slack refuses, drops and lies, and two notifiers cope. Escalations of others must not feel it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from redis.asyncio import Redis

from sandbox.calls import Call
from sandbox.faults import Fault
from sandbox.slack_content import SlackRefusal
from tests.e2e.conftest import StackFactory
from tests.faults.conftest import hurried, many
from tests.faults.traffic import (
    all_recorded,
    all_shown,
    most_late,
    no_delivery_left,
    parked,
    pour,
    shown,
    twice,
)
from tests.stack import Stack
from tests.waiting import wait_until

IN_FLIGHT = 0.5
"""Seconds. A call that arrives so soon after a 429 was on its way before anybody could know of it."""

PROMPT = 5.0
"""Seconds that an escalation may be late on a busy machine; it is tenths on a quiet one."""


@pytest.fixture
async def stack(new_stack: StackFactory) -> Stack:
    """Two notifiers, one of everything else."""
    stack = new_stack(**hurried())
    names = ("ingest", "escalator", "notifier", "notifier2")
    for name in names:
        stack.start(name, command=name.rstrip("2"))
    for name in names:
        await stack.ready(name)
    return stack


async def endure(
    stack: Stack,
    client: Redis,
    fault: Fault,
    what: str,
    *,
    seconds: float,
    meanwhile: Callable[[], Awaitable[None]] | None = None,
) -> list[str]:
    """Send incidents while Slack has `fault`, for as long as it lasts; mend it, and see all of them delivered once."""
    incidents = many(40, 400)
    earlier = twice(shown(stack))
    stack.sandbox.world.faults.add(fault)
    waiting = await pour(stack, [f"{what} {number}" for number in range(incidents)])
    due = await pour(stack, [f"{what} due {number}" for number in range(10)], "?oncall_wait_minutes=0.01")
    await asyncio.sleep(seconds)
    await all_recorded(stack, due, seconds=10)
    if meanwhile:
        await meanwhile()
    stack.sandbox.world.faults.clear()
    ids = [*waiting, *due]
    await all_shown(stack, ids, seconds=many(60, 400))
    await no_delivery_left(client, seconds=many(60, 400))
    late = await most_late(client, due)
    print(
        f"\nSlack: {what}: {sum(shown(stack)[id_] > 0 for id_ in ids)} of {len(ids)} incidents shown, "
        f"{twice(shown(stack)) - earlier} messages too many; escalations meanwhile at most {late:.2f} s late"
    )
    assert [shown(stack)[id_] for id_ in ids] == [1] * len(ids)
    assert late < PROMPT
    return ids


async def test_no_call_falls_into_a_retry_after_and_everything_arrives(stack: Stack, client: Redis) -> None:
    storm, pause = many(6, 60), many(2, 5)
    fault = Fault(target="slack", kind="status", status=429, retry_after=pause)
    await endure(stack, client, fault, f"429 for {storm} s, Retry-After {pause}", seconds=storm)
    calls = [call for call in stack.sandbox.world.slack.calls.entries if call.name.startswith("chat.")]
    refused = [call for call in calls if call.status == 429]
    print(
        f"{len(refused)} calls refused; {len(inside(calls, pause, 0))} came within {IN_FLIGHT} s of a refusal, on their way by then; "
        f"{len(inside(calls, pause, IN_FLIGHT))} later inside a Retry-After"
    )
    assert len(refused) >= storm // pause - 1
    assert inside(calls, pause, IN_FLIGHT) == []


def inside(calls: list[Call], pause: float, in_flight: float) -> list[Call]:
    """Calls that came while a Retry-After lasted, but for its first `in_flight` seconds."""
    refusals = [call.at for call in calls if call.status == 429]
    return [call for call in calls if any(at + in_flight < call.at < at + pause for at in refusals)]


async def test_each_incident_is_shown_once_though_slack_answers_500(stack: Stack, client: Redis) -> None:
    seconds = many(2, 60)
    await endure(stack, client, failing("status", status=500), f"500 for {seconds} s", seconds=seconds)


async def test_each_incident_is_shown_once_though_answers_get_lost(stack: Stack, client: Redis) -> None:
    dropped = failing("drop_after", match="chat.postMessage", count=many(20, 200))
    await endure(stack, client, dropped, f"{dropped.count} posts accepted, answer dropped", seconds=0)
    assert dropped.hits == dropped.count


async def test_what_a_bad_token_parks_is_delivered_once_it_is_mended(stack: Stack, client: Redis) -> None:
    async def is_parked() -> None:
        told = [one for one in await parked(stack) if one["stage"] == "slack"]
        assert len(told) >= many(40, 400)
        assert {one["error"] for one in told} == {"invalid_auth"}

    seconds = many(2, 60)
    refused = failing("slack_error", error="invalid_auth")
    await endure(
        stack, client, refused, f"invalid_auth for {seconds} s", seconds=seconds, meanwhile=is_parked
    )
    assert await parked(stack) == []


def failing(kind: str, **more: Any) -> Fault:
    return Fault(target="slack", kind=kind, **more)


async def test_what_slack_refuses_for_its_blocks_arrives_as_plain_text(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    slack = stack.sandbox.world.slack
    honest = slack.post_message

    def post_message(app: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if arguments.get("attachments"):
            raise SlackRefusal("invalid_blocks")
        return honest(app, arguments)

    monkeypatch.setattr(slack, "post_message", post_message)
    ids = await pour(stack, [f"HighLatency{number}" for number in range(many(40, 400))])
    await all_shown(stack, ids, seconds=60)
    texts = [message["text"] for message in stack.messages()]
    plain = [text for text in texts if "Slack refused the full message: invalid_blocks" in text]
    print(
        f"\nSlack: invalid_blocks: {len(plain)} of {len(ids)} incidents shown as plain text, with their link"
    )
    assert len(plain) == len(texts) == len(ids)
    assert all("HighLatency" in text and "/api/ack/" in text for text in texts)
    await wait_until(
        lambda: len(slack.calls.named("chat.postMessage")) == 2 * len(ids), "no call beyond two each"
    )

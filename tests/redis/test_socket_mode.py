"""Presses over Socket Mode: a real connection to the sandbox, which is Slack, and a real Redis behind it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import httpx
import pytest
import structlog

from sandbox import interactivity
from sandbox.faults import Fault
from sandbox.server import Running
from services.notifier import socket_mode
from services.notifier.look import Look
from services.notifier.message import slack_message
from services.notifier.slack import Slack
from services.notifier.socket_mode import SocketMode
from shared.incident import Incident
from shared.interactions import DOOR
from shared.presses import NotHereError, Presses
from shared.redis_client import Scripts, StoreUnavailableError
from shared.store import Store
from shared.storms import Storms
from tests.redis.conftest import now, opened
from tests.waiting import wait_until

TOKEN = "xapp-1-A0ACKSTREAM-1-secret"
LOOK = Look("Acknowledge", "primary", disable_button=False, interactive=True)
Connect = Callable[..., Awaitable[SocketMode]]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses are noticed and mended in a moment."""
    monkeypatch.setattr(socket_mode, "PING", 0.2)
    monkeypatch.setattr(socket_mode, "LOOK", 0.02)
    monkeypatch.setattr(socket_mode, "backoff", lambda _: timedelta(milliseconds=50))


@pytest.fixture
async def connect(sandbox: Running, store: Store, scripts: Scripts) -> AsyncIterator[Connect]:
    """Like one notifier more; it has its connection."""
    async with AsyncExitStack() as stack:

        async def new(presses: Any = None, *, wait: bool = True) -> SocketMode:
            stopping = asyncio.Event()
            mode = SocketMode(
                presses or Presses(store, Storms(scripts)),
                TOKEN,
                sandbox.slack_url,
                timedelta(seconds=2),
                stopping,
            )
            before = connections(sandbox)
            job = asyncio.create_task(mode.run())

            async def stop() -> None:
                stopping.set()
                await asyncio.wait_for(job, 5)

            stack.push_async_callback(stop)
            if wait:
                await wait_until(lambda: connections(sandbox) > before, "a connection")
            return mode

        yield new
    await wait_until(lambda: connections(sandbox) == 0, "closed connections")


def connections(sandbox: Running) -> int:
    return len(sandbox.world.slack.socket_mode.connections)


async def shown(store: Store, sandbox: Running, **more: Any) -> tuple[str, str]:
    """Id and ts of an incident with a message."""
    incident_id = await opened(store, **more)
    slack = Slack("xoxb-1", sandbox.slack_url, timedelta(seconds=2))
    incident: Incident = await now(store, incident_id)
    posted = await slack.post("C1", slack_message(incident, "text", LOOK, "https://ack.example.com/"))
    await slack.close()
    return incident_id, posted.ts


async def press(
    sandbox: Running, ts: str, action_id: str = "ack_incident", user: str = "U0ALEX"
) -> dict[str, Any]:
    click = {"channel": "C1", "ts": ts, "action_id": action_id, "user": user}
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        answer = await client.post(f"{sandbox.url}/_sandbox/click", json=click)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_press_is_acknowledged_once_it_is_durable(
    connect: Connect, store: Store, sandbox: Running
) -> None:
    mode = await connect()
    incident_id, ts = await shown(store, sandbox)
    told = await press(sandbox, ts)
    assert (told["way"], told["sent"], told["warning"]) == ("socket", 1, "")
    acknowledgement = (await now(store, incident_id)).acknowledgement
    assert acknowledgement
    assert (acknowledgement.by, acknowledgement.user, acknowledgement.door) == ("alex", "U0ALEX", DOOR)
    assert await mode.check() == "ok"


async def test_every_button_acts(connect: Connect, store: Store, sandbox: Running) -> None:
    await connect()
    for action, field in (
        ("snooze_15", "snooze"),
        ("snooze_60", "snooze"),
        ("resolve_incident", "closure"),
    ):
        incident_id, ts = await shown(store, sandbox, group=action)
        assert (await press(sandbox, ts, action))["warning"] == ""
        assert getattr(await now(store, incident_id), field).by == "alex"
    incident_id, ts = await shown(store, sandbox, group="escalate")
    await press(sandbox, ts, "escalate_incident")
    incident = await now(store, incident_id)
    assert incident.deadline is not None
    assert incident.deadline <= (await store.load(incident_id)).now


@pytest.mark.parametrize("error", [TimeoutError(), StoreUnavailableError("Connection refused")])
async def test_a_press_that_may_be_lost_is_sent_again_and_counts_once(
    error: Exception, connect: Connect, store: Store, sandbox: Running, scripts: Scripts
) -> None:
    sandbox.world.slack.rules.change(patience=0.5)
    told: list[Any] = []

    class Moody(Presses):
        """The first time Redis takes it and its answer is lost, or Redis is away."""

        async def take(self, payload: Any) -> None:
            told.append(payload)
            if len(told) > 1 or isinstance(error, TimeoutError):
                await super().take(payload)
            if len(told) == 1:
                raise error

    for _ in range(2):
        await connect(Moody(store, Storms(scripts)))
    incident_id, ts = await shown(store, sandbox)
    press_told = await press(sandbox, ts)
    assert (press_told["sent"], press_told["warning"]) == (2, "")
    incident = await now(store, incident_id)
    assert incident.acknowledgement
    assert incident.version == 2


async def test_a_lost_connection_is_opened_again(connect: Connect, store: Store, sandbox: Running) -> None:
    await connect()
    incident_id, ts = await shown(store, sandbox)
    for action in ("ack_incident", "unack_incident", "ack_incident"):
        (old,) = sandbox.world.slack.socket_mode.connections
        sandbox.world.slack.socket_mode.drop()
        await wait_until(
            lambda old=old: [one for one in sandbox.world.slack.socket_mode.connections if one is not old],
            "another connection",
        )
        assert (await press_shown(sandbox, store, incident_id, ts, action))["warning"] == ""
    assert (await now(store, incident_id)).acknowledgement


async def press_shown(
    sandbox: Running, store: Store, incident_id: str, ts: str, action: str
) -> dict[str, Any]:
    """Brings the message up to date first, as the notifier would."""
    slack = Slack("xoxb-1", sandbox.slack_url, timedelta(seconds=2))
    await slack.update(
        "C1", ts, slack_message(await now(store, incident_id), "t", LOOK, "https://a.example.com/")
    )
    await slack.close()
    return await press(sandbox, ts, action)


async def test_slack_may_ask_for_a_new_connection(connect: Connect, store: Store, sandbox: Running) -> None:
    await connect()
    incident_id, ts = await shown(store, sandbox)
    (old,) = sandbox.world.slack.socket_mode.connections
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.post(f"{sandbox.url}/_sandbox/sockets/refresh")
    await wait_until(
        lambda: [one for one in sandbox.world.slack.socket_mode.connections if one is not old],
        "another connection",
    )
    assert (await press(sandbox, ts))["warning"] == ""
    assert (await now(store, incident_id)).acknowledgement


@pytest.mark.parametrize("kind", ["drop", "status", "garbage"])
async def test_it_connects_as_soon_as_slack_is_there_and_says_nothing_of_its_token(
    kind: Any, connect: Connect, store: Store, sandbox: Running
) -> None:
    more = {"status": 503} if kind == "status" else {}
    sandbox.world.faults.add(
        Fault(target="slack", kind=kind, match="apps.connections.open", name="down", **more)
    )
    with structlog.testing.capture_logs() as lines:
        mode = await connect(wait=False)
        await wait_until(lambda: len(lines) >= 2, "two failures")
        assert (await mode.check()).startswith("ok: not connected")
        sandbox.world.faults.clear("down")
        await wait_until(lambda: connections(sandbox) == 1, "a connection")
    assert {line["event"] for line in lines} <= {"socket_mode_failed", "socket_mode"}
    assert "secret" not in str(lines)
    assert "ws://" not in str(lines)
    _, ts = await shown(store, sandbox)
    assert (await press(sandbox, ts))["warning"] == ""


@pytest.mark.parametrize("odd", [{"type": "block_actions"}, {"type": "view_closed"}, {"type": 7}])
async def test_what_is_odd_is_acknowledged_and_does_no_harm(
    odd: dict[str, Any], connect: Connect, store: Store, sandbox: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await connect()
    _, ts = await shown(store, sandbox)
    monkeypatch.setattr(interactivity, "payload_of", lambda *_: odd)
    assert (await press(sandbox, ts))["sent"] == 1
    monkeypatch.undo()
    assert connections(sandbox) == 1


async def test_a_press_that_belongs_to_another_ackstream_is_left_to_it(
    connect: Connect, store: Store, sandbox: Running
) -> None:
    """Two of them with one app; and where nobody knows the incident, people are warned."""

    class Elsewhere:
        async def take(self, _: object) -> None:
            raise NotHereError("no such incident is known here")

    sandbox.world.slack.rules.change(patience=1)
    await connect(Elsewhere())
    incident_id, ts = await shown(store, sandbox)
    assert (await press(sandbox, ts))["warning"], "nobody took it"
    await connect()
    told = [await press(sandbox, ts, action) for action in ("ack_incident", "resolve_incident")]
    assert {press["warning"] for press in told} == {""}
    assert sum(press["sent"] for press in told) > len(told), "one of them came to the wrong one first"
    assert (await now(store, incident_id)).version == 3


async def test_several_notifiers_and_one_that_goes_lose_no_press(
    connect: Connect, store: Store, sandbox: Running
) -> None:
    sandbox.world.slack.rules.change(patience=1)
    for _ in range(2):
        await connect()
    made = [await shown(store, sandbox, group=f"group {index}") for index in range(12)]
    presses = [asyncio.create_task(press(sandbox, ts)) for _, ts in made]
    sandbox.world.slack.socket_mode.drop(1)
    assert {told["warning"] for told in await asyncio.gather(*presses)} == {""}
    for incident_id, _ in made:
        incident = await now(store, incident_id)
        assert incident.acknowledgement
        assert incident.version == 2


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 503}, {"kind": "latency", "seconds": 5}])
async def test_it_ends_promptly_also_while_it_cannot_connect(
    fault: dict[str, Any], sandbox: Running, store: Store, scripts: Scripts
) -> None:
    sandbox.world.faults.add(Fault(target="slack", match="apps.connections.open", **fault))
    stopping = asyncio.Event()
    mode = SocketMode(
        Presses(store, Storms(scripts)), TOKEN, sandbox.slack_url, timedelta(seconds=9), stopping
    )
    job = asyncio.create_task(mode.run())
    await wait_until(lambda: sandbox.world.slack.calls.named("apps.connections.open"), "an attempt")
    began = time.monotonic()
    stopping.set()
    await asyncio.wait_for(job, 15)
    assert time.monotonic() - began < 3

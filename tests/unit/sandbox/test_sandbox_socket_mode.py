"""Socket Mode, against slack-sdk's own client."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import httpx
import pytest
from aiohttp import ClientSession, WSServerHandshakeError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.server import Running, running
from sandbox.world import World
from tests.unit.sandbox.pressing import CHANNEL, SocketApp, actions, button
from tests.waiting import wait_until

Connect = Callable[..., Awaitable[SocketApp]]


@pytest.fixture
async def connect(sandbox: Running) -> AsyncIterator[Connect]:
    async with AsyncExitStack() as stack:

        async def new(**options: Any) -> SocketApp:
            app = SocketApp(sandbox, **options)
            stack.push_async_callback(app.client.close)
            await app.client.connect()
            await wait_until(lambda: app.messages, "hello")
            return app

        yield new
    await wait_until(lambda: connections(sandbox.world) == 0, "closed connections")


@pytest.fixture
async def ts(slack: AsyncWebClient) -> str:
    return str(
        (await slack.chat_postMessage(channel=CHANNEL, text="x", blocks=[actions(button("ack"))]))["ts"]
    )


def connections(world: World) -> int:
    return len(world.slack.socket_mode.connections)


async def press(http: httpx.AsyncClient, ts: str) -> dict[str, Any]:
    answer = await http.post(
        "/_sandbox/click", json={"channel": CHANNEL, "ts": ts, "action_id": "ack"}, timeout=10
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def hurry(world: World, patience: float = 0.3) -> None:
    world.slack.rules.change(patience=patience)


async def test_only_an_app_token_opens_connections(sandbox: Running, slack: AsyncWebClient) -> None:
    with pytest.raises(SlackApiError) as caught:
        await slack.apps_connections_open(app_token="xoxb-1-2-secret")
    assert caught.value.response["error"] == "not_allowed_token_type"
    app = AsyncWebClient("xapp-1-A0ACKSTREAM-1-secret", base_url=sandbox.slack_url, retry_handlers=[])
    with pytest.raises(SlackApiError) as caught:
        await app.chat_postMessage(channel=CHANNEL, text="x")
    assert caught.value.response["error"] == "not_allowed_token_type"
    url = (await app.apps_connections_open(app_token="xapp-1-A0ACKSTREAM-1-secret"))["url"]
    assert url.startswith("ws://127.0.0.1")


async def test_an_address_is_good_for_one_connection(sandbox: Running, slack: AsyncWebClient) -> None:
    url = (await slack.apps_connections_open(app_token="xapp-1-A0ACKSTREAM-1-secret"))["url"]
    async with ClientSession() as session:
        async with session.ws_connect(url) as socket:
            assert (await socket.receive_json())["type"] == "hello"
        with pytest.raises(WSServerHandshakeError):
            await session.ws_connect(url)
    await wait_until(lambda: connections(sandbox.world) == 0, "closed connections")


async def test_a_press_arrives_and_is_acknowledged(
    http: httpx.AsyncClient, connect: Connect, ts: str
) -> None:
    app = await connect()
    assert app.messages[0]["num_connections"] == 1
    done = await press(http, ts)
    assert (done["way"], done["sent"], done["warning"]) == ("socket", 1, "")
    (request,) = app.requests
    assert (request.type, request.retry_attempt, request.accepts_response_payload) == (
        "interactive",
        0,
        False,
    )
    assert request.payload["actions"][0]["action_id"] == "ack"
    assert request.payload["user"]["id"] == "U0HUMAN"


async def test_each_press_goes_to_one_of_two_connections(
    http: httpx.AsyncClient, connect: Connect, ts: str
) -> None:
    apps = [await connect(), await connect()]
    for _ in range(6):
        await press(http, ts)
    heard = [[request.envelope_id for request in app.requests] for app in apps]
    assert [len(envelopes) for envelopes in heard] == [3, 3]
    assert len({*heard[0], *heard[1]}) == 6


async def test_what_one_does_not_acknowledge_goes_to_another(
    http: httpx.AsyncClient, world: World, connect: Connect, ts: str
) -> None:
    silent, other = await connect(silent=True), await connect()
    hurry(world, 1)
    done = await press(http, ts)
    assert (done["sent"], done["warning"]) == (2, "")
    assert silent.requests[0].envelope_id == other.requests[0].envelope_id
    assert (other.requests[0].retry_attempt, other.requests[0].retry_reason) == (1, "timeout")


async def test_what_nobody_acknowledges_is_a_warning(
    http: httpx.AsyncClient, world: World, connect: Connect, ts: str
) -> None:
    await connect(silent=True)
    hurry(world)
    assert (await press(http, ts))["warning"] == "No connection of this app acknowledged it"
    assert world.slack.channels[CHANNEL].messages[ts].warning == "No connection of this app acknowledged it"


async def test_who_is_asked_to_refresh_connects_anew(
    http: httpx.AsyncClient, world: World, connect: Connect, ts: str
) -> None:
    app = await connect()
    assert (await http.post("/_sandbox/sockets/refresh")).json() == {"asked": 1}
    await wait_until(lambda: world.slack.socket_mode.opened == 2, "a second connection")
    await wait_until(lambda: connections(world) == 1, "the first one closed")
    assert (await press(http, ts))["warning"] == ""
    assert len(app.requests) == 1


async def test_who_was_dropped_connects_anew_and_gets_what_waits(
    http: httpx.AsyncClient, world: World, connect: Connect, ts: str
) -> None:
    app = await connect(silent=True)
    hurry(world, 3)
    pressing = asyncio.create_task(press(http, ts))
    await wait_until(lambda: app.requests, "the press")
    app.silent = False
    assert (await http.post("/_sandbox/sockets/drop?count=1")).json() == {"dropped": 1}
    done = await pressing
    assert (done["sent"], done["warning"]) == (2, "")
    assert app.requests[0].envelope_id == app.requests[1].envelope_id


async def test_the_state_counts_connections(http: httpx.AsyncClient, connect: Connect, ts: str) -> None:
    await connect()
    await press(http, ts)
    state = (await http.get("/_sandbox/state")).json()["slack"]
    assert state["socket_mode"]["connections"] == [{"envelopes": 1, "leaving": False}]


async def test_a_press_that_waits_does_not_hold_up_the_end() -> None:
    with ExitStack() as stack:
        own = stack.enter_context(running())
        slack = AsyncWebClient("xoxb-1-2-secret", base_url=own.slack_url, retry_handlers=[])
        blocks = [actions(button("ack"))]
        ts = str((await slack.chat_postMessage(channel=CHANNEL, text="x", blocks=blocks))["ts"])
        app = SocketApp(own, silent=True)
        await app.client.connect()
        async with httpx.AsyncClient(base_url=own.url) as http:
            pressing = asyncio.create_task(press(http, ts))
            await wait_until(lambda: app.requests, "the press")
            await app.client.close()
            began = time.monotonic()
            await asyncio.to_thread(stack.close)
            assert (await pressing)["warning"] == "No connection of this app acknowledged it"
        assert time.monotonic() - began < 3, "a press has twice three seconds"

"""A press by HTTPS: what the app gets, and what people see when it answers wrongly."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from sandbox.slack_settings import SIGNING_SECRET
from sandbox.world import World
from tests.unit.sandbox.pressing import CHANNEL, App, actions, button, listening_app, menu


@pytest.fixture
def app(world: World) -> Iterator[App]:
    """An app whose interactivity URL the workspace knows."""
    with listening_app() as app:
        world.slack.rules.change(interactivity_url=app.url)
        yield app


async def post(slack: AsyncWebClient, *elements: dict[str, Any], **extra: Any) -> str:
    answer = await slack.chat_postMessage(
        channel=CHANNEL, text="Disk full", blocks=[actions(*elements)], **extra
    )
    return str(answer["ts"])


async def click(http: httpx.AsyncClient, ts: str, action_id: str = "ack", **more: Any) -> dict[str, Any]:
    answer = await http.post(
        "/_sandbox/click", json={"channel": CHANNEL, "ts": ts, "action_id": action_id} | more
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def payload(app: App) -> Any:
    return json.loads(parse_qs(app.requests[-1][1].decode())["payload"][0])


async def test_a_press_comes_signed_so_that_the_sdk_accepts_it(
    http: httpx.AsyncClient, slack: AsyncWebClient, app: App
) -> None:
    press = await click(http, await post(slack, button("ack")))
    assert (press["way"], press["status"], press["warning"]) == ("http", 200, "")
    ((headers, body),) = app.requests
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert SignatureVerifier(SIGNING_SECRET).is_valid_request(body, headers)
    assert not SignatureVerifier("another").is_valid_request(body, headers)
    assert not SignatureVerifier(SIGNING_SECRET).is_valid_request(body + b"x", headers)
    assert press["request"]["body"].encode() == body, "can be sent again as it was"


async def test_the_payload_tells_who_pressed_what_and_where(
    http: httpx.AsyncClient, slack: AsyncWebClient, app: App
) -> None:
    ts = await post(slack, button("ack", style="primary"), button("snooze"))
    await click(http, ts, "ack", user="U0ALEX")
    told = payload(app)
    user = {"id": "U0ALEX", "username": "alex", "name": "alex", "team_id": "T0SANDBOX"}
    assert (told["type"], told["user"], told["api_app_id"]) == ("block_actions", user, "A0ACKSTREAM")
    assert told["container"] == {
        "type": "message",
        "message_ts": ts,
        "channel_id": CHANNEL,
        "is_ephemeral": False,
    }
    assert (told["channel"], told["team"]["id"]) == ({"id": CHANNEL, "name": CHANNEL}, "T0SANDBOX")
    assert (told["message"]["text"], told["message"]["blocks"][0]["block_id"]) == (
        "Disk full",
        "incident_actions",
    )
    (action,) = told["actions"]
    assert float(action.pop("action_ts")) > float(ts)
    assert action == {
        "action_id": "ack",
        "block_id": "incident_actions",
        "type": "button",
        "text": {"type": "plain_text", "text": "Ack"},
        "value": "0192",
        "style": "primary",
    }
    assert {"token", "trigger_id", "response_url", "state"} <= told.keys()


async def test_a_button_in_an_attachment_says_so(
    http: httpx.AsyncClient, slack: AsyncWebClient, app: App
) -> None:
    attachments = [{"color": "#C70039", "blocks": [{"type": "actions", "elements": [button("ack")]}]}]
    answer = await slack.chat_postMessage(channel=CHANNEL, text="x", attachments=attachments)
    await click(http, answer["ts"])
    told = payload(app)
    assert told["container"]["type"] == "message_attachment"
    assert (told["container"]["attachment_id"], told["container"]["is_app_unfurl"]) == (1, False)
    shown = told["message"]["attachments"][0]
    assert (shown["id"], shown["color"]) == (1, "C70039")
    assert told["actions"][0]["block_id"] == shown["blocks"][0]["block_id"]


async def test_menus_tell_the_chosen_option(http: httpx.AsyncClient, slack: AsyncWebClient, app: App) -> None:
    ts = await post(slack, menu("static_select", "snooze", "15", "60"), menu("overflow", "more", "resolve"))
    await click(http, ts, "snooze", selected="60")
    told = payload(app)
    assert told["actions"][0]["selected_option"]["value"] == "60"
    chosen = told["state"]["values"]["incident_actions"]["snooze"]["selected_option"]
    assert chosen["value"] == "60"
    press = await click(http, ts, "more", selected="resolve")
    assert (press["value"], payload(app)["actions"][0]["type"]) == ("resolve", "overflow")


async def test_buttons_of_one_action_are_told_apart_by_value_or_block(
    http: httpx.AsyncClient, slack: AsyncWebClient, app: App
) -> None:
    blocks = [
        {"type": "actions", "block_id": f"row{number}", "elements": [button("ack", value=f"{number}")]}
        for number in (1, 2)
    ]
    ts = str((await slack.chat_postMessage(channel=CHANNEL, text="x", blocks=blocks))["ts"])
    assert (await click(http, ts, value="2"))["value"] == "2"
    assert (await click(http, ts, block_id="row2"))["value"] == "2"
    assert (await click(http, ts))["value"] == "1"


async def test_what_is_not_there_cannot_be_pressed(
    http: httpx.AsyncClient, slack: AsyncWebClient, app: App
) -> None:
    ts = await post(slack, button("ack"), menu("overflow", "more", "resolve"))
    whisper = await slack.chat_postEphemeral(
        channel=CHANNEL, user="U0ALEX", text="x", blocks=[actions(button("ack"))]
    )
    there: dict[str, Any] = {"channel": CHANNEL, "ts": ts, "action_id": "ack"}
    for wrong in (
        {"action_id": "nack"},
        {"ts": "1.1"},
        {"value": "other"},
        {"user": "U0NOBODY"},
        {"channel": "nowhere"},
        {"action_id": "more", "selected": "no such option"},
        {"ts": whisper["message_ts"]},
    ):
        answer = await http.post("/_sandbox/click", json=there | wrong)
        assert (answer.status_code, "error" in answer.json()) == (404, True), wrong
    assert (await http.post("/_sandbox/click", json={"who": "me"})).status_code == 422
    assert app.requests == []


@pytest.mark.parametrize("wrong", [500, 401, 302])
async def test_any_answer_but_200_is_a_warning_until_the_next_press(
    http: httpx.AsyncClient, slack: AsyncWebClient, world: World, app: App, wrong: int
) -> None:
    ts, app.status = await post(slack, button("ack")), wrong
    assert (await click(http, ts))["warning"] == f"This app responded with status code {wrong}"
    state = (await http.get("/_sandbox/state")).json()["slack"]
    assert (
        state["channels"][CHANNEL]["messages"][0]["warning"] == f"This app responded with status code {wrong}"
    )
    assert [press["status"] for press in state["presses"]] == [wrong]
    app.status = 200
    await click(http, ts)
    assert world.slack.channels[CHANNEL].messages[ts].warning == ""


async def test_no_answer_in_time_is_a_warning(
    http: httpx.AsyncClient, slack: AsyncWebClient, world: World, app: App
) -> None:
    world.slack.rules.change(patience=0.3)
    ts, app.delay = await post(slack, button("ack")), 1.5
    press = await click(http, ts)
    assert (press["status"], press["warning"]) == (None, "This app did not respond within 0.3 s")
    assert 0.3 <= press["seconds"] < 1.5


async def test_an_app_that_is_not_there_is_a_warning(
    http: httpx.AsyncClient, slack: AsyncWebClient, world: World
) -> None:
    ts = await post(slack, button("ack"))
    await http.patch("/_sandbox/slack", json={"interactivity_url": "http://127.0.0.1:1/slack/interactions"})
    assert (await click(http, ts))["warning"].startswith("This app did not respond: ")


async def test_without_interactivity_links_open_and_the_rest_warns(
    http: httpx.AsyncClient, slack: AsyncWebClient
) -> None:
    ts = await post(slack, button("ack", url="http://127.0.0.1/ack"), button("snooze"))
    press = await click(http, ts)
    assert (press["way"], press["url"], press["warning"]) == ("link", "http://127.0.0.1/ack", "")
    assert "not configured" in (await click(http, ts, "snooze"))["warning"]


async def test_a_link_button_also_sends_the_interaction(
    http: httpx.AsyncClient, slack: AsyncWebClient, app: App
) -> None:
    ts = await post(slack, button("ack", url="http://127.0.0.1/ack"))
    press = await click(http, ts)
    assert (press["way"], press["url"]) == ("http", "http://127.0.0.1/ack")
    assert payload(app)["actions"][0]["url"] == "http://127.0.0.1/ack"


async def test_a_press_on_an_ephemeral_message_tells_no_content(
    http: httpx.AsyncClient, slack: AsyncWebClient, app: App
) -> None:
    answer = await slack.chat_postEphemeral(
        channel=CHANNEL, user="U0HUMAN", text="sure?", blocks=[actions(button("yes"))]
    )
    await click(http, answer["message_ts"], "yes")
    told = payload(app)
    assert told["container"]["is_ephemeral"]
    assert "message" not in told


async def test_the_response_url_whispers_tells_all_replaces_and_deletes(
    http: httpx.AsyncClient, slack: AsyncWebClient, world: World, app: App
) -> None:
    ts = await post(slack, button("ack"))
    await click(http, ts, user="U0ALEX")
    hook = AsyncWebhookClient(payload(app)["response_url"])
    assert (await hook.send(text="too late, Sam was faster")).status_code == 200
    channel = world.slack.channels[CHANNEL]
    (whisper,) = channel.ephemeral.values()
    assert (whisper.body["text"], whisper.only_for) == ("too late, Sam was faster", "U0ALEX")
    await hook.send(text="for all", response_type="in_channel")
    assert [message["text"] for message in world.slack.messages(CHANNEL)] == ["Disk full", "for all"]
    await hook.send(text="replaced", replace_original=True)
    assert channel.messages[ts].body["text"] == "replaced"
    await hook.send(delete_original=True)
    assert ts not in channel.messages
    await hook.send(text="the fifth")
    assert (await hook.send(text="the sixth")).status_code == 404

import os
import re
import signal
import subprocess
import sys
import time
from typing import Any

import httpx
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.world import World

HOSTILE = '"><script>alert(1)</script>'


async def test_the_page_has_no_inline_script_and_forbids_foreign_ones(http: httpx.AsyncClient) -> None:
    page = await http.get("/")
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert re.findall(r"<script(?![^>]*\ssrc=)", page.text) == []
    assert "ServiceNow commits, then hangs" in page.text
    for name in re.findall(r'(?:href|src)="(pages/[^"]+)"', page.text):
        assert (await http.get(f"/{name}")).status_code == 200


async def test_an_empty_board_is_empty(http: httpx.AsyncClient) -> None:
    board = (await http.get("/_sandbox/board")).json()
    assert (board["channels"], board["instances"], board["faults"]) == ([], [], [])


async def test_the_board_shows_messages_and_records(
    http: httpx.AsyncClient, slack: AsyncWebClient, now: httpx.AsyncClient
) -> None:
    button = {
        "type": "button",
        "action_id": "ack",
        "text": {"type": "plain_text", "text": "Ack"},
        "url": "http://h/ack",
    }
    blocks = [
        {"type": "section", "text": {"type": "mrkdwn", "text": "*Disk*"}},
        {"type": "actions", "elements": [button]},
    ]
    posted = await slack.chat_postMessage(
        channel="C1", text="first", attachments=[{"color": "#C70039", "fallback": "f", "blocks": blocks}]
    )
    await slack.chat_postMessage(channel="C1", text="a reply", thread_ts=posted["ts"])
    await slack.chat_update(channel="C1", ts=posted["ts"], text="second")
    await now.post("incident", json={"short_description": "Disk", "correlation_id": "0192"})
    board = (await http.get("/_sandbox/board")).json()
    (message,) = board["channels"][0]["items"]
    assert message["key"] == posted["ts"]
    for part in (
        "second",
        "(edited)",
        'data-colour="#C70039"',
        "<b>Disk</b>",
        'href="http://h/ack"',
        "1 reply",
        "a reply",
    ):
        assert part in message["html"]
    (record,) = board["instances"][0]["items"]
    for part in ("INC0010001", "Disk", "0192", "New"):
        assert part in record["html"]


async def test_everybody_sees_their_own_whispers_and_nobody_sees_metadata(
    http: httpx.AsyncClient, slack: AsyncWebClient
) -> None:
    metadata = {"event_type": "secret_for_programs", "event_payload": {}}
    root = (await slack.chat_postMessage(channel="C1", text="root <@U0ALEX>", metadata=metadata))["ts"]
    await slack.chat_postEphemeral(channel="C1", user="U0ALEX", text="to Alex")
    await slack.chat_postEphemeral(channel="C1", user="U0SAM", text="to Sam", thread_ts=root)
    seen = {}
    for me in ("U0ALEX", "U0SAM", ""):
        board = (await http.get("/_sandbox/board", params={"me": me})).json()
        seen[me] = [item["html"] for item in board["channels"][0]["items"]]
    assert [len(items) for items in seen.values()] == [2, 1, 1]
    assert "Only visible to you" in seen["U0ALEX"][1]
    assert "1 reply" in seen["U0SAM"][0]
    assert "to Sam" not in seen[""][0]
    assert "@Alex" in seen[""][0]
    assert "secret_for_programs" not in str(seen)


def hostile_menus() -> list[dict[str, Any]]:
    plain = {"type": "plain_text", "text": HOSTILE}
    short = {"type": "plain_text", "text": HOSTILE[-30:]}
    confirm = {"title": plain, "text": plain, "confirm": short, "deny": short}
    options = [{"text": plain, "value": HOSTILE, "url": "javascript:alert(1)"}]
    menus = ("overflow", "static_select")
    return [
        {
            "type": kind,
            "action_id": kind + HOSTILE,
            "options": options,
            "confirm": confirm,
            "placeholder": plain,
        }
        for kind in menus
    ]


async def test_hostile_text_never_becomes_html(
    http: httpx.AsyncClient, slack: AsyncWebClient, now: httpx.AsyncClient
) -> None:
    hostile = {"type": "mrkdwn", "text": HOSTILE}
    evil = {"type": "button", "text": {"type": "plain_text", "text": HOSTILE}, "url": "javascript:alert(1)"}
    blocks: list[dict[str, Any]] = [
        {"type": "section", "text": hostile, "fields": [hostile]},
        {"type": "header", "text": {"type": "plain_text", "text": HOSTILE}},
        {"type": "context", "elements": [hostile]},
        {"type": "image", "alt_text": HOSTILE},
        {"type": "actions", "elements": [evil, evil | {"url": f"http://x/{HOSTILE}", "action_id": HOSTILE}]},
        {"type": "actions", "block_id": HOSTILE, "elements": hostile_menus()},
    ]
    attachment = {"color": HOSTILE, "title": HOSTILE, "text": HOSTILE, "footer": HOSTILE, "blocks": blocks}
    await slack.chat_postMessage(
        channel="C1", text=HOSTILE, username=HOSTILE, attachments=[attachment], blocks=blocks
    )
    await now.post(
        "incident", json={"short_description": HOSTILE, "correlation_id": HOSTILE, "state": HOSTILE}
    )
    board = (await http.get("/_sandbox/board")).json()
    html = board["channels"][0]["items"][0]["html"] + board["instances"][0]["items"][0]["html"]
    assert html.count("alert(1)") > 10
    assert "<script" not in html
    assert "javascript:" not in html


async def test_the_state_has_everything_and_can_be_reset(
    http: httpx.AsyncClient, slack: AsyncWebClient, now: httpx.AsyncClient, world: World
) -> None:
    posted = await slack.chat_postMessage(channel="C1", text="one")
    await slack.chat_update(channel="C1", ts=posted["ts"], text="two")
    await now.post("incident", json={"correlation_id": "0192"})
    state = (await http.get("/_sandbox/state")).json()
    (message,) = state["slack"]["channels"]["C1"]["messages"]
    assert (message["text"], [earlier["text"] for earlier in message["earlier"]]) == ("two", ["one"])
    assert state["servicenow"]["instances"]["main"]["incident"][0]["correlation_id"] == "0192"
    assert [call["name"] for call in state["slack"]["calls"]] == ["chat.postMessage", "chat.update"]
    assert (await http.delete("/_sandbox/state")).status_code == 204
    assert world.slack.channels == {}
    assert world.servicenow.instances == {}


def test_the_command_prints_its_address_and_stops_at_once_with_requests_open() -> None:
    command = [sys.executable, "-m", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().split()[-1]
        with httpx.Client(base_url=url) as client:
            client.get("_sandbox/board")
            client.post("_sandbox/faults", json=[{"target": "slack", "kind": "latency", "seconds": 60}])
            with httpx.Client(base_url=url, timeout=0.2) as slow:
                assert is_timeout(slow, "slack/api/auth.test")
            began = time.monotonic()
            os.kill(process.pid, signal.SIGTERM)
            errors = process.communicate(timeout=5)[1]
        assert (process.returncode, errors) == (0, "")
        assert time.monotonic() - began < 2, "the promise is one second; a busy machine gets another"


def is_timeout(client: httpx.Client, path: str) -> bool:
    try:
        client.get(path)
    except httpx.TimeoutException:
        return True
    return False

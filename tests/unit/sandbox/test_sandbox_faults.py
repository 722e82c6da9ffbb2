import asyncio
import json
import time
from typing import Any

import httpx
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.app import create_app
from sandbox.faults import Fault, Faults
from sandbox.server import Running
from sandbox.world import World

RECORD = {"short_description": "Incident 0192", "correlation_id": "0192"}
SOON = 0.15


async def set_faults(http: httpx.AsyncClient, *rules: dict[str, Any]) -> None:
    answer = await http.post("/_sandbox/faults", json=list(rules))
    assert answer.status_code == 201


async def test_latency_answers_rightly_but_late(now: httpx.AsyncClient, world: World) -> None:
    world.faults.add(Fault(target="servicenow", kind="latency", seconds=SOON))
    began = time.monotonic()
    assert (await now.post("incident", json=RECORD)).status_code == 201
    assert time.monotonic() - began >= SOON


async def test_slack_429_says_when_to_come_back_in_slacks_words(
    slack: AsyncWebClient, http: httpx.AsyncClient
) -> None:
    await set_faults(http, {"target": "slack", "kind": "status", "status": 429, "retry_after": 7, "count": 1})
    with pytest.raises(SlackApiError) as caught:
        await slack.chat_postMessage(channel="C1", text="x")
    response = caught.value.response
    assert (response.status_code, response["error"], response.headers["Retry-After"]) == (
        429,
        "ratelimited",
        "7",
    )
    assert (await slack.chat_postMessage(channel="C1", text="x"))["ok"], "once only"


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
async def test_servicenow_can_refuse_with_any_status(
    now: httpx.AsyncClient, world: World, status: int
) -> None:
    world.faults.add(Fault(target="servicenow", kind="status", status=status))
    answer = await now.post("incident", json=RECORD)
    assert (answer.status_code, answer.json()["status"]) == (status, "failure")
    assert ("Retry-After" in answer.headers) == (status == 429)
    assert world.servicenow.rows() == []


async def test_a_gateway_can_give_up_on_a_server_that_did_not(now: httpx.AsyncClient, world: World) -> None:
    world.faults.add(Fault(target="servicenow", kind="status", status=504, after=True))
    assert (await now.post("incident", json=RECORD)).status_code == 504
    assert len(world.servicenow.rows()) == 1


async def test_slack_error_is_a_200_that_is_not_ok(slack: AsyncWebClient, world: World) -> None:
    world.faults.add(Fault(target="slack", kind="slack_error", error="is_archived", match="chat.postMessage"))
    with pytest.raises(SlackApiError, match="is_archived"):
        await slack.chat_postMessage(channel="C1", text="x")
    assert (await slack.auth_test())["ok"], "another method is not meant"


@pytest.mark.parametrize(("kind", "rows"), [("drop", 0), ("drop_after", 1)])
async def test_a_dropped_connection_really_ends_without_an_answer(
    now: httpx.AsyncClient, world: World, kind: Any, rows: int
) -> None:
    world.faults.add(Fault(target="servicenow", kind=kind, match="POST main", count=1))
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await now.post("incident", json=RECORD)
    assert len(world.servicenow.rows()) == rows
    (call,) = world.servicenow.calls.entries
    assert (call.fault, call.status, call.committed) == (kind, None, bool(rows))
    assert (await now.get("incident")).status_code == 200, "the server lives on"


async def test_on_the_wire_a_drop_is_an_end_of_stream_and_no_byte(sandbox: Running) -> None:
    sandbox.world.faults.add(Fault(target="slack", kind="drop"))
    host, port = sandbox.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /slack/api/auth.test HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
    assert await asyncio.wait_for(reader.read(), 3) == b""
    writer.close()
    await writer.wait_closed()


async def test_without_a_connection_a_drop_is_a_reset() -> None:
    world = World()
    world.faults.add(Fault(target="slack", kind="drop"))
    transport = httpx.ASGITransport(create_app(world))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        with pytest.raises(ConnectionResetError):
            await client.get("/slack/api/auth.test")


async def test_slack_can_post_the_message_and_then_hang_up(slack: AsyncWebClient, world: World) -> None:
    world.faults.add(Fault(target="slack", kind="drop_after", match="chat.postMessage", count=1))
    with pytest.raises(Exception, match="disconnected"):
        await slack.chat_postMessage(channel="C1", text="x")
    assert [message["text"] for message in world.slack.messages("C1")] == ["x"]


async def test_hang_after_commits_and_keeps_silent(now: httpx.AsyncClient, world: World) -> None:
    world.faults.add(Fault(target="servicenow", kind="hang_after", seconds=30))
    with pytest.raises(httpx.ReadTimeout):
        await now.post("incident", json=RECORD, timeout=SOON)
    assert len(world.servicenow.rows()) == 1


async def test_clearing_faults_frees_the_requests_that_they_hold(
    now: httpx.AsyncClient, world: World
) -> None:
    world.faults.add(Fault(target="servicenow", kind="hang_after", seconds=30))
    pending = asyncio.create_task(now.post("incident", json=RECORD))
    while not world.servicenow.rows():  # noqa: ASYNC110 - the row appears in the server's thread
        await asyncio.sleep(0.01)
    world.faults.clear()
    assert (await asyncio.wait_for(pending, 3)).status_code == 201


async def test_a_hibernating_instance_answers_200_with_a_page(now: httpx.AsyncClient, world: World) -> None:
    world.faults.add(Fault(target="servicenow", kind="html"))
    answer = await now.post("incident", json=RECORD)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "hibernating" in answer.text
    assert world.servicenow.rows() == []


async def test_redirect_points_elsewhere(now: httpx.AsyncClient, world: World) -> None:
    world.faults.add(Fault(target="servicenow", kind="redirect", url="http://elsewhere.test/login"))
    answer = await now.post("incident", json=RECORD)
    assert (answer.status_code, answer.headers["Location"]) == (302, "http://elsewhere.test/login")


async def test_garbage_is_a_200_that_does_not_parse(
    now: httpx.AsyncClient, slack: AsyncWebClient, world: World
) -> None:
    world.faults.add(Fault(target="servicenow", kind="garbage"), Fault(target="slack", kind="garbage"))
    answer = await now.get("incident")
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    with pytest.raises(SlackApiError, match="non-JSON"):
        await slack.auth_test()


async def test_slack_sdk_stumbles_over_plain_text(slack: AsyncWebClient, world: World) -> None:
    world.faults.add(Fault(target="slack", kind="garbage", media_type="text/plain"))
    with pytest.raises(AttributeError):
        await slack.auth_test()


async def test_foreign_row_shows_a_record_that_was_not_asked_for(
    now: httpx.AsyncClient, world: World
) -> None:
    world.faults.add(Fault(target="servicenow", kind="foreign_row"))
    query = {"sysparm_query": "correlation_id=0192", "sysparm_limit": "1"}
    (stray,) = (await now.get("incident", params=query)).json()["result"]
    assert stray["correlation_id"] not in ("", "0192")
    world.servicenow.insert({"correlation_id": "other"})
    answer = await now.post("incident", json=RECORD)
    assert (answer.status_code, answer.json()["result"]["correlation_id"]) == (201, "other")
    assert [row["correlation_id"] for row in world.servicenow.rows()] == ["other", "0192"], (
        "it was written all the same"
    )


async def test_rules_are_narrowed_to_an_instance_and_a_verb(
    sandbox: Running, http: httpx.AsyncClient, world: World
) -> None:
    await set_faults(http, {"target": "servicenow", "kind": "status", "match": "POST infra"})
    auth = ("ackstream", "sandbox")
    status = [
        (
            await http.request(
                verb, f"{sandbox.servicenow_url(name)}/api/now/table/incident", json={}, auth=auth
            )
        ).status_code
        for verb, name in (("POST", "infra"), ("GET", "infra"), ("POST", "main"))
    ]
    assert status == [503, 200, 201]


def test_delays_add_to_the_first_other_fault_and_counts_run_out() -> None:
    faults = Faults()
    slow = Fault(target="slack", kind="latency")
    first, second = Fault(target="slack", kind="status", count=1), Fault(target="slack", kind="html")
    faults.add(first, slow, second)
    assert faults.take("slack", frozenset()) == [slow, first]
    assert faults.take("slack", frozenset()) == [slow, second]
    assert faults.take("servicenow", frozenset()) == []


async def test_named_faults_replace_each_other_and_clear_alone(http: httpx.AsyncClient) -> None:
    await set_faults(
        http, {"name": "a", "target": "slack", "kind": "html"}, {"target": "slack", "kind": "drop"}
    )
    await set_faults(http, {"name": "a", "target": "slack", "kind": "garbage"})
    rules = (await http.get("/_sandbox/faults")).json()
    assert [rule["kind"] for rule in rules] == ["drop", "garbage"]
    await http.delete("/_sandbox/faults", params={"name": "a"})
    assert [rule["kind"] for rule in (await http.get("/_sandbox/faults")).json()] == ["drop"]
    await http.delete("/_sandbox/faults")
    assert (await http.get("/_sandbox/faults")).json() == []


@pytest.mark.parametrize(
    "rule", [{"target": "mars", "kind": "drop"}, {"target": "slack", "kind": "drop", "cuont": 1}]
)
async def test_a_rule_with_a_slip_is_refused(http: httpx.AsyncClient, rule: dict[str, Any]) -> None:
    answer = await http.post("/_sandbox/faults", json=[rule])
    assert answer.status_code == 422
    assert (await http.get("/_sandbox/faults")).json() == []

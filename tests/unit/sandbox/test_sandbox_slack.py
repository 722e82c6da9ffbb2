from typing import Any

import httpx
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.server import Running
from sandbox.slack import SlackWorkspace
from sandbox.slack_content import SlackRefusal
from sandbox.world import World

CHANNEL = "C0ALERTS"
BUTTON = {
    "type": "button",
    "action_id": "ack_incident",
    "style": "primary",
    "text": {"type": "plain_text", "text": "Acknowledge Alert"},
    "value": "0192",
    "url": "http://127.0.0.1:3000/api/ack/0192?exp=1&sig=x",
}


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def actions(**changes: Any) -> dict[str, Any]:
    return {"type": "actions", "block_id": "incident_actions", "elements": [BUTTON | changes]}


def confirm(**changes: str) -> dict[str, Any]:
    words = {"title": "Sure?", "text": "Really?", "confirm": "Yes", "deny": "No"} | changes
    return {name: {"type": "plain_text", "text": text} for name, text in words.items()}


def menu(number: int, *, label: str = "one", value: str = "1", **changes: Any) -> dict[str, Any]:
    option = {"text": {"type": "plain_text", "text": label}, "value": value}
    element = {"type": "static_select", "action_id": "choose", "options": [option] * number}
    return {"type": "actions", "elements": [element | changes]}


def alert(*blocks: dict[str, Any], color: str = "#C70039") -> dict[str, Any]:
    attachment = {
        "color": color,
        "fallback": "an alert",
        "blocks": list(blocks or (section("*Disk full*"), actions())),
    }
    return {
        "channel": CHANNEL,
        "text": "Disk full",
        "attachments": [attachment],
        "metadata": {
            "event_type": "ackstream_incident",
            "event_payload": {"incident_id": "0192", "version": 1},
        },
        "unfurl_links": False,
        "unfurl_media": False,
    }


async def refused(call: Any) -> Any:
    with pytest.raises(SlackApiError) as caught:
        await call
    return caught.value.response


async def test_auth_test_names_team_and_bot(slack: AsyncWebClient) -> None:
    answer = await slack.auth_test()
    assert answer["ok"]
    assert (answer["team"], answer["user"], answer["bot_id"]) == ("Sandbox", "ackstream", "B0ACKSTREAM")


async def test_a_posted_message_comes_back_as_slack_shows_it(slack: AsyncWebClient, world: World) -> None:
    answer = await slack.chat_postMessage(**alert())
    assert answer["channel"] == CHANNEL
    message = answer["message"]
    assert (message["text"], message["ts"], message["type"]) == ("Disk full", answer["ts"], "message")
    assert message["attachments"][0]["id"] == 1
    assert message["attachments"][0]["color"] == "C70039", "the API returns colours without the #"
    assert world.slack.messages(CHANNEL)[0]["attachments"][0]["color"] == "#C70039", "as it was sent"


async def test_every_ts_is_new_and_larger_even_when_the_clock_stands_still() -> None:
    workspace = SlackWorkspace(clock=lambda: 1_700_000_000.0)
    stamps = [workspace.post_message("app", {"channel": CHANNEL, "text": "x"})["ts"] for _ in range(3)]
    assert stamps == ["1700000000.000000", "1700000000.000001", "1700000000.000002"]


@pytest.mark.parametrize(
    ("token", "error"), [("xoxp-someone", "invalid_auth"), ("nonsense", "invalid_auth"), ("", "not_authed")]
)
async def test_a_wrong_or_missing_token_is_refused(http: httpx.AsyncClient, token: str, error: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = await http.post("/slack/api/chat.postMessage", json=alert(), headers=headers)
    assert answer.status_code == 200
    assert answer.json() == {"ok": False, "error": error}


async def test_form_bodies_work_with_their_json_strings(http: httpx.AsyncClient, world: World) -> None:
    form = {"token": "xoxb-1", "channel": CHANNEL, "text": "hi", "blocks": '[{"type": "divider"}]'}
    answer = await http.post("/slack/api/chat.postMessage", data=form)
    assert answer.json()["ok"]
    assert world.slack.messages(CHANNEL)[0]["blocks"] == [{"type": "divider"}]
    assert "token" not in world.slack.calls.entries[-1].arguments


async def test_a_body_that_is_not_json_is_refused(http: httpx.AsyncClient) -> None:
    headers = {"Authorization": "Bearer xoxb-1", "Content-Type": "application/json"}
    answer = await http.post("/slack/api/chat.postMessage", content="{oops", headers=headers)
    assert answer.json() == {"ok": False, "error": "invalid_json"}


async def test_unknown_methods_are_refused(slack: AsyncWebClient) -> None:
    assert (await refused(slack.api_call("chat.explode")))["error"] == "unknown_method"


@pytest.mark.parametrize("channel", ["", "alerts", "U0SOMEONE"])
async def test_what_is_no_channel_is_not_found(slack: AsyncWebClient, channel: str) -> None:
    answer = await refused(slack.chat_postMessage(channel=channel, text="x"))
    assert answer["error"] == "channel_not_found"


def test_a_workspace_can_know_only_its_own_channels() -> None:
    workspace = SlackWorkspace({"C1": "alerts"}, only_known=True)
    assert workspace.post_message("app", {"channel": "#alerts", "text": "x"})["channel"] == "C1"
    with pytest.raises(SlackRefusal, match="channel_not_found"):
        workspace.channel("C2")


TOO_MUCH = [
    ("section text", section("x" * 3001), "must be less than 3001 characters [json-pointer:%s/0/text/text]"),
    ("empty section", section(""), "must be more than 0 characters [json-pointer:%s/0/text/text]"),
    (
        "header",
        {"type": "header", "text": {"type": "plain_text", "text": "x" * 151}},
        "must be less than 151 characters [json-pointer:%s/0/text/text]",
    ),
    (
        "button text",
        actions(text={"type": "plain_text", "text": "x" * 76}),
        "must be less than 76 characters [json-pointer:%s/0/elements/0/text/text]",
    ),
    (
        "mrkdwn on a button",
        actions(text={"type": "mrkdwn", "text": "x"}),
        "unsupported type: mrkdwn [json-pointer:%s/0/elements/0/text/type]",
    ),
    (
        "button url",
        actions(url="https://x/" + "x" * 3000),
        "must be less than 3001 characters [json-pointer:%s/0/elements/0/url]",
    ),
    (
        "button value",
        actions(value="x" * 2001),
        "must be less than 2001 characters [json-pointer:%s/0/elements/0/value]",
    ),
    ("button style", actions(style="loud"), "unsupported value [json-pointer:%s/0/elements/0/style]"),
    (
        "confirm title",
        actions(confirm=confirm(title="x" * 101)),
        "must be less than 101 characters [json-pointer:%s/0/elements/0/confirm/title/text]",
    ),
    (
        "confirm text",
        actions(confirm=confirm(text="x" * 301)),
        "must be less than 301 characters [json-pointer:%s/0/elements/0/confirm/text/text]",
    ),
    (
        "confirm button",
        actions(confirm=confirm(confirm="x" * 31)),
        "must be less than 31 characters [json-pointer:%s/0/elements/0/confirm/confirm/text]",
    ),
    (
        "deny button",
        actions(confirm=confirm(deny="x" * 31)),
        "must be less than 31 characters [json-pointer:%s/0/elements/0/confirm/deny/text]",
    ),
    (
        "nothing to deny with",
        actions(confirm={name: part for name, part in confirm().items() if name != "deny"}),
        "missing required field: text [json-pointer:%s/0/elements/0/confirm/deny]",
    ),
    ("options", menu(101), "no more than 100 items allowed [json-pointer:%s/0/elements/0/options]"),
    (
        "overflow's options",
        menu(6, type="overflow"),
        "no more than 5 items allowed [json-pointer:%s/0/elements/0/options]",
    ),
    (
        "option text",
        menu(1, label="x" * 76),
        "must be less than 76 characters [json-pointer:%s/0/elements/0/options/0/text/text]",
    ),
    (
        "option value",
        menu(1, value="x" * 151),
        "must be less than 151 characters [json-pointer:%s/0/elements/0/options/0/value]",
    ),
    (
        "two actions of one name",
        {"type": "actions", "elements": [BUTTON, BUTTON]},
        '`action_id` "ack_incident" already exists for another element [json-pointer:%s/0/elements/1/action_id]',
    ),
    (
        "text among actions",
        {"type": "actions", "elements": [{"type": "mrkdwn", "text": "x"}]},
        "unsupported type: mrkdwn [json-pointer:%s/0/elements/0/type]",
    ),
    ("no such block", {"type": "marquee"}, "unsupported type: marquee [json-pointer:%s/0/type]"),
    ("no elements", {"type": "actions"}, "missing required field: elements [json-pointer:%s/0]"),
]


@pytest.mark.parametrize(
    ("block", "reason"), [case[1:] for case in TOO_MUCH], ids=[case[0] for case in TOO_MUCH]
)
async def test_a_wrong_block_is_refused_with_its_place(
    slack: AsyncWebClient, world: World, block: dict[str, Any], reason: str
) -> None:
    answer = await refused(slack.chat_postMessage(channel=CHANNEL, text="x", blocks=[block]))
    assert (answer["error"], answer["errors"]) == ("invalid_blocks", [reason % "/blocks"])
    assert answer["response_metadata"]["messages"] == ["[ERROR] " + reason % "/blocks"]
    answer = await refused(slack.chat_postMessage(**alert(block)))
    assert (answer["error"], answer["errors"]) == ("invalid_attachments", [reason % "/attachments/0/blocks"])
    assert world.slack.messages(CHANNEL) == []


async def test_what_just_fits_is_accepted(slack: AsyncWebClient) -> None:
    blocks = [section("x" * 3000), actions(text={"type": "plain_text", "text": "x" * 75})]
    assert (await slack.chat_postMessage(**alert(*blocks)))["ok"]
    assert (await slack.chat_postMessage(**alert(*[section("x")] * 50)))["ok"]
    sure = confirm(title="x" * 100, text="x" * 300, confirm="x" * 30, deny="x" * 30)
    many = menu(100, label="x" * 75, value="x" * 150, confirm=sure)
    blocks = [actions(confirm=sure), actions(confirm=sure), menu(5, type="overflow")]
    assert (await slack.chat_postMessage(channel=CHANNEL, text="x", blocks=[many, *blocks]))["ok"]


async def test_limits_of_the_whole_message(slack: AsyncWebClient) -> None:
    many = await refused(slack.chat_postMessage(channel=CHANNEL, text="x", blocks=[section("x")] * 51))
    assert many["errors"] == ["no more than 50 items allowed [json-pointer:/blocks]"]
    long = await refused(slack.chat_postMessage(**alert(*[section("x" * 3000)] * 5)))
    assert long["error"] == "msg_blocks_too_long"
    text = await refused(slack.chat_postMessage(channel=CHANNEL, text="x" * 40_001))
    assert text["error"] == "msg_too_long"
    nothing = await refused(slack.api_call("chat.postMessage", json={"channel": CHANNEL}))
    assert nothing["error"] == "no_text"


async def test_metadata_of_a_wrong_shape_is_left_out_with_a_warning(
    slack: AsyncWebClient, world: World
) -> None:
    for metadata in ({"event_type": "has.dots", "event_payload": {}}, {"event_type": "x"}):
        answer = await slack.chat_postMessage(**(alert() | {"metadata": metadata}))
        assert answer["warning"] == "invalid_metadata_schema"
    assert all("metadata" not in message for message in world.slack.messages(CHANNEL))
    answer = await refused(slack.chat_postMessage(**(alert() | {"metadata": "{"})))
    assert answer["error"] == "invalid_metadata_format"


async def test_an_update_replaces_the_message_and_keeps_what_it_was(
    slack: AsyncWebClient, world: World
) -> None:
    posted = await slack.chat_postMessage(**alert())
    changed = alert(section("*Disk full*: resolved"), color="#36A64F") | {"ts": posted["ts"]}
    del changed["metadata"], changed["unfurl_links"], changed["unfurl_media"]
    answer = await slack.chat_update(**changed)
    assert (answer["ts"], answer["text"]) == (posted["ts"], "Disk full")
    (message,) = world.slack.messages(CHANNEL)
    assert message["attachments"][0]["color"] == "#36A64F"
    assert message["edited"]["user"] == "B0ACKSTREAM"
    assert message["metadata"]["event_payload"]["incident_id"] == "0192", "not given, so kept"
    (earlier,) = world.slack.channels[CHANNEL].messages[posted["ts"]].earlier
    assert earlier["attachments"][0]["color"] == "#C70039"


async def test_an_update_can_empty_and_text_alone_removes_blocks(slack: AsyncWebClient, world: World) -> None:
    posted = await slack.chat_postMessage(channel=CHANNEL, text="x", blocks=[section("x")])
    await slack.chat_update(channel=CHANNEL, ts=posted["ts"], text="plain now", attachments=[])
    (message,) = world.slack.messages(CHANNEL)
    assert "blocks" not in message
    assert "attachments" not in message


async def test_updates_that_slack_refuses(slack: AsyncWebClient, sandbox: Running) -> None:
    missing = await refused(slack.chat_update(channel=CHANNEL, ts="1.000001", text="x"))
    assert missing["error"] == "message_not_found"
    human = sandbox.world.slack.say(CHANNEL, "hello")
    foreign = await refused(slack.chat_update(channel=CHANNEL, ts=human, text="x"))
    assert foreign["error"] == "cant_update_message"
    mine = (await slack.chat_postMessage(channel=CHANNEL, text="x"))["ts"]
    other_app = AsyncWebClient("xoxb-9-9-secret", base_url=sandbox.slack_url, retry_handlers=[])
    assert (await refused(other_app.chat_update(channel=CHANNEL, ts=mine, text="y")))[
        "error"
    ] == "cant_update_message"
    rotated = AsyncWebClient("xoxb-1-2-newsecret", base_url=sandbox.slack_url, retry_handlers=[])
    assert (await rotated.chat_update(channel=CHANNEL, ts=mine, text="y"))["ok"]
    long = await refused(slack.chat_update(channel=CHANNEL, ts=mine, text="x" * 4001))
    assert long["error"] == "msg_too_long"


async def test_history_is_newest_first_bounded_and_paged(slack: AsyncWebClient) -> None:
    first, second, third = [
        (await slack.chat_postMessage(channel=CHANNEL, text=text))["ts"] for text in "abc"
    ]
    page = await slack.conversations_history(channel=CHANNEL, limit=2)
    assert ([message["text"] for message in page["messages"]], page["has_more"]) == (["c", "b"], True)
    rest = await slack.conversations_history(channel=CHANNEL, cursor=page["response_metadata"]["next_cursor"])
    assert ([message["text"] for message in rest["messages"]], rest["has_more"]) == (["a"], False)
    between = await slack.conversations_history(channel=CHANNEL, oldest=first, latest=third)
    assert [message["ts"] for message in between["messages"]] == [second]
    inclusive = await slack.conversations_history(
        channel=CHANNEL, oldest=first, latest=second, inclusive=True
    )
    assert [message["ts"] for message in inclusive["messages"]] == [second, first]
    assert (await refused(slack.conversations_history(channel=CHANNEL, oldest="soon")))[
        "error"
    ] == "invalid_ts_oldest"


async def test_history_shows_metadata_only_when_asked(slack: AsyncWebClient) -> None:
    await slack.chat_postMessage(**alert())
    silent = await slack.conversations_history(channel=CHANNEL)
    assert "metadata" not in silent["messages"][0]
    full = await slack.conversations_history(channel=CHANNEL, include_all_metadata=True)
    assert full["messages"][0]["metadata"]["event_payload"] == {"incident_id": "0192", "version": 1}


async def test_replies_stand_in_the_thread_not_in_the_history(slack: AsyncWebClient) -> None:
    root = (await slack.chat_postMessage(channel=CHANNEL, text="root"))["ts"]
    await slack.chat_postMessage(channel=CHANNEL, text="reply", thread_ts=root)
    (message,) = (await slack.conversations_history(channel=CHANNEL))["messages"]
    assert (message["text"], message["reply_count"]) == ("root", 1)
    lost = await refused(slack.chat_postMessage(channel=CHANNEL, text="x", thread_ts="1.000001"))
    assert lost["error"] == "thread_not_found"


async def test_every_call_is_logged_with_its_answer_and_without_its_token(
    slack: AsyncWebClient, world: World
) -> None:
    await slack.chat_postMessage(**alert())
    await refused(slack.chat_update(channel=CHANNEL, ts="1.000001", text="x"))
    post, update = world.slack.calls.entries
    assert (post.name, post.status, post.authorized, post.committed) == ("chat.postMessage", 200, True, True)
    assert post.arguments["metadata"]["event_type"] == "ackstream_incident"
    assert update.answer == {"ok": False, "error": "message_not_found"}
    assert "secret" not in str(world.as_json())

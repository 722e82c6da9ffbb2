"""What administrators decide: scopes, membership, archived channels, the rate limit."""

from typing import Any

import httpx
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.slack import SlackWorkspace
from sandbox.slack_content import SlackRefusal
from sandbox.slack_settings import ALL_SCOPES, SlackSettings
from sandbox.world import World

CHANNEL = "C0ALERTS"


def rule(world: World, **changes: Any) -> None:
    world.slack.rules.settings = SlackSettings(**changes)


async def refused(call: Any) -> Any:
    with pytest.raises(SlackApiError) as caught:
        await call
    return caught.value.response


async def test_the_scopes_stand_in_a_header(slack: AsyncWebClient, world: World) -> None:
    assert "chat:write" in (await slack.auth_test()).headers["x-oauth-scopes"].split(",")
    rule(world, scopes={"users:read", "chat:write"})
    assert (await slack.auth_test()).headers["x-oauth-scopes"] == "chat:write,users:read"


@pytest.mark.parametrize(
    ("method", "arguments", "needed"),
    [
        ("chat.postMessage", {"channel": CHANNEL, "text": "x"}, "chat:write"),
        ("chat.update", {"channel": CHANNEL, "ts": "1.1", "text": "x"}, "chat:write"),
        ("chat.postEphemeral", {"channel": CHANNEL, "user": "U0HUMAN", "text": "x"}, "chat:write"),
        ("conversations.history", {"channel": CHANNEL}, "channels:history"),
        ("conversations.replies", {"channel": CHANNEL, "ts": "1.1"}, "channels:history"),
        ("conversations.history", {"channel": "G0SECRET"}, "groups:history"),
        ("conversations.info", {"channel": CHANNEL}, "channels:read"),
        ("users.info", {"user": "U0HUMAN"}, "users:read"),
    ],
)
async def test_a_method_without_its_scope_says_which_it_needs(
    slack: AsyncWebClient, world: World, method: str, arguments: dict[str, Any], needed: str
) -> None:
    rule(world, scopes=ALL_SCOPES - {needed})
    answer = await refused(slack.api_call(method, json=arguments))
    assert (answer["error"], answer["needed"]) == ("missing_scope", needed)
    assert answer["provided"] == ",".join(sorted(ALL_SCOPES - {needed}))


async def test_who_is_no_member_neither_writes_nor_reads(slack: AsyncWebClient, world: World) -> None:
    rule(world, member_of={"C0OTHER"})
    assert (await refused(slack.chat_postMessage(channel=CHANNEL, text="x")))["error"] == "not_in_channel"
    assert (await refused(slack.conversations_history(channel=CHANNEL)))["error"] == "not_in_channel"
    assert (await slack.conversations_info(channel=CHANNEL))["channel"]["is_member"] is False
    assert (await slack.chat_postMessage(channel="C0OTHER", text="x"))["ok"]
    rule(world, member_of=(), scopes=ALL_SCOPES | {"chat:write.public"})
    assert (await slack.chat_postMessage(channel=CHANNEL, text="x"))["ok"]


async def test_a_private_channel_does_not_exist_for_strangers(slack: AsyncWebClient, world: World) -> None:
    rule(world, private={CHANNEL}, member_of=())
    for call in (
        slack.conversations_info(channel=CHANNEL),
        slack.chat_postMessage(channel=CHANNEL, text="x"),
        slack.conversations_history(channel=CHANNEL),
    ):
        assert (await refused(call))["error"] == "channel_not_found"
    rule(world, private={CHANNEL})
    assert (await slack.conversations_info(channel=CHANNEL))["channel"]["is_private"]


async def test_an_archived_channel_is_read_only(slack: AsyncWebClient, world: World) -> None:
    posted = await slack.chat_postMessage(channel=CHANNEL, text="before")
    rule(world, archived={CHANNEL})
    assert (await refused(slack.chat_postMessage(channel=CHANNEL, text="x")))["error"] == "is_archived"
    changed = await refused(slack.chat_update(channel=CHANNEL, ts=posted["ts"], text="x"))
    assert changed["error"] == "is_inactive"
    assert (await slack.conversations_history(channel=CHANNEL))["messages"][0]["text"] == "before"
    assert (await slack.conversations_info(channel=CHANNEL))["channel"]["is_archived"]


async def test_what_a_channel_and_a_person_are_called(slack: AsyncWebClient) -> None:
    channel = (await slack.conversations_info(channel=CHANNEL))["channel"]
    assert (channel["name"], channel["is_member"], channel["is_archived"]) == (CHANNEL, True, False)
    assert (await refused(slack.conversations_info(channel="nowhere")))["error"] == "channel_not_found"
    user = (await slack.users_info(user="U0HUMAN"))["user"]
    assert (user["name"], user["real_name"], user["profile"]["display_name"]) == ("kim", "Kim", "Kim")
    assert (await refused(slack.users_info(user="U0NOBODY")))["error"] == "user_not_found"


async def test_the_rate_limit_answers_429_and_is_counted(slack: AsyncWebClient, world: World) -> None:
    rule(world, posts_per_second=0.001, burst=2)
    ts = (await slack.chat_postMessage(channel=CHANNEL, text="x"))["ts"]
    await slack.chat_update(channel=CHANNEL, ts=ts, text="y")
    late = await refused(slack.chat_postMessage(channel=CHANNEL, text="z"))
    assert (late.status_code, late["error"]) == (429, "ratelimited")
    assert 990 < int(late.headers["Retry-After"]) <= 1000
    assert (await slack.chat_postMessage(channel="C0OTHER", text="x"))["ok"], "each channel has its own"
    assert (await slack.conversations_history(channel=CHANNEL))["ok"], "reading is not writing"
    assert world.as_json()["slack"]["rate_limited"] == {CHANNEL: 1}
    assert [message["text"] for message in world.slack.messages(CHANNEL)] == ["y"]


def test_after_retry_after_one_more_passes() -> None:
    moment = 1_700_000_000.0
    workspace = SlackWorkspace(settings=SlackSettings(posts_per_second=1, burst=3), clock=lambda: moment)
    arguments = {"channel": CHANNEL, "text": "x"}
    for _ in range(3):
        workspace.post_message("app", arguments)
    with pytest.raises(SlackRefusal) as caught:
        workspace.post_message("app", arguments)
    moment += int(caught.value.headers["Retry-After"])
    workspace.post_message("app", arguments)
    with pytest.raises(SlackRefusal, match="ratelimited"):
        workspace.post_message("app", arguments)


async def test_settings_are_changed_from_outside_and_forgotten_with_the_rest(
    http: httpx.AsyncClient, world: World
) -> None:
    await http.patch("/_sandbox/slack", json={"archived": [CHANNEL]})
    answer = await http.patch("/_sandbox/slack", json={"posts_per_second": 1, "member_of": []})
    assert answer.status_code == 200
    settings = world.slack.rules.settings
    assert (settings.archived, settings.member_of, settings.posts_per_second) == ({CHANNEL}, frozenset(), 1)
    assert (await http.patch("/_sandbox/slack", json={"archivd": []})).status_code == 422
    assert "archived" in (await http.get("/_sandbox/state")).json()["slack"]["settings"]
    await http.delete("/_sandbox/state")
    assert world.slack.rules.settings == SlackSettings()


async def test_an_ephemeral_message_is_kept_apart(slack: AsyncWebClient, world: World) -> None:
    answer = await slack.chat_postEphemeral(channel=CHANNEL, user="U0HUMAN", text="only you")
    assert (await slack.conversations_history(channel=CHANNEL))["messages"] == []
    message = world.slack.channels[CHANNEL].ephemeral[answer["message_ts"]]
    assert (message.body["text"], message.only_for) == ("only you", "U0HUMAN")
    (kept,) = world.as_json()["slack"]["channels"][CHANNEL]["ephemeral"]
    assert (kept["text"], kept["only_for"]) == ("only you", "U0HUMAN")
    stranger = await refused(slack.chat_postEphemeral(channel=CHANNEL, user="U0NOBODY", text="x"))
    assert stranger["error"] == "user_not_in_channel"
    edited = await refused(slack.chat_update(channel=CHANNEL, ts=answer["message_ts"], text="x"))
    assert edited["error"] == "message_not_found"


async def test_a_thread_is_read_oldest_first_in_pages(slack: AsyncWebClient, world: World) -> None:
    metadata = {"event_type": "told", "event_payload": {"number": 1}}
    root = (await slack.chat_postMessage(channel=CHANNEL, text="root"))["ts"]
    for text in "abc":
        await slack.chat_postMessage(channel=CHANNEL, text=text, thread_ts=root, metadata=metadata)
    page = await slack.conversations_replies(channel=CHANNEL, ts=root, limit=2)
    first, second = page["messages"]
    assert (first["text"], first["reply_count"], first["reply_users"]) == ("root", 3, ["U0ACKSTREAM"])
    assert (second["text"], second["thread_ts"], second["parent_user_id"]) == ("a", root, "U0ACKSTREAM")
    assert "metadata" not in second
    cursor = page["response_metadata"]["next_cursor"]
    rest = await slack.conversations_replies(
        channel=CHANNEL, ts=root, cursor=cursor, include_all_metadata=True
    )
    assert ([one["text"] for one in rest["messages"]], rest["has_more"]) == (["b", "c"], False)
    assert rest["messages"][0]["metadata"] == metadata
    newest = await slack.conversations_replies(channel=CHANNEL, ts=root, oldest=rest["messages"][0]["ts"])
    assert [one["text"] for one in newest["messages"]] == ["root", "c"]
    lost = await refused(slack.conversations_replies(channel=CHANNEL, ts="1.000001"))
    assert lost["error"] == "thread_not_found"

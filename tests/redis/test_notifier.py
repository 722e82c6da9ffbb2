"""Incidents on a real Redis, Slack in the sandbox: one message each, and it shows the present."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from sandbox.faults import Fault
from sandbox.server import Running
from services.notifier import courier as courier_module
from services.notifier import lost_post
from services.notifier.appearance import Appearance
from services.notifier.digests import Digests
from services.notifier.message import Look
from services.notifier.notifier import Notifier
from services.notifier.pacing import Pace, Pacing
from services.notifier.slack import Posted, Slack
from services.notifier.template import MessageTemplate
from services.notifier.turns import Turns
from shared.commands import Acknowledge, Command, Delivered, Repost, Step
from shared.keys import Keys
from shared.links import AckLinks, StormLinks
from shared.redis_client import Scripts
from shared.store import Store
from tests.episodes import alert, notification, resolved
from tests.redis.conftest import Stall, now, opened
from tests.waiting import wait_until

SECOND = timedelta(seconds=1)
UNPACED = Pace(timedelta(0), 1)
RED, AMBER, GREEN = "#C70039", "#F2A900", "#36A64F"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries are due at once, but for what Slack itself asks for."""
    for module in (courier_module, lost_post):
        monkeypatch.setattr(
            module, "backoff", lambda _, retry_after=timedelta(0), needs_person=False: retry_after
        )


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "message.tmpl"
    path.write_text("*{{ incident.facts.title }}* {{ body.note }}")
    return path


@pytest.fixture
async def slack(sandbox: Running) -> AsyncIterator[Slack]:
    slack = Slack("xoxb-1", sandbox.slack_url, SECOND)
    yield slack
    await slack.close()


def made(store: Store, slack: Slack, pacing: Pacing, template: Path) -> Notifier:
    links = AckLinks("https://ack.example.com", ("key",))
    look = Look("Acknowledge Alert", "primary", disable_button=False)
    appearance = Appearance("C1", MessageTemplate.load(template), look, links)
    courier = courier_module.Courier(slack, pacing, appearance, SECOND)
    return Notifier(store, pacing, courier, appearance)


@pytest.fixture
def notifier(store: Store, slack: Slack, scripts: Scripts, template: Path) -> Notifier:
    return made(store, slack, Pacing(scripts, UNPACED), template)


async def turn(notifier: Notifier, channel: str = "C1") -> None:
    """The next one that waits for the channel."""
    pacing, storms, store = notifier._pacing, notifier._storms, notifier._store  # noqa: SLF001
    appearance, storm_links = notifier._appearance, StormLinks("https://ack.example.com", ("key",))  # noqa: SLF001
    slack: Slack = notifier._courier._slack  # noqa: SLF001
    digests = Digests(storms, store, slack, pacing, appearance, storm_links, SECOND)
    await Turns(pacing, notifier, digests).take(channel)


def misbehave(sandbox: Running, kind: str, match: str = "", **more: object) -> None:
    sandbox.world.faults.add(Fault(target="slack", kind=kind, match=match, **more))  # type: ignore[arg-type]


def posts(sandbox: Running) -> int:
    return len(sandbox.world.slack.calls.named("chat.postMessage"))


def the_message(sandbox: Running, channel: str = "C1") -> dict[str, Any]:
    (message,) = sandbox.world.slack.messages(channel)
    found: dict[str, Any] = message
    return found


def shown_color(sandbox: Running) -> str:
    color: str = the_message(sandbox)["attachments"][0]["color"]
    return color


async def test_one_message_that_is_edited_in_place(
    notifier: Notifier, store: Store, sandbox: Running
) -> None:
    incident = await opened(store, body='{"note": "from the body"}')
    await notifier.show(incident)
    assert "from the body" in str(the_message(sandbox))
    assert shown_color(sandbox) == RED
    await store.apply(incident, Acknowledge("Ada", "link"))
    await notifier.show(incident)
    assert shown_color(sandbox) == AMBER
    await store.receive(resolved())
    await notifier.show(incident)
    assert shown_color(sandbox) == GREEN
    assert (posts(sandbox), len(sandbox.world.slack.calls.named("chat.update"))) == (1, 2)


async def test_what_is_shown_already_costs_no_call(
    notifier: Notifier, store: Store, sandbox: Running
) -> None:
    incident = await opened(store)
    for _ in range(3):
        await notifier.show(incident)
        await store.receive(notification())
    assert len(sandbox.world.slack.calls.entries) == 1


async def test_what_happened_while_it_waited_is_posted_once_as_it_is_now(
    notifier: Notifier, store: Store, sandbox: Running
) -> None:
    incident = await opened(store)
    await store.apply(incident, Acknowledge("Ada", "link"))
    await notifier.show(incident)
    assert shown_color(sandbox) == AMBER
    assert len(sandbox.world.slack.calls.entries) == 1


async def test_a_change_during_the_post_is_shown_right_after(
    notifier: Notifier, store: Store, sandbox: Running
) -> None:
    incident = await opened(store)
    misbehave(sandbox, "latency", seconds=0.3, count=1)
    showing = asyncio.create_task(notifier.show(incident))
    await wait_until(lambda: sandbox.world.slack.calls.entries, "the call to be under way")
    await store.apply(incident, Acknowledge("Ada", "link"))
    await showing
    assert shown_color(sandbox) == AMBER


async def test_ten_notifiers_at_once_post_one_message(
    client: Redis, store: Store, slack: Slack, scripts: Scripts, template: Path, sandbox: Running
) -> None:
    incident = await opened(store)
    crowd = [made(Store(Scripts(client)), slack, Pacing(scripts, UNPACED), template) for _ in range(10)]
    await asyncio.gather(*(one.show(incident) for one in crowd))
    assert posts(sandbox) == 1


async def test_no_call_for_a_channel_inside_its_retry_after(
    notifier: Notifier, store: Store, sandbox: Running, client: Redis
) -> None:
    misbehave(sandbox, "status", status=429, retry_after=1, count=1)
    first = await opened(store)
    await notifier.show(first)
    second, elsewhere = await opened(store, group="2"), await opened(store, group="3", channel="C2")
    for _ in range(3):
        await notifier.show(second)
        await notifier.show(first)
    await notifier.show(elsewhere)
    assert (posts(sandbox), len(sandbox.world.slack.messages("C2"))) == (2, 1)
    assert (await now(store, second)).delivery.attempts == 0

    async def both() -> bool:
        await notifier.show(first)
        await turn(notifier)
        return len(sandbox.world.slack.messages("C1")) == 2

    await wait_until(both, "both messages")
    assert (await now(store, first)).message.shown == (await now(store, first)).revision
    assert await client.zcard(Keys().deliveries) == 0


@pytest.mark.parametrize("word", ["invalid_auth", "channel_not_found", "is_archived", "service_unavailable"])
async def test_a_refusal_is_kept_and_tried_again_until_it_works(
    notifier: Notifier, store: Store, sandbox: Running, client: Redis, word: str
) -> None:
    misbehave(sandbox, "slack_error", error=word, count=2)
    incident = await opened(store)
    for attempt in (1, 2):
        await notifier.show(incident)
        assert (await now(store, incident)).delivery.attempts == attempt
        assert word in (await now(store, incident)).delivery.error
        assert await client.zcard(Keys().deliveries) == 1
    await notifier.show(incident)
    assert shown_color(sandbox) == RED
    assert await client.zcard(Keys().deliveries) == 0


@pytest.mark.parametrize("kind", ["drop_after", "hang_after"])
async def test_a_message_whose_answer_was_lost_is_found_and_not_posted_again(
    notifier: Notifier, store: Store, sandbox: Running, kind: str
) -> None:
    misbehave(sandbox, kind, match="chat.postMessage", count=1, seconds=3)
    incident = await opened(store)
    await notifier.show(incident)
    assert (await now(store, incident)).delivery.doubt_until
    await store.apply(incident, Acknowledge("Ada", "link"))
    await notifier.show(incident)
    assert posts(sandbox) == 1
    assert shown_color(sandbox) == AMBER
    assert (await now(store, incident)).is_shown


@pytest.mark.parametrize("scope_is_missing", [False, True])
async def test_a_message_that_never_arrived_is_posted_once_it_can_no_longer_arrive(
    notifier: Notifier,
    store: Store,
    sandbox: Running,
    monkeypatch: pytest.MonkeyPatch,
    scope_is_missing: bool,
) -> None:
    monkeypatch.setattr(courier_module, "SLACK_GRACE", timedelta(seconds=1))
    monkeypatch.setattr(lost_post, "LOOK_AGAIN", timedelta(seconds=0.1))
    misbehave(sandbox, "drop", match="chat.postMessage", count=1)
    if scope_is_missing:
        misbehave(sandbox, "slack_error", match="conversations.history", error="missing_scope")
    incident = await opened(store)
    for _ in range(3):
        await notifier.show(incident)
    assert posts(sandbox) == 1, "while Slack may still be at it"

    async def shown() -> bool:
        await notifier.show(incident)
        return (await now(store, incident)).is_shown

    await wait_until(shown, "the message", every=0.1)
    assert posts(sandbox) == 2
    assert shown_color(sandbox) == RED


async def test_a_look_that_fails_is_no_licence_to_post(
    notifier: Notifier, store: Store, sandbox: Running
) -> None:
    misbehave(sandbox, "drop_after", match="chat.postMessage", count=1)
    misbehave(sandbox, "status", status=500, match="conversations.history", count=3)
    incident = await opened(store)
    for _ in range(5):
        await notifier.show(incident)
    assert posts(sandbox) == 1
    assert (await now(store, incident)).is_shown


async def test_a_post_that_failed_without_a_look_leaves_the_earlier_one_in_doubt(
    notifier: Notifier, store: Store, sandbox: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_post, "PATIENCE", timedelta(0))
    monkeypatch.setattr(courier_module, "SLACK_GRACE", timedelta(0))
    misbehave(sandbox, "drop_after", "chat.postMessage", count=1)
    misbehave(sandbox, "status", "chat.postMessage", status=503, count=1)
    misbehave(sandbox, "status", "conversations.history", status=500, count=1)
    incident = await opened(store)
    for _ in range(3):  # it arrived; nobody could look, and Slack refused; the look finds it
        await notifier.show(incident)
    assert posts(sandbox) == 2
    assert (await now(store, incident)).message.ts == the_message(sandbox)["ts"]


async def test_no_look_falls_into_the_retry_after_of_another(
    notifier: Notifier, store: Store, sandbox: Running
) -> None:
    misbehave(sandbox, "drop_after", match="chat.postMessage", count=2)
    misbehave(sandbox, "status", match="conversations.history", status=429, retry_after=1, count=1)
    incidents = [await opened(store), await opened(store, group="2")]
    for incident in incidents * 3:
        await notifier.show(incident)
    looks = sandbox.world.slack.calls.named("conversations.history")
    assert len(looks) == 1
    assert "ratelimited" in (await now(store, incidents[1])).delivery.error

    async def both() -> bool:
        for incident in incidents:
            await notifier.show(incident)
        return all([(await now(store, incident)).is_shown for incident in incidents])

    await wait_until(both, "both to be found")
    assert posts(sandbox) == 2
    first, second, *_ = sandbox.world.slack.calls.named("conversations.history")
    assert second.at - first.at >= 1


async def test_a_page_that_inherited_a_deadline_has_its_button(
    notifier: Notifier, store: Store, sandbox: Running
) -> None:
    await opened(store)
    step = await store.receive(notification(alert("other"), wait=None))
    await notifier.show(step.incident.id)
    assert "unless acknowledged" in str(the_message(sandbox))
    assert "'type': 'actions'" in str(the_message(sandbox))


async def test_content_that_slack_refuses_goes_out_as_plain_text(
    notifier: Notifier, store: Store, sandbox: Running
) -> None:
    misbehave(sandbox, "slack_error", error="invalid_blocks", count=1)
    await notifier.show(await opened(store))
    message = the_message(sandbox)
    assert not message.get("attachments")
    assert "HighLatency" in message["text"]
    assert "/api/ack/" in message["text"]
    assert "Slack refused the full message: invalid_blocks" in message["text"]


async def test_a_template_that_fails_costs_its_beauty_not_the_page(
    store: Store, slack: Slack, scripts: Scripts, template: Path, sandbox: Running
) -> None:
    template.write_text("{{ 1 // body.zero }}")
    await made(store, slack, Pacing(scripts, UNPACED), template).show(await opened(store, body='{"zero": 0}'))
    assert "HighLatency" in the_message(sandbox)["text"]
    assert "ZeroDivisionError" in the_message(sandbox)["text"]


async def test_a_message_that_somebody_deleted_is_not_posted_again(
    notifier: Notifier, store: Store, sandbox: Running
) -> None:
    incident = await opened(store)
    await notifier.show(incident)
    misbehave(sandbox, "slack_error", error="message_not_found", match="chat.update", count=1)
    await store.apply(incident, Acknowledge("Ada", "link"))
    await notifier.show(incident)
    await notifier.show(incident)
    assert posts(sandbox) == 1
    assert (await now(store, incident)).is_shown


async def test_a_deleted_message_that_somebody_wants_back_is_posted_once(
    notifier: Notifier, store: Store, sandbox: Running, client: Redis
) -> None:
    incident = await opened(store)
    await notifier.show(incident)
    ts = the_message(sandbox)["ts"]
    del sandbox.world.slack.channel("C1").messages[ts]
    for _ in range(2):
        await store.apply(incident, Repost(ts))
        await notifier.show_due(incident)
    assert posts(sandbox) == 2
    assert the_message(sandbox)["ts"] != ts
    assert (await now(store, incident)).is_shown
    assert await client.zcard(Keys().deliveries) == 0


async def test_a_message_that_is_still_there_is_edited_and_not_posted_again(
    notifier: Notifier, store: Store, sandbox: Running
) -> None:
    incident = await opened(store)
    await notifier.show(incident)
    for edits in (1, 2):
        await store.apply(incident, Repost(the_message(sandbox)["ts"]))
        await notifier.show(incident)
        assert len(sandbox.world.slack.calls.named("chat.update")) == edits
    assert posts(sandbox) == 1
    assert (await now(store, incident)).is_shown


async def test_a_due_time_with_nothing_to_do_leaves(notifier: Notifier, store: Store, client: Redis) -> None:
    incident = await opened(store)
    await notifier.show(incident)
    await client.zadd(Keys().deliveries, {incident: 1, "0" * 32: 1})
    await notifier.show_due(incident)
    await notifier.show_due("0" * 32)
    assert await client.zcard(Keys().deliveries) == 0


async def test_of_two_messages_that_a_look_finds_one_is_taken_away(
    notifier: Notifier, slack: Slack, store: Store, sandbox: Running
) -> None:
    """Each of two posts had its answer lost."""
    incident = await opened(store)
    misbehave(sandbox, "drop_after", "chat.postMessage", count=1)
    await notifier.show(incident)
    first = the_message(sandbox)
    await slack.post("C1", {"text": first["text"], "metadata": first["metadata"]})
    await notifier.show(incident)
    assert the_message(sandbox)["ts"] == first["ts"]
    assert (await now(store, incident)).message.ts == first["ts"]


@pytest.mark.parametrize(("error", "left"), [("", 1), ("cant_delete_message", 2)])
async def test_who_finds_another_message_in_the_incidents_place_takes_its_own_away(
    error: str,
    left: int,
    notifier: Notifier,
    slack: Slack,
    store: Store,
    sandbox: Running,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """We were stalled between our post and its commit; another has taken over, found nothing yet, and posted."""
    incident = await opened(store)
    if error:
        misbehave(sandbox, "slack_error", "chat.delete", error=error)
    post = slack.post

    async def overtaken(channel: str, message: dict[str, Any]) -> Posted:
        ours, other = await post(channel, message), await post(channel, message)
        await store.apply(incident, Delivered("another", channel, other.ts, 1))
        return ours

    monkeypatch.setattr(slack, "post", overtaken)
    await notifier.show(incident)
    messages = [message["ts"] for message in sandbox.world.slack.messages("C1")]
    assert len(messages) == left
    assert (await now(store, incident)).message.ts in messages


async def test_who_was_stalled_before_the_post_sends_nothing(
    notifier: Notifier, store: Store, sandbox: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease may be over by the time that its request arrives, and somebody else has posted."""
    incident, stall = await opened(store), Stall()
    monkeypatch.setattr(courier_module, "time", stall)
    apply = store.apply

    async def begin_and_stall(incident_id: str, command: Command) -> Step:
        step = await apply(incident_id, command)
        stall.seconds += 13  # of a lease of 13
        return step

    monkeypatch.setattr(store, "apply", begin_and_stall)
    await notifier.show(incident)
    assert posts(sandbox) == 0
    assert (await now(store, incident)).delivery.error == "stalled before the request"
    monkeypatch.undo()
    await notifier.show(incident)
    assert posts(sandbox) == 1


async def test_what_was_over_before_it_began_is_not_posted(
    notifier: Notifier, store: Store, sandbox: Running
) -> None:
    step = await store.receive(resolved())
    await notifier.show(step.incident.id)
    await notifier.show((await store.receive(notification())).incident.id)
    assert list(sandbox.world.slack.calls.entries) == []


async def test_a_superseded_incidents_message_says_so_and_loses_its_button(
    notifier: Notifier, store: Store, sandbox: Running
) -> None:
    first = await opened(store)
    await notifier.show(first)
    second = (await store.receive(notification(alert("other")))).incident.id
    await notifier.show(first)
    await notifier.show(second)
    old, new = sandbox.world.slack.messages("C1")
    assert old["text"].startswith("[SUPERSEDED]")
    assert [block["type"] for block in old["attachments"][0]["blocks"]].count("actions") == 0
    assert [block["type"] for block in new["attachments"][0]["blocks"]].count("actions") == 1

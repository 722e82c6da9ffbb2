"""Replies on a real Redis, Slack in the sandbox: each once, in the thread that it belongs to, whatever gets lost."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from sandbox.server import Running
from services.notifier import courier as courier_module
from services.notifier import lost_post
from services.notifier import slack as slack_module
from services.notifier.notifier import Notifier
from services.notifier.pacing import Pacing
from services.notifier.slack import Slack
from shared.commands import EscalateNow, Flapping, ResolveByHand, Rules, SnoozeFor
from shared.incident import NOT_TRUSTED
from shared.keys import Keys
from shared.redis_client import Scripts
from shared.store import Store
from tests.episodes import MINUTE, NOON, alert, notification, resolved
from tests.redis.conftest import now, opened
from tests.redis.test_notifier import (
    AMBER,
    GREEN,
    RED,
    SECOND,
    UNPACED,
    made,
    misbehave,
    no_waiting,
    template,
)
from tests.waiting import wait_until

__all__ = ["no_waiting", "template"]

SNOOZE = SnoozeFor("Kim", "link", span=timedelta(hours=1))
FLAPPING = Rules(Flapping(2, timedelta(hours=1), frozenset()))


@pytest.fixture
async def slack(sandbox: Running) -> AsyncIterator[Slack]:
    slack = Slack("xoxb-1", sandbox.slack_url, SECOND)
    yield slack
    await slack.close()


@pytest.fixture
def notifier(store: Store, slack: Slack, scripts: Scripts, template: Path) -> Notifier:
    return made(store, slack, Pacing(scripts, UNPACED), template)


def tops(sandbox: Running) -> list[dict[str, Any]]:
    """What stands in the channel itself."""
    return [one.body for one in sandbox.world.slack.channel("C1").roots()]


def replies(sandbox: Running, ts: str) -> list[str]:
    return [one.body["text"] for one in sandbox.world.slack.channel("C1").replies(ts)]


async def shown(notifier: Notifier, store: Store, **more: Any) -> tuple[str, str]:
    """An incident, and the ts of its message."""
    incident = await opened(store, **more)
    await notifier.show(incident)
    message = (await now(store, incident)).message
    assert message
    return incident, message.ts


async def test_each_thread_is_told_what_belongs_to_it_once(
    notifier: Notifier, store: Store, sandbox: Running, client: Redis
) -> None:
    snoozed, first = await shown(notifier, store)
    warned, second = await shown(notifier, store, group="2", warnings=("wait=soon is no number",))
    await store.apply(snoozed, SNOOZE)
    for _ in range(2):
        await notifier.show(snoozed)
        await notifier.show(warned)
    assert [message["ts"] for message in tops(sandbox)] == [first, second]
    (told,) = replies(sandbox, first)
    assert told.startswith("😴 Kim snoozed it. Escalates <!date^")
    assert replies(sandbox, second) == ["⚠️ wait=soon is no number"]
    assert tops(sandbox)[0]["text"].startswith("[SNOOZED by Kim]")
    assert (await now(store, snoozed)).notes == ()
    assert await client.zcard(Keys().deliveries) == 0


async def test_what_happened_meanwhile_is_one_reply(
    notifier: Notifier, store: Store, sandbox: Running
) -> None:
    incident, ts = await shown(notifier, store)
    await store.receive(notification(alert(), alert("b")))
    await store.apply(incident, EscalateNow("Kim", "link"))
    await notifier.show(incident)
    (told,) = replies(sandbox, ts)
    assert told == "🔥 1 more alert: b. 2 are firing now\n🚨 Kim asked to escalate at once"


async def test_ten_notifiers_at_once_reply_once(
    client: Redis,
    notifier: Notifier,
    store: Store,
    slack: Slack,
    scripts: Scripts,
    template: Path,
    sandbox: Running,
) -> None:
    incident, ts = await shown(notifier, store)
    await store.apply(incident, SNOOZE)
    crowd = [made(Store(Scripts(client)), slack, Pacing(scripts, UNPACED), template) for _ in range(10)]
    await asyncio.gather(*(one.show(incident) for one in crowd))
    assert len(replies(sandbox, ts)) == 1


@pytest.mark.parametrize("kind", ["drop_after", "hang_after"])
async def test_a_reply_whose_answer_was_lost_is_found_and_not_repeated(
    notifier: Notifier, store: Store, sandbox: Running, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(slack_module, "PAGE", 3)
    incident, ts = await shown(notifier, store)
    for number in range(7):  # people are talking
        place = sandbox.world.slack.channel("C1")
        said = sandbox.world.slack.say("C1", f"hm {number}")
        place.messages[said].body["thread_ts"] = ts
        place.add(place.messages.pop(said))
    misbehave(sandbox, kind, match="chat.postMessage", count=1, seconds=3)
    await store.apply(incident, SNOOZE)
    await notifier.show(incident)
    assert (await now(store, incident)).delivery.doubt_until
    await notifier.show(incident)
    assert (await now(store, incident)).is_shown
    assert [text for text in replies(sandbox, ts) if "hm" not in text] == [replies(sandbox, ts)[-1]]


async def test_what_happened_after_a_reply_in_doubt_is_told_by_the_next(
    notifier: Notifier, store: Store, sandbox: Running
) -> None:
    incident, ts = await shown(notifier, store)
    misbehave(sandbox, "drop_after", match="chat.postMessage", count=1)
    await store.receive(notification(alert(), alert("b")))
    await notifier.show(incident)
    await store.receive(notification(alert(), alert("b"), alert("c")))
    await notifier.show(incident)
    await notifier.show(incident)
    told = [text.partition(".")[0] for text in replies(sandbox, ts)]
    assert told == ["🔥 1 more alert: b", "🔥 1 more alert: c"]


async def test_a_reply_that_never_arrived_is_made_once_it_can_no_longer_arrive(
    notifier: Notifier, store: Store, sandbox: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier_module, "SLACK_GRACE", SECOND)
    monkeypatch.setattr(lost_post, "LOOK_AGAIN", SECOND / 10)
    incident, ts = await shown(notifier, store)
    misbehave(sandbox, "drop", match="chat.postMessage", count=1)
    await store.apply(incident, SNOOZE)
    for _ in range(3):
        await notifier.show(incident)
    assert replies(sandbox, ts) == [], "while Slack may still be at it"

    async def told() -> bool:
        await notifier.show(incident)
        return (await now(store, incident)).is_shown

    await wait_until(told, "the reply", every=0.1)
    assert len(replies(sandbox, ts)) == 1


async def test_where_nobody_may_look_a_reply_twice_is_better_than_none(
    notifier: Notifier, store: Store, sandbox: Running
) -> None:
    incident, ts = await shown(notifier, store)
    misbehave(sandbox, "slack_error", match="conversations.replies", error="missing_scope")
    misbehave(sandbox, "drop_after", match="chat.postMessage", count=1)
    await store.apply(incident, SNOOZE)
    for _ in range(3):
        await notifier.show(incident)
    assert len(replies(sandbox, ts)) == 2
    assert (await now(store, incident)).is_shown


async def test_the_thread_of_a_message_that_somebody_deleted_is_told_nothing(
    notifier: Notifier, store: Store, sandbox: Running, client: Redis
) -> None:
    incident, ts = await shown(notifier, store)
    sandbox.world.slack.channel("C1").remove(ts)
    await store.apply(incident, SNOOZE)
    await notifier.show(incident)
    await notifier.show(incident)
    assert tops(sandbox) == []
    assert (await now(store, incident)).is_shown
    assert await client.zcard(Keys().deliveries) == 0


@pytest.mark.parametrize("word", ["service_unavailable", "not_in_channel"])
async def test_a_reply_that_is_refused_is_made_once_later_after_the_edit(
    notifier: Notifier, store: Store, sandbox: Running, word: str
) -> None:
    incident, ts = await shown(notifier, store)
    misbehave(sandbox, "slack_error", match="chat.postMessage", error=word, count=1)
    await store.apply(incident, SNOOZE)
    await notifier.show(incident)
    assert (await now(store, incident)).delivery.attempts == 1
    await store.receive(resolved())
    await notifier.show(incident)
    await notifier.show(incident)
    assert tops(sandbox)[0]["attachments"][0]["color"] == GREEN
    assert len(replies(sandbox, ts)) == 1


# A group that flaps


def colors(sandbox: Running) -> list[str]:
    return [message["attachments"][0]["color"] for message in tops(sandbox)]


async def flapped(notifier: Notifier, store: Store, sandbox: Running) -> tuple[str, str, str]:
    """The episode before, the new one, and the ts of the message; Slack does not show the new one yet."""
    first, ts = await shown(notifier, store)
    await store.apply(first, ResolveByHand("Kim", "link"))
    await notifier.show(first)
    assert colors(sandbox) == [GREEN]
    step = await store.receive(notification(alert("a", NOON + 9 * MINUTE)))
    assert step.incident
    return first, step.incident.id, ts


@pytest.fixture
def flapping(scripts: Scripts) -> Store:
    return Store(scripts, FLAPPING)


async def test_a_flapping_group_edits_its_message_and_the_thread_counts(
    flapping: Store,
    slack: Slack,
    scripts: Scripts,
    template: Path,
    sandbox: Running,
    client: Redis,
) -> None:
    notifier = made(flapping, slack, Pacing(scripts, UNPACED), template)
    first, second, ts = await flapped(notifier, flapping, sandbox)
    for incident in (first, second, first):
        await notifier.show(incident)
    assert [message["ts"] for message in tops(sandbox)] == [ts]
    assert colors(sandbox) == [RED]
    assert "Fired 2 times since" in str(tops(sandbox)[0]["attachments"])
    (told,) = replies(sandbox, ts)
    assert told.startswith("🔁 Fired again after ")
    assert await client.zscore(Keys().deadlines, second), "it still escalates"
    await flapping.apply(second, SNOOZE)
    await notifier.show(second)
    assert len(replies(sandbox, ts)) == 2
    assert AMBER not in colors(sandbox)


async def test_an_inherited_message_that_somebody_deleted_is_posted_anew(
    flapping: Store,
    slack: Slack,
    scripts: Scripts,
    template: Path,
    sandbox: Running,
) -> None:
    notifier = made(flapping, slack, Pacing(scripts, UNPACED), template)
    _, second, ts = await flapped(notifier, flapping, sandbox)
    sandbox.world.slack.channel("C1").remove(ts)
    for _ in range(2):
        await notifier.show(second)
    (message,) = tops(sandbox)
    assert message["ts"] != ts
    known = (await now(flapping, second)).message
    assert known
    assert (known.ts, known.shown != NOT_TRUSTED) == (message["ts"], True)
    assert replies(sandbox, message["ts"]) == [], "the message says it itself"

"""A channel that does not take messages, told in another one: once for all replicas, and once that it works again."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from sandbox.server import Running
from services.notifier import alarm as alarm_module
from services.notifier.alarm import Alarm
from services.notifier.appearance import Appearance
from services.notifier.courier import Courier
from services.notifier.message import Look
from services.notifier.notifier import Notifier
from services.notifier.pacing import Pace, Pacing
from services.notifier.slack import Slack
from services.notifier.template import MessageTemplate
from shared.commands import Delivered, DeliveryFailed
from shared.keys import ALARM_LIFETIME, slack_alarm
from shared.links import AckLinks
from shared.redis_client import Scripts
from shared.store import Store
from tests.redis.conftest import now, opened
from tests.redis.test_notifier import SECOND, misbehave, no_waiting

FALLBACK = "C9"
REFUSED = DeliveryFailed("t", "not_in_channel", timedelta(0), needs_person=True)
__all__ = ["no_waiting"]


@pytest.fixture
async def slack(sandbox: Running) -> AsyncIterator[Slack]:
    slack = Slack("xoxb-1", sandbox.slack_url, SECOND)
    yield slack
    await slack.close()


@pytest.fixture
def alarm(slack: Slack, scripts: Scripts) -> Alarm:
    return Alarm(slack, scripts, FALLBACK)


def notifier(store: Store, slack: Slack, scripts: Scripts, path: Path) -> Notifier:
    template = path / "message.tmpl"
    template.write_text("{{ incident.facts.title }}")
    look, links = Look("Ack", "primary", disable_button=False), AckLinks("https://a.example.com", ("key",))
    appearance = Appearance("C1", MessageTemplate.load(template), look, links)
    alarm = Alarm(slack, scripts, FALLBACK)
    pacing = Pacing(scripts, Pace(timedelta(0), 1))
    return Notifier(store, pacing, Courier(slack, pacing, appearance, SECOND), appearance, alarm)


def told(sandbox: Running) -> list[str]:
    return [message["text"] for message in sandbox.world.slack.messages(FALLBACK)]


def refuse(sandbox: Running, error: str = "not_in_channel", **more: Any) -> None:
    """The next post."""
    misbehave(sandbox, "slack_error", match="chat.postMessage", error=error, **{"count": 1} | more)


async def test_one_alarm_for_all_replicas_and_one_word_that_it_works_again(
    store: Store, slack: Slack, scripts: Scripts, sandbox: Running, tmp_path: Path
) -> None:
    replicas = [notifier(store, slack, Scripts(scripts._client), tmp_path) for _ in range(2)]  # noqa: SLF001
    incidents = [await opened(store, group=str(number)) for number in range(4)]
    for number, incident in enumerate(incidents):
        refuse(sandbox)
        await replicas[number % 2].show(incident)
    (trouble,) = told(sandbox)
    assert trouble.splitlines() == [
        "🚧 *Messages do not reach <#C1> (C1)*: `not_in_channel`",
        "To mend it: invite the bot: /invite @ackstream in that channel",
        "Waiting there, perhaps with others: [FIRING:1] HighLatency (critical)",
        "They are tried again every minute or two; `ackstream parked` lists them, "
        "`ackstream parked retry --all` tries at once.",
    ]
    for number, incident in enumerate(incidents):
        await replicas[number % 2].show(incident)
    assert told(sandbox)[1:] == ["✅ Messages reach <#C1> (C1) again."]
    assert len(sandbox.world.slack.messages("C1")) == 4


async def test_ten_at_once_tell_once(slack: Slack, client: Redis, store: Store, sandbox: Running) -> None:
    incident = await now(store, await opened(store))
    crowd = [Alarm(slack, Scripts(client), FALLBACK) for _ in range(10)]
    await asyncio.gather(*(one.heed(incident, "C1", REFUSED) for one in crowd))
    assert len(told(sandbox)) == 1
    arrived = Delivered("t", "C1", "1.0", 1)
    await asyncio.gather(*(one.heed(incident, "C1", arrived) for one in crowd))
    assert len(told(sandbox)) == 2
    assert "again" in told(sandbox)[1]


async def test_trouble_that_lasts_is_told_again_after_an_hour(
    alarm: Alarm, store: Store, sandbox: Running, client: Redis
) -> None:
    incident = await now(store, await opened(store))
    await alarm.heed(incident, "C1", REFUSED)
    left = await client.pttl(slack_alarm("C1"))
    assert 0 <= ALARM_LIFETIME.total_seconds() * 1000 - left < 60_000
    await client.delete(slack_alarm("C1"))
    await alarm.heed(incident, "C1", REFUSED)
    assert len(told(sandbox)) == 2


async def test_each_channel_has_its_own_alarm(alarm: Alarm, store: Store, sandbox: Running) -> None:
    incident = await now(store, await opened(store))
    for channel in ("C1", "C2", "C1", "#ops"):
        await alarm.heed(incident, channel, REFUSED)
    assert [text.split("*")[1] for text in told(sandbox)] == [
        f"Messages do not reach {name}" for name in ("<#C1> (C1)", "<#C2> (C2)", "#ops")
    ]


@pytest.mark.parametrize("error", ["invalid_auth", "missing_scope", "invalid_blocks"])
async def test_what_another_channel_would_suffer_too_is_not_told_there(
    alarm: Alarm, store: Store, sandbox: Running, error: str
) -> None:
    refused = DeliveryFailed("t", error, timedelta(0), needs_person=True)
    await alarm.heed(await now(store, await opened(store)), "C1", refused)
    assert list(sandbox.world.slack.calls.entries) == []


async def test_trouble_of_the_fallback_channel_itself_is_not_told(
    alarm: Alarm, store: Store, sandbox: Running
) -> None:
    incident = await now(store, await opened(store))
    await alarm.heed(incident, FALLBACK, REFUSED)
    await alarm.heed(incident, FALLBACK, Delivered("t", FALLBACK, "1.0", 1))
    assert list(sandbox.world.slack.calls.entries) == []


async def test_a_broken_fallback_channel_is_tried_once_an_hour(
    alarm: Alarm, store: Store, sandbox: Running
) -> None:
    incident = await now(store, await opened(store))
    refuse(sandbox, "is_archived", count=None)
    for _ in range(3):
        await alarm.heed(incident, "C1", REFUSED)
    assert len(sandbox.world.slack.calls.named("chat.postMessage")) == 1
    assert told(sandbox) == []


async def test_an_alarm_that_slack_did_not_take_is_told_by_the_next_attempt(
    alarm: Alarm, store: Store, sandbox: Running
) -> None:
    incident = await now(store, await opened(store))
    misbehave(sandbox, "status", match="chat.postMessage", status=503, count=1)
    await alarm.heed(incident, "C1", REFUSED)
    assert told(sandbox) == []
    await alarm.heed(incident, "C1", REFUSED)
    assert len(told(sandbox)) == 1


async def test_no_alarm_falls_into_a_retry_after(
    alarm: Alarm, store: Store, sandbox: Running, scripts: Scripts
) -> None:
    incident = await now(store, await opened(store))
    misbehave(sandbox, "status", match="chat.postMessage", status=429, retry_after=30, count=1)
    for _ in range(3):
        await alarm.heed(incident, "C1", REFUSED)
    assert len(sandbox.world.slack.calls.named("chat.postMessage")) == 1


async def test_whoever_dies_while_telling_keeps_the_others_silent_for_a_minute_only(
    alarm: Alarm, store: Store, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(text: str) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(alarm, "_tell", die)
    with pytest.raises(asyncio.CancelledError):
        await alarm.heed(await now(store, await opened(store)), "C1", REFUSED)
    assert 0 < await client.pttl(slack_alarm("C1")) <= alarm_module.ALARM_CLAIM.total_seconds() * 1000


async def test_a_refusal_is_looked_into_also_without_a_fallback_channel(
    slack: Slack, scripts: Scripts, store: Store, sandbox: Running
) -> None:
    looks: list[int] = []
    alarm = Alarm(slack, scripts, None, lambda: looks.append(1))
    incident = await now(store, await opened(store))
    await alarm.heed(incident, "C1", REFUSED)
    await alarm.heed(incident, "C1", Delivered("t", "C1", "1.0", 1))
    assert looks == [1]
    assert list(sandbox.world.slack.calls.entries) == []

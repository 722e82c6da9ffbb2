"""`replay --channel`: the past in a test channel; nobody is called, and the real channel stays as it is."""

from datetime import timedelta
from typing import Any

import pytest

from ops.replay import show as show_module
from ops.replay.replay import ReplayError
from ops.replay.show import show
from sandbox.faults import Fault
from sandbox.server import Running
from shared.commands import Acknowledge, BeginDelivery, Delivered
from shared.config import Config
from shared.notification import Call
from shared.redis_client import Scripts
from shared.store import Store
from tests.episodes import MINUTE
from tests.redis.lives import alertmanager_body, received
from tests.redis.replaying import configured, everything_in, replay_of


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show_module, "PACE", timedelta(seconds=0.02))


@pytest.fixture
def config(sandbox: Running) -> Config:
    return configured(api_url=sandbox.slack_url)


async def life(store: Store, name: str = "HighLatency", call: Call | None = None) -> str:
    """An incident that fired, was acknowledged, and is over."""
    call = call or Call(wait=3 * MINUTE)
    step = await store.receive(received(alertmanager_body(name, {"web-1": (True, 0)}), call))
    assert step.incident
    await store.receive(received(alertmanager_body(name, {"web-1": (True, 0)}), call))
    await store.apply(step.incident.id, Acknowledge("Ada", "link"))
    await store.receive(received(alertmanager_body(name, {"web-1": (False, 0)}), call))
    return step.incident.id


def calls(sandbox: Running) -> list[str]:
    return [call.name for call in sandbox.world.slack.calls.entries]


async def test_one_message_per_incident_edited_as_its_events_go(
    scripts: Scripts, store: Store, sandbox: Running, config: Config
) -> None:
    await life(store, "HighLatency")
    await life(store, "DiskFull")
    before = await everything_in(scripts)
    answer = await show(await replay_of(scripts, config=config), "C9", None)
    assert calls(sandbox) == ["chat.postMessage", "chat.update", "chat.update"] * 2
    messages: list[dict[str, Any]] = sandbox.world.slack.messages("C9")
    assert [message["text"] for message in messages] == [
        "[REPLAY] [RESOLVED] HighLatency (critical) — HighLatency is broken",
        "[REPLAY] [RESOLVED] DiskFull (critical) — DiskFull is broken",
    ]
    assert answer.text == "2 messages posted and 4 edits made in C9."
    assert await everything_in(scripts) == before


async def test_what_slack_asks_for_is_waited_for(
    scripts: Scripts, store: Store, sandbox: Running, config: Config
) -> None:
    await life(store)
    fault = Fault(target="slack", kind="status", match="chat.update", status=429, retry_after=1, count=1)
    sandbox.world.faults.add(fault)
    await show(await replay_of(scripts, config=config), "C9", None)
    first, refused, again, *_ = sandbox.world.slack.calls.entries
    assert (first.status, refused.status, again.status) == (200, 429, 200)
    assert again.at - refused.at >= 1


async def test_the_rhythm_is_kept(scripts: Scripts, store: Store, sandbox: Running, config: Config) -> None:
    await life(store)
    entries = await scripts.execute("XRANGE", "{ackstream:0}:events", "-", "+")
    await scripts.execute("DEL", "{ackstream:0}:events")
    for number, (_, fields) in enumerate(entries):  # as if there had been 10 s between them
        at = int(fields[b"at"]) + 10_000 * number
        parts = [part for pair in (fields | {b"at": str(at).encode()}).items() for part in pair]
        await scripts.execute("XADD", "{ackstream:0}:events", f"{at}-0", *parts)
    await show(await replay_of(scripts, config=config), "C9", 50)
    first, second, third = (call.at for call in sandbox.world.slack.calls.entries)
    assert second - first == pytest.approx(0.4, abs=0.15)
    assert third - second == pytest.approx(0.2, abs=0.15)


async def test_a_channel_in_which_people_are_called_is_refused(
    scripts: Scripts, store: Store, sandbox: Running
) -> None:
    config = configured(
        api_url=sandbox.slack_url,
        routes=[{"match": "team=db", "channel_id": "C6"}],
        fallback_channel_id="C5",
    )
    incident = await life(store, call=Call(wait=MINUTE, channel="C8"))
    await store.apply(incident, BeginDelivery("n", MINUTE))
    await store.apply(incident, Delivered("n", "C7", "1.0", 1))
    for channel, why in (
        ("C0TEST", r"C0TEST is alert\.slack\.channel_id"),
        ("C8", f"C8 is where incident {incident} was shown in earnest"),
        ("C7", "C7 is where incident"),
        ("#alerts", "is not the id of a channel"),
        ("C6", "C6 is configured for real alerts"),
        ("C5", "C5 is configured for real alerts"),
    ):
        with pytest.raises(ReplayError, match=why):
            await show(await replay_of(scripts, config=config), channel, None)
    assert calls(sandbox) == []


async def test_what_needs_a_person_is_said_at_once(
    scripts: Scripts, store: Store, sandbox: Running, config: Config
) -> None:
    await life(store)
    sandbox.world.faults.add(Fault(target="slack", kind="slack_error", error="not_in_channel"))
    with pytest.raises(ReplayError, match="Slack refuses C9: not_in_channel"):
        await show(await replay_of(scripts, config=config), "C9", None)
    assert len(calls(sandbox)) == 1


async def test_without_a_token_nobody_could_post(scripts: Scripts) -> None:
    config = configured(enable=False, token=None)
    with pytest.raises(ReplayError, match=r"alert\.slack\.token is not configured"):
        await show(await replay_of(scripts, config=config), "C9", None)

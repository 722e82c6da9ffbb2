"""Who pressed a button in vain hears of it in Slack, once, and nobody else does."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from sandbox.faults import Fault
from sandbox.server import Running
from services.notifier import refusals
from services.notifier.refusals import Refusals
from services.notifier.slack import Slack
from shared.commands import Acknowledge, BeginDelivery, Delivered, Digested, Flapping, Rules
from shared.keys import Keys
from shared.redis_client import Scripts
from shared.store import Store
from shared.stream import Entry, UndecodableError
from tests.episodes import MINUTE, NOON, alert, notification
from tests.redis.conftest import now, opened


@pytest.fixture
async def slack(sandbox: Running) -> AsyncIterator[Slack]:
    slack = Slack("xoxb-1", sandbox.slack_url, timedelta(seconds=1))
    yield slack
    await slack.close()


@pytest.fixture
def telling(store: Store, slack: Slack, scripts: Scripts) -> Refusals:
    return Refusals(store, slack, scripts)


async def refused(store: Store, client: Redis, *, delivered: bool = True) -> Entry:
    """Kim has it; Alex pressed, too."""
    incident_id = await opened(store)
    if delivered:
        await store.apply(incident_id, BeginDelivery("t", timedelta(seconds=9)))
        await store.apply(incident_id, Delivered("t", "C1", "1.2", 1))
    await store.apply(incident_id, Acknowledge("kim", "button", user="U0HUMAN", token="1"))
    await store.apply(incident_id, Acknowledge("alex", "button", user="U0ALEX", token="2"))
    return await last(client)


async def last(client: Redis) -> Entry:
    (entry_id, fields) = (await client.xrevrange(Keys().events, count=1))[0]
    assert fields[b"type"] == b"deed_refused"
    return Entry(entry_id.decode(), fields)


def whispers(sandbox: Running) -> list[dict[str, Any]]:
    return [call.arguments for call in sandbox.world.slack.calls.named("chat.postEphemeral")]


async def test_they_are_told_who_was_faster_where_they_pressed(
    telling: Refusals, store: Store, client: Redis, sandbox: Running
) -> None:
    await telling.tell(await refused(store, client))
    (told,) = whispers(sandbox)
    assert (told["channel"], told["user"]) == ("C1", "U0ALEX")
    assert "kim acknowledged it" in told["text"]
    assert sandbox.world.slack.messages("C1") == []


async def test_an_entry_that_is_handled_again_tells_nothing_more(
    telling: Refusals, store: Store, client: Redis, sandbox: Running, slack: Slack, scripts: Scripts
) -> None:
    entry = await refused(store, client)
    for one in (telling, telling, Refusals(store, slack, scripts)):
        await one.tell(entry)
    assert len(whispers(sandbox)) == 1


async def test_a_press_that_reached_us_twice_is_refused_once(store: Store, client: Redis) -> None:
    entry = await refused(store, client)
    await store.apply(entry.incident_id, Acknowledge("alex", "button", user="U0ALEX", token="2"))
    assert (await last(client)).id == entry.id


@pytest.mark.parametrize("kind", ["slack_error", "status", "drop"])
async def test_what_slack_does_not_take_is_let_go(
    kind: Any, telling: Refusals, store: Store, client: Redis, sandbox: Running
) -> None:
    more = {"slack_error": {"error": "user_not_in_channel"}, "status": {"status": 503}, "drop": {}}[kind]
    sandbox.world.faults.add(Fault(target="slack", kind=kind, match="chat.postEphemeral", **more))
    entry = await refused(store, client)
    await telling.tell(entry)
    await telling.tell(entry)
    assert len(whispers(sandbox)) == 1


async def test_nobody_is_told_what_they_no_longer_wonder_about(
    telling: Refusals, store: Store, client: Redis, sandbox: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await refused(store, client)
    monkeypatch.setattr(refusals, "WHILE_THEY_WONDER", timedelta(milliseconds=-1))
    await telling.tell(entry)
    assert whispers(sandbox) == []


async def test_in_a_digest_they_are_told_where_that_is(
    telling: Refusals, store: Store, client: Redis, sandbox: Running
) -> None:
    incident_id = await opened(store)
    await store.apply(incident_id, Digested("storm", "C2"))
    await store.apply(incident_id, Acknowledge("kim", "digest", user="U0HUMAN", token="1"))
    await store.apply(incident_id, Acknowledge("alex", "button", user="U0ALEX", token="2"))
    await telling.tell(await last(client))
    assert [told["channel"] for told in whispers(sandbox)] == ["C2"]


async def test_a_press_on_what_was_handed_on_meanwhile_is_answered_where_the_message_is(
    scripts: Scripts, slack: Slack, client: Redis, sandbox: Running
) -> None:
    store = Store(scripts, Rules(Flapping(2, timedelta(hours=1), frozenset())))
    before = await opened(store)
    await store.apply(before, BeginDelivery("t", timedelta(seconds=9)))
    await store.apply(before, Delivered("t", "C1", "1.2", 1))
    await store.receive(notification(alert("a", NOON + 9 * MINUTE)))
    assert (await now(store, before)).heir
    await store.apply(before, Acknowledge("alex", "button", user="U0ALEX", token="2"))
    await Refusals(store, slack, scripts).tell(await last(client))
    (told,) = whispers(sandbox)
    assert (told["channel"], told["user"]) == ("C1", "U0ALEX")
    assert "A newer incident of its group took its place" in told["text"]


async def test_an_incident_that_nobody_has_seen_has_no_place_to_tell(
    telling: Refusals, store: Store, client: Redis, sandbox: Running
) -> None:
    await telling.tell(await refused(store, client, delivered=False))
    assert whispers(sandbox) == []


async def test_everything_else_is_left_to_others(
    telling: Refusals, store: Store, client: Redis, sandbox: Running
) -> None:
    left: list[str] = []

    async def others(entry: Entry) -> None:
        left.append(entry.type)

    handle = telling.before(others)
    await handle(await refused(store, client))
    for entry_id, fields in await client.xrange(Keys().events):
        if fields[b"type"] != b"deed_refused":
            await handle(Entry(entry_id.decode(), fields))
    assert "acknowledged" in left
    assert "deed_refused" not in left
    assert len(whispers(sandbox)) == 1


@pytest.mark.parametrize("odd", [{b"data": b"[]"}, {b"data": b"x"}, {b"at": b"soon"}, {b"incident": b"x"}])
async def test_an_entry_of_a_stranger_is_a_dead_letter(
    odd: dict[bytes, bytes], telling: Refusals, store: Store, client: Redis
) -> None:
    entry = await refused(store, client)
    with pytest.raises(UndecodableError):
        await telling.tell(Entry(entry.id, entry.fields | odd))
    assert (await now(store, entry.incident_id)).acknowledgement

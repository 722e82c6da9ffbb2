"""`replay --into`: a part of production on a laptop, where it calls nobody, and, if so wished, without what alerts say."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from ops import explain
from ops.replay.copy import copy_into
from ops.replay.progress import Patience, StoppedError
from ops.replay.rehearsal import rehearse
from ops.replay.repair import repair_escalator
from ops.replay.replay import ReplayError
from shared.commands import Acknowledge, Claim, EscalationFailed, RecordWritten
from shared.incident import Record
from shared.keys import Keys
from shared.notification import Call
from shared.redis_client import Scripts, connect
from shared.store import Store
from shared.stream import StreamReader
from tests.episodes import MINUTE, NOON
from tests.redis.lives import Lives, alertmanager_body, received
from tests.redis.replaying import everything_in, replay_of
from tests.servers import RedisServer

KEYS = Keys()


@pytest.fixture
def url(redis_server: RedisServer, client: Redis) -> str:
    """Another database; empty, for `client` has emptied the whole server."""
    return redis_server.url.replace("/0", "/1")


@pytest.fixture
async def elsewhere(url: str) -> AsyncIterator[Redis]:
    client = connect(url)
    yield client
    await client.aclose()


async def life(store: Store) -> str:
    """Full of secrets: acknowledged by somebody, with a record all the same."""
    body = alertmanager_body("SecretLatency", {"secret-host": (True, 0)})
    body["alerts"][0]["annotations"]["summary"] = "secret summary"
    body["commonAnnotations"]["runbook_url"] = "https://secret.example.com/runbook"
    step = await store.receive(received(body, Call(wait=timedelta(0), instance="infra"), parameter="secret"))
    assert step.incident
    id_, lease = step.incident.id, timedelta(seconds=50)
    await store.apply(id_, Claim("w", lease, MINUTE))
    await store.apply(id_, EscalationFailed("w", "answered 500", timedelta(0)))
    await store.apply(id_, Acknowledge("secret Ada", "link"))
    record = Record(sys_id="a" * 32, number="INC1", url="https://secret.example.com", instance=None, at=NOON)
    await store.apply(id_, RecordWritten("w", record))
    return id_


async def test_events_and_incidents_are_there_as_they_are_here(
    scripts: Scripts, store: Store, client: Redis, url: str, elsewhere: Redis
) -> None:
    lives = Lives(store, 1)
    for _ in range(60):
        await lives.step()
    before = await everything_in(scripts)
    answer = await copy_into(await replay_of(scripts), url, redact=False)
    assert await everything_in(scripts) == before
    assert await elsewhere.xrange(KEYS.events) == await client.xrange(KEYS.events)
    copy = Store(Scripts(elsewhere))
    for id_ in await client.zrange(KEYS.recent, 0, -1):
        here, there = await store.load(id_.decode()), await copy.load(id_.decode())
        assert (here.incident, here.body) == (there.incident, there.body)
        assert await elsewhere.get(KEYS.ack(id_.decode())) == await client.get(KEYS.ack(id_.decode()))
        left = [await one.pttl(KEYS.incident(id_.decode())) for one in (elsewhere, client)]
        assert left[0] == pytest.approx(left[1], abs=5000)
    assert answer.data["incidents"] == await client.zcard(KEYS.recent)
    assert not await elsewhere.exists(KEYS.deadlines, KEYS.deliveries, KEYS.dead)
    owned = {KEYS.events, KEYS.recent}
    for key in await elsewhere.keys("*"):
        assert key.decode() in owned or await elsewhere.pttl(key) > 0, key


async def test_who_starts_there_finds_nothing_to_do_until_asked(
    scripts: Scripts, store: Store, url: str, elsewhere: Redis
) -> None:
    step = await store.receive(received(alertmanager_body("a", {"x": (True, 0)}), Call(wait=MINUTE)))
    await copy_into(await replay_of(scripts), url, redact=False)
    there = Scripts(elsewhere)
    for group in ("notifier", "escalator"):
        reader = StreamReader(elsewhere, there, KEYS.events, group, "c")
        await reader.ensure_group()
        assert await elsewhere.xreadgroup(group, "c", {KEYS.events: ">"}) in ([], {})
    await repair_escalator(await replay_of(there))
    assert await elsewhere.zscore(KEYS.deadlines, step.incident.id) is not None


async def test_only_the_range_and_its_incidents_come_along(
    scripts: Scripts, store: Store, client: Redis, url: str, elsewhere: Redis
) -> None:
    first, second = await life(store), None
    entry = (await client.xrevrange(KEYS.events, count=1))[0][0].decode()
    step = await store.receive(received(alertmanager_body("b", {"x": (True, 0)}), Call(wait=MINUTE)))
    second = step.incident.id
    await copy_into(await replay_of(scripts, None, None, second), url, redact=False)
    assert {fields[b"incident"].decode() for _, fields in await elsewhere.xrange(KEYS.events)} == {second}
    await elsewhere.flushdb()
    await copy_into(await replay_of(scripts, None, entry), url, redact=False)
    assert not await elsewhere.exists(KEYS.incident(second))
    assert await elsewhere.exists(KEYS.incident(first))


async def test_no_secret_is_in_a_redacted_copy_and_people_can_work_with_it(
    scripts: Scripts, store: Store, client: Redis, url: str, elsewhere: Redis
) -> None:
    incident = await life(store)
    assert "secret" in repr(await everything_in(scripts)).lower()
    answer = await copy_into(await replay_of(scripts), url, redact=True)
    assert "masked" in answer.text
    there = Scripts(elsewhere)
    copied = repr(await everything_in(there)).lower()
    assert "secret" not in copied
    for kept in (incident, "answered 500", "infra", "critical", "inc1"):
        assert kept in copied
    story = await explain.story_of(there, incident)
    assert explain.as_text(incident, story, NOON).splitlines()[-1].startswith("It escalated as INC1")
    told: Any = (await rehearse(await replay_of(there))).data
    assert [event["notifier"]["action"] for event in told["events"]] == [
        "post",
        "nothing",
        "edit",
        "edit",
        "edit",
    ]
    assert told["unreadable"] == 0
    title = (await Store(there).load(incident)).incident.facts.title
    assert json.dumps(told, default=str).count(title) >= 4, "what belongs together still does"


async def test_the_source_is_no_target(scripts: Scripts, store: Store, redis_server: RedisServer) -> None:
    await life(store)
    before = await everything_in(scripts)
    for address in (redis_server.url, redis_server.url.replace("127.0.0.1", "localhost")):
        with pytest.raises(ReplayError, match="names the Redis that is read from"):
            await copy_into(await replay_of(scripts), address, redact=False)
    assert await everything_in(scripts) == before


async def test_a_target_with_events_is_refused(
    scripts: Scripts, store: Store, url: str, elsewhere: Redis
) -> None:
    await life(store)
    await elsewhere.xadd(KEYS.events, {"a": "b"})
    with pytest.raises(ReplayError, match="has events already"):
        await copy_into(await replay_of(scripts), url, redact=False)
    assert await elsewhere.xlen(KEYS.events) == 1


@pytest.mark.parametrize("address", ["redis://127.0.0.1:9/0", "http://x", "nonsense"])
async def test_a_target_that_is_none_is_one_line(scripts: Scripts, address: str) -> None:
    with pytest.raises(ReplayError, match=r"^(the target cannot take it|--into)"):
        await copy_into(await replay_of(scripts), address, redact=False)


async def test_who_stops_it_leaves_nothing_behind(
    scripts: Scripts, store: Store, url: str, elsewhere: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await life(store)
    steps = 0

    def step(_: Patience) -> None:
        nonlocal steps
        steps += 1
        if steps == 2:  # the events are there, the incidents are not
            raise StoppedError

    monkeypatch.setattr(Patience, "step", step)
    with pytest.raises(StoppedError):
        await copy_into(await replay_of(scripts), url, redact=False)
    assert await elsewhere.dbsize() == 0


async def test_an_incident_that_is_no_longer_kept_or_cannot_be_read_is_counted(
    scripts: Scripts, store: Store, client: Redis, url: str
) -> None:
    first = await life(store)
    await client.delete(KEYS.incident(first))
    step = await store.receive(received(alertmanager_body("b", {"x": (True, 0)}), Call(wait=None)))
    await client.hset(KEYS.incident(step.incident.id), "state", '{"from": "another world"}')
    answer = await copy_into(await replay_of(scripts), url, redact=True)
    assert (answer.data["events"], answer.data["incidents"], answer.data["only_events"]) == (6, 0, 2)

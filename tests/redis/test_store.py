"""The store on a real server: atomic, idempotent, and the same for everybody who looks."""

import asyncio
import json
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from shared.commands import Acknowledge, Claim, Reason, RecordWritten
from shared.incident import Record, State
from shared.keys import Keys
from shared.redis_client import Scripts
from shared.store import SCHEMA, NewerStateError, Store
from shared.transitions import advance
from tests.conftest import orphans
from tests.episodes import MINUTE, NOON, alert, notification, resolved

KEYS = Keys()
CLAIM = Claim("w", timedelta(seconds=50), timedelta(seconds=65))


async def events(client: Redis) -> list[tuple[str, str]]:
    return [(f[b"type"].decode(), f[b"reason"].decode()) for _, f in await client.xrange(KEYS.events)]


async def test_an_incident_comes_back_as_it_was_stored(store: Store) -> None:
    step = await store.receive(notification(alert(), alert("b"), warnings=("careful",), body='{"ä": "ö"}'))
    assert step.incident
    loaded = await store.load(step.incident.id)
    assert loaded.incident == step.incident
    assert loaded.body == '{"ä": "ö"}'


async def test_a_repeat_joins_and_both_are_in_the_stream(store: Store, client: Redis) -> None:
    first = await store.receive(notification())
    second = await store.receive(notification())
    assert first.incident
    assert second.incident
    assert (first.incident.id, second.reason) == (second.incident.id, Reason.REPEATED)
    assert await events(client) == [("opened", "opened"), ("updated", "repeated")]


async def test_a_hundred_copies_at_once_open_one_incident(store: Store, client: Redis) -> None:
    steps = await asyncio.gather(*(store.receive(notification()) for _ in range(100)))
    assert len({step.incident.id for step in steps if step.incident}) == 1
    assert [step.reason for step in steps].count(Reason.OPENED) == 1
    assert await client.zcard(KEYS.deadlines) == 1
    assert (await events(client)).count(("opened", "opened")) == 1


async def test_copies_through_many_doors_open_one_incident(client: Redis) -> None:
    doors = [Store(Scripts(client)) for _ in range(20)]
    steps = await asyncio.gather(*(door.receive(notification()) for door in doors))
    assert len({step.incident.id for step in steps if step.incident}) == 1


async def test_ten_new_episodes_at_once_leave_one_open(store: Store, client: Redis) -> None:
    """Same group, ten different alerts: whoever comes next supersedes the one before, and none is forgotten."""
    steps = await asyncio.gather(*(store.receive(notification(alert(str(n)))) for n in range(10)))
    states = [(await store.load(step.incident.id)).incident for step in steps if step.incident]
    assert sorted(i.state for i in states if i) == [State.OPEN, *[State.SUPERSEDED] * 9]
    assert await client.zcard(KEYS.deadlines) == 1


async def test_an_acknowledgement_clears_the_deadline_and_sets_the_ack_key(
    store: Store, client: Redis
) -> None:
    step = await store.receive(notification())
    assert step.incident
    id_ = step.incident.id
    assert await client.zscore(KEYS.deadlines, id_) is not None
    assert (await store.apply(id_, Acknowledge("anna", "link"))).reason is Reason.ACKNOWLEDGED
    assert await client.zscore(KEYS.deadlines, id_) is None
    assert await store.is_acknowledged(id_)
    assert b"anna" in await client.get(KEYS.ack(id_))


async def test_a_repeated_commit_changes_nothing(store: Store, client: Redis) -> None:
    """The reply of a commit was lost, and the same commit is sent once more."""
    calls: list[tuple[object, ...]] = []
    scripts = store._scripts  # noqa: SLF001  to see what travels
    run = scripts.run

    async def twice(*call: object) -> object:
        calls.append(call)
        await run(*call)  # type: ignore[arg-type]
        return await run(*call)  # type: ignore[arg-type]

    scripts.run = twice  # type: ignore[method-assign,assignment]
    step = await store.receive(notification())
    assert step.incident
    assert await client.xlen(KEYS.events) == 1
    await store.apply(step.incident.id, Acknowledge("anna", "link"))
    assert await client.xlen(KEYS.events) == 2
    assert await client.hget(KEYS.incident(step.incident.id), "version") == b"2"


async def test_a_commit_on_an_old_version_is_refused_and_writes_nothing(store: Store, client: Redis) -> None:
    step = await store.receive(notification())
    assert step.incident
    stale = advance(step.incident, Acknowledge("late", "link"), NOON)
    await store.apply(step.incident.id, Acknowledge("anna", "link"))
    assert not await store.commit(stale, NOON)
    assert await client.xlen(KEYS.events) == 2


async def test_acknowledge_and_claim_exclude_each_other(store: Store) -> None:
    """Fifty incidents, each with a claim and an acknowledgement at the same moment: always one, never both, never neither."""
    ids = []
    for number in range(50):
        step = await store.receive(notification(group=str(number), wait=timedelta(0)))
        assert step.incident
        ids.append(step.incident.id)
    await asyncio.gather(
        *(store.apply(id_, Acknowledge("anna", "link")) for id_ in ids),
        *(store.apply(id_, CLAIM) for id_ in reversed(ids)),
    )
    found = [(await store.load(id_)).incident for id_ in ids]
    assert all(i and bool(i.acknowledgement) != bool(i.escalation.lease) for i in found)


async def test_the_deadline_follows_the_claim_and_leaves_with_the_record(store: Store, client: Redis) -> None:
    step = await store.receive(notification(wait=timedelta(0)))
    assert step.incident
    id_ = step.incident.id
    armed = await client.zscore(KEYS.deadlines, id_)
    await store.apply(id_, CLAIM)
    assert await client.zscore(KEYS.deadlines, id_) >= armed + 50_000
    record = Record(sys_id="a" * 32, number="INC1", url="https://x", instance=None, at=NOON)
    assert (await store.apply(id_, RecordWritten("w", record))).reason is Reason.ESCALATED
    assert await client.zscore(KEYS.deadlines, id_) is None


async def test_resolved_cancels_and_the_open_key_still_knows_late_copies(store: Store, client: Redis) -> None:
    await store.receive(notification())
    assert (await store.receive(resolved())).reason is Reason.RESOLVED
    assert await client.zcard(KEYS.deadlines) == 0
    assert (await store.receive(notification())).reason is Reason.LATE_AFTER_RESOLVE


async def test_scheduling_repairs_a_lost_deadline_and_clears_a_stale_one(store: Store, client: Redis) -> None:
    step = await store.receive(notification())
    assert step.incident
    await client.delete(KEYS.deadlines)
    await store.schedule(step.incident)
    assert await client.zscore(KEYS.deadlines, step.incident.id) is not None
    closed = await store.receive(resolved())
    assert closed.incident
    await client.zadd(KEYS.deadlines, {closed.incident.id: 1})
    await store.schedule(closed.incident)
    assert await client.zcard(KEYS.deadlines) == 0


async def test_scheduling_from_an_old_version_changes_nothing(store: Store, client: Redis) -> None:
    step = await store.receive(notification())
    assert step.incident
    await store.apply(step.incident.id, Acknowledge("anna", "link"))
    await store.schedule(step.incident)
    assert await client.zcard(KEYS.deadlines) == 0


async def test_every_key_has_a_lifetime_or_an_owner(store: Store, client: Redis) -> None:
    """Each test on a real server checks it at its end; here is that the check would tell."""
    step = await store.receive(notification())
    assert step.incident
    await store.apply(step.incident.id, Acknowledge("anna", "link"))
    assert await orphans(client) == []
    await client.persist(KEYS.ack(step.incident.id))
    await client.set("ackstream:forgotten", 1)
    assert sorted(await orphans(client)) == ["ackstream:forgotten", KEYS.ack(step.incident.id)]
    await client.flushall()


async def test_an_incident_that_is_not_closed_is_known_by_its_last_mention(
    store: Store, client: Redis
) -> None:
    first = await store.receive(notification(wait=None))
    again = await store.receive(notification(wait=None))
    assert first.incident
    assert again.incident
    mention = await client.zscore(KEYS.mentions, first.incident.id)
    assert mention == round(again.incident.seen_at.timestamp() * 1000)
    await store.receive(resolved())
    assert await client.zcard(KEYS.mentions) == 0


async def test_scripts_survive_a_script_flush(store: Store, client: Redis) -> None:
    await store.receive(notification())
    await client.script_flush()
    steps = await asyncio.gather(*(store.receive(notification(group=str(n))) for n in range(20)))
    assert {step.reason for step in steps} == {Reason.OPENED}


async def test_a_deadline_far_away_outlives_the_usual_lifetime(store: Store, client: Redis) -> None:
    step = await store.receive(notification(wait=60 * 24 * 60 * MINUTE))
    assert step.incident
    left = timedelta(milliseconds=await client.pttl(KEYS.incident(step.incident.id)))
    assert left > timedelta(days=89)


async def rewritten(client: Redis, id_: str, **fields: object) -> None:
    """The incident's hash as another version, or somebody with redis-cli, has left it."""
    await client.hset(KEYS.incident(id_), mapping=fields)


async def test_what_a_newer_version_has_added_outlives_our_commit(store: Store, client: Redis) -> None:
    step = await store.receive(notification())
    assert step.incident
    key, id_ = KEYS.incident(step.incident.id), step.incident.id
    state = json.loads(await client.hget(key, "state"))
    state["snoozed_until"] = "tomorrow"
    state["facts"]["team"] = "checkout"
    await rewritten(client, id_, state=json.dumps(state))
    assert (await store.apply(id_, Acknowledge("anna", "link"))).reason is Reason.ACKNOWLEDGED
    after = json.loads(await client.hget(key, "state"))
    assert (after["snoozed_until"], after["facts"]["team"]) == ("tomorrow", "checkout")


async def test_an_incident_that_only_a_newer_version_understands_is_left_to_it(
    store: Store, client: Redis
) -> None:
    step = await store.receive(notification())
    assert step.incident
    await rewritten(client, step.incident.id, schema=SCHEMA + 1, state='{"id": "of another shape"}')
    for attempt in (
        store.receive(notification()),
        store.load(step.incident.id),
        store.apply(step.incident.id, Acknowledge("anna", "link")),
    ):
        with pytest.raises(NewerStateError, match=f"schema {SCHEMA + 1}; this version reads up to {SCHEMA}"):
            await attempt
    assert await client.hget(KEYS.incident(step.incident.id), "version") == b"1"


async def test_an_incident_that_somebody_has_broken_does_not_stand_in_the_next_pages_way(
    store: Store, client: Redis
) -> None:
    broken = await store.receive(notification())
    assert broken.incident
    await rewritten(client, broken.incident.id, state="{")
    step = await store.receive(notification())
    assert (step.reason, step.incident and step.incident.id != broken.incident.id) == (Reason.OPENED, True)
    assert (await store.receive(notification())).reason is Reason.REPEATED

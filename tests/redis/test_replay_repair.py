"""`replay --group`: what was lost is set again, what is right stays, and doing it twice is doing it once."""

from datetime import timedelta

import pytest
from redis.asyncio import Redis

from ops.replay.progress import Patience, StoppedError
from ops.replay.repair import repair_escalator, repair_notifier
from ops.replay.replay import ReplayError
from shared.commands import Acknowledge, BeginDelivery, Claim, Delivered, Digested
from shared.due_times import DueTimes
from shared.keys import Keys
from shared.redis_client import Scripts
from shared.store import Store
from shared.storms import Storms
from tests.episodes import MINUTE, alert, notification, resolved
from tests.redis.conftest import now, opened
from tests.redis.lives import Lives
from tests.redis.replaying import configured, everything_in, replay_of

KEYS = Keys()
LEASE = timedelta(seconds=50)


async def test_lost_deadlines_come_back_exactly(scripts: Scripts, store: Store, client: Redis) -> None:
    for seed in range(8):
        lives = Lives(store, seed)
        for _ in range(40):
            await lives.step()
    before = await client.zrange(KEYS.deadlines, 0, -1, withscores=True)
    mentions = await client.zrange(KEYS.mentions, 0, -1, withscores=True)
    assert len(before) > 3
    await client.delete(KEYS.deadlines, KEYS.mentions)
    events = await client.xlen(KEYS.events)
    answer = await repair_escalator(await replay_of(scripts))
    assert await client.zrange(KEYS.deadlines, 0, -1, withscores=True) == before
    assert await client.zrange(KEYS.mentions, 0, -1, withscores=True) == mentions
    assert answer.data["armed"] == len(before)
    assert await client.xlen(KEYS.events) == events, "replay must not fill what it reads"
    again = await repair_escalator(await replay_of(scripts))
    assert "armed" not in again.data


async def test_a_stale_deadline_is_cleared_and_a_lease_stays(
    scripts: Scripts, store: Store, client: Redis
) -> None:
    over, due = await opened(store, group="1"), await opened(store, group="2", wait=timedelta(0))
    await store.receive(resolved(group="1"))
    await client.zadd(KEYS.deadlines, {over: 1})
    await DueTimes(scripts, KEYS.deadlines).lease(10)
    leased = await client.zscore(KEYS.deadlines, due)
    answer = await repair_escalator(await replay_of(scripts))
    assert answer.data["cleared"] == 1
    assert await client.zscore(KEYS.deadlines, over) is None
    assert await client.zscore(KEYS.deadlines, due) == leased


async def test_only_the_range_is_mended(scripts: Scripts, store: Store, client: Redis) -> None:
    first = await opened(store, group="1")
    ((entry, _),) = await client.xrange(KEYS.events)
    second = await opened(store, group="2")
    third = await opened(store, group="3")
    for arguments, mended in (
        ((None, entry.decode()), {first}),
        ((f"{entry.decode()}", None, third), {third}),
        ((None, None, second), {second}),
        (("-1h", "now"), {first, second, third}),
        (("now", None), set()),
    ):
        await client.delete(KEYS.deadlines)
        await repair_escalator(await replay_of(scripts, *arguments))
        assert {id_.decode() for id_ in await client.zrange(KEYS.deadlines, 0, -1)} == mended


async def test_incidents_that_outlive_their_events_are_found(
    scripts: Scripts, store: Store, client: Redis
) -> None:
    incident = await opened(store)
    await client.xtrim(KEYS.events, maxlen=0)
    await client.delete(KEYS.deadlines)
    await repair_escalator(await replay_of(scripts))
    assert await client.zscore(KEYS.deadlines, incident) is not None
    await client.delete(KEYS.deadlines)
    await repair_escalator(await replay_of(scripts, None, None, incident))
    assert await client.zscore(KEYS.deadlines, incident) is not None


async def test_the_notifier_is_handed_what_is_not_shown_and_nothing_else(
    scripts: Scripts, store: Store, client: Redis
) -> None:
    shown, not_shown = await opened(store, group="1"), await opened(store, group="2")
    await store.apply(shown, BeginDelivery("n", LEASE))
    await store.apply(shown, Delivered("n", "C1", "1.0", 1))
    gone = await opened(store, group="3")
    await client.delete(KEYS.incident(gone))
    await store.receive(resolved(group="4"))
    answer = await repair_notifier(await replay_of(scripts), force=False)
    assert {id_.decode() for id_ in await client.zrange(KEYS.deliveries, 0, -1)} == {not_shown}
    assert (answer.data["handed"], answer.data["gone"], answer.data["as_it_was"]) == (1, 1, 2)
    again = await repair_notifier(await replay_of(scripts), force=False)
    assert "handed" not in again.data


async def test_one_that_cannot_be_read_does_not_keep_the_others_waiting(
    scripts: Scripts, store: Store, client: Redis
) -> None:
    broken, fine = await opened(store, group="1"), await opened(store, group="2")
    await client.hset(KEYS.incident(broken), "state", '{"from": "another world"}')
    await client.delete(KEYS.deadlines)
    answer = await repair_escalator(await replay_of(scripts))
    assert (answer.data["armed"], answer.data["unreadable"]) == (1, 1)
    assert await client.zscore(KEYS.deadlines, fine) is not None


async def test_a_delivery_that_is_put_off_is_due_when_it_was(
    scripts: Scripts, store: Store, client: Redis
) -> None:
    incident = await opened(store)
    await store.apply(incident, BeginDelivery("n", LEASE))
    due = await client.zscore(KEYS.deliveries, incident)
    await client.delete(KEYS.deliveries)
    await repair_notifier(await replay_of(scripts), force=False)
    assert await client.zscore(KEYS.deliveries, incident) == due


async def test_force_asks_for_what_was_shown_and_says_who_is_busy(
    scripts: Scripts, store: Store, client: Redis
) -> None:
    shown, busy = await opened(store, group="1"), await opened(store, group="2")
    for incident in (shown, busy):
        await store.apply(incident, BeginDelivery("n", LEASE))
        await store.apply(incident, Delivered("n", "C1", "1.0", 1))
    await store.apply(busy, Acknowledge("Ada", "link"))
    await store.apply(busy, BeginDelivery("n2", LEASE))
    answer = await repair_notifier(await replay_of(scripts), force=True)
    assert (answer.data["asked"], answer.data["busy"]) == (1, 1)
    assert await client.zscore(KEYS.deliveries, shown) is not None
    assert not (await now(store, shown)).is_shown
    again = await repair_notifier(await replay_of(scripts), force=True)
    assert "asked" not in again.data


async def test_force_asks_for_the_digest_of_what_has_no_message(scripts: Scripts, store: Store) -> None:
    incident, storms = await opened(store, group="1"), Storms(scripts)
    step = await store.apply(incident, Digested("ab12", "C1"))
    assert step.incident
    await storms.note(step.incident)
    answer = await repair_notifier(await replay_of(scripts), force=True)
    assert answer.data["digest"] == 1
    storm = await storms.load("ab12")
    assert storm
    assert storm.wanted
    assert not storm.tells_the_present


async def test_nobody_would_post_while_slack_is_off(scripts: Scripts) -> None:
    with pytest.raises(ReplayError, match=r"alert\.slack\.enable is false"):
        await repair_notifier(await replay_of(scripts, config=configured(enable=False)), force=False)


async def test_who_stops_it_is_told_how_far_it_came(
    scripts: Scripts, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(150):
        await opened(store, group=str(number))
    replay = await replay_of(scripts)
    steps = 0

    def step(_: Patience) -> None:
        nonlocal steps
        steps += 1
        if steps > 2:  # one page of events, the first hundred incidents
            raise StoppedError

    monkeypatch.setattr(Patience, "step", step)
    answer = await repair_escalator(replay)
    assert answer.stopped
    assert (answer.data["looked_at"], answer.data["incidents"]) == (100, 150)


async def test_a_claim_s_own_due_time_comes_back(scripts: Scripts, store: Store, client: Redis) -> None:
    incident = await opened(store, wait=timedelta(0))
    await store.apply(incident, Claim("w", LEASE, MINUTE))
    due = await client.zscore(KEYS.deadlines, incident)
    await client.delete(KEYS.deadlines)
    await repair_escalator(await replay_of(scripts))
    assert await client.zscore(KEYS.deadlines, incident) == due


async def test_a_dry_run_of_the_store_leaves_everything_as_it_is(scripts: Scripts, store: Store) -> None:
    await opened(store)
    await store.receive(notification(alert("b")))
    before = await everything_in(scripts)
    await repair_escalator(await replay_of(scripts))
    await repair_notifier(await replay_of(scripts, config=configured()), force=False)
    after = await everything_in(scripts)
    assert before.keys() | {KEYS.deliveries} == after.keys()
    assert all(after[key] == before[key] for key in before)

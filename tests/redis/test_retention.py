"""The stream on a real server: what is old goes, what somebody has yet to read or finish stays."""

import asyncio
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from shared.keys import Keys
from shared.redis_client import Scripts
from shared.retention import OUR_GROUPS, Retention, Trimmed

STREAM = Keys().events
DAY = timedelta(days=1)
DAYS = 86_400_000


@pytest.fixture
def retention(scripts: Scripts) -> Retention:
    return Retention(scripts, STREAM, 7 * DAY, asyncio.Event())


async def written(client: Redis, *days_ago: float) -> list[str]:
    """Ids of entries of that age."""
    seconds, _ = await client.time()
    return [
        (
            await client.xadd(STREAM, {"type": "opened"}, id=f"{round(seconds * 1000 - days * DAYS)}-1")
        ).decode()
        for days in days_ago
    ]


async def left(client: Redis) -> list[str]:
    return [id_.decode() for id_, _ in await client.xrange(STREAM)]


async def groups(client: Redis, *names: str) -> None:
    for name in names:
        await client.xgroup_create(STREAM, name, id="0", mkstream=True)


async def read(client: Redis, group: str, count: int, *, done: bool = True) -> None:
    for _, entries in await client.xreadgroup(group, "c", {STREAM: ">"}, count=count):
        for id_, _ in entries:
            if done:
                await client.xack(STREAM, group, id_)


async def test_no_stream_is_nothing_to_do(retention: Retention, client: Redis) -> None:
    assert await retention.trim() == Trimmed(0, 0)
    assert await client.exists(STREAM) == 0


async def test_what_is_old_and_dealt_with_goes_and_what_is_young_stays(
    retention: Retention, client: Redis
) -> None:
    ids = await written(client, 9, 8, 6, 0)
    await groups(client, *OUR_GROUPS)
    for group in OUR_GROUPS:
        await read(client, group, 10)
    assert await retention.trim() == Trimmed(2, 0)
    assert await left(client) == ids[2:]
    assert await retention.trim() == Trimmed(0, 0)


@pytest.mark.parametrize("behind", OUR_GROUPS)
async def test_what_a_group_has_not_read_stays_and_is_told(
    retention: Retention, client: Redis, behind: str
) -> None:
    ids = await written(client, 99, 9, 8, 6)
    await groups(client, *OUR_GROUPS)
    for group in OUR_GROUPS:
        await read(client, group, 2 if group == behind else 10)
    assert await retention.trim() == Trimmed(2, 0, (behind,))
    assert await left(client) == ids[2:]


async def test_a_quiet_system_is_no_trouble(retention: Retention, client: Redis) -> None:
    """All is read, and the last event was long ago."""
    await written(client, 40, 30)
    await groups(client, *OUR_GROUPS, "a-reader")
    for group in (*OUR_GROUPS, "a-reader"):
        await read(client, group, 10)
    assert await retention.trim() == Trimmed(2, 0)


async def test_what_was_read_and_not_finished_stays(retention: Retention, client: Redis) -> None:
    ids = await written(client, 9, 8, 6)
    await groups(client, *OUR_GROUPS)
    await read(client, "notifier", 10)
    await read(client, "escalator", 1)
    await read(client, "escalator", 10, done=False)
    assert await retention.trim() == Trimmed(1, 0, ("escalator",))
    assert await left(client) == ids[1:]
    assert (await client.xpending(STREAM, "escalator"))["pending"] == 2


async def test_a_strangers_group_holds_entries_back_for_a_while_and_not_for_ever(
    retention: Retention, client: Redis
) -> None:
    ids = await written(client, 40, 27, 8, 6)
    await groups(client, *OUR_GROUPS, "forgotten")
    for group in OUR_GROUPS:
        await read(client, group, 10)
    assert await retention.trim() == Trimmed(1, 0, ("forgotten",))
    assert await left(client) == ids[1:]


async def test_consumers_that_are_gone_leave_unless_they_have_something_pending(
    retention: Retention, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await written(client, 0.1, 0)
    monkeypatch.setattr("shared.retention.GONE", timedelta(0))
    await groups(client, "notifier")
    await client.xgroup_createconsumer(STREAM, "notifier", "empty")
    await read(client, "notifier", 1, done=False)
    await asyncio.sleep(0.01)  # an idle time of zero milliseconds is not idle
    assert (await retention.trim()).consumers == 1
    assert [consumer["name"] for consumer in await client.xinfo_consumers(STREAM, "notifier")] == [b"c"]


async def test_it_ends_when_told_to(scripts: Scripts) -> None:
    stopping = asyncio.Event()
    running = asyncio.create_task(Retention(scripts, STREAM, DAY, stopping).run())
    stopping.set()
    await asyncio.wait_for(running, 1)

"""The stream is trimmed hard while alerts flow, one group has stopped reading and another has things unfinished."""

import asyncio
from datetime import timedelta

from redis.asyncio import Redis

from shared.keys import Keys
from shared.redis_client import Scripts, connect
from shared.retention import Retention
from shared.stream import Entry, StreamReader
from tests.e2e.conftest import StackFactory
from tests.faults.conftest import many
from tests.faults.traffic import pour
from tests.servers import RedisServer
from tests.waiting import wait_until

STREAM = Keys().events
AGE = timedelta(milliseconds=50)


class Group:
    """Reads as a service would, leaves one of `leaves_every` unfinished, and stops after `stop` entries."""

    def __init__(
        self, blocking: Redis, scripts: Scripts, name: str, *, stop: int, leaves_every: int = 0
    ) -> None:
        self.reader = StreamReader(blocking, scripts, STREAM, name, "only")
        self.read: list[str] = []
        self.left: list[str] = []
        self._stop = stop
        self._leaves_every = leaves_every

    async def run(self) -> None:
        while len(self.read) < self._stop:
            for entry in await self.reader.read_new(min(10, self._stop - len(self.read))):
                await self._deal_with(entry)

    async def _deal_with(self, entry: Entry) -> None:
        assert entry.fields
        self.read.append(entry.id)
        if self._leaves_every and len(self.read) % self._leaves_every == 0:
            self.left.append(entry.id)
        else:
            await self.reader.done(entry)


async def test_nothing_unread_and_nothing_unfinished_is_ever_trimmed(
    new_stack: StackFactory, redis_server: RedisServer, client: Redis, scripts: Scripts
) -> None:
    events = many(300, 5000)
    stack = new_stack()
    stack.start("ingest")
    await stack.ready("ingest")
    async with (
        connect(redis_server.url, blocking=True) as one,
        connect(redis_server.url, blocking=True) as other,
    ):
        stopped = Group(one, scripts, "escalator", stop=events // 3)
        untidy = Group(other, scripts, "notifier", stop=events, leaves_every=events // 5)
        for group in (stopped, untidy):
            await group.reader.ensure_group()
        retention, trimming = Retention(scripts, STREAM, AGE, asyncio.Event()), asyncio.Event()
        trimmer = asyncio.create_task(trim_until(retention, trimming))
        reading = [asyncio.create_task(group.run()) for group in (stopped, untidy)]
        await pour(stack, [f"t{number}" for number in range(events)])
        await asyncio.gather(*reading)
        await asyncio.sleep(2 * AGE.total_seconds())
        trimming.set()
        trimmed = await trimmer
        # The stopped one goes on, and the untidy one comes back to what it left.
        rest = Group(one, scripts, "escalator", stop=events - len(stopped.read))
        await rest.run()
        left = await untidy.reader.own_history("0", events)
    unread_lost = events - len({*stopped.read, *rest.read})
    unfinished_lost = len(untidy.left) - len([entry for entry in left if entry.fields])
    print(
        f"\n{events} events, trimmed at {AGE.total_seconds():g} s of age: {trimmed} gone while one group stood still and another "
        f"had {len(untidy.left)} unfinished; {unread_lost} unread and {unfinished_lost} unfinished trimmed"
    )
    assert 0 < trimmed < events
    assert (unread_lost, unfinished_lost) == (0, 0)
    assert [entry.id for entry in left] == untidy.left
    for entry in left:
        await untidy.reader.done(entry)
    await wait_until(lambda: everything_gone(retention, client), "the rest to be trimmed")


async def trim_until(retention: Retention, end: asyncio.Event) -> int:
    trimmed = 0
    while not end.is_set():
        trimmed += (await retention.trim()).entries
        await asyncio.sleep(0.005)
    return trimmed


async def everything_gone(retention: Retention, client: Redis) -> bool:
    await retention.trim()
    return await client.xlen(STREAM) == 0

"""Two versions side by side, as in a rolling upgrade: what the older one would misread waits for the newer one."""

from redis.asyncio import Redis

from shared.keys import Keys
from shared.store import SCHEMA
from tests.e2e.conftest import StackFactory
from tests.faults.conftest import hurried, many
from tests.faults.traffic import all_shown, pour, shown, twice
from tests.waiting import wait_until

NEWER = (f"shared.store.SCHEMA={SCHEMA + 1}",)


async def test_an_entry_of_a_newer_version_waits_for_a_newer_sibling(
    new_stack: StackFactory, client: Redis
) -> None:
    incidents = many(20, 200)
    stack = new_stack(**hurried())
    stack.start("ingest", constants=NEWER)
    stack.start("notifier")
    for name in ("ingest", "notifier"):
        await stack.ready(name)
    ids = await pour(stack, [f"newer{number}" for number in range(incidents)], "?oncall_enable=false")
    await wait_until(lambda: pending_is(client, incidents), "all left pending")
    await wait_until(
        lambda: stack.log("notifier").count("left_for_a_newer_version") > incidents,
        "a second look",
        seconds=40,
    )
    left, early = await pending(client), len(shown(stack))
    stack.start("notifier2", command="notifier", constants=NEWER)
    await all_shown(stack, ids, seconds=60)
    await wait_until(lambda: pending_is(client, 0), "nothing left pending", seconds=60)
    print(
        f"\n{incidents} entries of a newer version: the older notifier left {left} pending and posted {early}; "
        f"the newer one posted {len(shown(stack))}, {twice(shown(stack))} twice"
    )
    assert (left, early) == (incidents, 0)
    assert twice(shown(stack)) == 0
    assert await client.xlen(Keys().dead) == 0
    assert stack.kill("notifier", 15) == 0


async def pending(client: Redis) -> int:
    return (await client.xpending(Keys().events, "notifier"))["pending"]


async def pending_is(client: Redis, number: int) -> bool:
    return await pending(client) == number

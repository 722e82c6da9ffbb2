"""The master of a Redis with Sentinels dies or stands still while alerts flow. Each test prints its numbers."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.embedded import ServerBinary
from shared.keys import Keys
from shared.redis_client import connect
from tests.e2e.conftest import StackFactory
from tests.faults.conftest import many
from tests.faults.recovery import seconds_until_back
from tests.faults.traffic import all_shown, pour, shown, twice
from tests.sentinels import Sentinels
from tests.stack import Stack
from tests.waiting import wait_until

BACK = 10.0
"""Seconds from the promotion of the replica."""

PER_SECOND = 40


@pytest.fixture
def sentinels(server_binary: ServerBinary, tmp_path: Path) -> Iterator[Sentinels]:
    (tmp_path / "redises").mkdir()
    with Sentinels(server_binary, tmp_path / "redises") as running:
        yield running


@pytest.mark.parametrize("fate", ["dies", "stands still"])
async def test_after_a_failover_everything_works_again_by_itself(
    new_stack: StackFactory, sentinels: Sentinels, fate: str
) -> None:
    stack, flowing = new_stack(with_password(sentinels)), many(8, 40)
    await stack.start_all()
    await all_shown(stack, await pour(stack, ["before"]), seconds=10)
    sending = asyncio.create_task(flow(stack, flowing * PER_SECOND))
    await asyncio.sleep(1)
    failed_at = time.monotonic()
    sentinels.stop_one()
    sentinels.master.kill() if fate == "dies" else sentinels.master.pause()
    await wait_until(sentinels.is_promoted, "the replica to be promoted", seconds=30, every=0.05)
    promoted_at = time.monotonic()
    back = await seconds_until_back(stack, BACK)
    if fate == "stands still":
        sentinels.master.resume()  # it still takes itself for the master, and has connections of ours
    taken = await sending
    after = [id_ for id_, at in taken.items() if at > promoted_at]
    await all_shown(stack, after, seconds=60)
    async with connect(sentinels.replica.url) as client:
        lost = [id_ for id_ in taken if not await client.exists(Keys().incident(id_))]
    before = len([at for at in taken.values() if at < failed_at])
    print(
        f"\nThe master {fate} while {PER_SECOND} alerts a second come: promoted after {promoted_at - failed_at:.1f} s, "
        f"everything back {back:.1f} s later; of {before} alerts taken before {len(set(lost) - set(after))} lost "
        f"(asynchronous replication), of {len(after)} taken afterwards {len(set(lost) & set(after))}; "
        f"{twice(shown(stack))} messages too many"
    )
    assert len(after) > PER_SECOND
    assert set(lost).isdisjoint(after)
    stack.start("status", "--output", "json")
    assert stack.wait("status") == 0, stack.log("status")


async def flow(stack: Stack, count: int) -> dict[str, float]:
    """Alerts at an even pace: the incident of each, and when it was taken."""
    taken: dict[str, float] = {}

    async def note(id_: str) -> None:
        taken[id_] = time.monotonic()

    await pour(stack, [f"f{number}" for number in range(count)], per_second=PER_SECOND, then=note)
    return taken


def with_password(sentinels: Sentinels) -> str:
    """For the configuration, where more may follow the URL."""
    return f"{sentinels.url}\n  sentinel_password: {sentinels.password}"

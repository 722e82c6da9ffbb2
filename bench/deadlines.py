"""Many deadlines at the same second: how fast records come, how late they are, and whom else it makes late.

Filled through ingest's door; what counts is what the stand-ins saw. Run alone as `python -m bench.deadlines`. Bounded: with
ServiceNow answering after 100 ms, and a search before each record, 8 calls at a time make 40 records a second, so the default
concurrency gets fewer deadlines than the larger one.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from socket import create_server

from bench.bursts import CALLS, LATENCY, Burst, Case, running_stack, written
from bench.mere_records import measure_mere_records, measure_stand_in
from bench.servers import own_redis, smallest_servicenow, smallest_slack
from bench.traffic import TRICKLE_EVERY, Fill, Spread, Trickle
from tests.servers import RedisServer
from tests.stack import Stack

DEFAULT, LARGER = 8, 32
"""Of `concurrency_per_instance`."""

QUIET = 10.0
"""Seconds of the trickle with nothing else to do."""

INGEST, WITH_SLACK = ("ingest",), ("ingest", "notifier")


async def measure_burst(home: Path, redis: RedisServer, case: Case) -> Burst:
    """Nothing else to do."""
    async with (
        smallest_servicenow(LATENCY) as main,
        running_stack(home, redis, case, INGEST, main=main) as stack,
    ):
        fill = Fill(stack.url)
        await fill.send("burst-", case.deadlines, time.time() + 2 + case.deadlines / 1000)
        return await written(stack, main, case, fill.due)


@dataclass(frozen=True)
class Beside:
    """A burst, and how long new alerts are on their way to Slack before it and meanwhile."""

    burst: Burst
    before: Spread
    meanwhile: Spread


async def measure_beside(home: Path, redis: RedisServer, case: Case) -> Beside:
    """The burst is a storm in its channel, as so many at a time are; the new alerts have a channel of their own, whose pace is beyond
    theirs. With the pace off, the notifier would be as busy with 10,000 edits as the escalator with their reasons."""
    async with (
        smallest_servicenow(LATENCY) as main,
        smallest_slack() as slack,
        running_stack(home, redis, case, WITH_SLACK, main=main, slack=slack) as stack,
    ):
        before = await _quiet(stack, slack)
        fill, at = Fill(stack.url), time.time() + 5 + case.deadlines / 400
        await fill.send("burst-", case.deadlines, at)
        await asyncio.sleep(at - time.time())  # by then the storm's digest has all of them
        trickle, over = Trickle(stack.url, "meanwhile-"), asyncio.Event()
        going = asyncio.create_task(trickle.run(over))
        burst = await written(stack, main, case, fill.due)
        over.set()
        await going
        return Beside(burst, before, await trickle.on_the_way(slack))


async def _quiet(stack: Stack, slack: str) -> Spread:
    trickle, over = Trickle(stack.url, "before-"), asyncio.Event()
    asyncio.get_running_loop().call_later(QUIET, over.set)
    await trickle.run(over)
    return await trickle.on_the_way(slack)


async def measure_neighbour(home: Path, redis: RedisServer, case: Case, dead: str | None) -> Burst:
    """At the instance that lives; `dead`: another one has as many deadlines, and never answers."""
    async with (
        smallest_servicenow(LATENCY) as main,
        running_stack(home, redis, case, INGEST, main=main, **({"infra": dead} if dead else {})) as stack,
    ):
        alive, lost, at = Fill(stack.url), Fill(stack.url), time.time() + 2 + case.deadlines / 500
        if dead:
            await lost.send("dead-", case.deadlines, at, servicenow_other_instance="infra")
        await alive.send("alive-", case.deadlines, at)
        return await written(stack, main, case, alive.due)


@contextmanager
def dead_instance() -> Iterator[str]:
    """Its address. The system takes the connections, and nobody reads them."""
    with create_server(("127.0.0.1", 0), backlog=1024) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@dataclass(frozen=True)
class Found:
    stand_in: float
    """Calls a second that the stand-in takes."""
    mere: float
    """Records a second of the client alone, with the larger concurrency."""
    default: Burst
    larger: Beside
    alone: Burst
    with_dead: Burst


async def measure(home: Path, few: int, many: int, neighbours: int, escalators: int = 1) -> Found:
    """Each case has a Redis of its own: what waits in another's would go on."""
    default, larger = Case(few, DEFAULT, escalators), Case(many, LARGER, escalators)
    neighbour = Case(neighbours, DEFAULT, escalators)
    stand_in = await measure_stand_in(LATENCY)
    mere = await measure_mere_records(LATENCY, LARGER, 600)
    with own_redis(home / "redis1") as redis:
        first = await measure_burst(home / "default", redis, default)
    with own_redis(home / "redis2") as redis:
        second = await measure_beside(home / "larger", redis, larger)
    with own_redis(home / "redis3") as redis:
        alone = await measure_neighbour(home / "alone", redis, neighbour, None)
    with own_redis(home / "redis4") as redis, dead_instance() as dead:
        with_dead = await measure_neighbour(home / "dead", redis, neighbour, dead)
    return Found(stand_in, mere, first, second, alone, with_dead)


def report(found: Found) -> dict[str, object]:
    """Print a table; the same as JSON values."""
    before, meanwhile = found.larger.before, found.larger.meanwhile
    default, larger = found.default, found.larger.burst
    print(
        f"\ndeadlines at the same second, ServiceNow answers after {1000 * LATENCY:.0f} ms, {CALLS} calls a record\n"
    )
    print(f"  {default}\n  {larger}")
    print(
        f"  {larger.at_once} at once are {larger.rate / default.rate:.2f} times as fast as {default.at_once}"
    )
    print(
        f"  the client alone, {LARGER} at once: {found.mere:,.1f} records/s; the stand-in takes {found.stand_in:,.0f} calls/s, had at most {larger.most_calls}"
    )
    print(
        f"  alert → Slack, {1 / TRICKLE_EVERY:.0f} a second: before p50 {1000 * before.p50:.1f} ms, p99 {1000 * before.p99:.1f} ms;"
        f" meanwhile p50 {1000 * meanwhile.p50:.1f} ms ({meanwhile.p50 / before.p50:.2f} x), p99 {1000 * meanwhile.p99:.1f} ms ({meanwhile.p99 / before.p99:.2f} x)"
    )
    print("\none instance lives, another one takes connections and says nothing; at the one that lives\n")
    alone, dead = found.alone, found.with_dead
    print(f"  alone     {alone}\n  with dead {dead}")
    print(
        f"  lateness with the dead one: p50 {dead.late.p50 / alone.late.p50:.2f} x, p99 {dead.late.p99 / alone.late.p99:.2f} x"
    )
    return asdict(found)


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--few", type=int, default=400, help="deadlines with the default concurrency")
    parser.add_argument("--many", type=int, default=10_000, help="deadlines with the larger one")
    parser.add_argument("--neighbours", type=int, default=200, help="deadlines at each of two instances")
    parser.add_argument("--escalators", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ackstream-deadlines-") as directory:
        found = await measure(Path(directory), given.few, given.many, given.neighbours, given.escalators)
    result = report(found)
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())

"""Tokens and turns of a channel, and the notifier that obeys them."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from sandbox.server import Running
from services.notifier.notifier import Notifier
from services.notifier.pacing import Pace, Pacing
from services.notifier.slack import Slack
from services.notifier.urgency import EDIT, POST, REPLY
from shared import metrics
from shared.commands import Acknowledge
from shared.due_times import DueTimes
from shared.keys import SLACK_TURNS, Keys, slack_queue
from shared.redis_client import Scripts, connect
from shared.store import Store
from tests.episodes import resolved
from tests.redis.conftest import now, opened
from tests.redis.test_notifier import GREEN, made, posts, shown_color, slack, template, turn
from tests.servers import RedisServer
from tests.waiting import wait_until

SECOND = timedelta(seconds=1)
LONG = timedelta(minutes=1)
SLOW = Pace(LONG, 1)
"""The one token is all that a test gets."""


@pytest.fixture
def pacing(scripts: Scripts) -> Pacing:
    return Pacing(scripts, SLOW)


async def admitted(pacing: Pacing, channel: str, member: str, urgency: int) -> bool:
    return (await pacing.admit(channel, member, urgency)).go


async def taken(pacing: Pacing, count: int) -> list[str]:
    """What is handed out next, and dealt with."""
    members = []
    for _ in range(count):
        turn = await pacing.take("C1", LONG)
        assert turn
        await pacing.done("C1", turn, called=False)
        members.append(turn.member)
    return members


async def filled(pacing: Pacing, *members: tuple[str, int]) -> None:
    """All of them wait, and the channel has a token."""
    assert await admitted(pacing, "C1", "first", POST)
    for member, urgency in members:
        assert not await admitted(pacing, "C1", member, urgency)
    await pacing.give_back("C1")


def most_in_a_window(times: Sequence[float], pace: Pace, jitter: float) -> float:
    """By how many calls the fullest window has more than the bucket allows, when each may be noted up to `jitter` late or early."""
    rate = 1 / pace.interval.total_seconds()
    ordered = sorted(times)
    return max(
        last - first + 1 - pace.burst - rate * (ordered[last] - ordered[first] + jitter)
        for first in range(len(ordered))
        for last in range(first, len(ordered))
    )


@pytest.fixture
async def replicas(redis_server: RedisServer, client: Redis) -> AsyncIterator[list[Redis]]:
    clients = [connect(redis_server.url) for _ in range(3)]
    yield clients
    for one in clients:
        await one.aclose()


async def test_three_workers_together_never_take_more_than_the_bucket_gives(replicas: list[Redis]) -> None:
    pace = Pace(timedelta(milliseconds=20), 4)
    times: list[float] = []
    end = time.monotonic() + 1.2

    async def work(client: Redis) -> None:
        pacing = Pacing(Scripts(client), pace)
        number = 0
        while time.monotonic() < end:
            number += 1
            if await admitted(pacing, "C1", f"{id(client)}-{number}", POST):
                times.append(time.monotonic())
            elif turn := await pacing.take("C1", LONG):
                times.append(time.monotonic())
                await pacing.done("C1", turn, called=True)
            await asyncio.sleep(0.001)

    await asyncio.gather(*(work(client) for client in replicas))
    assert len(times) >= 0.8 * 1.2 / pace.interval.total_seconds(), "they hold each other up"
    assert most_in_a_window(times, pace, jitter=0.02) <= 0


async def test_first_posts_come_before_edits_and_the_worst_first(pacing: Pacing) -> None:
    await filled(
        pacing,
        ("reply", REPLY),
        ("edit", EDIT),
        ("edit2", EDIT),
        ("low", POST + 4),
        ("critical", POST),
        ("critical2", POST),
    )
    assert await taken(pacing, 6) == ["critical", "critical2", "low", "edit", "edit2", "reply"]


async def test_who_waits_already_keeps_the_better_place(pacing: Pacing) -> None:
    await filled(pacing, ("a", EDIT), ("b", EDIT), ("a", EDIT), ("b", REPLY), ("c", REPLY), ("c", POST))
    assert await taken(pacing, 3) == ["c", "a", "b"]


async def test_nobody_overtakes_those_who_wait(pacing: Pacing) -> None:
    await filled(pacing, ("a", EDIT))
    assert not await admitted(pacing, "C1", "b", POST)
    assert await admitted(pacing, "C2", "b", POST), "another channel"
    assert await taken(pacing, 2) == ["b", "a"]
    assert await admitted(pacing, "C1", "c", EDIT)


async def test_what_its_worker_left_behind_is_handed_out_again_before_all_others(pacing: Pacing) -> None:
    await filled(pacing, ("a", POST), ("b", POST))
    left = await pacing.take("C1", timedelta(milliseconds=50))
    assert left
    assert left.member == "a"
    await pacing.give_back("C1")

    async def again() -> str | None:
        turn = await pacing.take("C1", LONG)
        if turn is None:
            return None
        await pacing.give_back("C1")
        return turn.member

    assert await again() == "b", "while the lease runs, it is not handed out twice"
    assert await wait_until(again, "its lease to run out") == "a"


async def test_what_waits_anew_while_it_is_in_hand_is_handed_out_once_more(pacing: Pacing) -> None:
    await filled(pacing, ("a", EDIT))
    turn = await pacing.take("C1", LONG)
    assert turn
    assert not await admitted(pacing, "C1", "a", EDIT)
    await pacing.done("C1", turn, called=False)
    assert await taken(pacing, 1) == ["a"]
    assert await pacing.take("C1", LONG) is None


async def test_nothing_is_left_once_everything_is_dealt_with(pacing: Pacing, client: Redis) -> None:
    await filled(pacing, ("a", EDIT), ("b", POST))
    await taken(pacing, 2)
    assert await client.exists(SLACK_TURNS, slack_queue("C1")) == 0


async def test_a_turn_is_due_when_the_next_token_is_there(scripts: Scripts) -> None:
    pacing = Pacing(scripts, Pace(timedelta(seconds=0.3), 2))
    assert [await admitted(pacing, "C1", member, POST) for member in "abcd"] == [True, True, False, False]
    due = await DueTimes(scripts, SLACK_TURNS).lease(1)
    assert (due.ids, due.next_in is not None and 0.2 < due.next_in.total_seconds() <= 0.3) == ((), True)

    async def turn_is_due() -> bool:
        return bool((await DueTimes(scripts, SLACK_TURNS).lease(1)).ids)

    await wait_until(turn_is_due, "the turn")
    assert await pacing.take("C1", LONG)
    assert await pacing.take("C1", LONG) is None
    due = await DueTimes(scripts, SLACK_TURNS).lease(1)
    assert due.next_in is not None
    assert 0.1 < due.next_in.total_seconds() <= 0.3


@pytest.mark.parametrize("pace", [SLOW, Pace(timedelta(0), 1)], ids=["paced", "unpaced"])
async def test_while_a_channel_is_on_hold_all_wait_and_the_turn_is_when_it_ends(
    scripts: Scripts, pace: Pace
) -> None:
    pacing = Pacing(scripts, pace)
    await pacing.hold.set("C1", SECOND)
    assert not await admitted(pacing, "C1", "a", POST)
    assert await admitted(pacing, "C2", "b", POST)
    assert await pacing.take("C1", LONG) is None
    due = await DueTimes(scripts, SLACK_TURNS).lease(1)
    assert due.next_in is not None
    assert 0.8 < due.next_in.total_seconds() <= 1.0
    turn = await wait_until(lambda: pacing.take("C1", LONG), "the end of the hold")
    assert turn.member == "a"


async def test_a_call_that_could_not_wait_makes_the_others_wait(scripts: Scripts) -> None:
    pacing = Pacing(scripts, Pace(LONG, 2))
    await pacing.charge("C1")
    assert [await admitted(pacing, "C1", member, POST) for member in "ab"] == [True, False]


# The notifier


@pytest.fixture
def notifier(store: Store, slack: Slack, scripts: Scripts, template: Path, pacing: Pacing) -> Notifier:
    return made(store, slack, pacing, template)


async def test_what_waits_is_shown_as_it_is_when_its_turn_comes(
    notifier: Notifier, store: Store, sandbox: Running, pacing: Pacing, client: Redis
) -> None:
    incident = await opened(store)
    await notifier.show(incident)
    for change in (store.apply(incident, Acknowledge("Ada", "link")), store.receive(resolved())):
        await change
        await notifier.show(incident)
    assert len(sandbox.world.slack.calls.entries) == 1
    await pacing.give_back("C1")
    await turn(notifier)
    assert shown_color(sandbox) == GREEN
    assert len(sandbox.world.slack.calls.entries) == 2
    assert (await now(store, incident)).is_shown
    assert await client.exists(SLACK_TURNS, slack_queue("C1"), Keys().deliveries) == 0


async def test_what_needs_no_call_costs_no_token(
    notifier: Notifier, store: Store, sandbox: Running, pacing: Pacing
) -> None:
    first, second = await opened(store), await opened(store, group="2")
    await notifier.show(first)
    assert not await admitted(pacing, "C1", first, POST - 1)
    await notifier.show(second)
    await pacing.give_back("C1")
    for calls in (1, 2):
        await turn(notifier)
        assert posts(sandbox) == calls


async def test_who_waits_in_a_queue_that_is_lost_comes_back_by_its_due_time(
    notifier: Notifier, store: Store, sandbox: Running, pacing: Pacing, client: Redis
) -> None:
    first, second = await opened(store), await opened(store, group="2")
    for incident in (first, second):
        await notifier.show(incident)
    assert posts(sandbox) == 1
    due = await client.zscore(Keys().deliveries, second)
    assert due is not None
    assert 30 < due / 1000 - time.time() < 90
    await client.delete(slack_queue("C1"), SLACK_TURNS)
    await pacing.give_back("C1")
    await notifier.show_due(second)
    assert posts(sandbox) == 2
    assert await client.zcard(Keys().deliveries) == 0


async def test_the_gauges_tell_how_much_waits(pacing: Pacing) -> None:
    await filled(pacing, ("a", EDIT), ("b", POST), ("c", REPLY))
    assert not await admitted(pacing, "C2", "x", POST) or not await admitted(pacing, "C2", "y", POST)
    await pacing.tell_waiting()
    assert [metrics.SLACK_WAITING.labels(kind)._value.get() for kind in ("post", "edit")] == [2, 2]  # noqa: SLF001

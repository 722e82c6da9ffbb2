"""So many incidents at once that one digest tells of them: counted right, posted once, kept up to date, and over at last."""

import asyncio
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from ops import parked
from sandbox.server import Running
from services.notifier import digests as digests_module
from services.notifier import tending as tending_module
from services.notifier.digests import Digests
from services.notifier.notifier import Notifier
from services.notifier.pacing import Pace, Pacing, StormRules
from services.notifier.slack import Slack
from services.notifier.tending import Tending
from services.notifier.turns import Turns
from shared import storms as storms_module
from shared.commands import Acknowledge, BeginDelivery, Digested, Unacknowledge
from shared.due_times import DueTimes, Poller
from shared.incident import State
from shared.keys import SLACK_STORMS, SLACK_TURNS, StormKeys, slack_queue, slack_storm_of
from shared.links import StormLinks
from shared.redis_client import Scripts
from shared.store import Store
from shared.storms import Storm, Storms
from shared.stream import Entry
from tests.episodes import notification, resolved
from tests.redis.conftest import now, opened
from tests.redis.test_notifier import SECOND, made, misbehave, slack, template
from tests.waiting import wait_until

MANY = 6
QUIET = timedelta(seconds=0.6)
FEW = 3
"""That join within QUIET."""


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storms_module, "REFRESH_EVERY", timedelta(milliseconds=10))
    monkeypatch.setattr(digests_module, "LOOK_AGAIN", timedelta(milliseconds=10))


@pytest.fixture
def pacing(scripts: Scripts) -> Pacing:
    """One token, which is all that a test gets until it gives some back."""
    rules = StormRules(threshold=3, loud=frozenset({"critical"}), bypass_per_minute=2, quiet=QUIET)
    return Pacing(scripts, Pace(timedelta(minutes=1), 1), rules)


@pytest.fixture
def storms(pacing: Pacing) -> Storms:
    return pacing.storms


@pytest.fixture
def notifier(store: Store, slack: Slack, pacing: Pacing, template: Path) -> Notifier:
    return made(store, slack, pacing, template)


@pytest.fixture
def digests(store: Store, slack: Slack, pacing: Pacing, notifier: Notifier) -> Digests:
    links = StormLinks("https://ack.example.com", ("key",))
    return Digests(pacing.storms, store, slack, pacing, notifier._appearance, links, SECOND)  # noqa: SLF001


@pytest.fixture
def tending(storms: Storms, store: Store, digests: Digests) -> Tending:
    return Tending(storms, store, digests, QUIET, FEW)


@pytest.fixture
def turns(pacing: Pacing, notifier: Notifier, digests: Digests) -> Turns:
    return Turns(pacing, notifier, digests)


async def come(
    store: Store, notifier: Notifier, count: int, severity: str = "warning", first: int = 0
) -> list[str]:
    ids = []
    for number in range(first, first + count):
        ids.append(await opened(store, group=f"{severity}{number}", severity=severity))
        await notifier.show(ids[-1])
    return ids


async def everything(turns: Turns, pacing: Pacing, client: Redis) -> None:
    """All that waits has its turn, and a token."""
    while await client.zcard(slack_queue("C1")):
        await pacing.give_back("C1")
        await turns.take("C1")


async def the_storm(client: Redis, storms: Storms) -> Storm:
    found = await client.zrange(SLACK_STORMS, 0, -1)
    names = {name.decode() for name in found}
    assert len(names) == 1, names
    storm = await storms.load(names.pop())
    assert storm
    return storm


def digest_of(sandbox: Running) -> dict[str, Any]:
    (found,) = [
        message for message in roots(sandbox) if message["metadata"]["event_type"] == "ackstream_storm"
    ]
    return found


def roots(sandbox: Running) -> list[dict[str, Any]]:
    return [message.body for message in sandbox.world.slack.channel("C1").roots()]


def counts(storm: Storm) -> tuple[int, int, int, int, int]:
    return storm.members, storm.open, storm.acknowledged, storm.escalated, storm.resolved


async def test_beyond_the_threshold_what_waits_and_what_comes_joins_one_digest(
    store: Store,
    notifier: Notifier,
    turns: Turns,
    tending: Tending,
    storms: Storms,
    pacing: Pacing,
    client: Redis,
    sandbox: Running,
) -> None:
    ids = await come(store, notifier, MANY)
    storm = await the_storm(client, storms)
    await everything(turns, pacing, client)
    await tending.tend(storm.id)
    await everything(turns, pacing, client)
    storm = await the_storm(client, storms)
    assert counts(storm) == (MANY - 1, MANY - 1, 0, 0, 0), "all but the first, which found a token"
    assert storm.tells_the_present
    assert [(await now(store, id_)).digest is not None for id_ in ids] == [False, *[True] * (MANY - 1)]
    assert len(roots(sandbox)) == 2
    text = str(digest_of(sandbox))
    assert digest_of(sandbox)["text"] == "[STORM] 5 of 5 incidents open — HighLatency (warning) 5"
    assert "*HighLatency* (warning): 5 open of 5" in text
    assert text.count("/api/ack/") == 5
    assert f"/api/storm/{storm.id}?" in text


async def test_below_the_threshold_everything_is_posted(
    store: Store, notifier: Notifier, turns: Turns, pacing: Pacing, client: Redis, sandbox: Running
) -> None:
    await come(store, notifier, 4)
    await everything(turns, pacing, client)
    assert len(roots(sandbox)) == 4
    assert await client.exists(SLACK_STORMS) == 0


async def test_the_loudest_are_posted_singly_up_to_a_number_and_head_the_digest_beyond_it(
    store: Store,
    notifier: Notifier,
    turns: Turns,
    tending: Tending,
    storms: Storms,
    pacing: Pacing,
    client: Redis,
    sandbox: Running,
) -> None:
    await come(store, notifier, MANY)
    loud = await come(store, notifier, 4, "critical")
    await everything(turns, pacing, client)
    late = await come(store, notifier, 1, "critical", first=9)
    await tending.tend((await the_storm(client, storms)).id)
    await everything(turns, pacing, client)
    storm = await the_storm(client, storms)
    beyond = [id_ for id_ in loud if (await now(store, id_)).message is None]
    assert len(beyond) == 2
    assert (storm.singly, storm.overflow, storm.members) == (2, 3, MANY - 1 + 3)
    # Those that came within one millisecond may stand in any order.
    assert sorted((await storms.crowd(storm.id)).worst[:3]) == sorted([*beyond, *late])
    assert "⚠️ 3 of the open ones are as bad as those" in str(digest_of(sandbox))
    await store.apply(late[0], Acknowledge("Ada", "link"))
    await notifier.show(late[0])
    assert (await the_storm(client, storms)).overflow == 2


async def test_the_counts_follow_each_incident_and_never_go_back(
    store: Store, notifier: Notifier, turns: Turns, storms: Storms, pacing: Pacing, client: Redis
) -> None:
    ids = (await come(store, notifier, MANY))[1:]
    await everything(turns, pacing, client)
    before = await now(store, ids[0])
    await store.apply(ids[0], Acknowledge("Ada", "link"))
    await store.receive(resolved(group="warning2"))
    for id_ in ids * 2:
        await notifier.show(id_)
    await storms.note(before)
    assert counts(await the_storm(client, storms)) == (5, 3, 1, 0, 1)
    await store.receive(resolved(group="warning1"))
    await asyncio.gather(*(notifier.show(ids[0]) for _ in range(5)))
    assert counts(await the_storm(client, storms)) == (5, 3, 0, 0, 2)
    storm = await the_storm(client, storms)
    (named,) = (await storms.crowd(storm.id)).names
    assert (named.open, named.total) == (3, 5)


async def test_what_was_resolved_while_it_waited_is_only_counted(
    store: Store,
    notifier: Notifier,
    turns: Turns,
    tending: Tending,
    storms: Storms,
    pacing: Pacing,
    client: Redis,
    sandbox: Running,
) -> None:
    await come(store, notifier, MANY)
    await store.receive(resolved(group="warning3"))
    await everything(turns, pacing, client)
    storm = await the_storm(client, storms)
    await tending.tend(storm.id)
    await everything(turns, pacing, client)
    assert counts(await the_storm(client, storms)) == (5, 4, 0, 0, 1)
    assert str(digest_of(sandbox)).count("/api/ack/") == 4


async def test_who_has_a_message_or_may_have_one_does_not_join(
    store: Store,
    notifier: Notifier,
    turns: Turns,
    storms: Storms,
    pacing: Pacing,
    client: Redis,
    sandbox: Running,
) -> None:
    misbehave(sandbox, "drop_after", match="chat.postMessage", count=1)
    ids = await come(store, notifier, MANY)
    assert (await now(store, ids[0])).delivery.doubt_until
    busy = await opened(store, group="busy", severity="warning")
    await store.apply(busy, BeginDelivery("another", timedelta(minutes=1)))
    await notifier.show(busy)

    async def found() -> bool:
        await notifier.show(ids[0])
        await everything(turns, pacing, client)
        return (await now(store, ids[0])).message is not None

    await wait_until(found, "the message whose answer was lost")
    assert (await now(store, busy)).digest is None
    assert (await the_storm(client, storms)).members == MANY - 1


async def test_who_joins_is_counted_also_when_its_worker_dies_before_it_could(
    store: Store, notifier: Notifier, turns: Turns, storms: Storms, pacing: Pacing, client: Redis
) -> None:
    await come(store, notifier, MANY)
    await everything(turns, pacing, client)
    storm = await the_storm(client, storms)
    late = await opened(store, group="late", severity="critical")
    step = await store.apply(late, Digested(storm.id, "C1", overflow=True))
    (event,) = step.changes[0].events
    await notifier.handle(Entry("1-1", {b"type": event.type.encode(), b"incident": late.encode()}))
    storm = await the_storm(client, storms)
    assert (storm.members, storm.overflow) == (MANY, 1)


async def test_what_comes_now_and_then_does_not_keep_a_storm_alive(
    store: Store,
    notifier: Notifier,
    turns: Turns,
    tending: Tending,
    storms: Storms,
    pacing: Pacing,
    client: Redis,
    sandbox: Running,
) -> None:
    await come(store, notifier, MANY)
    await everything(turns, pacing, client)
    id_, number = (await the_storm(client, storms)).id, count(100)

    async def over() -> bool:
        (late,) = await come(store, notifier, 1, first=next(number))
        assert (await now(store, late)).digest
        await everything(turns, pacing, client)
        await tending.tend(id_)
        storm = await storms.load(id_)
        return storm is not None and storm.over is not None

    await wait_until(over, "the end of the storm", every=QUIET.total_seconds() / 2.5)


async def test_a_storm_ends_when_it_has_been_quiet_and_the_thread_is_told(
    store: Store,
    notifier: Notifier,
    turns: Turns,
    tending: Tending,
    storms: Storms,
    pacing: Pacing,
    client: Redis,
    sandbox: Running,
) -> None:
    ids = await come(store, notifier, MANY)
    await everything(turns, pacing, client)
    id_ = (await the_storm(client, storms)).id

    async def tended() -> bool:
        await tending.tend(id_)
        await everything(turns, pacing, client)
        storm = await storms.load(id_)
        return bool(storm and storm.closed)

    await wait_until(tended, "the end of the storm")
    assert await client.exists(slack_storm_of("C1")) == 0
    digest = digest_of(sandbox)
    (closing,) = sandbox.world.slack.channel("C1").replies(digest["ts"])
    assert digest["text"] == "[STORM over] 5 incidents, 5 still open"
    assert "The storm is over: 5 incidents" in closing.body["text"]
    assert "5 open · 0 acknowledged · 0 escalated · 0 resolved" in closing.body["text"]
    await tending.tend(id_)
    assert await client.zcard(SLACK_STORMS) == 0, "nobody need look after it any more"
    for known in ids[1:]:
        await store.apply(known, Acknowledge("Ada", "link"))
        await notifier.show(known)
    await tending.tend(id_)
    await everything(turns, pacing, client)
    assert digest_of(sandbox)["text"] == "[STORM over] 5 incidents, 0 still open"
    assert len(sandbox.world.slack.channel("C1").replies(digest["ts"])) == 1
    new = await come(store, notifier, 1, "info")
    await everything(turns, pacing, client)
    assert (await now(store, new[0])).message, "what comes later has a message of its own"


@pytest.mark.parametrize("kind", ["drop_after", "hang_after"])
async def test_a_digest_whose_answer_was_lost_is_found_and_not_posted_again(
    kind: str,
    store: Store,
    notifier: Notifier,
    turns: Turns,
    tending: Tending,
    storms: Storms,
    pacing: Pacing,
    client: Redis,
    sandbox: Running,
) -> None:
    await come(store, notifier, MANY)
    await everything(turns, pacing, client)
    misbehave(sandbox, kind, match="chat.postMessage", count=1, seconds=3)
    id_ = (await the_storm(client, storms)).id

    async def shown() -> bool:
        await tending.tend(id_)
        await everything(turns, pacing, client)
        storm = await storms.load(id_)
        return bool(storm and storm.ts and storm.tells_the_present)

    await wait_until(shown, "the digest")
    assert digest_of(sandbox)["text"].startswith("[STORM")


async def test_a_storm_that_redis_has_lost_comes_back_with_the_same_digest(
    store: Store,
    notifier: Notifier,
    turns: Turns,
    tending: Tending,
    storms: Storms,
    pacing: Pacing,
    client: Redis,
    sandbox: Running,
) -> None:
    ids = await come(store, notifier, MANY)
    await everything(turns, pacing, client)
    id_ = (await the_storm(client, storms)).id
    await tending.tend(id_)
    await everything(turns, pacing, client)
    await client.delete(*[key async for key in client.scan_iter("{ackstream:slack}*")])
    for known in ids:
        await notifier.show(known)
    again = await the_storm(client, storms)
    assert counts(again) == (5, 5, 0, 0, 0)
    assert again.look
    assert again.begun < again.look, "its digest is looked for since it began"

    async def shown() -> bool:
        await tending.tend(id_)
        await everything(turns, pacing, client)
        storm = await storms.load(id_)
        return bool(storm and storm.ts and storm.tells_the_present)

    await wait_until(shown, "the digest")
    assert len(roots(sandbox)) == 2


async def test_two_workers_make_one_digest(
    store: Store,
    notifier: Notifier,
    turns: Turns,
    storms: Storms,
    pacing: Pacing,
    client: Redis,
    digests: Digests,
    sandbox: Running,
) -> None:
    await come(store, notifier, MANY)
    await everything(turns, pacing, client)
    misbehave(sandbox, "latency", seconds=0.2)
    id_ = (await the_storm(client, storms)).id
    called = await asyncio.gather(*(digests.attempt(id_) for _ in range(5)))
    assert sum(called) == 1
    assert digest_of(sandbox)


async def test_a_wish_acknowledges_what_was_open_then_and_says_how_much(
    store: Store,
    notifier: Notifier,
    turns: Turns,
    tending: Tending,
    storms: Storms,
    pacing: Pacing,
    client: Redis,
    sandbox: Running,
) -> None:
    ids = (await come(store, notifier, MANY))[1:]
    await everything(turns, pacing, client)
    await store.apply(ids[0], Acknowledge("Bob", "link"))
    await notifier.show(ids[0])
    id_ = (await the_storm(client, storms)).id
    assert await storms.wish_all_acknowledged(id_, "Ada", "digest") == 4
    (later,) = await come(store, notifier, 1, "info")
    # One is acknowledged by a worker that dies before it can say so.
    wish = (await the_storm(client, storms)).wish
    assert wish
    await store.apply(ids[1], Acknowledge(wish.by, wish.door, wish.user, wish.token))
    await tending.tend(id_)
    for known in (*ids, later):
        await notifier.show(known)
    await tending.tend(id_)
    await everything(turns, pacing, client)
    storm = await the_storm(client, storms)
    assert counts(storm) == (6, 1, 5, 0, 0)
    assert storm.carried == 4
    assert (await now(store, later)).state is State.OPEN
    assert (await now(store, ids[2])).acknowledgement.by == "Ada"
    assert (await now(store, ids[2])).acknowledgement.door == "digest"
    assert "Ada acknowledged all that was open" in str(digest_of(sandbox))
    assert await client.exists(StormKeys(id_).wished) == 0


async def test_a_copy_of_a_wish_changes_nothing(
    store: Store,
    notifier: Notifier,
    turns: Turns,
    tending: Tending,
    storms: Storms,
    pacing: Pacing,
    client: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tending_module, "BATCH", 3)
    await come(store, notifier, MANY)
    await everything(turns, pacing, client)
    id_ = (await the_storm(client, storms)).id
    assert await storms.wish_all_acknowledged(id_, "Ada", "digest", token="one") == MANY - 1
    await tending.tend(id_)
    (later,) = await come(store, notifier, 1, "info")
    assert await storms.wish_all_acknowledged(id_, "Ada", "digest", token="one")
    for _ in range(2):
        await tending.tend(id_)
    assert (await the_storm(client, storms)).carried == MANY - 1
    assert (await now(store, later)).state is State.OPEN, "it came after the press"


async def test_a_digest_that_somebody_deletes_is_posted_anew_while_its_storm_rages_and_not_afterwards(
    store: Store,
    notifier: Notifier,
    turns: Turns,
    storms: Storms,
    digests: Digests,
    pacing: Pacing,
    client: Redis,
    slack: Slack,
    sandbox: Running,
) -> None:
    ids = await come(store, notifier, MANY)
    await everything(turns, pacing, client)
    id_ = (await the_storm(client, storms)).id

    quiet = timedelta(minutes=1)

    async def tended() -> None:
        await Tending(storms, store, digests, quiet, FEW).tend(id_)
        await everything(turns, pacing, client)

    async def anew() -> bool:
        await tended()
        storm = await storms.load(id_)
        return bool(storm and storm.ts and storm.tells_the_present)

    async def closed() -> bool:
        await tended()
        storm = await storms.load(id_)
        return bool(storm and storm.closed)

    await wait_until(anew, "the digest")
    await slack.delete("C1", digest_of(sandbox)["ts"])
    await come(store, notifier, 1, "info")
    await wait_until(anew, "another digest")
    assert digest_of(sandbox)["text"].startswith("[STORM] 6 of 6 incidents open")
    quiet = timedelta(0)
    await wait_until(closed, "the end of the storm")
    await slack.delete("C1", digest_of(sandbox)["ts"])
    await store.apply(ids[-1], Acknowledge("Ada", "link"))
    await notifier.show(ids[-1])
    await wait_until(anew, "that it is given up")
    assert len(roots(sandbox)) == 1
    assert await storms.want(id_)
    await wait_until(anew, "the digest that somebody wants back")
    posted = digest_of(sandbox)["ts"]
    assert await storms.want(id_)
    await wait_until(anew, "the same, which is there")
    assert digest_of(sandbox)["ts"] == posted
    assert not await storms.want("0" * 32)


async def test_a_storm_that_was_let_past_entirely_has_no_digest(
    store: Store,
    slack: Slack,
    scripts: Scripts,
    template: Path,
    client: Redis,
    sandbox: Running,
) -> None:
    rules = StormRules(threshold=3, loud=frozenset({"critical"}), bypass_per_minute=100, quiet=QUIET)
    pacing = Pacing(scripts, Pace(timedelta(minutes=1), 1), rules)
    notifier = made(store, slack, pacing, template)
    links = StormLinks("https://ack.example.com", ("key",))
    digests = Digests(pacing.storms, store, slack, pacing, notifier._appearance, links, SECOND)  # noqa: SLF001
    tending, turns = Tending(pacing.storms, store, digests, QUIET, FEW), Turns(pacing, notifier, digests)
    await come(store, notifier, MANY, "critical")
    id_ = (await the_storm(client, pacing.storms)).id
    await everything(turns, pacing, client)

    async def over() -> bool:
        await tending.tend(id_)
        await everything(turns, pacing, client)
        return await client.zcard(SLACK_STORMS) == 0

    await wait_until(over, "the end of the storm")
    assert await client.exists(slack_storm_of("C1"), StormKeys(id_).facts) == 0
    assert len(roots(sandbox)) == MANY


async def test_the_thread_is_told_of_acknowledgements_that_are_taken_back(
    store: Store,
    notifier: Notifier,
    turns: Turns,
    tending: Tending,
    storms: Storms,
    pacing: Pacing,
    client: Redis,
    sandbox: Running,
) -> None:
    ids = (await come(store, notifier, MANY))[1:]
    await everything(turns, pacing, client)
    id_ = (await the_storm(client, storms)).id

    async def told() -> bool:
        await tending.tend(id_)
        await everything(turns, pacing, client)
        return not (await the_storm(client, storms)).owes_reopened

    async def replies() -> list[str]:
        await wait_until(told, "what is open again")
        digest = digest_of(sandbox)
        return [reply.body["text"] for reply in sandbox.world.slack.channel("C1").replies(digest["ts"])]

    for command in (Acknowledge("Ada", "link"), Unacknowledge("Ada", "link")):
        for known in ids[:2]:
            await store.apply(known, command)
            await notifier.show(known)
        await tending.tend(id_)
        await everything(turns, pacing, client)
    (reply,) = await replies()
    assert reply.startswith("⏰ 2 incidents that had been acknowledged are open again")
    assert await replies() == [reply]


async def test_a_digest_that_does_not_come_through_is_parked_and_can_be_tried_again(
    store: Store,
    notifier: Notifier,
    turns: Turns,
    tending: Tending,
    storms: Storms,
    scripts: Scripts,
    pacing: Pacing,
    client: Redis,
    sandbox: Running,
) -> None:
    await come(store, notifier, MANY)
    await everything(turns, pacing, client)
    id_ = (await the_storm(client, storms)).id
    misbehave(sandbox, "slack_error", match="chat.postMessage", count=1, error="not_in_channel")
    await tending.tend(id_)
    await everything(turns, pacing, client)
    (found,) = await parked.parked(scripts)
    assert (found.incident, found.error, found.needs_person) == (id_, "not_in_channel", True)
    assert found.title == "the digest of 5 incidents in C1"
    assert found.next_try
    assert await parked.retry(scripts, []) == [id_]
    assert await parked.retry(scripts, [id_]) == []
    await tending.tend(id_)
    await everything(turns, pacing, client)
    assert digest_of(sandbox)["text"].startswith("[STORM]")
    assert await parked.parked(scripts) == []


async def test_where_the_digest_was_deleted_there_is_no_closing_line(
    store: Store,
    notifier: Notifier,
    turns: Turns,
    tending: Tending,
    storms: Storms,
    pacing: Pacing,
    client: Redis,
    slack: Slack,
    sandbox: Running,
) -> None:
    await come(store, notifier, MANY)
    await everything(turns, pacing, client)
    id_ = (await the_storm(client, storms)).id
    await tending.tend(id_)
    await everything(turns, pacing, client)
    await slack.delete("C1", digest_of(sandbox)["ts"])

    async def closed() -> bool:
        await tending.tend(id_)
        await everything(turns, pacing, client)
        storm = await storms.load(id_)
        return bool(storm and storm.closed)

    await wait_until(closed, "the end of the storm")
    await tending.tend(id_)
    assert await client.zcard(SLACK_STORMS) == 0, "nobody need look after it any more"


async def test_nobody_can_wish_for_a_storm_that_is_not_there(storms: Storms, client: Redis) -> None:
    assert await storms.wish_all_acknowledged("0" * 32, "Ada", "digest") is None
    assert await client.keys("*") == []


async def test_what_slack_refuses_for_its_blocks_goes_out_as_plain_text(
    store: Store,
    notifier: Notifier,
    turns: Turns,
    tending: Tending,
    storms: Storms,
    pacing: Pacing,
    client: Redis,
    sandbox: Running,
) -> None:
    await come(store, notifier, MANY)
    await everything(turns, pacing, client)
    misbehave(sandbox, "slack_error", error="invalid_blocks", count=1)
    await pacing.give_back("C1")
    await tending.tend((await the_storm(client, storms)).id)
    await everything(turns, pacing, client)
    assert "This message is plain because: invalid_blocks" in digest_of(sandbox)["text"]


async def test_a_storm_that_nobody_tends_ends_by_itself(
    store: Store, notifier: Notifier, turns: Turns, pacing: Pacing, client: Redis
) -> None:
    await come(store, notifier, MANY)
    assert 0 < await client.pttl(slack_storm_of("C1")) <= 60_600
    await everything(turns, pacing, client)
    assert not (await DueTimes(pacing._scripts, SLACK_TURNS).lease(1)).ids  # noqa: SLF001


async def test_what_joins_does_not_wait_for_tokens(
    store: Store, slack: Slack, scripts: Scripts, template: Path, client: Redis
) -> None:
    rules = StormRules(threshold=3, loud=frozenset({"critical"}), bypass_per_minute=2)
    pacing = Pacing(scripts, Pace(timedelta(seconds=0.5), 1), rules)
    notifier, stopping, unused = made(store, slack, pacing, template), asyncio.Event(), cast("Digests", None)
    ids = await come(store, notifier, 40, "critical")
    assert await client.zcard(slack_queue("C1")) > 35, "while some may still be let past it, all wait"
    due, turns = DueTimes(scripts, SLACK_TURNS), Turns(pacing, notifier, unused)
    poller = Poller(due, turns.take, stopping, name="turns", concurrency=4, woken=pacing.woken)
    polling = asyncio.create_task(poller.run())

    async def all_told() -> bool:
        return await client.zcard(slack_queue("C1")) == 0

    await wait_until(all_told, "two to be posted and all others to join", seconds=5)
    stopping.set()
    await polling
    assert sum([(await now(store, id_)).message is not None for id_ in ids]) == 3


async def test_without_a_pace_there_is_no_storm_whatever_waits_for_the_end_of_a_hold(
    store: Store, slack: Slack, scripts: Scripts, template: Path, client: Redis
) -> None:
    pacing = Pacing(scripts, Pace(timedelta(0), 1), StormRules(threshold=3))
    await pacing.hold.set("C1", timedelta(minutes=1))
    await come(store, made(store, slack, pacing, template), MANY)
    assert await client.zcard(slack_queue("C1")) == MANY
    assert await client.exists(SLACK_STORMS) == 0

"""The page over the real store: what the stand-in cannot show."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from datetime import timedelta
from functools import partial

import httpx
import pytest
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.routing import Route

from services.ingest.acknowledge import AcknowledgePage
from shared.links import AckLinks, expiry
from shared.notification import Call, Notification
from shared.redis_client import Scripts, StoreUnavailableError, connect
from shared.signing_keys import new_key, signing_keys
from shared.store import Store
from tests.redis.replaying import everything_in
from tests.unit.acknowledge.stage import ALERTS, FACTS, LINKS, app_of
from tests.waiting import wait_until

Visitor = partial[Awaitable[httpx.Response]]
NOTIFICATION = Notification(
    dedup_key="d" * 32,
    firing=True,
    facts=FACTS,
    alerts=ALERTS,
    call=Call(wait=timedelta(minutes=3)),
    body="{}",
)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with connect(redis_url) as client:
        yield client


@pytest.fixture
async def visitor(redis: Redis) -> AsyncIterator[Visitor]:
    """Somebody who follows the link of an incident that has just opened."""
    store = Store(Scripts(redis))
    incident = (await store.receive(NOTIFICATION)).incident
    assert incident
    transport = httpx.ASGITransport(app=app_of(store))
    link = LINKS.url(incident.id, expiry(incident))
    async with httpx.AsyncClient(transport=transport) as client:
        yield partial(client.request, url=link)


async def test_looking_leaves_every_key_as_it_was(redis: Redis, visitor: Visitor) -> None:
    scripts = Scripts(redis)
    before = await everything_in(scripts)
    for method in ("GET", "HEAD"):
        assert (await visitor(method)).status_code == 200
    assert await everything_in(scripts) == before


async def test_of_many_who_press_at_once_one_has_it_and_the_others_read_who(
    visitor: Visitor,
) -> None:
    asked = {"accept": "application/json"}
    presses = (visitor("POST", data={"name": f"person {index}"}, headers=asked) for index in range(20))
    answers = [response.json() for response in await asyncio.gather(*presses)]
    statuses = sorted(answer["status"] for answer in answers)
    assert statuses == ["acknowledged"] + ["already_acknowledged"] * 19
    assert len({answer["acknowledged_by"] for answer in answers}) == 1


async def test_an_acknowledged_incident_is_no_longer_due(redis: Redis, visitor: Visitor) -> None:
    assert await redis.zcard("{ackstream:0}:deadlines") == 1
    await visitor("POST")
    assert await redis.zcard("{ackstream:0}:deadlines") == 0


async def test_after_a_loss_of_data_old_and_new_links_both_work(redis: Redis) -> None:
    """A notifier that starts after FLUSHALL makes a new key. Ingest learns it, and goes on accepting what it knew."""
    store = Store(Scripts(redis))
    old = AckLinks("https://ackstream.example", await signing_keys(None, (), redis))
    await redis.flushall()
    new = AckLinks("https://ackstream.example", await signing_keys(None, (), redis))
    incident = (await store.receive(NOTIFICATION)).incident

    async def read_keys(known: Sequence[str]) -> tuple[str, ...]:
        return await signing_keys(None, (), redis, known[0])

    page = AcknowledgePage(store, old, read_keys)
    app = Starlette(routes=[Route("/api/ack/{incident_id}", page.__call__)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as visitor:
        for links in (new, old):
            assert (await visitor.get(links.url(incident.id, expiry(incident)))).status_code == 200
        stranger = AckLinks("https://ackstream.example", ("forged",))
        assert (await visitor.get(stranger.url(incident.id, expiry(incident)))).status_code == 401


async def test_a_key_that_redis_has_lost_is_put_back_by_who_still_has_it(redis: Redis) -> None:
    before = await signing_keys(None, (), redis)
    await redis.flushall()
    assert await signing_keys(None, (), redis, before[0]) == before
    assert await signing_keys(None, (), redis) == before


async def test_who_started_before_redis_calls_nobody_a_forger(redis: Redis) -> None:
    """Ingest listens at once, with a key that nobody has signed with, and learns the kept one from the first link."""
    links = AckLinks("https://ackstream.example", await signing_keys(None, (), redis))
    incident = (await Store(Scripts(redis)).receive(NOTIFICATION)).incident
    away = True

    async def read_keys(known: Sequence[str]) -> tuple[str, ...]:
        if away:
            raise StoreUnavailableError("not yet")
        return await signing_keys(None, (), redis, known[0])

    page = AcknowledgePage(
        Store(Scripts(redis)), AckLinks("https://ackstream.example", (new_key(),)), read_keys
    )
    app = Starlette(routes=[Route("/api/ack/{incident_id}", page.__call__)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as visitor:
        for _ in range(2):  # also within the second in which Redis is not asked again
            assert (await visitor.get(links.url(incident.id, expiry(incident)))).status_code == 503
        away = False

        async def opens() -> bool:
            return (await visitor.get(links.url(incident.id, expiry(incident)))).status_code == 200

        await wait_until(opens, "the link to be known")

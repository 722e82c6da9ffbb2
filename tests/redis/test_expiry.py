"""Incidents that nobody mentions any more, on a real server: closed, told, and never while something is owed."""

import asyncio
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from services.escalator.expiry import Expiry
from shared.commands import Acknowledge
from shared.due_times import DueTimes
from shared.incident import State
from shared.keys import Keys
from shared.redis_client import Scripts
from shared.store import Store
from tests.redis.conftest import now, opened

KEYS = Keys()
AGE = timedelta(days=30)
MOMENTS = ("seen_at", "opened_at", "deadline")


@pytest.fixture
def expiry(store: Store, scripts: Scripts) -> Expiry:
    return Expiry(store, DueTimes(scripts, KEYS.mentions, AGE), AGE, asyncio.Event())


async def age(client: Redis, store: Store, id_: str, days: float) -> None:
    """As if nothing had been heard of it for so long."""
    incident, span = await now(store, id_), timedelta(days=days)
    past = {name: getattr(incident, name) and getattr(incident, name) - span for name in MOMENTS}
    aged = incident.model_copy(update=past)
    await client.hset(KEYS.incident(id_), "state", aged.model_dump_json(exclude_defaults=True))
    await client.zadd(KEYS.mentions, {id_: round(aged.mentioned_at.timestamp() * 1000)})


async def test_it_is_closed_and_everybody_can_read_why(expiry: Expiry, store: Store, client: Redis) -> None:
    old, young = await opened(store, wait=None), await opened(store, wait=None, group="young")
    await age(client, store, old, 31)
    await age(client, store, young, 29)
    assert await expiry.expire_some() == 1
    assert [(await now(store, id_)).state for id_ in (old, young)] == [State.EXPIRED, State.OPEN]
    (_, event) = (await client.xrevrange(KEYS.events, count=1))[0]
    assert (event[b"type"], event[b"incident"]) == (b"expired", old.encode())
    assert await client.zscore(KEYS.mentions, old) is None
    # Readable for a while, then gone.
    assert 0 < await client.ttl(KEYS.incident(old)) <= 7 * 86_400
    assert await expiry.expire_some() == 0


async def test_a_page_that_is_owed_stays(expiry: Expiry, store: Store, client: Redis) -> None:
    owed, answered = await opened(store), await opened(store, group="answered")
    await store.apply(answered, Acknowledge("Ada", "link"))
    for id_ in (owed, answered):
        await age(client, store, id_, 40)
    assert await expiry.expire_some() == 2
    assert (await now(store, owed)).state is State.OPEN
    assert (await now(store, answered)).state is State.EXPIRED
    # It is looked at again later, and holds nobody up meanwhile.
    assert await expiry.expire_some() == 0
    assert await client.zscore(KEYS.mentions, owed) is not None


async def test_one_whose_state_is_gone_is_forgotten(expiry: Expiry, client: Redis) -> None:
    await client.zadd(KEYS.mentions, {"0" * 32: 1})
    await expiry.expire_some()
    assert await client.zcard(KEYS.mentions) == 0

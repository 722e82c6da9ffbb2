"""The page behind "Acknowledge all": asks first, writes the wish down, and tells strangers nothing."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.ingest.app import create_app
from services.ingest.storm_page import StormPage
from shared.commands import Acknowledge, Digested
from shared.links import AckLinks, StormLinks
from shared.redis_client import Scripts
from shared.store import Store
from shared.storms import Storms
from tests.redis.conftest import opened

STORM = "0" * 31 + "1"
BASE = "https://ack.example.com"
LINKS = StormLinks(BASE, ("key",))
LATER = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture
def storms(scripts: Scripts) -> Storms:
    return Storms(scripts)


@pytest.fixture
async def http(storms: Storms) -> AsyncIterator[httpx.AsyncClient]:
    unused: Any = None
    app = create_app(unused, unused, {}, StormPage(storms, LINKS))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE) as client:
        yield client


@pytest.fixture
async def members(store: Store, storms: Storms) -> list[str]:
    """Three of a storm, one of which somebody has taken."""
    ids = [await opened(store, group=str(number)) for number in range(3)]
    for id_ in ids:
        await store.apply(id_, Digested(STORM, "C1"))
    await store.apply(ids[0], Acknowledge("Bob", "link"))
    for id_ in ids:
        incident = (await store.load(id_)).incident
        assert incident
        await storms.note(incident)
    return ids


async def test_looking_asks_and_changes_nothing(
    http: httpx.AsyncClient, storms: Storms, members: list[str]
) -> None:
    for method in ("GET", "HEAD"):
        answer = await http.request(method, LINKS.url(STORM, LATER))
        assert answer.status_code == 200
    answer = await http.get(LINKS.url(STORM, LATER))
    assert "Acknowledge 2 incidents?" in answer.text
    assert ">Acknowledge all</button>" in answer.text
    storm = await storms.load(STORM)
    assert storm
    assert storm.wish is None


async def test_pressing_writes_the_wish_down(
    http: httpx.AsyncClient, storms: Storms, members: list[str]
) -> None:
    answer = await http.post(LINKS.url(STORM, LATER), data={"name": "Ada"})
    assert answer.status_code == 202
    assert "2 open incidents will be acknowledged" in answer.text
    assert set(await storms.wished(STORM, 10)) == set(members[1:])
    storm = await storms.load(STORM)
    assert storm
    assert storm.wish
    assert (storm.wish.by, storm.wish.door) == ("Ada", "digest")


async def test_machines_are_answered_in_json(http: httpx.AsyncClient, members: list[str]) -> None:
    answer = await http.post(LINKS.url(STORM, LATER), headers={"Accept": "application/json"})
    assert answer.json() == {"status": "wished", "storm_id": STORM, "open": 2}


async def test_links_that_are_not_ours_tell_nothing(
    http: httpx.AsyncClient, storms: Storms, members: list[str]
) -> None:
    url = LINKS.url(STORM, LATER)
    of_an_incident = AckLinks(BASE, ("key",)).url(STORM, LATER).replace("/api/ack/", "/api/storm/")
    for link in (url[:-1], url.replace("exp=", "exp=1"), f"{BASE}/api/storm/{STORM}", of_an_incident):
        for method in ("GET", "POST"):
            answer = await http.request(method, link)
            assert answer.status_code == 401
            assert "incidents?" not in answer.text
    assert await storms.wished(STORM, 10) == []


async def test_a_link_that_is_too_old_acknowledges_nothing(
    http: httpx.AsyncClient, storms: Storms, members: list[str]
) -> None:
    answer = await http.post(LINKS.url(STORM, LATER - timedelta(hours=2)))
    assert answer.status_code == 403
    assert await storms.wished(STORM, 10) == []


async def test_a_storm_that_is_forgotten_and_one_that_is_over(
    http: httpx.AsyncClient, storms: Storms, store: Store, members: list[str]
) -> None:
    assert (await http.get(LINKS.url("f" * 32, LATER))).status_code == 410
    for id_ in members[1:]:
        step = await store.apply(id_, Acknowledge("Bob", "link"))
        assert step.incident
        await storms.note(step.incident)
    answer = await http.post(LINKS.url(STORM, LATER))
    assert (answer.status_code, "Nothing is open" in answer.text) == (200, True)


async def test_nothing_else_is_done_there(http: httpx.AsyncClient, members: list[str]) -> None:
    answer = await http.delete(LINKS.url(STORM, LATER))
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]

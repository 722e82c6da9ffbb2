"""A thousand nasty documents, sent to the real application over a real Redis: what is good is taken, what is bad is kept."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from services.ingest.acknowledge import AcknowledgePage
from services.ingest.app import create_app
from services.ingest.authorization import Authorization
from services.ingest.incidents import Incidents, Limits
from services.ingest.parameters import OnCallDefaults
from shared.config import IngestAuthConfig
from shared.dead_letters import MAX_PAYLOAD, DeadLetters
from shared.keys import Keys
from shared.links import AckLinks
from shared.redis_client import Scripts
from shared.store import Store
from tests.corpus import Case, corpus

KEYS = Keys()
QUERIES = [
    "",
    "?oncall_enable=true&oncall_wait_minutes=0.5",
    "?oncall_enable=maybe&oncall_wait_minutes=1e999&slack_chanel_id=C1&telegram_chat_id=1",
    "?servicenow_other_instance=%00%ff%ED%A0%80&slack_channel_id=%3C!channel%3E&&&=&%",
    "?" + "&".join(f"x{number}=1" for number in range(500)),
]
OUTCOMES = {"opened", "joined", "resolved", "ignored"}


@pytest.fixture
async def ingest(scripts: Scripts, store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """Put together as in services/ingest/__main__.py, with room for the largest documents."""
    incidents = Incidents(
        store,
        DeadLetters(scripts),
        OnCallDefaults(
            enable=True, initialized_only=False, configured=True, wait=timedelta(minutes=3), instances={}
        ),
        Authorization(IngestAuthConfig()),
        Limits(max_bytes=64 << 20, body_timeout=10),
        debug_body=True,
    )
    page = AcknowledgePage(store, AckLinks("https://ackstream.example", ["a key"]))
    # What raises in the application is answered with 500 and told here, as it is by a server.
    transport = httpx.ASGITransport(app=create_app(incidents, page, {}), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest.example") as client:
        yield client


class Witness:
    """Sends documents, and looks after each at what has become of it."""

    def __init__(self, ingest: httpx.AsyncClient, client: Redis, store: Store) -> None:
        self._ingest = ingest
        self._client = client
        self._store = store
        self._last_dead = "-"
        self.outcomes: Counter[str] = Counter()
        self.accepted = 0

    async def send(self, case: Case, query: str) -> None:
        response = await self._ingest.post(f"/api/incidents{query}", content=case.raw)
        answer = response.json()
        assert response.status_code == (201 if case.accepted else 400), (case.name, answer)
        answers = answer.get("incidents", [answer] if case.accepted else [])
        assert len(answers) == case.accepted == answer.get("count", case.accepted), case.name
        for one in answers:
            assert one["outcome"] in OUTCOMES, case.name
            assert (await self._store.load(one["incident_id"])).incident, case.name
            self.outcomes[one["outcome"]] += 1
        self.accepted += len(answers)
        if case.accepted:
            assert len(answer.get("refused", ())) == len(case.refused), case.name
        assert same(await self._new_dead_letters(), case.refused), case.name

    async def _new_dead_letters(self) -> list[bytes]:
        entries = await self._client.xrange(KEYS.dead, min=self._last_dead)
        if entries:
            self._last_dead = f"({entries[-1][0].decode()}"
        assert all(fields[b"error"] and fields[b"origin"] == b"ingest" for _, fields in entries)
        return [fields[b"payload"] for _, fields in entries]


def same(kept: list[bytes], expected: tuple[bytes, ...]) -> bool:
    """A whole body is kept byte by byte; an element of an array as JSON."""
    if len(kept) != len(expected):
        return False
    return all(
        one == other[:MAX_PAYLOAD] or meaning(one) == meaning(other)
        for one, other in zip(kept, expected, strict=True)
    )


def meaning(raw: bytes) -> Any:
    """Comparable, NaN with NaN too; a lone surrogate is what it is replaced by."""
    return repr(json.loads(raw)).replace("\\ud800", "\ufffd")


async def events(client: Redis) -> Counter[str]:
    return Counter(fields[b"type"].decode() for _, fields in await client.xrange(KEYS.events))


@pytest.mark.timeout(300)
async def test_a_thousand_nasty_documents(ingest: httpx.AsyncClient, client: Redis, store: Store) -> None:
    witness = Witness(ingest, client, store)
    for number, case in enumerate(corpus(seed=1, size=1_000)):
        await witness.send(case, QUERIES[number % len(QUERIES)])
    assert witness.accepted > 1_000
    told = await events(client)
    assert told["opened"] == witness.outcomes["opened"] > 100
    assert told["updated"] == witness.outcomes["joined"] > 100
    assert 0 < told["resolved"] <= witness.outcomes["resolved"] + witness.outcomes["ignored"]
    remembered = told["opened"] + sum(
        1 for _, fields in await client.xrange(KEYS.events) if fields[b"reason"] == b"resolved_before_firing"
    )
    assert await client.zcard(KEYS.recent) == remembered


async def test_a_document_sent_again_opens_nothing_new(ingest: httpx.AsyncClient) -> None:
    """As Alertmanager does when an answer was lost."""
    seen = Counter[str]()
    for case in corpus(seed=3, size=500):
        if case.accepted == 1 and not case.refused and not case.raw.lstrip().startswith(b"["):
            first = (await ingest.post("/api/incidents", content=case.raw)).json()
            again = (await ingest.post("/api/incidents/", content=case.raw)).json()
            assert again["outcome"] != "opened", case.name
            assert again["incident_id"] == first["incident_id"], case.name
            seen[again["outcome"]] += 1
    assert seen["joined"] > 100

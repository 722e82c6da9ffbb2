"""`POST /slack/interactions` before a real Redis: what Slack signs is done once, whatever else comes is refused."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from redis.asyncio import Redis
from slack_sdk.signature import SignatureVerifier
from starlette.applications import Starlette

from services.ingest.app import create_app
from services.ingest.interactions import Interactions
from shared.keys import Keys
from shared.presses import Presses
from shared.redis_client import Scripts, StoreUnavailableError
from shared.store import Store
from shared.storms import Storms
from tests.redis.conftest import now, opened
from tests.unit.core.test_interactions import payload

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
PATH = "/slack/interactions"


def app_of(store: Any) -> Starlette:
    nobody: Any = None
    storms: Any = Storms(store._scripts) if isinstance(store, Store) else nobody  # noqa: SLF001
    interactions = Interactions(Presses(store, storms), SECRET)
    return create_app(nobody, nobody, {}, interactions=interactions)


def web(app: Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ingest.example")


@pytest.fixture
def store(scripts: Scripts) -> Store:
    return Store(scripts)


def body_of(told: Any) -> bytes:
    return urlencode({"payload": json.dumps(told)}).encode()


def signed(body: bytes, *, at: float | None = None, secret: str = SECRET) -> dict[str, str]:
    timestamp = str(int(time.time() if at is None else at))
    signature = SignatureVerifier(secret).generate_signature(timestamp=timestamp, body=body.decode("latin-1"))
    if body.isascii():
        assert signature
        return headers(timestamp, signature)
    return headers(timestamp, "v0=" + "0" * 64)


def headers(timestamp: str | bytes, signature: str | bytes) -> dict[Any, Any]:
    return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signature}


async def press(store: Store, told: Any, **more: Any) -> httpx.Response:
    body = body_of(told)
    async with web(app_of(store)) as client:
        return await client.post(PATH, content=body, headers=signed(body, **more))


async def test_a_press_is_done_in_the_name_of_who_pressed(store: Store) -> None:
    incident_id = await opened(store)
    answer = await press(store, payload(value=incident_id))
    assert (answer.status_code, answer.content) == (200, b"")
    acknowledgement = (await now(store, incident_id)).acknowledgement
    assert acknowledgement
    assert (acknowledgement.by, acknowledgement.user, acknowledgement.door) == ("alex", "U0ALEX", "button")


async def test_a_replay_is_answered_alike_and_changes_nothing(store: Store) -> None:
    incident_id = await opened(store)
    body = body_of(payload(value=incident_id))
    same = signed(body)
    async with web(app_of(store)) as client:
        answers = await asyncio.gather(*(client.post(PATH, content=body, headers=same) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        first = await now(store, incident_id)
        assert first.version == 2
        assert (await press(store, payload("unack_incident", value=incident_id))).status_code == 200
        assert (await client.post(PATH, content=body, headers=same)).status_code == 200
    assert (await now(store, incident_id)).acknowledgement is None, "what was taken back stays so"


async def test_a_refusal_is_no_failure_of_the_app(store: Store, client: Redis) -> None:
    incident_id = await opened(store)
    await press(store, payload(value=incident_id))
    second = payload(value=incident_id, action_ts="1767268801.000001")
    second["user"]["id"] = "U0BO"
    assert (await press(store, second)).status_code == 200
    events = await client.xrange(Keys().events)
    assert [fields[b"type"] for _, fields in events] == [b"opened", b"acknowledged", b"deed_refused"]
    assert json.loads(events[-1][1][b"data"]) == {
        "by": "alex",
        "door": "button",
        "user": "U0BO",
        "token": "1767268801.000001:ack_incident",
        "deed": "acknowledge",
    }
    assert (await now(store, incident_id)).acknowledgement.user == "U0ALEX"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "told",
    [
        payload("ack_incident", url="https://ack.example/"),
        payload("somebody_elses"),
        {"type": "shortcut"},
    ],
)
async def test_what_asks_nothing_of_us_is_well(store: Store, told: Any) -> None:
    assert (await press(store, told)).status_code == 200


@pytest.mark.parametrize("told", [payload(), payload("ack_storm", value="gone")])
async def test_slack_warns_people_of_a_press_about_what_is_not_there_any_more(
    store: Store, told: Any
) -> None:
    assert (await press(store, told)).status_code == 410


FORM = body_of(payload())
MALFORMED = [
    b"",
    b"payload=",
    b"payload=x",
    b"payload=%7B",
    b"payload=[]",
    b"payload=null",
    b"payload=7",
    b"payload=" + b"[" * 50_000,
    b"payload=" + b"9" * 10_000,
    b"payload=%FF%FE",
    b"other=1",
    b"{}",
    json.dumps(payload()).encode(),
    b"&".join(b"a=1" for _ in range(100)),
    body_of({"type": "block_actions"}),
    body_of(payload(value="1; DROP TABLE")),
    body_of(payload(value="\ud800")),
]


@pytest.mark.parametrize("body", MALFORMED)
async def test_what_is_signed_and_malformed_is_a_bad_request(store: Store, body: bytes) -> None:
    async with web(app_of(store)) as client:
        answer = await client.post(PATH, content=body, headers=signed(body))
    assert answer.status_code == 400


NOT_SLACKS: list[tuple[bytes, Callable[[], dict[Any, Any]]]] = [
    (FORM, dict),
    (FORM, lambda: headers("", "")),
    (FORM, lambda: {"X-Slack-Signature": "v0=" + "0" * 64}),
    (FORM, lambda: {"X-Slack-Request-Timestamp": str(int(time.time()))}),
    (FORM, lambda: signed(FORM, secret="another")),
    (FORM, lambda: signed(FORM, at=time.time() - 600)),
    (FORM, lambda: signed(FORM, at=time.time() + 600)),
    (FORM, lambda: signed(FORM, at=0)),
    (FORM + b"x", lambda: signed(FORM)),
    (FORM, lambda: headers("soon", "v0=" + "0" * 64)),
    (FORM, lambda: headers("9" * 400, "v0=" + "0" * 64)),
    (FORM, lambda: headers("9" * 5000, "v0=" + "0" * 64)),
    (FORM, lambda: headers("nan", "v0=" + "0" * 64)),
    (FORM, lambda: headers(str(int(time.time())), "v0=é".encode("latin-1"))),
    (FORM, lambda: headers("٣".encode(), b"v0=\xff\xfe")),
    (b"payload=\xff\xfe", lambda: signed(b"payload=\xff\xfe")),
]


@pytest.mark.parametrize(("body", "given"), NOT_SLACKS)
async def test_what_slack_has_not_signed_just_now_is_unauthorized(
    store: Store, body: bytes, given: Callable[[], dict[Any, Any]]
) -> None:
    async with web(app_of(store)) as client:
        assert (await client.post(PATH, content=body, headers=given())).status_code == 401


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_posts_and_no_redirects(store: Store, method: str) -> None:
    async with web(app_of(store)) as client:
        assert (await client.request(method, PATH)).status_code == 405
        assert (await client.post(f"{PATH}/")).status_code == 404


async def test_without_a_signing_secret_there_is_no_such_address() -> None:
    nobody: Any = None
    async with web(create_app(nobody, nobody, {})) as client:
        assert (await client.post(PATH, content=FORM, headers=signed(FORM))).status_code == 404


async def test_a_body_that_slack_would_not_send_is_not_read(store: Store) -> None:
    async with web(app_of(store)) as client:
        assert (await client.post(PATH, content=b"x" * 100_001)).status_code == 413


class Away:
    def __init__(self, error: Exception | None) -> None:
        self._error = error

    async def apply(self, *_: object) -> None:
        if self._error:
            raise self._error
        await asyncio.Event().wait()


@pytest.mark.parametrize("error", [None, StoreUnavailableError("Connection refused")])
async def test_slack_warns_people_when_nobody_knows_whether_it_was_done(error: Exception | None) -> None:
    away: Any = Away(error)
    began = time.monotonic()
    assert (await press(away, payload())).status_code == 503
    assert time.monotonic() - began < 2.5

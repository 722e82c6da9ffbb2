"""`ackstream ingest` as a process of its own, spoken to over HTTP, before a Redis that is well, away, stopped or full."""

import asyncio
import base64
import json
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from sandbox.server import Running, running
from shared.incident import State
from shared.keys import Keys
from shared.redis_client import Scripts, connect
from shared.store import Store
from tests.servers import RedisServer
from tests.stack import ROOT, Stack
from tests.waiting import wait_until

KEYS = Keys()
PATIENCE = 2.0
"""Seconds until an answer when Redis gives none."""

FULL = "100kb"
"""Less than any server needs for itself."""

ALERTMANAGER = json.loads((ROOT / "ops/samples/alertmanager.json").read_bytes())
RESOLVED = json.loads((ROOT / "ops/samples/alertmanager_resolved.json").read_bytes())
SMALL = """
ingest:
  max_body_bytes: 2048
  body_timeout_seconds: 0.5
"""
GUARDED = """
ingest:
  auth:
    bearer_token: s3cret-token
    username: alertmanager
    password: pässword
"""


def group(name: object) -> dict[str, Any]:
    """A notification of a group of its own."""
    return ALERTMANAGER | {"groupKey": f"group {name}"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Running]:
    with running() as server:
        yield server


@pytest.fixture(scope="module")
def shared_stacks(
    tmp_path_factory: pytest.TempPathFactory, sandbox: Running, redis_server: RedisServer
) -> Iterator[Callable[[str], Stack]]:
    """One ingest per configuration, for all tests that leave it and its Redis running."""
    stacks: dict[str, Stack] = {}

    def of(extra: str) -> Stack:
        if extra not in stacks:
            directory = tmp_path_factory.mktemp("stack")
            stacks[extra] = Stack(directory, sandbox, redis_server.url, extra=extra)
            stacks[extra].start("ingest")
        return stacks[extra]

    yield of
    for stack in stacks.values():
        stack.stop()


@pytest.fixture
async def ingest(shared_stacks: Callable[[str], Stack], client: Redis) -> Stack:
    return await ready(shared_stacks(""))


@pytest.fixture
async def small(shared_stacks: Callable[[str], Stack], client: Redis) -> Stack:
    """Takes 2 KB, within half a second."""
    return await ready(shared_stacks(SMALL))


@pytest.fixture
async def guarded(shared_stacks: Callable[[str], Stack], client: Redis) -> Stack:
    return await ready(shared_stacks(GUARDED))


@pytest.fixture
async def fragile(tmp_path: Path, sandbox: Running, own_redis_server: RedisServer) -> AsyncIterator[Stack]:
    """Ingest before a Redis of its own."""
    stack = Stack(tmp_path, sandbox, own_redis_server.url)
    stack.start("ingest")
    yield await ready(stack)
    own_redis_server.resume()
    stack.stop()


@pytest.fixture
async def own_client(own_redis_server: RedisServer) -> AsyncIterator[Redis]:
    client = connect(own_redis_server.url)
    yield client
    await client.aclose()


async def ready(stack: Stack) -> Stack:
    await stack.ready("ingest")
    return stack


async def events(client: Redis) -> list[tuple[str, str]]:
    """(type, incident) of everything in the stream."""
    return [
        (fields[b"type"].decode(), fields[b"incident"].decode())
        for _, fields in await client.xrange(KEYS.events)
    ]


async def dead_letters(client: Redis) -> list[bytes]:
    return [fields[b"payload"] for _, fields in await client.xrange(KEYS.dead)]


@asynccontextmanager
async def crowd(stack: Stack) -> AsyncIterator[Callable[[Any], Awaitable[httpx.Response]]]:
    """Many senders at once."""
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(trust_env=False, timeout=20, limits=limits) as web:

        async def send(body: Any) -> httpx.Response:
            return await web.post(f"{stack.url}/api/incidents", json=body)

        yield send


async def exchange(stack: Stack, sent: bytes, drip: bytes = b"") -> bytes:
    """What the server answers to these very bytes until it closes. `drip` is sent byte by byte as long as that goes on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    writer.write(sent)
    answer = asyncio.ensure_future(reader.read())
    for byte in drip:
        if answer.done() or writer.is_closing():
            break
        writer.write(bytes([byte]))
        await asyncio.wait([answer], timeout=0.02)
    answered = await asyncio.wait_for(answer, 10)
    writer.close()
    return answered


def request(headers: str, body: bytes = b"") -> bytes:
    return f"POST /api/incidents HTTP/1.1\r\nHost: ingest\r\n{headers}\r\n".encode("latin-1") + body


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


# What is accepted


async def test_201_means_that_the_incident_and_its_event_are_in_redis(ingest: Stack, client: Redis) -> None:
    store = Store(Scripts(client))

    async def send(number: int) -> None:
        response = await ingest.send(group(number), "?oncall_wait_minutes=5")
        answer = response.json()
        assert response.status_code == 201
        loaded = await store.load(answer["incident_id"])
        assert loaded.incident
        assert loaded.incident.state is State.OPEN
        assert json.loads(loaded.body) == group(number)
        assert ("opened", answer["incident_id"]) in await events(client)
        assert await client.zscore(KEYS.deadlines, answer["incident_id"]) is not None

    await asyncio.gather(*(send(number) for number in range(50)))
    assert len(await events(client)) == 50


async def test_an_answer_says_what_became_of_the_notification(ingest: Stack) -> None:
    opened = (await ingest.send(ALERTMANAGER)).json()
    joined = (await ingest.send(ALERTMANAGER)).json()
    over = (await ingest.send(RESOLVED)).json()
    late = (await ingest.send(ALERTMANAGER)).json()
    for answer, outcome in ((opened, "opened"), (joined, "joined"), (over, "resolved"), (late, "ignored")):
        assert answer == {
            "status": "Incident created",
            "incident_id": opened["incident_id"],
            "outcome": outcome,
            "warnings": [],
        }


async def test_a_resolved_notification_of_nothing_is_ignored_and_so_is_its_late_copy(ingest: Stack) -> None:
    assert (await ingest.send(RESOLVED)).json()["outcome"] == "ignored"
    assert (await ingest.send(ALERTMANAGER)).json()["outcome"] == "ignored"


async def test_a_wrong_parameter_costs_a_warning_and_no_page(ingest: Stack, client: Redis) -> None:
    query = "?oncall_enable=maybe&oncall_wait_minutes=-1&slack_chanel_id=C1&pagerduty_other_routing_key=k"
    response = await ingest.send(ALERTMANAGER, query)
    answer = response.json()
    assert (response.status_code, answer["outcome"]) == (201, "opened")
    assert len(answer["warnings"]) == 4
    incident = (await Store(Scripts(client)).load(answer["incident_id"])).incident
    assert incident
    assert list(incident.warnings) == answer["warnings"]
    assert "did you mean slack_channel_id?" in ingest.log("ingest")
    async with httpx.AsyncClient(trust_env=False) as web:
        metrics = (await web.get(f"{ingest.url}/metrics")).text
    for parameter in ("oncall_enable", "oncall_wait_minutes", "unknown", "pagerduty"):
        assert f'ackstream_parameter_warnings_total{{parameter="{parameter}"}}' in metrics


@pytest.mark.parametrize("given", ["text/plain", "application/x-www-form-urlencoded", "nonsense", ""])
async def test_the_content_type_is_ignored(ingest: Stack, given: str) -> None:
    body = json.dumps(ALERTMANAGER).encode()
    assert (await ingest.send(body, headers={"Content-Type": given})).status_code == 201


async def test_a_body_without_a_content_length_is_taken(ingest: Stack) -> None:
    body = json.dumps(ALERTMANAGER).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:100], body[100:]))
    head = "Transfer-Encoding: chunked\r\nConnection: close\r\n"
    assert status(await exchange(ingest, request(head, chunks + b"0\r\n\r\n"))) == 201


async def test_a_trailing_slash_is_fine(ingest: Stack) -> None:
    async with httpx.AsyncClient(trust_env=False) as web:
        response = await web.post(f"{ingest.url}/api/incidents/", json=ALERTMANAGER)
    assert response.status_code == 201


async def test_the_event_keeps_the_parameters_that_we_know_as_they_were_given(
    ingest: Stack, client: Redis
) -> None:
    query = "?oncall_wait_minutes=0.5&slack_channel_id=&telegram_chat_id=7&oncall_enable=maybe"
    await ingest.send({"title": "DiskFull"}, query, headers={"Idempotency-Key": "k1"})
    ((_, event),) = await client.xrange(Keys().events)
    data = json.loads(event[b"data"])
    assert data["query"] == {"oncall_wait_minutes": "0.5", "oncall_enable": "maybe"}
    assert data["idempotency_key"] == "k1"


async def test_an_idempotency_key_makes_one_incident_of_different_bodies(ingest: Stack) -> None:
    first, second, other = [
        (await ingest.send(body, headers={"Idempotency-Key": key})).json()
        for body, key in (({"a": 1}, "k"), ({"a": 2}, "k"), ({"a": 1}, "l"))
    ]
    assert first["incident_id"] == second["incident_id"] != other["incident_id"]
    elements = (await ingest.send([{"a": 1}, {"a": 2}], headers={"Idempotency-Key": "k"})).json()["incidents"]
    assert len({element["incident_id"] for element in elements} | {first["incident_id"]}) == 3


# Arrays


async def test_an_array_is_answered_with_a_count_and_each_element_s_outcome(ingest: Stack) -> None:
    answer = (await ingest.send([group(1), group(2), group(1)])).json()
    assert answer["status"] == "Incidents created"
    assert answer["count"] == 3
    assert [one["outcome"] for one in answer["incidents"]] == ["opened", "opened", "joined"]
    assert answer["incidents"][0]["incident_id"] == answer["incidents"][2]["incident_id"]
    assert answer["refused"] == []


async def test_good_elements_are_taken_although_their_siblings_are_bad(ingest: Stack, client: Redis) -> None:
    response = await ingest.send(["words", group(1), None, [group(3)], group(2), 7])
    answer = response.json()
    assert response.status_code == 201
    assert answer["count"] == 2
    assert answer["refused"] == [
        {"index": 0, "error": "a JSON string instead of an object"},
        {"index": 2, "error": "a JSON null instead of an object"},
        {"index": 3, "error": "a JSON array instead of an object"},
        {"index": 5, "error": "a JSON number instead of an object"},
    ]
    assert len(await events(client)) == 2
    kept = [json.loads(payload) for payload in await dead_letters(client)]
    assert kept == ["words", None, [group(3)], 7]


async def test_an_array_without_a_good_element_is_refused(ingest: Stack, client: Redis) -> None:
    response = await ingest.send(b'[1, [], "x"]')
    assert response.status_code == 400
    assert response.json()["error"] == "No incidents found in array"
    assert await dead_letters(client) == [b"1", b"[]", b'"x"']


@pytest.mark.parametrize("alike", [True, False])
async def test_a_thousand_elements_are_taken_however_long_that_takes(
    ingest: Stack, client: Redis, alike: bool
) -> None:
    alerts = [{"labels": {"number": number}} for number in range(30)]
    body = [{"groupKey": 1 if alike else number, "alerts": alerts} for number in range(1_000)]
    response = await ingest.send(body)
    assert response.status_code == 201
    assert response.json()["count"] == 1_000
    assert len({incident for _, incident in await events(client)}) == (1 if alike else 1_000)


async def test_more_than_a_thousand_elements_are_refused_and_kept(ingest: Stack, client: Redis) -> None:
    raw = json.dumps([{"title": "x"}] * 1_001).encode()
    response = await ingest.send(raw)
    assert response.status_code == 413
    assert response.json()["error"] == "More than 1000 incidents in one array"
    assert await dead_letters(client) == [raw]
    assert await events(client) == []


# What is refused


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "Empty body"),
        (b" \r\n", "Empty body"),
        (b"[]", "No incidents found in array"),
        (b"[", "Invalid JSON array input"),
        (b'[{"a":1},', "Invalid JSON array input"),
        (b"{", "Invalid input"),
        (b"null", "Invalid input"),
        (b"\xff\x00\xfe", "Invalid input"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "Invalid input"),
    ],
)
async def test_a_bad_body_is_refused_in_versus_words_and_kept(
    ingest: Stack, client: Redis, raw: bytes, words: str
) -> None:
    response = await ingest.send(raw)
    assert (response.status_code, response.json()) == (400, {"error": words})
    assert await dead_letters(client) == [raw]
    assert await events(client) == []


@pytest.mark.parametrize("path", ["/api/incidents", "/api/incidents/", "/api/incidents?oncall_enable=true"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_only_post_is_answered_and_nothing_redirects(ingest: Stack, method: str, path: str) -> None:
    """Alertmanager takes the 200 of a redirect's target for a delivery."""
    async with httpx.AsyncClient(trust_env=False) as web:
        response = await web.request(method, ingest.url + path)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert "location" not in response.headers


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/incident", "/api//incidents", "/api/incidents/x", "/API/incidents"]
)
async def test_another_path_is_not_found_and_nothing_redirects(ingest: Stack, path: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as web:
        response = await web.post(ingest.url + path, json=ALERTMANAGER)
    assert response.status_code == 404
    assert "POST /api/incidents" in response.json()["error"]


# Who may send


@pytest.mark.parametrize(
    "header",
    [
        b"Bearer s3cret-token",
        b"bearer s3cret-token",
        b"BEARER  s3cret-token",
        b"Basic " + base64.b64encode("alertmanager:pässword".encode()),
        b"basic " + base64.b64encode("alertmanager:pässword".encode()),
    ],
)
async def test_who_shows_the_token_or_the_password_is_let_in(guarded: Stack, header: bytes) -> None:
    response = await guarded.send(ALERTMANAGER, headers={b"Authorization": header})
    assert response.status_code == 201


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer wrong",
        b"Bearer s3cret-token2",
        b"Bearer s3cret-toke",
        b"Bearer S3CRET-TOKEN",
        b"s3cret-token",
        b"Basic s3cret-token",
        b"Basic !!!",
        b"Basic " + base64.b64encode(b"alertmanager:"),
        b"Basic " + base64.b64encode(b"alertmanager:wrong"),
        b"Basic " + base64.b64encode(b":"),
        b"Basic " + base64.b64encode("alertmanager:pässword".encode("latin-1")),
        "Bearer s3cret-töken".encode(),
        b"Bearer \xff\xfe\x80",
        "Ünbekannt x".encode("latin-1"),
        b"Bearer " + b"x" * 8_000,
    ],
)
async def test_whoever_else_is_told_to_show_something(
    guarded: Stack, client: Redis, header: bytes | None
) -> None:
    response = await guarded.send(
        ALERTMANAGER, headers={b"Authorization": header} if header is not None else {}
    )
    assert (response.status_code, response.json()) == (401, {"error": "Unauthorized"})
    assert response.headers["www-authenticate"] == 'Basic realm="ackstream"'
    assert await events(client) == []
    assert await dead_letters(client) == []


async def test_the_secrets_are_in_no_log_line(guarded: Stack) -> None:
    await guarded.send(ALERTMANAGER, headers={"Authorization": "Bearer s3cret-token"})
    await guarded.send(ALERTMANAGER, headers={"Authorization": "Bearer s3cret-token2"})
    await wait_until(lambda: "refused" in guarded.log("ingest"), "the refusal to be logged")
    assert "s3cret" not in guarded.log("ingest")


# Too much, too slow


async def test_a_body_that_is_announced_too_large_is_refused_before_it_comes(small: Stack) -> None:
    answer = await exchange(small, request("Content-Length: 2049\r\n"))
    assert status(answer) == 413
    assert b"Body larger than 2048 bytes" in answer
    assert b"connection: close" in answer.lower()


async def test_a_body_that_turns_out_too_large_is_refused_too(small: Stack, client: Redis) -> None:
    chunks = b"400\r\n" + b"x" * 0x400 + b"\r\n"
    answer = await exchange(small, request("Transfer-Encoding: chunked\r\n", chunks * 3))
    assert status(answer) == 413
    assert b"connection: close" in answer.lower()
    assert await dead_letters(client) == []


async def test_a_body_as_large_as_allowed_is_taken(small: Stack) -> None:
    body = json.dumps({"title": "x" * 2036}).encode()
    assert len(body) == 2049
    assert (await small.send(body)).status_code == 413
    assert (await small.send(body.replace(b"xx", b"x", 1))).status_code == 201


@pytest.mark.parametrize("drip", [b"", b" " * 1_000], ids=["nothing more", "a byte now and then"])
@pytest.mark.parametrize(
    "head", ["Content-Length: 2000\r\n", "Transfer-Encoding: chunked\r\n"], ids=["announced", "chunked"]
)
async def test_a_body_that_comes_too_slowly_is_refused(small: Stack, head: str, drip: bytes) -> None:
    began = time.monotonic()
    chunk = b"7d0\r\n{" if "chunked" in head else b"{"
    answer = await exchange(small, request(head, chunk), drip)
    assert status(answer) == 408
    assert b"Body not received within 0.5 s" in answer
    assert b"connection: close" in answer.lower()
    assert 0.4 < time.monotonic() - began < 3


async def test_slow_senders_keep_nobody_waiting(small: Stack) -> None:
    slow = [
        asyncio.create_task(exchange(small, request("Content-Length: 2000\r\n", b"{"))) for _ in range(100)
    ]
    assert (await small.send({"title": "quick"})).status_code == 201
    assert {status(answer) for answer in await asyncio.gather(*slow)} == {408}


async def test_who_goes_away_in_the_middle_leaves_nothing_behind(small: Stack, client: Redis) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", small.port)
    writer.write(request("Content-Length: 2000\r\n", b'{"title": "x"}'))
    await writer.drain()
    writer.close()
    await wait_until(lambda: "Connection closed before" in small.log("ingest"), "the loss to be noticed")
    assert "Traceback" not in small.log("ingest")
    assert await events(client) == []
    assert await dead_letters(client) == []


# When Redis is not well


async def refused_in_time(stack: Stack, body: Any) -> httpx.Response:
    response = await stack.send(body)
    assert response.status_code == 503
    assert response.elapsed.total_seconds() < PATIENCE
    assert response.headers["retry-after"] == "5"
    assert "send again" in response.json()["error"]
    return response


async def accepted(stack: Stack, body: Any) -> dict[str, Any]:
    """The first answer that is not 503."""

    async def once() -> httpx.Response | None:
        response = await stack.send(body)
        return None if response.status_code == 503 else response

    response = await wait_until(once, "Redis to be back")
    assert response.status_code == 201
    answer: dict[str, Any] = response.json()
    return answer


async def incidents_opened(client: Redis) -> int:
    return [kind for kind, _ in await events(client)].count("opened")


async def test_503_while_redis_is_stopped_and_one_incident_once_it_goes_on(
    fragile: Stack, own_redis_server: RedisServer, own_client: Redis
) -> None:
    own_redis_server.pause()
    for body in (ALERTMANAGER, [ALERTMANAGER, "words"], b"no JSON at all"):
        await refused_in_time(fragile, body)
    own_redis_server.resume()
    await accepted(fragile, ALERTMANAGER)
    assert (await accepted(fragile, ALERTMANAGER))["outcome"] == "joined"
    assert await incidents_opened(own_client) == 1


async def test_503_while_redis_is_gone_and_201_once_it_is_back(
    fragile: Stack, own_redis_server: RedisServer, own_client: Redis
) -> None:
    before = await accepted(fragile, group("before"))
    own_redis_server.kill()
    await refused_in_time(fragile, group("meanwhile"))
    own_redis_server.start()
    await accepted(fragile, group("meanwhile"))
    assert (await accepted(fragile, group("before")))["incident_id"] == before["incident_id"]
    assert await incidents_opened(own_client) == 2


async def test_what_was_answered_with_201_outlives_a_killed_redis(
    fragile: Stack, own_redis_server: RedisServer, own_client: Redis
) -> None:
    async with crowd(fragile) as send:
        answers = await asyncio.gather(*(send(group(number)) for number in range(100)))
    assert {answer.status_code for answer in answers} == {201}
    own_redis_server.kill()
    own_redis_server.start()
    promised = {answer.json()["incident_id"] for answer in answers}
    assert {incident for _, incident in await events(own_client)} == promised


async def test_503_while_redis_is_full_and_201_once_there_is_room(fragile: Stack, own_client: Redis) -> None:
    await own_client.config_set("maxmemory-policy", "noeviction")
    await own_client.config_set("maxmemory", FULL)
    await refused_in_time(fragile, ALERTMANAGER)
    await refused_in_time(fragile, b"no JSON at all")
    assert await own_client.xlen(KEYS.events) == 0
    assert [key async for key in own_client.scan_iter(f"{KEYS.incident_prefix}*")] == []
    await own_client.config_set("maxmemory", "0")
    assert (await accepted(fragile, ALERTMANAGER))["outcome"] == "opened"
    assert await incidents_opened(own_client) == 1


async def test_notifications_caught_by_a_stop_and_sent_again_make_no_second_incident(
    fragile: Stack, own_redis_server: RedisServer, own_client: Redis
) -> None:
    """Whether the first attempt had reached Redis or not; some had, some had not."""
    bodies = [group(number) for number in range(200)]
    async with crowd(fragile) as send:
        sending = [asyncio.create_task(send(body)) for body in bodies[:150]]
        await wait_until(lambda: sum(task.done() for task in sending) > 20, "the first answers", every=0.001)
        own_redis_server.pause()
        sending += [asyncio.create_task(send(body)) for body in bodies[150:]]
        statuses = {(await task).status_code for task in sending}
        own_redis_server.resume()
        assert statuses == {201, 503}

        async def all_are_in() -> list[httpx.Response] | None:
            answers = await asyncio.gather(*(send(body) for body in bodies))
            return answers if all(answer.status_code == 201 for answer in answers) else None

        answers = await wait_until(all_are_in, "Redis to be back")
    assert len({answer.json()["incident_id"] for answer in answers}) == 200
    assert await incidents_opened(own_client) == 200


async def test_health_tells_the_truth(
    fragile: Stack, own_redis_server: RedisServer, own_client: Redis
) -> None:
    async with httpx.AsyncClient(trust_env=False, base_url=fragile.url) as web:

        async def tells(code: int, word: str) -> None:
            assert (await web.get("/healthz")).json() == {"status": "ok"}

            async def said() -> Any:
                response = await web.get("/readyz")
                assert response.elapsed.total_seconds() < PATIENCE
                return response if response.status_code == code else None

            answer = (await wait_until(said, f"readyz to answer {code}")).json()
            assert answer["ready"] is (code == 200)
            assert answer["checks"]["running"] == "ok"
            assert answer["checks"]["redis"].startswith(word)

        await tells(200, "ok")
        own_redis_server.pause()
        await tells(503, "unavailable")
        own_redis_server.resume()
        await tells(200, "ok")
        own_redis_server.kill()
        await tells(503, "unavailable")
        own_redis_server.start()
        await tells(200, "ok")
        await own_client.config_set("maxmemory", FULL)  # it still answers PING
        await tells(503, "unavailable")


async def test_what_was_begun_is_finished_before_the_end(fragile: Stack, own_client: Redis) -> None:
    async with crowd(fragile) as send:
        sending = [asyncio.create_task(send(group(number))) for number in range(300)]
        await wait_until(lambda: sum(task.done() for task in sending) > 20, "the first answers", every=0.001)
        fragile.signal("ingest", signal.SIGTERM)
        results = await asyncio.gather(*sending, return_exceptions=True)
    no_signal = 0
    assert await asyncio.to_thread(fragile.kill, "ingest", no_signal) == 0
    taken = [result for result in results if isinstance(result, httpx.Response)]
    assert {response.status_code for response in taken} == {201}
    promised = {response.json()["incident_id"] for response in taken}
    assert promised <= {incident for _, incident in await events(own_client)}

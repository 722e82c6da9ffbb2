"""One record each, wherever the answer breaks off: at every byte with ACKSTREAM_FAULTS=full, else at samples."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from sandbox.server import Running
from services.escalator import outcomes
from services.escalator.escalator import Escalator
from services.escalator.gate import Gate
from services.escalator.instances import Instance, Instances, http_client
from services.escalator.tls import ssl_context
from shared.config import Patience
from shared.config_access import AccessConfig
from shared.store import Store
from tests.episodes import targets
from tests.faults.conftest import FULL
from tests.redis.conftest import now, opened

AT_ONCE = timedelta(0)
SECOND = timedelta(seconds=1)


class Patient(Gate):
    """Opens no circuit: here everything fails on purpose."""

    def check(self) -> None:
        return


class BreakingProxy:
    """Passes on to the sandbox; once `arm`ed, the next answer to that verb breaks off after so many bytes, or comes twice."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._verb = b""
        self._bytes = 0
        self._twice = False
        self.length = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def arm(self, verb: str, length: int = 0, *, twice: bool = False) -> None:
        self._verb, self._bytes, self._twice = verb.encode(), length, twice

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        answering = asyncio.create_task(self._answer(there, writer))
        with suppress(OSError):
            while data := await reader.read(65536):
                if data.startswith((b"GET", b"POST", b"PATCH")):
                    self._asked = data.split(b" ")[0]
                back.write(data)
        answering.cancel()
        for end in (back, writer):
            end.close()
            with suppress(OSError):
                await end.wait_closed()

    async def _answer(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await there.readuntil(b"\r\n\r\n"):
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            answer = head + await there.readexactly(int(length.partition(b":")[2]))
            if self._asked != self._verb:
                writer.write(answer)
                continue
            self._verb, self.length = b"", len(answer)
            writer.write(answer * 2 if self._twice else answer[: self._bytes])
            if not self._twice:
                await writer.drain()
                writer.close()
                return


@pytest.fixture
async def proxy(sandbox: Running) -> AsyncIterator[tuple[BreakingProxy, int]]:
    proxy = BreakingProxy(urlsplit(sandbox.url).port or 0)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    async with server:
        yield proxy, server.sockets[0].getsockname()[1]


@pytest.fixture
async def escalator(
    store: Store, proxy: tuple[BreakingProxy, int], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Escalator]:
    monkeypatch.setattr(outcomes, "backoff", lambda *_, **__: AT_ONCE)
    monkeypatch.setattr(outcomes, "LOOK_AGAIN", AT_ONCE)
    url = f"http://127.0.0.1:{proxy[1]}/servicenow/main"
    access = AccessConfig.model_validate({"username": "ackstream", "password": "sandbox"})
    async with http_client(access, Patience(1, 1, 1), ssl_context(access)) as client:
        instances = Instances(Instance(None, url, [client], SECOND, gate=Patient("")))
        yield Escalator(store, targets(instances, timeout_seconds=1), wake=lambda: None)


async def until_recorded(escalator: Escalator, store: Store, incident: str) -> int:
    """Attempts that it took."""
    for attempt in range(1, 6):
        await escalator.escalate(incident)
        if (await now(store, incident)).record:
            return attempt
    pytest.fail(f"no record: {(await now(store, incident)).escalation}")


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_one_record_wherever_the_answer_breaks_off(
    escalator: Escalator, store: Store, sandbox: Running, proxy: tuple[BreakingProxy, int], verb: str
) -> None:
    breaking, _ = proxy
    length, broken = 0, 0
    while length == 0 or length < breaking.length:
        incident = await opened(store, wait=AT_ONCE, group=f"{verb} {length}")
        breaking.arm(verb, length)
        assert await until_recorded(escalator, store, incident) == 2
        rows = [row for row in sandbox.world.servicenow.rows() if row["correlation_id"] == incident]
        assert len(rows) == 1, f"broken off after {length} bytes of {breaking.length}"
        assert (await now(store, incident)).record.number == rows[0]["number"]
        sandbox.world.servicenow.reset()
        broken += 1
        length += 1 if FULL else 37
    print(f"\n{broken} answers to {verb}, of up to {breaking.length} bytes, broken off: one record each")
    assert broken > 4


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_an_answer_that_comes_twice_is_nobody_elses(
    escalator: Escalator, store: Store, sandbox: Running, proxy: tuple[BreakingProxy, int], verb: str
) -> None:
    first, second = [await opened(store, wait=AT_ONCE, group=f"{verb} {number}") for number in range(2)]
    proxy[0].arm(verb, twice=True)
    for incident in (first, second):
        assert await until_recorded(escalator, store, incident) == 1
    rows = sandbox.world.servicenow.rows()
    assert [row["correlation_id"] for row in rows] == [first, second]
    records = [(await now(store, incident)).record.number for incident in (first, second)]
    assert records == [row["number"] for row in rows]

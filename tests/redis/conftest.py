import time
from collections.abc import Iterator
from typing import Any

import pytest

from ops.embedded import ServerBinary
from sandbox.server import Running, running
from shared.incident import Incident
from shared.store import Store
from tests.conftest import missing
from tests.episodes import notification
from tests.servers import KINDS, RedisServer, find_server


@pytest.fixture(scope="session", params=KINDS)
def server_binary(request: pytest.FixtureRequest) -> ServerBinary:
    """Every test of this suite runs on each of them."""
    kind: str = request.param
    return find_server(kind) or missing(
        f"no server of the kind {kind} is at hand; .ci/run brings redis-server, `make setup` the others"
    )


@pytest.fixture(scope="session")
def redis_server(
    server_binary: ServerBinary, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisServer]:
    """One of each kind in turn. Not the other suites' fixture, which pytest would keep with the server that they began with."""
    server = RedisServer(server_binary, tmp_path_factory.mktemp(server_binary.kind))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def served_sandbox() -> Iterator[Running]:
    with running() as started:
        yield started


@pytest.fixture
def sandbox(served_sandbox: Running) -> Running:
    """Nothing posted, nothing recorded, nothing wrong."""
    served_sandbox.world.reset()
    served_sandbox.world.faults.clear()
    return served_sandbox


async def opened(store: Store, **more: Any) -> str:
    """Id of an incident that a notification has just opened."""
    step = await store.receive(notification(**more))
    assert step.incident
    return step.incident.id


async def now(store: Store, id_: str) -> Incident:
    """The incident as it is."""
    incident = (await store.load(id_)).incident
    assert incident
    return incident


class Stall:
    """Stands for the module `time` of a worker that is stopped for a while, and goes on as if nothing had been."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.seconds

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.server import Running, running
from sandbox.world import World


@pytest.fixture(scope="session")
def served() -> Iterator[Running]:
    with running() as server:
        yield server


@pytest.fixture
def sandbox(served: Running) -> Iterator[Running]:
    """A served world with nothing in it. One server for all tests: only its state is fresh."""
    served.world.reset()
    served.world.faults.clear()
    yield served
    served.world.faults.clear()


@pytest.fixture
def world(sandbox: Running) -> World:
    return sandbox.world


@pytest.fixture
def slack(sandbox: Running) -> AsyncWebClient:
    return AsyncWebClient("xoxb-1-2-secret", base_url=sandbox.slack_url, retry_handlers=[], timeout=5)


@pytest.fixture
async def http(sandbox: Running) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to the page and its controls."""
    async with httpx.AsyncClient(base_url=sandbox.url, timeout=5) as client:
        yield client


@pytest.fixture
async def now(sandbox: Running) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to the instance `main`, as its user."""
    base = sandbox.servicenow_url() + "/api/now/table/"
    async with httpx.AsyncClient(base_url=base, auth=("ackstream", "sandbox"), timeout=5) as client:
        yield client

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.server import Running, running
from shared.incident import Incident
from shared.store import Store
from tests.episodes import notification


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

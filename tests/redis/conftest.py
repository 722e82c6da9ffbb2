from collections.abc import Iterator

import pytest

from sandbox.server import Running, running


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

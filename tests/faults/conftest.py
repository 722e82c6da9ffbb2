"""Faults use what the end-to-end tests use, in numbers that `ACKSTREAM_FAULTS=full` makes large."""

import os
from collections.abc import AsyncIterator

import pytest

from tests.e2e.conftest import new_stack, sandbox
from tests.faults.gate import Gate
from tests.servers import RedisServer

__all__ = ["new_stack", "sandbox"]

FULL = os.environ.get("ACKSTREAM_FAULTS") == "full"


def many(quick: int, full: int) -> int:
    return full if FULL else quick


IMPATIENT = (
    "services.escalator.servicenow_target.SERVER_GRACE=2",
    "services.escalator.outcomes.LOOK_AGAIN=0.5",
    "services.escalator.target.TIME_TO_COMMIT=1",
    "services.escalator.queues.COMES_BACK=3",
    "services.escalator.circuit.FIRST_PAUSE=0.5",
    "services.escalator.circuit.LONGEST_PAUSE=2",
    "services.notifier.courier.SLACK_GRACE=3",
    "services.notifier.lost_post.LOOK_AGAIN=0.5",
    "services.notifier.courier.TIME_TO_COMMIT=1",
    "shared.wording.WORTH_SAYING_LATE=1",
    "shared.backoff.FIRST=0.2",
    "shared.backoff.NEEDS_PERSON=1",
    "shared.consumer.RECLAIM_IDLE=2000",
    "shared.due_times.LEASE=3",
)
"""Settings of tests/altered.py: the quick numbers would drown in waiting for leases, doubts and retries."""


def hurried() -> dict[str, object]:
    """Options of a stack that waits for as short as makes sense; the full numbers are for the real constants."""
    return {} if FULL else {"constants": IMPATIENT, "timeout": 2}


@pytest.fixture
async def gate(redis_server: RedisServer) -> AsyncIterator[Gate]:
    """Between a service and Redis; it can hold a commit back."""
    async with Gate(redis_server.port) as gate:
        yield gate

"""Faults use what the end-to-end tests use, in numbers that `ACKSTREAM_FAULTS=full` makes large."""

import os

from tests.e2e.conftest import new_stack, sandbox

__all__ = ["new_stack", "sandbox"]

FULL = os.environ.get("ACKSTREAM_FAULTS") == "full"


def many(quick: int, full: int) -> int:
    return full if FULL else quick

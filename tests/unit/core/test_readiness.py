"""What /readyz says about Redis to whoever looks at night."""

import asyncio
from typing import Any

import pytest

from shared import service
from shared.redis_client import StoreUnavailableError
from shared.service import Redises


class Scripts:
    def __init__(self, error: Exception | None) -> None:
        self._error = error

    async def execute(self, *_: object) -> None:
        if self._error:
            raise self._error
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (None, "unavailable: no answer within 0.01 s"),
        (StoreUnavailableError("Connection refused"), "unavailable: Connection refused"),
        (ConnectionError(), "unavailable: ConnectionError"),
    ],
)
async def test_a_redis_that_is_away_has_a_reason(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, told: str
) -> None:
    monkeypatch.setattr(service, "READY_CHECK_TIMEOUT", 0.01)
    nobody: Any = None
    scripts: Any = Scripts(error)
    assert await Redises(nobody, nobody, scripts).check() == told

"""What an attempt that came to nothing leaves behind."""

from datetime import datetime, timedelta

import pytest

from services.escalator.outcomes import put_off
from services.escalator.target import Attempt
from services.escalator.webhook_target import webhook_targets
from shared.commands import EscalationFailed
from shared.config_webhook import WebhookConfig
from shared.incident import Effort
from tests.unit.core.lives import DUE, SECOND, opened


@pytest.mark.parametrize("doubt_until", [None, DUE - SECOND])
async def test_an_attempt_that_stalled_takes_no_doubt_away(doubt_until: datetime | None) -> None:
    """Else who was perhaps reached by the one before would never hear that somebody has the incident."""
    settings = {"url": "http://127.0.0.1:1", "secret": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    (target,) = webhook_targets(WebhookConfig.model_validate(settings), None, lambda _: "")
    attempt = Attempt(opened(), 0, DUE, "w1", Effort(doubt_until=doubt_until), is_late=lambda: True)
    stalled = put_off(EscalationFailed, attempt, target)
    assert stalled
    assert stalled.doubt == (None if doubt_until is None else timedelta(0))
    await target.close()

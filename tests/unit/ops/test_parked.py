"""What `ackstream parked` says of an incident with several targets."""

import json

from ops.parked import as_json, as_text, failing
from shared.incident import Effort, FurtherStep, Record
from shared.notification import SERVICENOW, WEBHOOK, PlannedStep
from tests.episodes import MINUTE, NOON
from tests.unit.notifier.sources import incident

FAILED = Effort(attempts=2, error="answered 503", retry_at=NOON + MINUTE)
PARKED = Effort(attempts=1, error="answered 401", retry_at=NOON + MINUTE, parked=True)
STEPS = (
    PlannedStep(offset=MINUTE, target=SERVICENOW, instance="infra"),
    PlannedStep(offset=MINUTE, target=WEBHOOK),
)
RECORD = Record(sys_id="a" * 32, number="INC1", url="", instance=None, at=NOON)


def test_every_target_that_fails_is_named_and_so_is_the_record_that_is_not_told() -> None:
    made = incident()
    made = made.model_copy(
        update={
            "call": made.call.model_copy(update={"steps": STEPS}),
            "record": RECORD.model_copy(update={"update": PARKED}),
            "further": (FurtherStep(effort=FAILED), FurtherStep(effort=FAILED)),
        }
    )
    found = failing(made)
    told = [(one["stage"], one["instance"], one["record"]) for one in json.loads(as_json(found))]
    assert told == [("servicenow", None, "INC1"), ("servicenow", "infra", None), ("webhook", None, None)]
    lines = as_text(found, NOON).splitlines()
    assert "servicenow, telling INC1 needs a person, attempt 1: answered 401" in lines[0]
    assert "servicenow (infra) retried, attempt 2: answered 503; next try 2026-01-01 12:01:00 UTC" in lines[1]
    assert "answered 503; due, and waits for its turn  (" in as_text(found, NOON + MINUTE).splitlines()[1]
    assert failing(incident()) == []

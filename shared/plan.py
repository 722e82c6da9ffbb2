"""What becomes of the further steps of on-call when the escalation's deadline is set, moved, or armed again. Pure.

They keep their distance to the deadline. Those that would have called people before it are left out once somebody has moved it:
who has snoozed an incident is not to be called meanwhile, and who wants it escalated at once is past that.
"""

from datetime import datetime, timedelta

from shared.incident import Effort, FurtherStep, Incident
from shared.notification import SLACK, Call, PlannedStep


def planned(call: Call, deadline: datetime | None, opened_at: datetime) -> tuple[FurtherStep, ...]:
    """Of an incident that opens. A deadline that already runs may leave no time for what comes before it."""
    if deadline is None:
        return ()
    return tuple(
        FurtherStep(skipped=_is_before(step) and deadline + step.offset < opened_at) for step in call.steps
    )


def moved(incident: Incident) -> tuple[FurtherStep, ...]:
    """Once somebody has moved the deadline."""
    return tuple(
        further.model_copy(
            update={
                "skipped": further.skipped or (_is_before(step) and further.called_at is None),
                "effort": _again(further.effort),
            }
        )
        for step, further in _pairs(incident)
    )


def armed_again(incident: Incident) -> tuple[FurtherStep, ...]:
    """Once nobody has the incident any more: everything from the beginning, but for what has left a record."""
    return tuple(
        further.model_copy(
            update={
                "called_at": None,
                "skipped": _is_before(step) and incident.record is not None,
                "effort": _again(further.effort),
            }
        )
        for step, further in _pairs(incident)
    )


def _pairs(incident: Incident) -> list[tuple[PlannedStep, FurtherStep]]:
    return list(zip(incident.call.steps, incident.further, strict=False))


def _is_before(step: PlannedStep) -> bool:
    return step.target == SLACK and step.offset < timedelta(0)


def _again(effort: Effort) -> Effort:
    """What was tried before does not bring it nearer."""
    return effort.model_copy(update={"retry_at": None})

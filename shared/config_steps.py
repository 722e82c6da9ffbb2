"""`oncall.steps`: what happens, and when, while nobody acknowledges. Pure.

The first step that leads to ServiceNow or the webhook is the escalation. All others are planned by their distance to it, so that
whatever moves its deadline moves them (docs/decisions/020-steps.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from shared.config_routes import MentionList
from shared.config_section import Section, lower
from shared.notification import SERVICENOW, SLACK, PlannedStep

MOST_STEPS = 20


class StepConfig(Section):
    wait_minutes: float = Field(
        ge=0,
        le=525_600,
        allow_inf_nan=False,
        description="Minutes after the step before it, or after the opening; fractions count. Required.",
    )
    mention: MentionList = Field(
        (),
        description='Whom to call once more, in the thread of the message: as in `alert.slack.mention`, `"@here"` or a list.',
    )
    target: Annotated[Literal["servicenow", "webhook"] | None, BeforeValidator(lower)] = Field(
        None, description="Or where to go: `servicenow` opens a record, `webhook` calls `oncall.webhook`."
    )
    instance: str | None = Field(
        None, description="Of `other_instance_urls`, with `target: servicenow`. Empty: the default one."
    )

    @model_validator(mode="after")
    def _does_one_thing(self) -> Self:
        if bool(self.mention) == bool(self.target):
            raise ValueError("should have either mention, with somebody to call, or target")
        if self.instance and self.target != SERVICENOW:
            raise ValueError("should have no instance: only those with target: servicenow lead to one")
        return self

    @property
    def wait(self) -> timedelta:
        """After the step before it."""
        return timedelta(minutes=self.wait_minutes)


@dataclass(frozen=True)
class Plan:
    """`wait`, `target` and `instance` are those of the escalation; None: the default instance."""

    wait: timedelta
    target: str = SERVICENOW
    instance: str | None = None
    steps: tuple[PlannedStep, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """Every kind that is led to, the escalation's first."""
        further = (step.target for step in self.steps if step.target != SLACK)
        return tuple(dict.fromkeys((self.target, *further)))


def planned(steps: Sequence[StepConfig]) -> Plan | None:
    """None: no step leads anywhere."""
    times = list(accumulate((step.wait for step in steps), initial=timedelta(0)))[1:]
    first = next((number for number, step in enumerate(steps) if step.target), None)
    if first is None:
        return None
    escalation, deadline = steps[first], times[first]
    others = [
        PlannedStep(
            offset=at - deadline,
            target=step.target or SLACK,
            instance=step.instance,
            mention=step.mention,
        )
        for number, (step, at) in enumerate(zip(steps, times, strict=True))
        if number != first
    ]
    return Plan(deadline, escalation.target or SERVICENOW, escalation.instance, tuple(others))

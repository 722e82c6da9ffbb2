"""Query parameters: what this notification asks of on-call. A wrong one never costs a page: the default stands, with a warning."""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from shared.notification import SERVICENOW, SLACK, Call, PlannedStep

TRUE = {"1", "t", "T", "TRUE", "true", "True"}
FALSE = {"0", "f", "F", "FALSE", "false", "False"}
"""What Go's ParseBool takes, for these URLs stand in people's alertmanager.yml."""

MAX_WAIT_MINUTES = 7 * 24 * 60
MAX_WARNINGS = 10
KNOWN = ("oncall_enable", "oncall_wait_minutes", "servicenow_other_instance", "slack_channel_id")
FOREIGN = (
    "telegram_",
    "viber_",
    "email_",
    "msteams_",
    "lark_",
    "googlechat_",
    "awsim_",
    "pagerduty_",
    "incidentio_",
)
"""Parameters of Versus' other providers begin like this."""


@dataclass(frozen=True)
class OnCallDefaults:
    """What the configuration says. `instances`: lower-case name → name. `wait`, `target` and `instance` are the escalation's;
    `steps` are the others."""

    enable: bool
    initialized_only: bool
    configured: bool
    wait: timedelta
    instances: Mapping[str, str]
    target: str = SERVICENOW
    instance: str | None = None
    steps: tuple[PlannedStep, ...] = ()


@dataclass(frozen=True)
class ParameterWarning:
    parameter: str
    text: str


class _Weighing:
    """One request's parameters, and the warnings that they give rise to."""

    def __init__(self, query: Mapping[str, str], oncall: OnCallDefaults) -> None:
        self._query = {name: value for name, value in query.items() if value}
        self._oncall = oncall
        self.warnings: list[ParameterWarning] = []

    def call(self) -> Call:
        enabled, wait, asked = self._enabled(), self._wait(), self._instance()
        target = self._oncall.target
        instance = asked if asked and target == SERVICENOW else self._oncall.instance
        steps = tuple(_at(asked, step) for step in _in_time(self._oncall.steps, wait))
        call = Call(
            wait=wait if enabled else None,
            target=target,
            instance=instance,
            steps=_once_each((target, instance), steps) if enabled else (),
            channel=self._channel(),
        )
        self._warn_of_unused()
        return call

    def _enabled(self) -> bool:
        oncall = self._oncall
        word = self._query.get("oncall_enable")
        on = oncall.enable and not oncall.initialized_only
        if word in TRUE:
            on = True
        elif word in FALSE:
            on = False
        elif word is not None:
            self._warn(
                "oncall_enable",
                word,
                f"is neither true nor false; on-call is {'on' if on else 'off'} as configured",
            )
        if on and not oncall.configured:
            if word in TRUE:
                self._warn("oncall_enable", word or "", "has no effect: on-call is not configured")
            return False
        return on

    def _wait(self) -> timedelta:
        text = self._query.get("oncall_wait_minutes")
        if text is None:
            return self._oncall.wait
        minutes = _number(text)
        if minutes is not None and 0 <= minutes <= MAX_WAIT_MINUTES:
            return timedelta(minutes=minutes)
        default = self._oncall.wait / timedelta(minutes=1)
        why = f"is not a number of minutes from 0 to {MAX_WAIT_MINUTES}; {default:g} is used"
        self._warn("oncall_wait_minutes", text, why)
        return self._oncall.wait

    def _instance(self) -> str | None:
        name = self._query.get("servicenow_other_instance")
        if name is None:
            return None
        found = self._oncall.instances.get(name.lower())
        if found is None:
            stands = self._oncall.instance or "the default instance"
            self._warn("servicenow_other_instance", name, f"is not configured; {stands} is used")
        elif SERVICENOW not in (self._oncall.target, *(step.target for step in self._oncall.steps)):
            self._warn(
                "servicenow_other_instance", name, "has no effect: on-call does not lead to ServiceNow"
            )
        return found

    def _channel(self) -> str | None:
        channel = self._query.get("slack_channel_id", "").strip()
        if not channel:
            return None
        if re.fullmatch(r"[#@]?[\w.-]{1,80}", channel):
            return channel
        self._warn("slack_channel_id", channel, "is not a channel; the configured one is used")
        return None

    def _warn_of_unused(self) -> None:
        for name in self._query:
            if len(self.warnings) == MAX_WARNINGS:
                break
            if name in KNOWN:
                continue
            if name.startswith(FOREIGN):
                self.warnings.append(
                    ParameterWarning(
                        name.split("_")[0], f"{_shown(name)}: Ackstream has no such provider; ignored"
                    )
                )
                continue
            near = difflib.get_close_matches(name, KNOWN, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            self.warnings.append(
                ParameterWarning("unknown", f"{_shown(name)}: is not a known parameter; ignored{hint}")
            )

    def _warn(self, parameter: str, value: str, why: str) -> None:
        self.warnings.append(ParameterWarning(parameter, f'{parameter}: "{_shown(value)}" {why}'))


def weigh(query: Mapping[str, str], oncall: OnCallDefaults) -> tuple[Call, tuple[ParameterWarning, ...]]:
    """What to do about this notification, and what was wrong with its parameters. Empty values count as not given."""
    weighing = _Weighing(query, oncall)
    return weighing.call(), tuple(weighing.warnings)


def _in_time(steps: tuple[PlannedStep, ...], wait: timedelta) -> tuple[PlannedStep, ...]:
    """Without those that would have called people before there was anything to call them for."""
    return tuple(step for step in steps if step.target != SLACK or wait + step.offset >= timedelta(0))


def _at(asked: str | None, step: PlannedStep) -> PlannedStep:
    """The instance that was asked for goes where the configuration names none."""
    free = step.target == SERVICENOW and step.instance is None
    return step.model_copy(update={"instance": asked}) if asked and free else step


def _once_each(escalation: tuple[str, str | None], steps: tuple[PlannedStep, ...]) -> tuple[PlannedStep, ...]:
    """Without those that would open a second record of an incident in the same instance."""
    taken, left = {escalation}, []
    for step in steps:
        place = (step.target, step.instance)
        if step.target != SERVICENOW or place not in taken:
            left.append(step)
        taken.add(place)
    return tuple(left)


def known(query: Mapping[str, str]) -> dict[str, str]:
    """The parameters that `weigh` looks at, as they were given."""
    return {name: query[name] for name in KNOWN if query.get(name)}


def _number(text: str) -> float | None:
    try:
        number = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _shown(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)[:80]

import asyncio
import time
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Target = Literal["slack", "servicenow", "webhook"]
Kind = Literal[
    "latency",  # answer rightly, `seconds` late
    "status",  # HTTP `status`, with `retry_after` where given
    "slack_error",  # 200 {"ok": false, "error": `error`}
    "drop",  # close the connection: nothing done, nothing said
    "drop_after",  # do it, then close the connection
    "hang_after",  # do it, stay silent for `seconds`, then answer
    "html",  # 200 with a page for people
    "redirect",  # 302 to `url`
    "foreign_row",  # ServiceNow answers with a row that was not asked for
    "garbage",  # 200 with half a JSON document, called `media_type`
    "body",  # HTTP `status` with `body`, called `media_type`
]


class Fault(BaseModel):
    """One way to misbehave. `match` holds words that must all fit the request: a Slack method (`chat.update`), or a verb,
    an instance and a table (`POST infra`), or `TOKEN` and an instance, or a webhook's `incident.escalated`; empty fits all. `count`: how many times, None until
    cleared. `after`: have the effect first (`status` 504 with `after` is a gateway that gave up on a server that did not).
    `name`: a second fault of the same name replaces the first.
    """

    model_config = ConfigDict(extra="forbid")

    target: Target
    kind: Kind
    match: str = ""
    count: int | None = Field(default=None, ge=1)
    seconds: float = Field(default=5, ge=0)
    status: int = Field(default=503, ge=200, le=599)
    retry_after: int | None = Field(default=None, ge=0)
    error: str = "internal_error"
    url: str = "/"
    body: str = ""
    media_type: str = "application/json"
    after: bool = False
    name: str = ""
    hits: int = 0

    @property
    def commits(self) -> bool:
        return self.after or self.kind in ("drop_after", "hang_after", "foreign_row")

    @property
    def headers(self) -> dict[str, str]:
        """What goes with its status: a 429 always says when to come back."""
        wait = (
            1
            if self.retry_after is None and self.status == HTTPStatus.TOO_MANY_REQUESTS
            else self.retry_after
        )
        return {} if wait is None else {"Retry-After": str(wait)}

    def fits(self, target: Target, words: frozenset[str]) -> bool:
        spent = self.count is not None and self.hits >= self.count
        return self.target == target and not spent and words.issuperset(self.match.split())


class Faults:
    """The faults in force, oldest first."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []
        self._cleared = 0

    def add(self, *faults: Fault) -> None:
        names = {fault.name for fault in faults} - {""}
        self.rules = [rule for rule in self.rules if rule.name not in names] + list(faults)

    def clear(self, name: str = "") -> None:
        """Drop one named fault, or all of them. Requests that a fault holds back go on at once."""
        self.rules = [rule for rule in self.rules if name and rule.name != name]
        self._cleared += 1

    def take(self, target: Target, words: frozenset[str]) -> list[Fault]:
        """The faults that this request suffers: every delay that fits, then the first of any other kind."""
        fitting = [rule for rule in self.rules if rule.fits(target, words)]
        taken = [rule for rule in fitting if rule.kind == "latency"]
        taken += [rule for rule in fitting if rule.kind != "latency"][:1]
        for rule in taken:
            rule.hits += 1
        return taken

    async def dwell(self, seconds: float) -> None:
        """Wait, but not past the next `clear`: so switching faults off, and stopping the server, is felt at once."""
        cleared, end = self._cleared, time.monotonic() + seconds
        # Short naps rather than an event: `clear` may come from another thread.
        while cleared == self._cleared and (left := end - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, 0.05))

    def as_json(self) -> list[dict[str, Any]]:
        return [rule.model_dump() for rule in self.rules]

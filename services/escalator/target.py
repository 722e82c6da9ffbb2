"""What an escalation can lead to, as the escalator sees it: three verbs, and what a failure means."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from services.escalator.gate import Gate
from shared.incident import Effort, Incident, News, NewsKind, Record

TIME_TO_COMMIT = timedelta(seconds=10)


class EscalationError(Exception):
    """An attempt that brought nothing. The message is for people.

    `in_doubt`: it may have taken effect, or come to, all the same. `unseen`: it most likely took effect, and we are not shown
    it, so that looking can never tell; trying again would do it once more each time. `needs_person`: it will not heal by itself.
    `refused`: the request was understood, and what is in it not liked; with other fields it may be. `put_off`: nobody was asked for
    anything, it is no attempt. `status`: of an HTTP answer that says no; zero: there was none.
    """

    def __init__(
        self,
        message: str,
        *,
        in_doubt: bool = False,
        unseen: bool = False,
        needs_person: bool = False,
        refused: bool = False,
        put_off: bool = False,
        retry_after: timedelta = timedelta(0),
        status: int = 0,
    ) -> None:
        super().__init__(message)
        self.in_doubt = in_doubt
        self.unseen = unseen
        self.needs_person = needs_person or unseen
        self.refused = refused
        self.put_off = put_off
        self.retry_after = retry_after
        self.status = status


@dataclass(frozen=True)
class Found:
    """What stands for an incident at a target. `parent`: as in `Record`."""

    sys_id: str
    number: str
    url: str
    told: int = 0
    """The latest news that it knows already, by `seq`."""
    is_closed: bool = False
    """A person has closed it: it is left alone."""
    parent: str = ""
    wants: tuple[NewsKind, ...] | None = None
    """What it is to be told of, where that is not what its target says."""


@dataclass(frozen=True)
class Attempt:
    """One claimed try to reach a target. `at`: when it was claimed, by the clock that everybody shares. `effort`: as it was claimed.
    `is_late`: we were stalled, and somebody else may have taken over by the time that a request of ours arrives: then nothing may be
    written."""

    incident: Incident
    step: int
    at: datetime
    token: str
    effort: Effort
    is_late: Callable[[], bool]


class Target(Protocol):
    """One ServiceNow instance, or the webhook. All its verbs raise EscalationError, and none repeats a call by itself."""

    @property
    def kind(self) -> str:
        """SERVICENOW or WEBHOOK."""

    @property
    def instance(self) -> str | None:
        """Its name, where the kind has several."""

    @property
    def gate(self) -> Gate:
        """Whether it may be asked for something now. The gate's name is that of its queue, too."""

    @property
    def timeout(self) -> timedelta:
        """Of one verb as a whole, but for `create`, which may take as long again."""

    @property
    def concurrency(self) -> int:
        """Attempts that it gets at a time from this process."""

    @property
    def grace(self) -> timedelta:
        """How long it may go on with a request whose sender has given up. Zero: it knows a request that is repeated, so that a doubt
        keeps nobody from asking again; and `find` says what to make of it once nobody wants to."""

    @property
    def wants(self) -> tuple[NewsKind, ...]:
        """What its records are to be told of."""

    async def find(self, incident: Incident, step: int, record: Record | None = None) -> Found | None:
        """What an earlier attempt has left; never in doubt, for looking changes nothing. `record`: what is known to be there, and
        is to be told something."""

    async def create(self, attempt: Attempt) -> Found:
        """Reach it. Only who has looked may."""

    async def update(self, attempt: Attempt, record: Record, news: Sequence[News]) -> str:
        """Tell it what it does not know. A word on how, for the timeline."""


def lease(target: Target) -> timedelta:
    """Of an attempt: looking and writing, each with its own time limit, and time to commit. It is over before its lease is."""
    return 2 * target.timeout + TIME_TO_COMMIT

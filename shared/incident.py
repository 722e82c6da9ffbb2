"""An incident: one firing episode of one group of alerts. A value; `shared.transitions` says how it changes."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field

from shared.notification import Alert, Call, Facts, Frozen


class State(StrEnum):
    """What an incident is, in one word. Derived from its parts, so the parts can never contradict it."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    ESCALATING = "escalating"
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"


class Acknowledgement(Frozen):
    at: datetime
    by: str
    door: str
    """Which way it came in: `link`, `button`, `digest`, …"""
    user: str = ""
    """Slack's id of who did it, where Slack said so."""
    lapses_at: datetime | None = None
    """Still firing by then, it counts as forgotten; None: it never does."""


class Snooze(Frozen):
    """Somebody has put the deadline off."""

    at: datetime
    by: str
    until: datetime


class Haste(Frozen):
    """Somebody wanted it escalated at once."""

    at: datetime
    by: str


class Closure(Frozen):
    at: datetime
    state: State
    """RESOLVED, SUPERSEDED or EXPIRED."""
    by: str = ""
    """Who resolved it, where a person did and not a notification."""
    never_fired: bool = False
    """The resolved notification came without, or before, its firing one: there was nothing to tell anybody."""


class Record(Frozen):
    """The row in ServiceNow."""

    sys_id: str
    number: str
    url: str
    instance: str | None
    at: datetime


class Lease(Frozen):
    """One worker's right to act on the outside world for this incident. Whoever finds it expired may take over."""

    token: str
    at: datetime
    until: datetime


class Effort(Frozen):
    """Where one outside effect stands: who is at it, how often it failed, when to try again, and whether we are in doubt."""

    lease: Lease | None = None
    attempts: int = 0
    """Failed attempts in a row."""
    retry_at: datetime | None = None
    error: str = ""
    parked: bool = False
    """The last attempt failed for a reason that does not heal by itself: tried slowly, until a person has mended it."""
    doubt_until: datetime | None = None
    """Set when an attempt may have taken effect though its answer was lost: until then, look; do not repeat."""
    blind_since: datetime | None = None
    """In doubt, and since then every look has failed."""

    @property
    def may_act(self) -> bool:
        """Somebody is at it, and not only to look what became of an earlier attempt."""
        return self.lease is not None and (self.doubt_until is None or self.doubt_until <= self.lease.at)

    def held_by(self, token: str, now: datetime) -> bool:
        return self.lease is not None and self.lease.token == token and self.lease.until > now

    def held_by_another(self, token: str, now: datetime) -> bool:
        return self.lease is not None and self.lease.token != token and self.lease.until > now

    def backing_off(self, now: datetime) -> bool:
        return self.retry_at is not None and self.retry_at > now

    @property
    def due(self) -> datetime | None:
        """When somebody must look again by themselves; None: no attempt is under way or waiting."""
        return self.lease.until if self.lease else self.retry_at or self.doubt_until


NOT_TRUSTED = 0
"""Revisions begin with 1."""


class Message(Frozen):
    """The Slack message that stands for this incident."""

    channel: str
    ts: str
    shown: int
    """The revision that it shows. NOT_TRUSTED: somebody doubts that the message is still there; it is posted anew if not."""


class NoteKind(StrEnum):
    """What the thread of an incident's message tells, beside the message, which shows the present."""

    ALERTS = "alerts"
    STILL_FIRING = "still_firing"
    FIRED_AGAIN = "fired_again"
    WARNINGS = "warnings"
    ATTEMPT_FAILED = "attempt_failed"
    ESCALATED_LATE = "escalated_late"
    SECOND_RECORD = "second_record"
    UNACKNOWLEDGED = "unacknowledged"
    LAPSED = "lapsed"
    SNOOZED = "snoozed"
    ESCALATION_ASKED = "escalation_asked"


class Note(Frozen):
    """Something that is still to be told in the thread. `data` is JSON-ready and small; shared/notes.py says what is in it."""

    seq: int
    """The version of the incident that it came with: later notes have larger ones."""
    at: datetime
    kind: NoteKind
    data: dict[str, Any] = Field(default_factory=dict)


class Digest(Frozen):
    """The incident came with so many others that it has no message of its own: the digest of a storm tells of it."""

    channel: str
    storm: str
    overflow: bool = False
    """It is as bad as those that are posted singly in a storm, but they were too many."""


class Predecessor(Frozen):
    """The episode before this one, remembered so that its late copies are known for what they are."""

    starts: dict[str, datetime | None]
    """By alert key."""
    closed_at: datetime


class Incident(Frozen):
    """The current state. `version` counts commits (compare-and-set); `revision` counts changes that people can see."""

    id: str
    dedup_key: str
    version: int = 0
    revision: int = 1
    opened_at: datetime
    seen_at: datetime
    notifications: int = 1
    facts: Facts
    alerts: tuple[Alert, ...]
    call: Call
    warnings: tuple[str, ...] = ()
    deadline: datetime | None = None
    acknowledgement: Acknowledgement | None = None
    snooze: Snooze | None = None
    haste: Haste | None = None
    escalation: Effort = Effort()
    record: Record | None = None
    closure: Closure | None = None
    message: Message | None = None
    delivery: Effort = Effort()
    notes: tuple[Note, ...] = ()
    """What the thread does not tell yet, oldest first."""
    reminded_at: datetime | None = None
    """When the thread was last told that it is still firing."""
    digest: Digest | None = None
    heir: str | None = None
    """Id of the next episode, where that one took the message over (shared/flapping.py)."""
    openings: tuple[datetime, ...] = ()
    """When this and the latest episodes before it began, oldest first, as far back as counts for flapping."""
    deeds: tuple[str, ...] = ()
    """Tokens of what people did last, so that a copy of a request counts once."""
    predecessor: Predecessor | None = None

    @property
    def state(self) -> State:
        if self.closure:
            return self.closure.state
        if self.record:
            return State.ESCALATED
        if self.escalation.may_act:
            return State.ESCALATING
        return State.ACKNOWLEDGED if self.acknowledgement else State.OPEN

    @property
    def starts(self) -> dict[str, datetime | None]:
        """When each alert began, by its key."""
        return {alert.key: alert.started_at for alert in self.alerts}

    @property
    def firing_count(self) -> int:
        return sum(alert.firing for alert in self.alerts)

    @property
    def can_acknowledge(self) -> bool:
        return self.state is State.OPEN

    @property
    def awaits_escalation(self) -> bool:
        """Nobody has acknowledged, there is no record yet, and a deadline runs or has run out."""
        return self.deadline is not None and not (self.acknowledgement or self.closure or self.record)

    @property
    def escalation_due(self) -> datetime | None:
        """When an attempt to escalate is due, or a look at what became of one; None: never."""
        if self.record:
            return None
        if (
            self.escalation.lease or self.escalation.doubt_until
        ):  # also when closed: find out what became of the attempt
            return self.escalation.due
        return self.escalation.due or self.deadline if self.awaits_escalation else None

    def is_snoozed(self, now: datetime) -> bool:
        """Somebody has put the deadline off, and no notification brings it nearer."""
        return self.snooze is not None and self.snooze.until > now

    @property
    def is_put_off(self) -> bool:
        """A snooze holds, as far as a message can tell, which must not go stale: nothing has been tried since."""
        effort = self.escalation
        tried = effort.may_act or (effort.retry_at is not None and effort.doubt_until is None)
        return self.snooze is not None and self.awaits_escalation and not tried

    @property
    def lapse_due(self) -> datetime | None:
        """When its acknowledgement counts as forgotten; None: never."""
        waiting = self.acknowledgement and not (self.closure or self.record)
        return self.acknowledgement.lapses_at if self.acknowledgement and waiting else None

    @property
    def attention_due(self) -> datetime | None:
        """When the escalator must look at this incident next, for whatever reason; None: never."""
        return self.escalation_due or self.lapse_due

    @property
    def mentioned_at(self) -> datetime | None:
        """When a notification last spoke of it, or its deadline where that is later; None once it is closed."""
        return None if self.closure else max(self.seen_at, self.deadline or self.seen_at)

    @property
    def delivery_due(self) -> datetime | None:
        """When the notifier must look again by itself; None: the next event is soon enough."""
        return self.delivery.due

    @property
    def is_shown(self) -> bool:
        """Slack shows the present and has been told everything, or there is nothing to show."""
        if self.message is None:
            never_fired = self.closure is not None and self.closure.never_fired
            return never_fired or self.digest is not None or self.heir is not None
        return self.message.shown == self.revision and not self.notes

    def lateness(self, now: datetime) -> timedelta:
        """How long after its deadline `now` is; zero without a deadline."""
        return max(now - self.deadline, timedelta(0)) if self.deadline else timedelta(0)

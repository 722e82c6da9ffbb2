"""An incident: one firing episode of one group of alerts. A value; `shared.transitions` says how it changes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field

from shared.notification import SERVICENOW, SLACK, Alert, Call, Facts, Frozen


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


class NewsKind(StrEnum):
    """What a record can be told about its incident's life after it was written."""

    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    UPDATED = "updated"
    CLOSED = "closed"


class News(Frozen):
    """Something that a record is still to be told. `data` is JSON-ready and small; shared/news.py says what is in it."""

    seq: int
    """The version of the incident that it came with."""
    at: datetime
    kind: NewsKind
    data: dict[str, Any] = Field(default_factory=dict)


class Record(Frozen):
    """What an escalation has left where it led to: the row in ServiceNow, or what a webhook took."""

    sys_id: str
    number: str
    url: str
    instance: str | None
    at: datetime
    target: str = SERVICENOW
    parent: str = ""
    """Id of the storm, where the record is that of a whole storm and this incident one of those that it lists."""
    wants: tuple[NewsKind, ...] = ()
    """What it is to be told of, as the configuration said when it was written."""
    news: tuple[News, ...] = ()
    """What it has not been told yet, oldest first."""
    update: Effort = Effort()
    """Where telling it stands."""

    @property
    def update_due(self) -> datetime | None:
        """When it is to be told something; None: it knows everything that it wants to know."""
        return self.update.due or self.news[0].at if self.news else None


class FurtherStep(Frozen):
    """Where a step of on-call stands, beside the escalation itself; what it is to do stands in `Call.steps`, at the same place."""

    effort: Effort = Effort()
    record: Record | None = None
    called_at: datetime | None = None
    """When people were called once more."""
    skipped: bool = False
    """It would have called people before the escalation; somebody has moved that."""


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
    CALLED_AGAIN = "called_again"


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


class Task(StrEnum):
    """What the escalator can have to do."""

    ESCALATE = "escalate"
    CALL_AGAIN = "call_again"
    UPDATE_RECORD = "update_record"
    LAPSE = "lapse"


@dataclass(frozen=True)
class Duty:
    """`step`: zero is the escalation itself, others count the further steps from one."""

    task: Task
    at: datetime
    step: int = 0


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
    further: tuple[FurtherStep, ...] = ()
    """The other steps of on-call, as in `call.steps`; `deadline`, `escalation` and `record` are those of the escalation itself."""
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
        if self.records:
            return State.ESCALATED
        if self.is_being_escalated:
            return State.ESCALATING
        return State.ACKNOWLEDGED if self.acknowledgement else State.OPEN

    @property
    def steps(self) -> range:
        """Numbers of all steps of on-call; zero is the escalation itself."""
        return range(1 + len(self.further))

    def effort(self, step: int) -> Effort:
        return self.further[step - 1].effort if step else self.escalation

    def record_of(self, step: int) -> Record | None:
        return self.further[step - 1].record if step else self.record

    def target_of(self, step: int) -> tuple[str, str | None]:
        """SLACK, SERVICENOW or WEBHOOK; and the name of the instance, where it is not the default one."""
        planned = self.call.steps[step - 1] if step else self.call
        return planned.target, planned.instance

    def due_at(self, step: int) -> datetime | None:
        """By the plan, whatever has become of it."""
        if step and self.deadline:
            return self.deadline + self.call.steps[step - 1].offset
        return self.deadline

    def with_step(self, step: int, **update: Any) -> dict[str, Any]:
        """What to set so that `effort`, `record` … of that step are as given."""
        if not step:
            return {"escalation" if name == "effort" else name: value for name, value in update.items()}
        changed = self.further[step - 1].model_copy(update=update)
        return {"further": (*self.further[: step - 1], changed, *self.further[step:])}

    @property
    def records(self) -> tuple[Record, ...]:
        """All that there are, the escalation's first."""
        return tuple(record for step in self.steps if (record := self.record_of(step)))

    @property
    def is_being_escalated(self) -> bool:
        """Somebody is at it now, and an acknowledgement could no longer stop them."""
        return any(self.effort(step).may_act and not self.record_of(step) for step in self.steps)

    @property
    def starts(self) -> dict[str, datetime | None]:
        """When each alert began, by its key."""
        return {alert.key: alert.started_at for alert in self.alerts}

    @property
    def firing_count(self) -> int:
        return sum(alert.firing for alert in self.alerts)

    @property
    def can_acknowledge(self) -> bool:
        """Also after the escalation: then it stops what further steps there are, and the record can be told."""
        return not (self.acknowledgement or self.closure or self.is_being_escalated)

    @property
    def awaits_escalation(self) -> bool:
        """Nobody has acknowledged, there is no record yet, and a deadline runs or has run out."""
        return self.awaits(0)

    @property
    def escalation_due(self) -> datetime | None:
        """When an attempt to escalate is due, or a look at what became of one; None: never."""
        return self.step_due(0)

    def step_due(self, step: int) -> datetime | None:
        """The same for any step; or when people are to be called once more."""
        effort = self.effort(step)
        if self.is_taken(step):
            return None
        if effort.lease or effort.doubt_until:  # also when closed: find out what became of the attempt
            return effort.due
        return effort.due or self.due_at(step) if self.awaits(step) else None

    def is_taken(self, step: int) -> bool:
        """Nothing is left to do about it."""
        if not step:
            return self.record is not None
        further = self.further[step - 1]
        return bool(further.record or further.called_at or further.skipped)

    def awaits(self, step: int) -> bool:
        """Nobody has acknowledged, and the time of that step runs or has run out."""
        return self.deadline is not None and not (self.acknowledgement or self.closure or self.is_taken(step))

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
        waiting = self.acknowledgement and not (self.closure or self.records)
        return self.acknowledgement.lapses_at if self.acknowledgement and waiting else None

    @property
    def duties(self) -> tuple[Duty, ...]:
        """What the escalator has to do about this incident, and when."""
        found: list[Duty] = []
        for step in self.steps:
            target, _ = self.target_of(step)
            if due := self.step_due(step):
                found.append(Duty(Task.CALL_AGAIN if target == SLACK else Task.ESCALATE, due, step))
            record = self.record_of(step)
            if record and record.update_due:
                found.append(Duty(Task.UPDATE_RECORD, record.update_due, step))
        if self.lapse_due:
            found.append(Duty(Task.LAPSE, self.lapse_due))
        return tuple(found)

    @property
    def attention_due(self) -> datetime | None:
        """When the escalator must look at this incident next, for whatever reason; None: never."""
        return min((duty.at for duty in self.duties), default=None)

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

    def lateness(self, now: datetime, step: int = 0) -> timedelta:
        """How long after the step's deadline `now` is; zero without a deadline."""
        due = self.due_at(step)
        return max(now - due, timedelta(0)) if due else timedelta(0)

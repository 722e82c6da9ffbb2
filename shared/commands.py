"""What can be asked of an incident, and what comes of it: commands in, a step with events and a named reason out."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from shared.incident import Incident, Record
from shared.notification import Notification


class EventType(StrEnum):
    """Facts about an incident, as the stream tells them."""

    OPENED = "opened"
    UPDATED = "updated"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    LAPSED = "lapsed"
    SNOOZED = "snoozed"
    ESCALATION_ASKED = "escalation_asked"
    DEED_REFUSED = "deed_refused"
    ESCALATION_CLAIMED = "escalation_claimed"
    ESCALATION_FAILED = "escalation_failed"
    ESCALATED = "escalated"
    CALLED_AGAIN = "called_again"
    RECORD_UPDATED = "record_updated"
    RECORD_UPDATE_FAILED = "record_update_failed"
    RESOLVED = "resolved"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    RETRY_ASKED = "retry_asked"
    NOTIFIED = "notified"
    NOTIFICATION_FAILED = "notification_failed"
    NOTED = "noted"
    DIGESTED = "digested"
    HANDED_OVER = "handed_over"
    REPOST_ASKED = "repost_asked"
    MESSAGE_GONE = "message_gone"


class Reason(StrEnum):
    """Why a step is what it is: log field, metric label and part of the answer. Every outcome has one."""

    # notifications
    OPENED = "opened"
    REOPENED = "reopened"
    NEW_EPISODE = "new_episode"
    JOINED = "joined"
    REPEATED = "repeated"
    LATE_AFTER_RESOLVE = "late_after_resolve"
    LATE_AFTER_SUPERSEDE = "late_after_supersede"
    SUPERSEDED = "superseded"
    RESOLVED = "resolved"
    RESOLVED_IN_PART = "resolved_in_part"
    RESOLVED_BEFORE_FIRING = "resolved_before_firing"
    RESOLVED_OTHER_EPISODE = "resolved_other_episode"
    ALREADY_RESOLVED = "already_resolved"
    # an incident that nobody mentions any more
    EXPIRED = "expired"
    STILL_MENTIONED = "still_mentioned"
    STILL_OWED = "still_owed"
    # what people do
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    SNOOZED = "snoozed"
    ESCALATION_ASKED = "escalation_asked"
    RESOLVED_BY_HAND = "resolved_by_hand"
    ALREADY_DONE = "already_done"
    ALREADY_ACKNOWLEDGED = "already_acknowledged"
    NOT_ACKNOWLEDGED = "not_acknowledged"
    NOT_ON_CALL = "not_on_call"
    LATER_ALREADY = "later_already"
    ESCALATION_IN_PROGRESS = "escalation_in_progress"
    ALREADY_ESCALATED = "already_escalated"
    ALREADY_CLOSED = "already_closed"
    # an acknowledgement that was forgotten
    LAPSED = "lapsed"
    NOT_LAPSED = "not_lapsed"
    # escalation
    CLAIMED = "claimed"
    TAKEN_OVER = "taken_over"
    CLAIMED_BY_ANOTHER = "claimed_by_another"
    NOT_DUE = "not_due"
    ESCALATED = "escalated"
    DUPLICATE_RECORD = "duplicate_record"
    ESCALATION_FAILED = "escalation_failed"
    ESCALATION_IN_DOUBT = "escalation_in_doubt"
    CALLED_OFF = "called_off"
    LEASE_LOST = "lease_lost"
    CALLED_AGAIN = "called_again"
    NO_THREAD = "no_thread"
    # what a record is told of its incident's life
    UPDATE_CLAIMED = "update_claimed"
    UPDATE_TAKEN_OVER = "update_taken_over"
    RECORD_UPDATED = "record_updated"
    ALREADY_UPDATED = "already_updated"
    UPDATE_FAILED = "update_failed"
    UPDATE_IN_DOUBT = "update_in_doubt"
    UPDATE_GIVEN_UP = "update_given_up"
    # delivery
    DELIVERY_BEGUN = "delivery_begun"
    DELIVERY_TAKEN_OVER = "delivery_taken_over"
    DELIVERY_BUSY = "delivery_busy"
    DELIVERY_BACKING_OFF = "delivery_backing_off"
    ALREADY_SHOWN = "already_shown"
    DELIVERED = "delivered"
    DUPLICATE_MESSAGE = "duplicate_message"
    DELIVERY_FAILED = "delivery_failed"
    DELIVERY_PUT_OFF = "delivery_put_off"
    DELIVERY_IN_DOUBT = "delivery_in_doubt"
    NOTED = "noted"
    ALREADY_NOTED = "already_noted"
    DIGESTED = "digested"
    HANDED_OVER = "handed_over"
    # a person has mended what was in the way
    RETRY_ASKED = "retry_asked"
    NOTHING_TO_RETRY = "nothing_to_retry"
    REPOST_ASKED = "repost_asked"
    NO_SUCH_MESSAGE = "no_such_message"
    MESSAGE_GONE = "message_gone"
    # anything asked of an incident that is not there
    UNKNOWN_INCIDENT = "unknown_incident"


@dataclass(frozen=True)
class Fire:
    """A firing notification. `new_id` names the incident that it may open."""

    notification: Notification
    new_id: str


@dataclass(frozen=True)
class Resolve:
    """A resolved notification. `new_id` names the closed incident that remembers it when nothing was open."""

    notification: Notification
    new_id: str


@dataclass(frozen=True)
class Expire:
    """Nobody has mentioned the incident for `after`. What is still to be told or escalated keeps it open."""

    after: timedelta


@dataclass(frozen=True)
class Deed:
    """What a person asks for. `user`: Slack's id of them, where Slack said so; then a refusal is told to them.
    `token`: the same for all copies of one request."""

    name: ClassVar[str] = ""
    by: str
    door: str
    user: str = ""
    token: str = ""


@dataclass(frozen=True)
class Acknowledge(Deed):
    name = "acknowledge"


@dataclass(frozen=True)
class Unacknowledge(Deed):
    """The deadline is armed again."""

    name = "unacknowledge"


@dataclass(frozen=True)
class SnoozeFor(Deed):
    """The deadline is `span` from now, if it was nearer."""

    name = "snooze"
    span: timedelta = timedelta(minutes=15)


@dataclass(frozen=True)
class EscalateNow(Deed):
    """The deadline is now."""

    name = "escalate"


@dataclass(frozen=True)
class ResolveByHand(Deed):
    name = "resolve"


@dataclass(frozen=True)
class Lapse:
    """The acknowledgement may have been forgotten."""


@dataclass(frozen=True)
class Claim:
    """The escalator wants to reach a target. `grace` is how long the target may go on with a request whose caller is gone."""

    token: str
    lease: timedelta
    grace: timedelta
    step: int = 0


@dataclass(frozen=True)
class RecordWritten:
    token: str
    record: Record
    step: int = 0


@dataclass(frozen=True)
class EscalationFailed:
    """`doubt` is how long the attempt may still take effect; None: it surely did not. `looked_only`: no new attempt was made.
    `needs_person`: it will not heal by itself."""

    token: str
    error: str
    retry_in: timedelta
    doubt: timedelta | None = None
    looked_only: bool = False
    needs_person: bool = False
    step: int = 0


@dataclass(frozen=True)
class CallAgain:
    """Nobody has acknowledged: the people of that step are to be called in the thread."""

    step: int


@dataclass(frozen=True)
class ClaimUpdate:
    """The escalator wants to tell the step's record what it does not know. The rest as in `Claim`."""

    token: str
    lease: timedelta
    grace: timedelta
    step: int = 0


@dataclass(frozen=True)
class RecordUpdated:
    """The step's record knows all news up to `upto`, or need not. `outcome`: a word on how."""

    token: str
    upto: int
    outcome: str = ""
    step: int = 0


@dataclass(frozen=True)
class UpdateFailed(EscalationFailed):
    """It could not be told. All as in `EscalationFailed`."""


@dataclass(frozen=True)
class BeginDelivery:
    token: str
    lease: timedelta


@dataclass(frozen=True)
class Delivered:
    """The Slack message `ts` in `channel` now shows `revision`."""

    token: str
    channel: str
    ts: str
    revision: int


@dataclass(frozen=True)
class DeliveryFailed:
    """`doubt` is how long Slack may still take it though its answer was lost; None: it surely did not. `put_off`: Slack was not
    asked for anything, so it counts for nothing. `blind`: it was asked what became of an earlier attempt, and did not say.
    `needs_person`: it will not heal by itself."""

    token: str
    error: str
    retry_in: timedelta
    doubt: timedelta | None = None
    put_off: bool = False
    blind: bool = False
    needs_person: bool = False


@dataclass(frozen=True)
class NotesTold:
    """The thread has been told all notes up to `upto`, by the reply `ts`."""

    token: str
    upto: int
    ts: str


@dataclass(frozen=True)
class Digested:
    """The digest of `storm` in `channel` tells of this incident; it gets no message of its own. `overflow`: as in `Digest`."""

    storm: str
    channel: str
    overflow: bool = False


class Stage(StrEnum):
    """What an incident can be waiting for."""

    DELIVERY = "delivery"
    ESCALATION = "escalation"


@dataclass(frozen=True)
class Retry:
    """Somebody has mended what was in the way of `stage`: the next attempt is due now. A doubt stays as long as it was."""

    stage: Stage


@dataclass(frozen=True)
class Repost:
    """The message `ts` is to be there and show the present: it is edited, and, should it be gone, posted anew."""

    ts: str


@dataclass(frozen=True)
class MessageGone:
    """Slack has no message `ts` any more, and somebody wants it back."""

    token: str
    ts: str


Command = (
    Fire
    | Resolve
    | Expire
    | Acknowledge
    | Unacknowledge
    | SnoozeFor
    | EscalateNow
    | ResolveByHand
    | Lapse
    | Claim
    | RecordWritten
    | EscalationFailed
    | CallAgain
    | ClaimUpdate
    | RecordUpdated
    | UpdateFailed
    | BeginDelivery
    | Delivered
    | DeliveryFailed
    | NotesTold
    | Digested
    | Retry
    | Repost
    | MessageGone
)


@dataclass(frozen=True)
class Flapping:
    """A group that opens `count` times within `window` keeps to one message, but for the severities in `loud` (lower case)."""

    count: int
    window: timedelta
    loud: frozenset[str] = frozenset({"critical"})


@dataclass(frozen=True)
class Rules:
    """What the configuration says about decisions. `ack_timeout`: after it an acknowledgement counts as forgotten."""

    flapping: Flapping | None = None
    ack_timeout: timedelta | None = None


@dataclass(frozen=True)
class Event:
    """A fact about an incident. `data` is JSON-ready and small, but for a notification's `body`."""

    type: EventType
    incident_id: str
    version: int
    at: datetime
    reason: Reason
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One incident as it is to be, and the facts that this makes true. `body`: the notification body, where it is a new one."""

    incident: Incident
    events: tuple[Event, ...] = ()
    body: str | None = None


@dataclass(frozen=True)
class Step:
    """A decision. `incident` is the one that the command was about, changed or not; `changes` are to be committed together."""

    incident: Incident | None
    reason: Reason
    changes: tuple[Change, ...] = ()

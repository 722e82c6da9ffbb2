"""`advance`: the one place where an incident changes. Pure: no I/O, no clock, no configuration.

Notifications are decided in `shared.episodes`, the way to the record in `shared.escalations`, the way to the Slack message in
`shared.deliveries`; what people and time do to an incident, here.
"""

from datetime import datetime
from typing import assert_never

from shared import deliveries, episodes, escalations
from shared.commands import (
    Acknowledge,
    BeginDelivery,
    Claim,
    Command,
    Delivered,
    DeliveryFailed,
    EscalationFailed,
    EventType,
    Expire,
    Fire,
    MessageGone,
    Reason,
    RecordWritten,
    Repost,
    Resolve,
    Retry,
    Stage,
    Step,
)
from shared.incident import Acknowledgement, Closure, Incident, State
from shared.steps import changed


def advance(  # noqa: C901, PLR0911, PLR0912  one line per command
    incident: Incident | None, command: Command, now: datetime
) -> Step:
    """Decide what `command` makes of `incident` at `now`. Every outcome, also "nothing to do", has a named reason."""
    match command:
        case Fire():
            return episodes.fire(incident, command, now)
        case Resolve():
            return episodes.resolve(incident, command, now)
    if incident is None:
        return Step(None, Reason.UNKNOWN_INCIDENT)
    match command:
        case Expire():
            return _expire(incident, command, now)
        case Acknowledge():
            return _acknowledge(incident, command, now)
        case Claim():
            return escalations.claim(incident, command, now)
        case RecordWritten():
            return escalations.record_written(incident, command, now)
        case EscalationFailed():
            return escalations.escalation_failed(incident, command, now)
        case BeginDelivery():
            return deliveries.begin_delivery(incident, command, now)
        case Delivered():
            return deliveries.delivered(incident, command, now)
        case DeliveryFailed():
            return deliveries.delivery_failed(incident, command, now)
        case Retry():
            return _retry(incident, command, now)
        case Repost():
            return deliveries.repost(incident, command, now)
        case MessageGone():
            return deliveries.message_gone(incident, command, now)
        case _:
            assert_never(command)


def _expire(incident: Incident, command: Expire, now: datetime) -> Step:
    mentioned = incident.mentioned_at
    if mentioned is None:
        return Step(incident, Reason.ALREADY_CLOSED)
    if now - mentioned < command.after:
        return Step(incident, Reason.STILL_MENTIONED)
    if incident.escalation_due or incident.delivery_due:  # a page that is owed does not lapse
        return Step(incident, Reason.STILL_OWED)
    closure = Closure(at=now, state=State.EXPIRED)
    data = {"mentioned_at": mentioned.isoformat()}
    return changed(incident, now, Reason.EXPIRED, EventType.EXPIRED, data, visible=True, closure=closure)


def _acknowledge(incident: Incident, command: Acknowledge, now: datetime) -> Step:
    refusals = {
        State.ACKNOWLEDGED: Reason.ALREADY_ACKNOWLEDGED,
        State.ESCALATING: Reason.ESCALATION_IN_PROGRESS,
        State.ESCALATED: Reason.ALREADY_ESCALATED,
        State.RESOLVED: Reason.ALREADY_CLOSED,
        State.SUPERSEDED: Reason.ALREADY_CLOSED,
        State.EXPIRED: Reason.ALREADY_CLOSED,
    }
    if refusal := refusals.get(incident.state):
        return Step(incident, refusal)
    acknowledgement = Acknowledgement(at=now, by=command.by, door=command.door)
    return changed(
        incident,
        now,
        Reason.ACKNOWLEDGED,
        EventType.ACKNOWLEDGED,
        {"by": command.by, "door": command.door},
        visible=True,
        acknowledgement=acknowledgement,
    )


def _retry(incident: Incident, command: Retry, now: datetime) -> Step:
    effort = incident.delivery if command.stage is Stage.DELIVERY else incident.escalation
    if not effort.backing_off(now):
        return Step(incident, Reason.NOTHING_TO_RETRY)
    hastened = {str(command.stage): effort.model_copy(update={"retry_at": now})}
    visible = command.stage is Stage.ESCALATION  # its message tells the time of the next try
    data = {"stage": command.stage}
    return changed(
        incident, now, Reason.RETRY_ASKED, EventType.RETRY_ASKED, data, visible=visible, **hastened
    )

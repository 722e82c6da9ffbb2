"""`advance`: the one place where an incident changes. Pure: no I/O, no clock, no configuration.

Notifications are decided in `shared.episodes`, what people do in `shared.deeds`, the way to the record in `shared.escalations`, the
way to the Slack message in `shared.deliveries`, what a record is told afterwards in `shared.updates`. What its thread and its records
are to be told of each event is added here, from `shared.notes` and `shared.news`.
"""

from datetime import datetime
from typing import assert_never

from shared import deeds, deliveries, episodes, escalations, updates
from shared.commands import (
    Acknowledge,
    BeginDelivery,
    CallAgain,
    Change,
    Claim,
    ClaimUpdate,
    Command,
    Deed,
    Delivered,
    DeliveryFailed,
    Digested,
    EscalateNow,
    EscalationFailed,
    EventType,
    Expire,
    Fire,
    Lapse,
    MessageGone,
    NotesTold,
    Reason,
    RecordUpdated,
    RecordWritten,
    Repost,
    Resolve,
    ResolveByHand,
    Retry,
    Rules,
    SnoozeFor,
    Stage,
    Step,
    Unacknowledge,
    UpdateFailed,
)
from shared.efforts import retried
from shared.incident import Closure, Incident, State, Task
from shared.news import informed
from shared.notes import noted
from shared.steps import changed

NO_RULES = Rules()


def advance(incident: Incident | None, command: Command, now: datetime, rules: Rules = NO_RULES) -> Step:
    """Decide what `command` makes of `incident` at `now`. Every outcome, also "nothing to do", has a named reason."""
    step = _decide(incident, command, now, rules)
    changes = tuple(_with_what_to_tell(incident, change) for change in step.changes)
    after = next(
        (change.incident for change in changes if step.incident and change.incident.id == step.incident.id),
        None,
    )
    return Step(after or step.incident, step.reason, changes)


def _with_what_to_tell(before: Incident | None, change: Change) -> Change:
    after, same = change.incident, before if before and before.id == change.incident.id else None
    for event in change.events:
        after = informed(same, noted(same, after, event), event)
    return Change(after, change.events, change.body)


def _decide(  # noqa: C901, PLR0911, PLR0912  one line per command
    incident: Incident | None, command: Command, now: datetime, rules: Rules
) -> Step:
    match command:
        case Fire():
            return episodes.fire(incident, command, now, rules.flapping)
        case Resolve():
            return episodes.resolve(incident, command, now)
    if incident is None:
        return Step(None, Reason.UNKNOWN_INCIDENT)
    if isinstance(command, Deed) and command.token and command.token in incident.deeds:
        return Step(incident, Reason.ALREADY_DONE)
    match command:
        case Expire():
            return _expire(incident, command, now)
        case Acknowledge():
            return deeds.acknowledge(incident, command, now, rules)
        case Unacknowledge():
            return deeds.unacknowledge(incident, command, now)
        case SnoozeFor():
            return deeds.snooze(incident, command, now)
        case EscalateNow():
            return deeds.escalate_now(incident, command, now)
        case ResolveByHand():
            return deeds.resolve(incident, command, now)
        case Lapse():
            return deeds.lapse(incident, now)
        case Claim():
            return escalations.claim(incident, command, now)
        case RecordWritten():
            return escalations.record_written(incident, command, now)
        case UpdateFailed():
            return updates.update_failed(incident, command, now)
        case EscalationFailed():
            return escalations.escalation_failed(incident, command, now)
        case CallAgain():
            return escalations.call_again(incident, command, now)
        case ClaimUpdate():
            return updates.claim_update(incident, command, now)
        case RecordUpdated():
            return updates.record_updated(incident, command, now)
        case BeginDelivery():
            return deliveries.begin_delivery(incident, command, now)
        case Delivered():
            return deliveries.delivered(incident, command, now)
        case DeliveryFailed():
            return deliveries.delivery_failed(incident, command, now)
        case NotesTold():
            return deliveries.notes_told(incident, command, now)
        case Digested():
            return deliveries.digested(incident, command, now)
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
    owed = any(duty.task is not Task.UPDATE_RECORD for duty in incident.duties)
    if owed or incident.delivery_due:  # a page that is owed does not lapse
        return Step(incident, Reason.STILL_OWED)
    closure = Closure(at=now, state=State.EXPIRED)
    data = {"mentioned_at": mentioned.isoformat()}
    return changed(incident, now, Reason.EXPIRED, EventType.EXPIRED, data, visible=True, closure=closure)


def _retry(incident: Incident, command: Retry, now: datetime) -> Step:
    update = retried(incident, command.stage, now)
    if not update:
        return Step(incident, Reason.NOTHING_TO_RETRY)
    visible = command.stage is Stage.ESCALATION  # its message tells the time of the next try
    data = {"stage": command.stage}
    return changed(incident, now, Reason.RETRY_ASKED, EventType.RETRY_ASKED, data, visible=visible, **update)

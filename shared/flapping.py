"""Groups that open and resolve again and again: they keep to one Slack message, whose thread counts, instead of a new one each. Pure.

Nothing else changes: each episode is an incident with its own deadline, record and timeline.
"""

from datetime import datetime
from typing import Any

from shared.commands import Flapping
from shared.incident import NOT_TRUSTED, Incident, Message
from shared.notification import Notification

MAX_OPENINGS = 50


def openings(flapping: Flapping | None, before: Incident | None, now: datetime) -> tuple[datetime, ...]:
    """When this episode and those before it began, as far back as the window reaches."""
    if flapping is None:
        return ()
    past = (before.openings or (before.opened_at,)) if before else ()
    return (*(at for at in past if now - at <= flapping.window), now)[-MAX_OPENINGS:]


def inherited(
    flapping: Flapping | None,
    before: Incident | None,
    notification: Notification,
    times: tuple[datetime, ...],
) -> Message | None:
    """The message of the episode before, where the new one is to keep to it. Should it be gone from Slack, it is posted anew.

    Only a message that nobody is about to change may be handed over: an edit for the old episode, arriving late, would undo
    what the new one shows.
    """
    if flapping is None or before is None or before.message is None or len(times) < flapping.count:
        return None
    loud = {text.strip().lower() for text in (notification.facts.severity, before.facts.severity)}
    elsewhere = notification.call.channel != before.call.channel
    if loud & flapping.loud or elsewhere or not before.is_shown or before.delivery.due:
        return None
    if before.escalation.lease or before.escalation.doubt_until:  # what became of it is still to be shown
        return None
    return before.message.model_copy(update={"shown": NOT_TRUSTED})


def handed_over(heir: Incident | None) -> dict[str, Any]:
    """What becomes of the episode before when `heir` keeps to its message: nothing is left of its own to show. Empty: it does not."""
    return {"message": None, "notes": (), "heir": heir.id} if heir and heir.message else {}

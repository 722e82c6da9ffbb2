"""What a person is offered to do about an incident, by the buttons of its message and by its page alike. Pure."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from functools import partial

from shared.commands import Acknowledge, EscalateNow, ResolveByHand, SnoozeFor, Unacknowledge
from shared.incident import Incident, State

AnyDeed = Acknowledge | Unacknowledge | SnoozeFor | EscalateNow | ResolveByHand


class Offer(StrEnum):
    """As a page's address and form, and metrics name it."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    SNOOZE_15 = "snooze_15"
    SNOOZE_60 = "snooze_60"
    ESCALATE = "escalate"
    RESOLVE = "resolve"


LABELS: Mapping[Offer, str] = {
    Offer.ACKNOWLEDGE: "Acknowledge",
    Offer.UNACKNOWLEDGE: "Un-acknowledge",
    Offer.SNOOZE_15: "Snooze 15 min",
    Offer.SNOOZE_60: "Snooze 1 h",
    Offer.ESCALATE: "Escalate now",
    Offer.RESOLVE: "Resolve",
}

_DEEDS: Mapping[Offer, Callable[..., AnyDeed]] = {
    Offer.ACKNOWLEDGE: Acknowledge,
    Offer.UNACKNOWLEDGE: Unacknowledge,
    Offer.SNOOZE_15: partial(SnoozeFor, span=timedelta(minutes=15)),
    Offer.SNOOZE_60: partial(SnoozeFor, span=timedelta(hours=1)),
    Offer.ESCALATE: EscalateNow,
    Offer.RESOLVE: ResolveByHand,
}

_OPEN = (Offer.ACKNOWLEDGE, Offer.SNOOZE_15, Offer.SNOOZE_60, Offer.ESCALATE, Offer.RESOLVE)
_BY_STATE = {
    State.OPEN: _OPEN,
    State.ACKNOWLEDGED: (Offer.UNACKNOWLEDGE, Offer.RESOLVE),
}


def offers(incident: Incident) -> tuple[Offer, ...]:
    """What makes sense now, the likeliest first. Without on-call there is nothing to put off or to hasten."""
    if incident.state is State.OPEN and incident.deadline is None:
        return (Offer.ACKNOWLEDGE, Offer.RESOLVE)
    if incident.state is State.ESCALATED:
        return (*_taking(incident), Offer.RESOLVE)
    return _BY_STATE.get(incident.state, ())


def _taking(incident: Incident) -> tuple[Offer, ...]:
    """Neither while a further step of on-call is under way, which nobody could stop."""
    if incident.is_being_escalated:
        return ()
    return (Offer.UNACKNOWLEDGE,) if incident.acknowledgement else (Offer.ACKNOWLEDGE,)


def deed(offer: Offer, by: str, door: str, user: str = "", token: str = "") -> AnyDeed:
    """The command that `offer` stands for. The rest as in `shared.commands.Deed`."""
    return _DEEDS[offer](by=by, door=door, user=user, token=token)

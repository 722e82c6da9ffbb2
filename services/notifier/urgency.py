"""Which of the calls that wait for a channel comes first: the lower number, and among equals who waits longer. Pure.

shared/lua/bucket.lua knows the bounds.
"""

from collections.abc import Set as AbstractSet

from shared.incident import Incident
from shared.severities import RANKS, rank

DIGEST = 0
"""The first message of a storm: it stands for many."""

LOUD = DIGEST + 1
"""The first message of an incident that may be let past a storm; with its severity's rank added, so that the worst comes first."""

POST = LOUD + RANKS
"""The same for all others."""

DOUBT = POST + RANKS
"""A first message that may be in the channel already."""

REFRESH = DOUBT + 1
"""An edit of a digest."""

EDIT = REFRESH + 1
REPLY = EDIT + 1


def urgency(incident: Incident, loud: AbstractSet[str] = frozenset()) -> int:
    """`loud`: the severities, in lower case, that may be let past a storm."""
    if incident.message:
        return REPLY if incident.message.shown == incident.revision else EDIT
    if incident.delivery.lease or incident.delivery.doubt_until:
        return DOUBT
    severity = incident.facts.severity
    return (LOUD if severity.strip().lower() in loud else POST) + rank(severity)


def kind(urgency: int) -> str:
    """For metrics."""
    return "post" if urgency < REFRESH else "edit" if urgency < REPLY else "reply"

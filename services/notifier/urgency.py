"""Which of the calls that wait for a channel comes first: the lower number, and among equals who waits longer. Pure."""

from shared.incident import Incident
from shared.severities import RANKS, rank

POST = 1
"""The first message of an incident; with its severity's rank added, so that the worst comes first."""

EDIT = POST + RANKS
REPLY = EDIT + 1


def urgency(incident: Incident) -> int:
    if incident.message is None:
        return POST + rank(incident.facts.severity)
    return REPLY if incident.message.shown == incident.revision else EDIT


def kind(urgency: int) -> str:
    """For metrics."""
    return "post" if urgency < EDIT else "edit" if urgency < REPLY else "reply"

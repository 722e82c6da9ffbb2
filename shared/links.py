"""Acknowledge links: the notifier signs them, ingest checks them. A link is a capability: whoever has it may act on its incident."""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from itsdangerous import Signer

from shared.identity import is_incident_id
from shared.incident import Incident

LINK_GRACE = timedelta(hours=24)
"""How long a link outlives its incident's due time. Old links are harmless, as states are answered honestly; a link that dies
while the incident is overdue is not: then nobody could take it."""

_EXPIRY = re.compile("[0-9]{1,12}")
_SIGNATURE = re.compile("[A-Za-z0-9_-]{43}")
"""256 bits in URL-safe base64. Asked for exactly, because the decoder skips characters that it does not know."""


class Verdict(StrEnum):
    VALID = "valid"
    EXPIRED = "expired"
    """We signed it, and its time has passed."""
    FORGED = "forged"
    """Anything else: altered, incomplete, or signed with a key that is no longer accepted."""


class AckLinks:
    """Signs with the first of `keys`, accepts all of them. `base_url` is where people reach ingest."""

    path = "/api/ack"
    salt = "ackstream.acknowledge-link"
    """Keeps these signatures apart from whatever else the same secret signs."""

    def __init__(self, base_url: str, keys: Sequence[str]) -> None:
        if not keys or not all(keys):
            raise ValueError("Acknowledge links need at least one signing key, and none may be empty")
        self._base_url = base_url.rstrip("/")
        self.keys = tuple(keys)
        oldest_first = list(reversed(keys))
        self._signer = Signer(
            oldest_first, salt=self.salt, key_derivation="hmac", digest_method=hashlib.sha256
        )

    def accepting(self, keys: Sequence[str]) -> Self:
        """The same, with more keys: the newest of `keys` signs, and what was accepted so far still is."""
        return type(self)(self._base_url, tuple(dict.fromkeys((*keys, *self.keys))))

    def url(self, incident_id: str, expires: datetime) -> str:
        exp = str(int(expires.timestamp()))
        signature = self._signer.get_signature(_signed(incident_id, exp)).decode()
        return f"{self._base_url}{self.path}/{incident_id}?exp={exp}&sig={signature}"

    def check(self, incident_id: str, exp: str | None, sig: str | None, now: datetime) -> Verdict:
        """What the link of a request is worth at `now`. Never raises, whatever the strings."""
        if not (exp and sig and is_incident_id(incident_id)):
            return Verdict.FORGED
        if not (_EXPIRY.fullmatch(exp) and _SIGNATURE.fullmatch(sig)):
            return Verdict.FORGED
        if not self._signer.verify_signature(_signed(incident_id, exp), sig):
            return Verdict.FORGED
        return Verdict.VALID if now.timestamp() <= int(exp) else Verdict.EXPIRED


class StormLinks(AckLinks):
    """Links to the page that acknowledges a whole storm. Ids of storms look as those of incidents do."""

    path = "/api/storm"
    salt = "ackstream.storm-link"


def expiry(incident: Incident) -> datetime:
    """When a link to `incident`, signed as it is now, should expire.

    Counts from the latest of what has happened and what is due: while ServiceNow is away each failed attempt edits the message, and
    its link lives on with the outage; after an acknowledgement, and after each record, its buttons are of use, too.
    """
    done = [deed.at for deed in (incident.acknowledgement, *incident.records) if deed]
    due = [moment for step in incident.steps for moment in (incident.due_at(step), incident.effort(step).due)]
    moments = (incident.opened_at, incident.lapse_due, *done, *due)
    return max(moment for moment in moments if moment is not None) + LINK_GRACE


def _signed(incident_id: str, exp: str) -> str:
    return f"{incident_id}.{exp}"

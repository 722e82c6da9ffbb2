"""Names of things: dedup keys, incident ids, and the partition that both point to. Pure; time and randomness come in."""

import hashlib
import re
from datetime import datetime

MAX_PARTITIONS = 256


def digest(*parts: str) -> str:
    """32 hex digits that stand for `parts`, in order. Parts are length-prefixed, so that ("a", "bc") differs from ("ab", "c")."""
    hashed = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        hashed.update(len(raw).to_bytes(8, "big") + raw)
    return hashed.hexdigest()[:32]


def partition_of_dedup_key(dedup_key: str, partitions: int) -> int:
    return int(dedup_key[:4], 16) % partitions


def new_incident_id(now: datetime, partition: int, entropy: bytes) -> str:
    """A UUIDv7 (RFC 9562) as 32 hex digits: ordered by time, its last two digits the partition.

    `entropy` is 9 random bytes. The id is also ServiceNow's correlation_id, so it is hex and nothing else.
    """
    milliseconds = int(now.timestamp() * 1000)
    random = int.from_bytes(entropy, "big")
    value = (milliseconds & (1 << 48) - 1) << 80
    value |= 0x7 << 76 | (random >> 60 & 0xFFF) << 64  # version, rand_a
    value |= 0b10 << 62 | (random & (1 << 54) - 1) << 8 | partition  # variant, rand_b
    return f"{value:032x}"


def is_incident_id(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{32}", text) is not None


def partition_of_incident(incident_id: str) -> int:
    return int(incident_id[-2:], 16)

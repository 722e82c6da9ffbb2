"""The keys that sign acknowledge links: configured, or made once and kept in Redis, so that all replicas agree."""

import secrets
from collections.abc import Sequence

from redis.asyncio import Redis

from shared import keys
from shared.redis_client import Scripts

KEY_BYTES = 32

# One script, so that of two replicas that start at once the second reads the first one's key. Asked twice it adds nothing.
_KEEP_OR_READ = """
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('RPUSH', KEYS[1], ARGV[1]) end
return redis.call('LRANGE', KEYS[1], 0, -1)
"""


def new_key() -> str:
    return secrets.token_urlsafe(KEY_BYTES)


def configured_keys(gateway_secret: str | None, previous: Sequence[str]) -> tuple[str, ...]:
    """Newest first; empty without a `gateway_secret`, beside which alone `previous` counts."""
    if not gateway_secret:
        return ()
    return tuple(dict.fromkeys((gateway_secret, *(key for key in previous if key))))


async def signing_keys(
    gateway_secret: str | None, previous: Sequence[str], client: Redis, candidate: str | None = None
) -> tuple[str, ...]:
    """Newest first, at least one: sign with the first, accept all.

    Redis is asked only where none is configured; raises StoreUnavailableError when it does not answer. `candidate`: what to
    keep there should it have none (any more); a new key, unless somebody still has the old one.
    """
    if configured := configured_keys(gateway_secret, previous):
        return configured
    kept = await Scripts(client).execute("EVAL", _KEEP_OR_READ, 1, keys.SIGNING_KEYS, candidate or new_key())
    return tuple(key.decode() for key in kept)

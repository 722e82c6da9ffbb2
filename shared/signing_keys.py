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


async def signing_keys(
    gateway_secret: str | None, previous: Sequence[str], client: Redis, candidate: str | None = None
) -> tuple[str, ...]:
    """Newest first, at least one: sign with the first, accept all. `previous` counts only beside a `gateway_secret`.

    Redis is asked only without a `gateway_secret`; raises StoreUnavailableError when it does not answer. `candidate`: what to
    keep there should it have none (any more); a new key, unless somebody still has the old one.
    """
    if gateway_secret:
        configured = (gateway_secret, *(key for key in previous if key))
        return tuple(dict.fromkeys(configured))
    candidate = candidate or secrets.token_urlsafe(KEY_BYTES)
    kept = await Scripts(client).execute("EVAL", _KEEP_OR_READ, 1, keys.SIGNING_KEYS, candidate)
    return tuple(key.decode() for key in kept)

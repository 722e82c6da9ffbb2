"""How the commands that look into Redis reach it: as configured, or the server that a running `ackstream up` brought."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.exceptions import RedisError

from shared.config import Config
from shared.redis_client import Scripts, StoreUnavailableError, connect


class RedisAccessError(Exception):
    """Redis cannot be reached; the message says what to do."""


@asynccontextmanager
async def redis_of(config: Config, data_dir: Path) -> AsyncIterator[Scripts]:
    """Raises RedisAccessError, also for what goes wrong with Redis inside the `async with`."""
    url = _embedded_url(data_dir) if config.redis.is_embedded else config.redis.connection_url
    client = connect(url, **config.redis.connection_options)
    try:
        await client.ping()
        yield Scripts(client)
    except (RedisError, OSError, StoreUnavailableError) as error:
        raise RedisAccessError(f"Redis cannot answer: {error}") from error
    finally:
        await client.aclose()


def _embedded_url(data_dir: Path) -> str:
    try:
        written = (data_dir / "server.conf").read_text(encoding="utf-8")
    except OSError:
        raise RedisAccessError(
            f"no Redis is configured, and no `ackstream up` has its data in {data_dir}; name its --data-dir or a --config"
        ) from None
    settings = dict(re.findall(r"^(port|requirepass) (\S+)$", written, re.MULTILINE))
    return f"redis://:{settings['requirepass']}@127.0.0.1:{settings['port']}/0"

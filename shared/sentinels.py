"""Redis behind Sentinels: the URL that names them, and a client that goes wherever they say that the master is."""

from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

SCHEME, TLS_SCHEME = "redis+sentinel", "rediss+sentinel"
SCHEMES = (SCHEME, TLS_SCHEME)
SENTINEL_PORT = 26379
HIGHEST_PORT = 65535

SENTINEL_TIMEOUT = 0.4
"""Seconds. They are asked one after the other: one that is away must not cost those who wait for the master their patience."""

_FORM = f"{SCHEME}://host1:{SENTINEL_PORT},host2:{SENTINEL_PORT}/mymaster"


@dataclass(frozen=True)
class SentinelUrl:
    """`redis+sentinel://[user:password@]host[:port],…/master[/db]`. User and password are the master's; with `rediss+sentinel`
    it is spoken to in TLS."""

    hosts: tuple[tuple[str, int], ...]
    master: str
    db: int = 0
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Raises ValueError, whose message does not repeat the URL."""
        scheme, _, rest = url.partition("://")
        if "?" in rest or "#" in rest:
            raise ValueError(
                "should be a URL without ? or # in it; special characters in a password are written as %XX"
            )
        authority, _, path = rest.partition("/")
        credentials, _, hosts = authority.rpartition("@")
        user, _, password = credentials.partition(":")
        master, _, db = path.rstrip("/").partition("/")
        if not master:
            raise ValueError(f"should name the master after the hosts, as in {_FORM}")
        if db and not (db.isascii() and db.isdecimal()):
            raise ValueError("should have nothing but the number of the database after the master's name")
        found = tuple(_host_and_port(host) for host in hosts.split(","))
        return cls(
            found,
            unquote(master),
            int(db or 0),
            scheme == TLS_SCHEME,
            unquote(user) or None,
            unquote(password) or None,
        )


def _host_and_port(text: str) -> tuple[str, int]:
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = text.partition(":")
    port = port or str(SENTINEL_PORT)
    if not host or not (port.isascii() and port.isdecimal()) or not 0 < int(port) <= HIGHEST_PORT:
        raise ValueError(f"should name the Sentinels by host and port, as in {_FORM}")
    return host, int(port)


class _Pool(SentinelConnectionPool):
    """redis-py leaves the connections to the Sentinels open."""

    async def aclose(self) -> None:
        await super().aclose()
        await self.sentinel_manager.aclose()


def client_of_master(url: SentinelUrl, login: dict[str, str | None], **options: Any) -> Redis:
    """`login`: user name and password of the Sentinels themselves. `options`: of the connections to the master.

    Each new connection asks the Sentinels first. A connection whose server says that it is a replica now is closed by redis-py,
    and all idle ones with it once the Sentinels name another master.
    """
    sentinels = Sentinel(  # type: ignore[no-untyped-call]
        url.hosts,
        sentinel_kwargs={
            **login,
            "socket_timeout": SENTINEL_TIMEOUT,
            "socket_connect_timeout": SENTINEL_TIMEOUT,
            "retry": Retry(NoBackoff(), 0),
        },
    )
    client: Redis = sentinels.master_for(
        url.master,
        connection_pool_class=_Pool,
        db=url.db,
        username=url.username,
        password=url.password,
        ssl=url.tls,
        **options,
    )
    return client

"""Connections to Redis with our own settings, and the scripts that run over them.

redis-py would repeat a write whose answer was lost (seen: one XADD became two entries). Here the client never repeats
anything; what may be repeated is decided where its meaning is known.
"""

import asyncio
import hashlib
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from shared.sentinels import SCHEMES, SentinelUrl, client_of_master

CONNECT_TIMEOUT = 1.0
"""Seconds."""

SOCKET_TIMEOUT = 2.0
"""Seconds. Every command answers at once or not at all; blocking reads have a client of their own."""

BLOCK_SECONDS = 1.0
"""How long a read waits for news: at most this long after a SIGTERM the service is on its way out."""

BLOCKING_SOCKET_TIMEOUT = BLOCK_SECONDS + 3.0
"""Longer than the block: a socket that times out first looks like a lost connection on every idle stream."""

MAX_BATCH = 256
"""Calls in one pipeline. More would make the first caller wait for the last one's work."""

CONDITIONS = (OutOfMemoryError, ReadOnlyError, ClusterDownError, MasterDownError, TryAgainError)
CONDITION_WORDS = {"MISCONF", "NOREPLICAS", "BUSY"}
"""Error replies that speak of the server's condition. redis-py has classes for some and leaves the word to others."""

CONDITION_IN_SCRIPT = re.compile(r"@user_script: ?\d+: -(OOM|READONLY|CLUSTERDOWN|MISCONF|NOREPLICAS) ")
"""Redis 6.2 tells the conditions that a script met in its error's text only."""


class StoreUnavailableError(Exception):
    """Redis cannot take it now: not reachable, full, loading, read-only. Try again later; what was sent may have been done."""


def connect(
    url: str,
    *,
    blocking: bool = False,
    verify_tls: bool = True,
    ca_cert: str | None = None,
    sentinel_username: str | None = None,
    sentinel_password: str | None = None,
) -> Redis:
    """A client for `url` (redis://, rediss://, unix://, or one that names Sentinels). `blocking`: for XREADGROUP with BLOCK only."""
    options: dict[str, Any] = {
        "socket_timeout": BLOCKING_SOCKET_TIMEOUT if blocking else SOCKET_TIMEOUT,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
    }
    if url.startswith("rediss"):
        options["ssl_cert_reqs"] = ssl.CERT_REQUIRED if verify_tls else ssl.CERT_NONE
        options["ssl_check_hostname"] = verify_tls
        if ca_cert:
            options["ssl_ca_certs"] = ca_cert
    if url.partition("://")[0] in SCHEMES:
        login = {"username": sentinel_username, "password": sentinel_password}
        return client_of_master(SentinelUrl.parse(url), login, **options)
    return Redis.from_url(url, **options)


async def find_master_again(client: Redis) -> None:
    """Close its connections: they lead to a server that is a replica now. The next ones go where the name, or the Sentinels, lead."""
    await client.connection_pool.disconnect()


def is_replica(answer: Any) -> bool:
    """Whether `answer` is the error of a server that takes no writes because it is a replica."""
    in_script = isinstance(answer, ResponseError) and CONDITION_IN_SCRIPT.search(str(answer))
    return isinstance(answer, ReadOnlyError) or bool(in_script and in_script[1] == "READONLY")


def unavailable(error: Exception) -> bool:
    """Whether `error` speaks of Redis' condition rather than of a mistake of ours."""
    if isinstance(error, ResponseError):
        text = str(error)
        known = isinstance(error, CONDITIONS) or text.partition(" ")[0] in CONDITION_WORDS
        return known or CONDITION_IN_SCRIPT.search(text) is not None
    return isinstance(error, RedisError | OSError | asyncio.TimeoutError)


@dataclass(frozen=True)
class Script:
    source: str
    sha: str

    @classmethod
    def named(cls, *names: str) -> "Script":
        """Of several, the first ones are what the last one builds on."""
        folder = resources.files("shared").joinpath("lua")
        source = "\n".join(folder.joinpath(f"{name}.lua").read_text(encoding="utf-8") for name in names)
        return cls(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


@dataclass
class _Call:
    command: Sequence[str | bytes | int]
    script: Script | None
    answer: asyncio.Future[Any]


class Scripts:
    """Runs scripts and commands; those asked for while a pipeline is under way travel together in the next one."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._waiting: list[_Call] = []
        self._sender: asyncio.Task[None] | None = None

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:
        """The script's answer. Raises StoreUnavailableError when Redis cannot take it; then it may have run, or not."""
        return await self._call(["EVALSHA", script.sha, len(keys), *keys, *args], script)

    async def execute(self, *command: str | bytes | int) -> Any:
        """The answer to a plain command; errors as with `run`."""
        return await self._call(command, None)

    async def _call(self, command: Sequence[str | bytes | int], script: Script | None) -> Any:
        call = _Call(command, script, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_all())
        return await call.answer

    async def _send_all(self) -> None:
        while self._waiting:
            # After an outage Redis must not be kept busy with what nobody waits for any more.
            waiting = [call for call in self._waiting if not call.answer.done()]
            batch, self._waiting = waiting[:MAX_BATCH], waiting[MAX_BATCH:]
            try:
                await self._send(batch)
            except Exception as error:
                for call in batch:
                    _settle(call, error)

    async def _send(self, batch: list[_Call], *, loaded: bool = False) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for call in batch:
            pipeline.execute_command(*call.command)
        answers = await pipeline.execute(raise_on_error=False)
        if any(is_replica(answer) for answer in answers):
            await find_master_again(self._client)
        unknown = []
        for call, answer in zip(batch, answers, strict=True):
            if isinstance(answer, NoScriptError) and not loaded:
                unknown.append(call)
            else:
                _settle(call, answer)
        if unknown:  # a new server, a failover or SCRIPT FLUSH
            for source in {call.script.source for call in unknown if call.script}:
                await self._client.script_load(source)
            await self._send(unknown, loaded=True)


def _settle(call: _Call, answer: Any) -> None:
    if call.answer.done():  # its caller has given up
        return
    if not isinstance(answer, Exception):
        call.answer.set_result(answer)
    elif unavailable(answer):
        call.answer.set_exception(StoreUnavailableError(str(answer) or type(answer).__name__))
    else:
        call.answer.set_exception(answer)

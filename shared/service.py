"""One service process: settings, Redis, an HTTP server, the jobs beside it, and an orderly end.

The first SIGTERM or SIGINT makes it not ready, stops taking new work and finishes what is in flight; the second one ends it.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TypeVar

import structlog
import uvicorn
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.applications import Starlette

from shared import logs, metrics
from shared.config import Config, RedisConfig
from shared.config_errors import ConfigError
from shared.config_file import load_config
from shared.connection import PromptConnection
from shared.health import Check
from shared.keys import PROBE, PROBE_LIFETIME
from shared.redis_client import Scripts, StoreUnavailableError, connect
from shared.signing_keys import configured_keys, new_key, signing_keys

DEFAULT_CONFIG = Path("config/config.yaml")
READY_CHECK_TIMEOUT = 1.0
REDIS_PAUSE = 0.5
GRACE = 25.0
"""Seconds for work in flight after the first signal. Below the 30 s after which most platforms kill."""

LAST_WORDS = 2.0
"""Seconds for handing back what could not be finished."""

T = TypeVar("T")
Job = Callable[[], Awaitable[None]]


class StartError(Exception):
    """The service cannot start; the message says why, in one line, and what to do."""


@dataclass(frozen=True)
class Redises:
    """The two kinds of connection: one that answers at once, one for reads that block."""

    client: Redis
    blocking: Redis
    scripts: Scripts

    @classmethod
    def of(cls, config: RedisConfig) -> "Redises":
        client = _connect(config, blocking=False)
        return cls(client, _connect(config, blocking=True), Scripts(client))

    async def check(self) -> str:
        """For /readyz: the truth within READY_CHECK_TIMEOUT."""
        try:
            async with asyncio.timeout(READY_CHECK_TIMEOUT):
                await self.scripts.execute(
                    "SET", PROBE, 1, "PX", PROBE_LIFETIME
                )  # a full Redis still answers PING
        except TimeoutError:  # has no words of its own
            return f"unavailable: no answer within {READY_CHECK_TIMEOUT:g} s"
        except Exception as error:
            return f"unavailable: {str(error) or type(error).__name__}"
        return "ok"

    async def close(self) -> None:
        with contextlib.suppress(RedisError, OSError):
            await self.client.aclose()
            await self.blocking.aclose()


def _connect(config: RedisConfig, *, blocking: bool) -> Redis:
    return connect(redis_url(config), blocking=blocking, **config.connection_options)


def redis_url(config: RedisConfig) -> str:
    """Raises StartError when no Redis is configured."""
    if config.is_embedded:
        raise StartError(
            "no Redis is configured: set redis.host or redis.url, or run everything with `ackstream up`, which brings its own"
        )
    return config.connection_url


class Service:
    """What `__main__` of each service puts together. `checks` decide /readyz, together with whether we are stopping."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stopping = asyncio.Event()
        self.consumer_name = f"{socket.gethostname()}-{secrets.token_hex(3)}"
        self._log = structlog.get_logger()

    async def once_redis_answers(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` answers as soon as Redis is there. A service that starts before its Redis waits for it."""
        while True:
            try:
                return await ask()
            except (StoreUnavailableError, RedisError, OSError) as error:
                self._log.warning("waiting_for_redis", error=str(error))
                await asyncio.sleep(REDIS_PAUSE)

    async def not_stopping(self) -> str:
        return "stopping" if self.stopping.is_set() else "ok"

    async def run(self, app: Starlette, host: str, port: int, jobs: Sequence[Job]) -> None:
        """Serve until told to stop; jobs end by themselves once `stopping` is set. Raises StartError on a busy port."""
        metrics.BUILD.labels(version(), self.name).set(1)
        listener = _listen(host, port)
        self._catch_signals()
        server = _Server(_server_config(app))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        working = [asyncio.create_task(_guarded(job)) for job in jobs]
        self._log.info("started", host=host, port=listener.getsockname()[1], version=version())
        stopped = asyncio.create_task(self.stopping.wait())
        await asyncio.wait([stopped, serving, *working], return_when=asyncio.FIRST_COMPLETED)
        self.stopping.set()
        self._log.info("stopping")
        unfinished = await self._wind_up(server, serving, working)
        self._log.info("stopped", unfinished=unfinished)
        for task in (serving, *working):
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    async def _wind_up(
        self, server: uvicorn.Server, serving: asyncio.Task[None], working: Sequence[asyncio.Task[None]]
    ) -> int:
        """The jobs first: until they are done the server tells whoever asks that we are stopping. How many did not finish."""
        end = asyncio.get_running_loop().time() + GRACE
        unfinished = await _finished([*working], GRACE)
        server.should_exit = True
        unfinished |= await _finished([serving], max(1.0, end - asyncio.get_running_loop().time()))
        for task in unfinished:
            task.cancel()
        await _finished([*unfinished], LAST_WORDS)
        return len(unfinished)

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: int) -> None:
        if self.stopping.is_set():
            self._log.warning("stopped_at_once", signal=number)
            os._exit(128 + number)
        self.stopping.set()


class _Server(uvicorn.Server):
    """Signals are ours: they concern the jobs too."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server_config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=PromptConnection,
        log_config=None,
        access_log=False,  # it would write signed links and query strings into the log
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=round(GRACE) - 5,
        timeout_keep_alive=75,  # longer than Alertmanager and common proxies keep idle connections
        backlog=2048,
        ws="none",
    )


def _listen(host: str, port: int) -> socket.socket:
    """Bound by ourselves, so that a busy port is one clear line instead of a traceback."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    listener.set_inheritable(True)
    return listener


async def _finished(tasks: Sequence[asyncio.Task[None]], patience: float) -> set[asyncio.Task[None]]:
    """Those that are not, after `patience` seconds."""
    return (await asyncio.wait(tasks, timeout=patience))[1] if tasks else set()


async def _guarded(job: Job) -> None:
    try:
        await job()
    except Exception:
        structlog.get_logger().exception("job_failed", job=getattr(job, "__qualname__", str(job)))
        raise


def version() -> str:
    return metadata.version("ackstream")


def main(
    name: str, serve: Callable[[Service, Config], Awaitable[None]], config_path: Path | None = None
) -> None:
    """Load the configuration, then run `serve` until it ends. Exits 2 on a configuration error, 1 when it cannot start."""
    path = config_path or Path(os.environ.get("ACKSTREAM_CONFIG") or DEFAULT_CONFIG)
    try:
        loaded = load_config(path)
    except ConfigError as error:
        sys.exit(_complain(str(error), code=2))
    logs.configure(name, loaded.config.log.level, loaded.config.log.format)
    for warning in loaded.warnings:
        structlog.get_logger().warning("config", problem=warning)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_with_service(name, serve, loaded.config))
    except StartError as error:
        sys.exit(_complain(f"ackstream {name}: {error}", code=1))


async def _with_service(
    name: str, serve: Callable[[Service, Config], Awaitable[None]], config: Config
) -> None:
    await serve(Service(name), config)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop


def _complain(message: str, code: int) -> int:
    print(message, file=sys.stderr)  # noqa: T201  the logger may not be there yet
    return code


def readiness(service: Service, redises: Redises, **more: Check) -> dict[str, Check]:
    return {"running": service.not_stopping, "redis": redises.check, **more}


async def ack_keys(config: Config, redises: Redises, known: Sequence[str] = ()) -> tuple[str, ...]:
    """The keys that sign acknowledge links, the same in every service and replica. `known`: those that we have had so far."""
    candidate = known[0] if known else None
    return await signing_keys(*_secrets(config), redises.client, candidate)


def first_ack_keys(config: Config) -> tuple[str, ...]:
    """Something to begin with before Redis was asked: what is configured, or a key that nobody has signed with yet."""
    return configured_keys(*_secrets(config)) or (new_key(),)


def _secrets(config: Config) -> tuple[str | None, list[str]]:
    secret = config.gateway_secret.get_secret_value() if config.gateway_secret else None
    return secret, [key.get_secret_value() for key in config.gateway_secret_previous]

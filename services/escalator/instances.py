"""The ServiceNow instances that are configured: the only ones that are ever spoken to, each with its own credentials."""

import asyncio
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Self

import httpx

from services.escalator.answer_length import bounded
from services.escalator.gate import Gate
from services.escalator.signing_in import PATH, NotAskedError, Tokens, form_of
from services.escalator.tls import ssl_context
from shared import metrics
from shared.config import Patience, ServiceNowConfig
from shared.config_access import AccessConfig
from shared.redis_client import Scripts

UNAUTHORIZED = 401

A_CONNECTION_EACH = httpx.Limits(max_keepalive_connections=0)
"""An answer that comes twice would be taken for that to the next call on its connection; and a connection that the other side
closes while we begin to write leaves a doubt that costs a minute. A handshake is cheaper than either."""

LATER = timedelta(seconds=5)


class Instance:
    """One instance and the way to it. `name`: None for the default one. `timeout` is for each call as a whole, signing in included.

    `lines`: one for each call that may be under way. Each keeps its own cookies: ServiceNow has one session work at one call at a
    time (KB0755706), and a session for each call would fill its memory (KB0552064).
    """

    def __init__(
        self,
        name: str | None,
        url: str,
        lines: Iterable[httpx.AsyncClient],
        timeout: timedelta,
        tokens: Tokens | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.name = name
        self.url = url
        self.gate = gate or Gate(name or "")
        self._lines = tuple(lines)
        self._free: asyncio.LifoQueue[httpx.AsyncClient] = asyncio.LifoQueue()
        for line in self._lines:
            self._free.put_nowait(line)
        self._timeout = timeout.total_seconds()
        self._tokens = tokens

    async def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """One call, made once, and its answer, whatever it is. Only a call that was refused for an old token is made again.
        Raises NotAskedError, httpx.HTTPError and TimeoutError."""
        self.gate.check()
        end = asyncio.get_running_loop().time() + self._timeout
        line = await self._free_line(end)
        try:
            return await self._signed(_Call(self, line, end), method, path, arguments)
        finally:
            self._free.put_nowait(line)

    async def close(self) -> None:
        for line in self._lines:
            await line.aclose()

    async def _free_line(self, end: float) -> httpx.AsyncClient:
        try:
            async with asyncio.timeout_at(end):
                return await self._free.get()
        except TimeoutError:
            words = "too many calls to this instance are under way"
            raise NotAskedError(words, put_off=True, retry_after=LATER) from None

    async def _signed(
        self, call: "_Call", method: str, path: str, arguments: dict[str, Any]
    ) -> httpx.Response:
        if self._tokens is None:
            return await call.make(method, path, arguments)
        token = await self._token(self._tokens, call)
        response = await call.make(method, path, arguments, token)
        if response.status_code != UNAUTHORIZED:
            return response
        self._tokens.forget(token)
        newer = await self._token(self._tokens, call)
        return response if newer == token else await call.make(method, path, arguments, newer)

    async def _token(self, tokens: Tokens, call: "_Call") -> str:
        return await tokens.get(lambda: call.make("POST", PATH, {"data": tokens.form}), call.end)


@dataclass(frozen=True)
class _Call:
    """`end`: the loop's time at which it must be over."""

    instance: Instance
    line: httpx.AsyncClient
    end: float

    async def make(
        self, method: str, path: str, arguments: dict[str, Any], token: str = ""
    ) -> httpx.Response:
        verb = "TOKEN" if path == PATH else method
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        started, response = time.monotonic(), None
        self.instance.gate.rate.spend()
        try:
            response = await self._send(method, path, headers, arguments)
        except (httpx.HTTPError, TimeoutError):
            await self.instance.gate.heard(verb, None)
            raise
        finally:
            self._count(verb, response, time.monotonic() - started)
        await self.instance.gate.heard(verb, response)
        if response.status_code == UNAUTHORIZED:
            self.line.cookies.clear()
        return response

    async def _send(
        self, method: str, path: str, headers: dict[str, str], arguments: dict[str, Any]
    ) -> httpx.Response:
        try:
            async with asyncio.timeout_at(self.end):
                return await self.line.request(method, self.instance.url + path, headers=headers, **arguments)
        except ssl.SSLError as error:  # httpx lets an alert through that comes after the handshake
            raise httpx.ReadError("TLS") from error

    def _count(self, verb: str, response: httpx.Response | None, seconds: float) -> None:
        name = self.instance.gate.label
        result = "lost" if response is None else str(response.status_code)
        metrics.SERVICENOW_REQUESTS.labels(name, verb, result).inc()
        metrics.SERVICENOW_SECONDS.labels(name, verb).observe(seconds)


class Instances:
    """`others`: by their names as configured."""

    def __init__(self, default: Instance | None, others: Iterable[Instance] = ()) -> None:
        self._default = default
        self._others: Mapping[str, Instance] = {
            instance.name.lower(): instance for instance in others if instance.name
        }

    @classmethod
    def of(cls, settings: ServiceNowConfig, scripts: Scripts | None = None) -> Self:
        """Those of the configuration. No connection is opened before it is needed. `scripts`: of the
        Redis by which replicas tell each other to wait. Raises CertificateError."""
        made = partial(_instance, settings, scripts)
        default = made(None, settings.instance_url) if settings.instance_url else None
        return cls(default, (made(name, url) for name, url in settings.other_instance_urls.items()))

    def named(self, name: str | None) -> Instance:
        """The default one for None, and for names that are not configured (any more). Raises LookupError when there is none."""
        found = self._others.get(name.lower()) if name else None
        if not (found or self._default):
            raise LookupError("oncall.servicenow.instance_url is not configured")
        return found or self._default  # type: ignore[return-value]  # one of them is there

    @property
    def all(self) -> tuple[Instance, ...]:
        default = (self._default,) if self._default else ()
        return (*default, *self._others.values())

    async def close(self) -> None:
        for instance in self.all:
            await instance.close()


def _instance(settings: ServiceNowConfig, scripts: Scripts | None, name: str | None, url: str) -> Instance:
    access = settings.access(name)
    context = ssl_context(access)
    lines = [
        http_client(access, settings.patience, context) for _ in range(settings.concurrency_per_instance)
    ]
    tokens = Tokens(form_of(access)) if access.auth.startswith("oauth") else None
    gate = Gate(name or "", scripts, settings.rate_per_instance)
    return Instance(name, url, lines, settings.timeout, tokens, gate)


def http_client(access: AccessConfig, patience: Patience, context: ssl.SSLContext) -> httpx.AsyncClient:
    """TLS is verified, and redirects are not followed: the credentials go to this instance only."""
    password = access.password.get_secret_value() if access.password else ""
    return httpx.AsyncClient(
        auth=httpx.BasicAuth(access.username or "", password) if access.auth == "basic" else None,
        timeout=httpx.Timeout(patience.whole, connect=patience.connect, read=patience.read),
        verify=context,
        proxy=access.proxy.get_secret_value() if access.proxy else None,
        follow_redirects=False,
        limits=A_CONNECTION_EACH,
        event_hooks={"response": [bounded]},
    )

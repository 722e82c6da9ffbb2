"""The ServiceNow instances that are configured: the only ones that are ever spoken to, each with its own credentials."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Self

import httpx

from shared.config import ServiceNowConfig
from shared.config_access import AccessConfig


class Instance:
    """One instance and the way to it. `name`: None for the default one. `timeout` is for each call as a whole."""

    def __init__(self, name: str | None, url: str, client: httpx.AsyncClient, timeout: timedelta) -> None:
        self.name = name
        self.url = url
        self._client = client
        self._timeout = timeout.total_seconds()

    async def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """One call, made once, and its answer, whatever it is. Raises httpx.HTTPError and TimeoutError."""
        async with asyncio.timeout(self._timeout):
            return await self._client.request(
                method, self.url + path, headers={"Accept": "application/json"}, **arguments
            )

    async def close(self) -> None:
        await self._client.aclose()


class Instances:
    """`others`: by their names as configured."""

    def __init__(self, default: Instance | None, others: Iterable[Instance] = ()) -> None:
        self._default = default
        self._others: Mapping[str, Instance] = {
            instance.name.lower(): instance for instance in others if instance.name
        }

    @classmethod
    def of(cls, settings: ServiceNowConfig) -> Self:
        """Those of the configuration. No connection is opened before it is needed."""
        default = _instance(settings, None, settings.instance_url) if settings.instance_url else None
        return cls(
            default, (_instance(settings, name, url) for name, url in settings.other_instance_urls.items())
        )

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


def _instance(settings: ServiceNowConfig, name: str | None, url: str) -> Instance:
    return Instance(name, url, http_client(settings.access(name), settings.timeout), settings.timeout)


def http_client(access: AccessConfig, timeout: timedelta) -> httpx.AsyncClient:
    """TLS is verified, and redirects are not followed: the credentials go to this instance only."""
    password = access.password.get_secret_value() if access.password else ""
    return httpx.AsyncClient(
        auth=httpx.BasicAuth(access.username or "", password),
        timeout=timeout.total_seconds(),
        follow_redirects=False,
    )

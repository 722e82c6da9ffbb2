import asyncio
from typing import NoReturn

from starlette.requests import HTTPConnection, Request
from uvicorn.protocols.http.h11_impl import H11Protocol

TRANSPORT = "transport"


class DroppableConnection(H11Protocol):
    """Hands each request its TCP transport: ASGI has no word for hanging up without an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, TRANSPORT: transport}
        super().connection_made(transport)


class Dropped(Exception):  # noqa: N818 - it is what was asked for, not an error
    """The connection is closed; there is nobody to answer."""


def hang_up(connection: HTTPConnection) -> None:
    """Cut the TCP connection. Under a test transport without TCP: ConnectionResetError."""
    transport: asyncio.Transport | None = connection.scope.get("state", {}).get(TRANSPORT)
    if transport is None:
        raise ConnectionResetError("the stand-in dropped the connection")
    transport.abort()


async def drop(request: Request) -> NoReturn:
    """Close the TCP connection with no HTTP answer. Under a test transport without TCP: ConnectionResetError."""
    hang_up(request)
    while (await request.receive())["type"] != "http.disconnect":
        pass
    raise Dropped

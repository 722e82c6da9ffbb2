import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import uvicorn

from sandbox.app import create_app
from sandbox.connection import DroppableConnection
from sandbox.slack import SlackWorkspace
from sandbox.slack_settings import SlackSettings
from sandbox.world import World


class Server(uvicorn.Server):
    """Serves one world. Port 0 takes a free one; `on_ready` gets the address as soon as connections are accepted. `tls`:
    uvicorn's `ssl_…`."""

    def __init__(
        self,
        world: World,
        host: str,
        port: int,
        on_ready: Callable[[str], None] = lambda _: None,
        **tls: Any,
    ) -> None:
        app = create_app(world)
        super().__init__(
            uvicorn.Config(
                app,
                host,
                port,
                http=DroppableConnection,
                ws="wsproto",
                lifespan="off",
                log_level="warning",
                **tls,
            )
        )
        self._world = world
        self._on_ready = on_ready

    @property
    def url(self) -> str:
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        scheme = "https" if self.config.is_ssl else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready(self.url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Requests that a fault keeps waiting would keep the server waiting too.
        self._world.faults.clear()
        self._world.slack.socket_mode.stop()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        # uvicorn would raise the signal again after a clean stop; being told to stop is not a failure here.
        self.should_exit = True


@dataclass(frozen=True)
class Running:
    """A served world and its address, such as `http://127.0.0.1:40123`."""

    world: World
    url: str

    @property
    def slack_url(self) -> str:
        """For `alert.slack.api_url`."""
        return f"{self.url}/slack/api/"

    def servicenow_url(self, instance: str = "main") -> str:
        """For `oncall.servicenow.instance_url`."""
        return f"{self.url}/servicenow/{instance}"

    @property
    def webhook_url(self) -> str:
        """For `oncall.webhook.url`, with a key in it that is nobody's business."""
        return f"{self.url}/webhook/pager?key=sandbox-webhook-key"


@contextmanager
def running(
    world: World | None = None, tls: Mapping[str, Any] | None = None, **settings: Any
) -> Iterator[Running]:
    """Serve a world on a free port, from a thread of its own, for as long as the `with` lasts. `tls`: uvicorn's `ssl_…`.
    `settings` are SlackSettings."""
    world = world or World(slack=SlackWorkspace(settings=SlackSettings(**settings)))
    server = Server(world, "127.0.0.1", 0, **(tls or {}))
    thread = threading.Thread(target=server.run, name="sandbox", daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.005)
    if not server.started:
        raise RuntimeError("the stand-in server did not start")
    try:
        yield Running(world, server.url)
    finally:
        server.should_exit = True
        thread.join()

"""An app's end of interactivity, and messages with something to press."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.server import Running

CHANNEL = "C0ALERTS"


def button(action_id: str, **changes: Any) -> dict[str, Any]:
    text = {"type": "plain_text", "text": action_id.title()}
    return {"type": "button", "action_id": action_id, "text": text, "value": "0192"} | changes


def menu(kind: str, action_id: str, *values: str) -> dict[str, Any]:
    options = [{"text": {"type": "plain_text", "text": value}, "value": value} for value in values]
    return {"type": kind, "action_id": action_id, "options": options}


def actions(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "block_id": "incident_actions", "elements": list(elements)}


@dataclass
class App:
    """What it received, and how it answers."""

    url: str
    status: int = 200
    delay: float = 0
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def listening_app() -> Iterator[App]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            app.requests.append((dict(self.headers), body))
            time.sleep(app.delay)
            self.send_response(app.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        app = App(f"http://127.0.0.1:{server.server_address[1]}/slack/interactions")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield app
        server.shutdown()
        thread.join()


class SocketApp:
    """slack-sdk's own client. `silent`: it hears and does not acknowledge."""

    def __init__(self, sandbox: Running, *, silent: bool = False) -> None:
        web = AsyncWebClient(base_url=sandbox.slack_url, retry_handlers=[])
        # Half of the interval without a pong counts as a lost connection: not too short for a busy machine.
        self.client = SocketModeClient("xapp-1-A0ACKSTREAM-1-secret", web_client=web, ping_interval=1)
        self.client.socket_mode_request_listeners.append(self._heard)
        self.client.message_listeners.append(self._message)
        self.silent = silent
        self.requests: list[SocketModeRequest] = []
        self.messages: list[dict[str, Any]] = []

    async def _message(self, _: AsyncBaseSocketModeClient, message: dict[str, Any], __: str | None) -> None:
        self.messages.append(message)

    async def _heard(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        self.requests.append(request)
        if not self.silent:
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))

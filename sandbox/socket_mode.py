"""Slack's end of Socket Mode (docs.slack.dev/apis/events-api/using-socket-mode): an app's WebSockets, and envelopes over one of
them."""

import asyncio
import json
import secrets
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from sandbox.connection import hang_up

ATTEMPTS = 3
HOST = "applink-sandbox"
# What sending raises when the other end has just gone.
GONE = (WebSocketDisconnect, RuntimeError, OSError)


@dataclass(eq=False)
class Connection:
    """`leaving`: was asked to go, and gets an envelope only where nobody else is there."""

    websocket: WebSocket
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    leaving: bool = False
    envelopes: int = 0

    async def send(self, message: dict[str, Any]) -> None:
        await self.websocket.send_text(json.dumps(message))


class SocketMode:
    """The connections of the app. Belongs to the server's event loop; `connections` may be read from anywhere."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.opened = 0
        self._stopping = False
        self._tickets: set[str] = set()
        self._waiting: dict[str, asyncio.Event] = {}
        self._chores: set[asyncio.Task[None]] = set()

    def reset(self) -> None:
        """Forget that the app ever asked for a connection; those that it has stay."""
        self.opened = 0
        self._tickets.clear()

    def stop(self) -> None:
        """The server ends: what nobody has acknowledged yet is given up."""
        self._stopping = True

    def ticket(self) -> str:
        """Good for one connection."""
        self.opened += 1
        ticket = secrets.token_hex(8)
        self._tickets.add(ticket)
        return ticket

    async def serve(self, websocket: WebSocket) -> None:
        """One connection, from its hello until it ends."""
        ticket = websocket.query_params.get("ticket", "")
        if ticket not in self._tickets:
            await websocket.close()  # before it was accepted: 403
            return
        self._tickets.remove(ticket)
        await websocket.accept()
        connection = Connection(websocket)
        self.connections.append(connection)
        try:
            await connection.send(self._hello(websocket.query_params.get("app_id", "")))
            async for text in websocket.iter_text():
                self._acknowledge(text)
        except GONE:
            pass
        finally:
            self.connections.remove(connection)
            connection.closed.set()

    async def deliver(self, payload: dict[str, Any], patience: float) -> int:
        """Send to one connection; to another one when the first closes or is silent for `patience` seconds. Returns how often
        it was sent; 0 where nobody acknowledged it in twice that time."""
        envelope_id, deadline = str(uuid.uuid4()), time.monotonic() + 2 * patience
        acknowledged = self._waiting[envelope_id] = asyncio.Event()
        tried: list[Connection] = []
        try:
            while not self._stopping and len(tried) < ATTEMPTS and (left := deadline - time.monotonic()) > 0:
                connection = self._choice(tried)
                if connection is None:
                    await _within(min(left, 0.02), acknowledged)
                else:
                    await self._send(connection, envelope_id, payload, len(tried))
                    tried.append(connection)
                    await _within(min(left, patience), acknowledged, connection.closed)
                if acknowledged.is_set():
                    return len(tried)
        finally:
            del self._waiting[envelope_id]
        return 0

    async def refresh(self, count: int | None = None, close_after: float = 10) -> int:
        """Ask the oldest connections, or all, to make new ones, as Slack does every few hours; then close them."""
        chosen = list(self.connections)[:count]
        for connection in chosen:
            connection.leaving = True
            with suppress(*GONE):
                debug_info = {"host": HOST}
                await connection.send(
                    {"type": "disconnect", "reason": "refresh_requested", "debug_info": debug_info}
                )
            chore = asyncio.create_task(_close(connection, close_after))
            self._chores.add(chore)
            chore.add_done_callback(self._chores.discard)
        return len(chosen)

    def drop(self, count: int | None = None) -> int:
        """Cut the oldest connections, or all, without a word."""
        chosen = list(self.connections)[:count]
        for connection in chosen:
            hang_up(connection.websocket)
        return len(chosen)

    def as_json(self) -> dict[str, Any]:
        connections = [{"envelopes": one.envelopes, "leaving": one.leaving} for one in list(self.connections)]
        return {"opened": self.opened, "connections": connections}

    def _hello(self, app_id: str) -> dict[str, Any]:
        return {
            "type": "hello",
            "num_connections": len(self.connections),
            "debug_info": {"host": HOST, "build_number": 1, "approximate_connection_time": 18060},
            "connection_info": {"app_id": app_id},
        }

    def _choice(self, tried: list[Connection]) -> Connection | None:
        free = [one for one in self.connections if one not in tried and not one.closed.is_set()]
        return min(free, key=lambda one: (one.leaving, one.envelopes), default=None)

    async def _send(
        self, connection: Connection, envelope_id: str, payload: dict[str, Any], attempt: int
    ) -> None:
        envelope = {
            "envelope_id": envelope_id,
            "type": "interactive",
            "accepts_response_payload": False,
            "retry_attempt": attempt,
            "retry_reason": "timeout" if attempt else "",
            "payload": payload,
        }
        connection.envelopes += 1
        with suppress(*GONE):
            await connection.send(envelope)

    def _acknowledge(self, text: str) -> None:
        with suppress(ValueError, AttributeError):
            waiting = self._waiting.get(json.loads(text).get("envelope_id"))
            if waiting is not None:
                waiting.set()


async def _within(seconds: float, *events: asyncio.Event) -> None:
    """Until one of them is set, but not for longer."""
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _close(connection: Connection, after: float) -> None:
    await _within(after, connection.closed)
    if not connection.closed.is_set():
        with suppress(*GONE):
            await connection.websocket.close()

"""The smallest ServiceNow: finds nothing, takes every record, and answers `--latency` later, however many ask at once.

A process of its own; tells what it saw as JSON on GET /seen, and on GET /count how many records that were.
"""

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

import uvloop

from bench.http import Requests, answer

BACKLOG = 1024


@dataclass
class Seen:
    calls: int = 0
    at_once: int = 0
    most_at_once: int = 0
    records: list[tuple[float, str]] = field(default_factory=list)
    """When the call came, in seconds, and the correlation_id."""

    def begun(self) -> None:
        self.calls += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)


class Answerer(asyncio.Protocol):
    """One connection. `latency`: seconds."""

    def __init__(self, seen: Seen, latency: float) -> None:
        self._seen = seen
        self._latency = latency
        self._requests = Requests()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for head, body in self._requests.feed(data):
            if head.startswith(b"GET /seen"):
                self._write(answer(json.dumps(vars(self._seen)).encode()))
            elif head.startswith(b"GET /count"):
                self._write(answer(b"%d" % len(self._seen.records)))
            else:
                self._take(head, body)

    def _take(self, head: bytes, body: bytes) -> None:
        self._seen.begun()
        if head.startswith(b"POST"):
            taken = answer(json.dumps({"result": self._record(json.loads(body))}).encode(), "201 Created")
        else:
            taken = answer(b'{"result": []}')
        asyncio.get_running_loop().call_later(self._latency, self._end, taken)

    def _record(self, fields: dict[str, Any]) -> dict[str, str]:
        correlation_id = fields["correlation_id"]
        self._seen.records.append((time.time(), correlation_id))
        number = len(self._seen.records)
        return {"sys_id": f"{number:032x}", "number": f"INC{number:07}", "correlation_id": correlation_id}

    def _end(self, taken: bytes) -> None:
        self._seen.at_once -= 1
        self._write(taken)

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)  # type: ignore[attr-defined]


async def serve(port: int, latency: float) -> None:
    seen, loop = Seen(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answerer(seen, latency), "127.0.0.1", port, backlog=BACKLOG)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency", type=float, required=True, help="seconds")
    given = parser.parse_args()
    uvloop.run(serve(given.port, given.latency))

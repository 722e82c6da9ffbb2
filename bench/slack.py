"""The smallest Slack: takes every call at once and counts. A process of its own; tells what it saw as JSON: on GET /seen the moments
of all calls, on GET /posts that of each incident's first post, in seconds."""

import argparse
import asyncio
import json
import re
import time
from dataclasses import dataclass, field

import uvloop

from bench.http import Requests, answer

INCIDENT = re.compile(rb"incident_id\W+(?:%\w\w|\W)*([0-9a-f]{32})")
"""In the message's metadata, as JSON or in a form."""


@dataclass
class Seen:
    calls: list[float] = field(default_factory=list)
    posts: dict[str, float] = field(default_factory=dict)


class Answerer(asyncio.Protocol):
    """One connection."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._requests = Requests()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for head, body in self._requests.feed(data):
            self._transport.write(answer(self._answer(head, body)))  # type: ignore[attr-defined]

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"GET /seen"):
            return json.dumps(self._seen.calls).encode()
        if head.startswith(b"GET /posts"):
            return json.dumps(self._seen.posts).encode()
        self._seen.calls.append(now := time.time())
        if b"chat.postMessage" in head and (found := INCIDENT.search(body)):
            self._seen.posts.setdefault(found[1].decode(), now)
        return b'{"ok": true, "channel": "C0TEST", "ts": "%d.000000"}' % len(self._seen.calls)


async def serve(port: int) -> None:
    seen = Seen()
    server = await asyncio.get_running_loop().create_server(lambda: Answerer(seen), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))

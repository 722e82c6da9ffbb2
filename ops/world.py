"""A world of its own on this machine: stand-ins for Slack and ServiceNow, all of Ackstream between them, and a directory that is
removed in the end. Nothing in it reaches anything outside."""

import asyncio
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from ops.tree import Program, Surroundings, Tree
from ops.up import local_url, say, up
from shared.config import Config
from shared.config_file import load_config
from shared.config_keys import OVERRIDES

CHANNEL = "C0DEMO"
STDERR = 2
"""Where the programs' own lines go: what we print may be for another program."""


@dataclass(frozen=True)
class Manner:
    """How it is to be there. `slack`, `oncall`, `ingest`: configuration keys beside those that belong to the world.
    `interactive`: buttons in its Slack act at once; else they lead to the incident's page.
    """

    name: str
    template: Path
    channel: str = CHANNEL
    instances: tuple[str, ...] = ("infra",)
    slack: Mapping[str, Any] = field(default_factory=dict)
    oncall: Mapping[str, Any] = field(default_factory=dict)
    ingest: Mapping[str, Any] = field(default_factory=dict)
    interactive: bool = False


@dataclass(frozen=True)
class World:
    """Where everything is; `ingest` and `sandbox` are base URLs."""

    ingest: str
    sandbox: str
    config: Config
    data_dir: Path


async def live(
    manner: Manner,
    when_ready: Callable[[World], Awaitable[None]],
    stopping: asyncio.Event | None = None,
) -> None:
    """Run until a signal comes or `stopping` is set. Raises what `up` raises, and what `when_ready` does."""
    with tempfile.TemporaryDirectory(prefix=f"ackstream-{manner.name}-") as directory:
        home, surroundings = Path(directory), Surroundings(_environ(), STDERR)
        ports = _ports(3000, 8085, 3001, 3002)
        ingest, sandbox = (local_url("127.0.0.1", port) for port in ports[:2])
        config_path = home / "config.yaml"
        settings, secret = _settings(manner, ingest, sandbox, ports), secrets.token_hex(16)
        if manner.interactive:
            settings["alert"]["slack"] |= {"interactivity": "http", "signing_secret": secret}
        config_path.write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
        world = World(ingest, sandbox, load_config(config_path, {}).config, home / "data")
        outside = Tree(say, surroundings)
        place = ["--host", "127.0.0.1", "--port", str(ports[1]), "--channel", f"{manner.channel}=alerts"]
        if manner.interactive:
            place += ["--interactivity-url", f"{ingest}/slack/interactions", "--signing-secret", secret]
        await outside.start(Program("sandbox", [sys.executable, "-m", "sandbox", *place]))

        async def ready() -> None:
            await when_ready(world)

        try:
            await up(
                world.config, config_path, world.data_dir, ready, surroundings=surroundings, stopping=stopping
            )
        finally:
            await outside.stop()


def _environ() -> dict[str, str]:
    """Ours, less what would win over the world's configuration: the variables of a real installation may stand there."""
    ours = {name for override in OVERRIDES for name in (override, f"{override}_FILE")} | {"ACKSTREAM_CONFIG"}
    return {name: value for name, value in os.environ.items() if name not in ours}


def _settings(manner: Manner, ingest: str, sandbox: str, ports: list[int]) -> dict[str, Any]:
    port, _, notifier_port, escalator_port = ports
    others = {name: f"{sandbox}/servicenow/{quote(name, safe='')}" for name in manner.instances}
    slack = {
        "enable": True,
        "token": "xoxb-demo",
        "channel_id": manner.channel,
        "template_path": str(manner.template.resolve()),
        "api_url": f"{sandbox}/slack/api/",
    }
    servicenow = {
        "instance_url": f"{sandbox}/servicenow/main",
        "username": "ackstream",
        "password": "sandbox",
        "other_instance_urls": others,
    }
    return {
        "public_host": ingest,
        "host": "127.0.0.1",
        "port": port,
        "alert": {"debug_body": False, "slack": {**manner.slack, **slack}},
        "oncall": {"enable": True, **manner.oncall, "servicenow": servicenow},
        "ingest": dict(manner.ingest),
        "notifier": {"host": "127.0.0.1", "health_port": notifier_port},
        "escalator": {"host": "127.0.0.1", "health_port": escalator_port},
        "log": {"level": "warning"},
    }


def _ports(*wanted: int) -> list[int]:
    """The wanted ports where they are free, else others."""
    probes = [_bound(port) for port in wanted]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _bound(port: int) -> socket.socket:
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        probe.bind(("127.0.0.1", 0))
    return probe

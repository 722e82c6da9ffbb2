"""`ackstream demo`: the whole path on this machine, with stand-ins for Slack and ServiceNow, in a directory that it removes."""

import asyncio
import socket
import sys
import tempfile
from pathlib import Path

from ops.sample_alert import alert_body, send
from ops.tree import Program, Tree
from ops.up import local_url, say, up
from shared.config_file import load_config

WAIT_SECONDS = 45
"""Long enough to click, short enough to watch."""

CONFIG = """\
public_host: {ingest}
host: 127.0.0.1
port: {port}
alert:
  debug_body: false
  slack:
    enable: true
    token: xoxb-demo
    channel_id: C0DEMO
    template_path: {template}
    api_url: {sandbox}/slack/api/
oncall:
  enable: true
  wait_minutes: {wait_minutes}
  servicenow:
    instance_url: {sandbox}/servicenow/main
    username: ackstream
    password: sandbox
    other_instance_urls:
      infra: {sandbox}/servicenow/infra
notifier: {{host: 127.0.0.1, health_port: {notifier_port}}}
escalator: {{host: 127.0.0.1, health_port: {escalator_port}}}
log: {{level: warning}}
"""

BANNER = """
  Ackstream is running. An alert has just been sent.

    {sandbox}/
        Slack and ServiceNow, as stand-ins: see the message, click Acknowledge,
        or wait {wait} seconds and see the record appear.

    {ingest}/api/incidents
        where Alertmanager's webhook would point. Send another alert:
        {command} test-alert --url {ingest} --name DiskFull --severity warning

  Ctrl-C ends everything and leaves nothing behind.
"""


async def demo(template: Path) -> None:
    """Run until a signal comes. Raises what `up` raises."""
    with tempfile.TemporaryDirectory(prefix="ackstream-demo-") as directory:
        home = Path(directory)
        port, sandbox_port, notifier_port, escalator_port = _ports(3000, 8085, 3001, 3002)
        ingest, sandbox = local_url("127.0.0.1", port), local_url("127.0.0.1", sandbox_port)
        config_path = home / "config.yaml"
        settings = {"port": port, "notifier_port": notifier_port, "escalator_port": escalator_port}
        text = CONFIG.format(
            ingest=ingest, sandbox=sandbox, template=template, wait_minutes=WAIT_SECONDS / 60, **settings
        )
        config_path.write_text(text, encoding="utf-8")
        config = load_config(config_path, {}).config
        world = Tree(say)
        place = ["--host", "127.0.0.1", "--port", str(sandbox_port), "--channel", "C0DEMO=alerts"]
        await world.start(Program("sandbox", [sys.executable, "-m", "sandbox", *place]))

        async def when_ready() -> None:
            body = alert_body("HighLatency", "critical", "p99 latency of checkout is above 2 s")
            await asyncio.to_thread(send, ingest, body, {})
            banner = {
                "ingest": ingest,
                "sandbox": sandbox,
                "wait": WAIT_SECONDS,
                "command": Path(sys.argv[0]),
            }
            print(BANNER.format(**banner), flush=True)

        try:
            await up(config, config_path, home / "data", when_ready)
        finally:
            await world.stop()


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

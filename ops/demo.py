"""`ackstream demo`: the whole path on this machine, with stand-ins for Slack and ServiceNow, in a directory that it removes."""

import asyncio
import sys
from pathlib import Path

from ops.sample_alert import alert_body, send
from ops.world import Manner, World, live

WAIT_SECONDS = 45
"""Long enough to click, short enough to watch."""

BANNER = """
  Ackstream is running. An alert has just been sent.

    {sandbox}/
        Slack and ServiceNow, as stand-ins: see the message, press its buttons,
        or wait {wait} seconds and see the record appear.

    {ingest}/api/incidents
        where Alertmanager's webhook would point. Send another alert:
        {command} test-alert --url {ingest} --name DiskFull --severity warning

  Ctrl-C ends everything and leaves nothing behind.
"""


async def demo(template: Path) -> None:
    """Run until a signal comes. Raises what `up` raises."""
    await live(
        Manner("demo", template, oncall={"wait_minutes": WAIT_SECONDS / 60}, interactive=True), _send_an_alert
    )


async def _send_an_alert(world: World) -> None:
    body = alert_body("HighLatency", "critical", "p99 latency of checkout is above 2 s")
    await asyncio.to_thread(send, world.ingest, body, {})
    command = Path(sys.argv[0])
    print(
        BANNER.format(ingest=world.ingest, sandbox=world.sandbox, wait=WAIT_SECONDS, command=command),
        flush=True,
    )

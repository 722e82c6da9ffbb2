"""A real Alertmanager, on free ports."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from tests.servers import free_port
from tests.waiting import wait_until

SEED_CONFIG = """\
receivers:
- name: 'versus-no-oncall'
  webhook_configs:
  - url: 'http://{ingest}/api/incidents?oncall_enable=false'
    send_resolved: false
- name: 'versus-with-ack'
  webhook_configs:
  - url: 'http://{ingest}/api/incidents?oncall_wait_minutes=5'
    send_resolved: false
- name: 'versus-immediate'
  webhook_configs:
  - url: 'http://{ingest}/api/incidents?oncall_wait_minutes=0'
    send_resolved: false
- name: 'versus-servicenow-infra'
  webhook_configs:
  - url: 'http://{ingest}/api/incidents?servicenow_other_instance=infra'
    send_resolved: false

route:
  receiver: 'versus-no-oncall'
  group_by: ['alertname', 'service']
{timing}
  routes:
  - match:
      severity: warning
    receiver: 'versus-no-oncall'
  - match:
      severity: critical
    receiver: 'versus-with-ack'
  - match:
      severity: urgent
    receiver: 'versus-immediate'
  - match:
      team: infrastructure
    receiver: 'versus-servicenow-infra'
"""
"""The four routes of the page that Versus' users follow, in one file; only host and port are replaced."""

TIMING = """\
  group_wait: 100ms
  group_interval: {interval}
  repeat_interval: {repeat}
"""


class Alertmanager:
    """`configure`, `start`, then `fire` and `resolve` alerts. One peer, no cluster, unless `peers` says otherwise."""

    def __init__(self, program: str, directory: Path) -> None:
        self._program = program
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def configure(
        self, ingest_url: str, *, interval: str = "1s", repeat: str = "1h", **replaced: str
    ) -> None:
        """Write the seed page's configuration. `replaced`: further texts to put in the place of others."""
        text = SEED_CONFIG.format(
            ingest=ingest_url.removeprefix("http://"), timing=TIMING.format(interval=interval, repeat=repeat)
        )
        for old, new in replaced.items():
            assert old in text
            text = text.replace(old, new)
        (self._directory / "alertmanager.yml").write_text(text, encoding="utf-8")

    async def start(self) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [
            self._program,
            f"--config.file={self._directory / 'alertmanager.yml'}",
            f"--storage.path={self._directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ]
        with (self._directory / "alertmanager.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        await wait_until(self._is_ready, "Alertmanager to be ready", seconds=20)

    async def _is_ready(self) -> bool:
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                return (await client.get(f"{self.url}/-/ready")).status_code == 200
            except httpx.HTTPError:
                return False

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)

    async def fire(self, name: str, *, started_at: datetime | None = None, **labels: str) -> None:
        """As Prometheus does: it keeps firing until `resolve`, or for an hour."""
        start = started_at or datetime.now(UTC)
        await self._post(name, labels, start, start + timedelta(hours=1))

    async def resolve(self, name: str, **labels: str) -> None:
        now = datetime.now(UTC)
        await self._post(name, labels, now - timedelta(seconds=1), now)

    async def next_look(self) -> None:
        """Wait until Alertmanager has just looked at a group: it reads its notification log each time."""
        before = await self._looks()

        async def again() -> bool:
            return await self._looks() > before

        await wait_until(again, "Alertmanager to look at its groups again", seconds=30)

    async def _looks(self) -> float:
        async with httpx.AsyncClient(trust_env=False) as client:
            text = (await client.get(f"{self.url}/metrics")).text
        lines = (line for line in text.splitlines() if line.startswith("alertmanager_nflog_queries_total "))
        return float(next(lines).split()[1])

    async def _post(self, name: str, labels: dict[str, str], start: datetime, end: datetime) -> None:
        alert: dict[str, Any] = {
            "labels": {"alertname": name, "service": "checkout", **labels},
            "annotations": {"summary": f"{name} is not as it should be"},
            "startsAt": start.isoformat(),
            "endsAt": end.isoformat(),
            "generatorURL": "http://prometheus.example/graph",
        }
        async with httpx.AsyncClient(trust_env=False) as client:
            (await client.post(f"{self.url}/api/v2/alerts", json=[alert])).raise_for_status()

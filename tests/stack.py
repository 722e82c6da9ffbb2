"""The whole of Ackstream as real processes, between a real Redis and the sandbox."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx

from ops.up import health_urls
from sandbox.server import Running
from shared.config_file import load_config
from tests.servers import free_port
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ("ingest", "notifier", "escalator")

CONFIG = """\
host: 127.0.0.1
port: {port}
public_host: http://127.0.0.1:{port}
alert:
  debug_body: false
  slack:
    enable: true
    token: xoxb-test
    channel_id: C0TEST
    template_path: {root}/config/slack_message.tmpl
    api_url: {slack}
    timeout_seconds: {timeout}
    pace: {{per_second: {per_second}}}
    interactivity: {interactivity}
    signing_secret: sandbox-signing-secret
    app_token: xapp-1-A0ACKSTREAM-1-secret
    storm: {storm}
oncall:
  enable: true
  wait_minutes: {wait_minutes}
  servicenow:
    instance_url: {servicenow_main}
    username: ackstream
    password: sandbox
    timeout_seconds: {timeout}
    other_instance_urls:
      infra: {servicenow_infra}
    fields: {fields}
{life}
redis:
  {redis}
notifier:
  host: 127.0.0.1
  health_port: ${{NOTIFIER_PORT:-{notifier_port}}}
escalator:
  host: 127.0.0.1
  health_port: ${{ESCALATOR_PORT:-{escalator_port}}}
"""


PORT_VARIABLES = {"ingest": "PORT", "notifier": "NOTIFIER_PORT", "escalator": "ESCALATOR_PORT"}


class Stack:
    """`start` and `kill` services one by one; `url` is ingest's. Logs lie in `directory`.

    `constants`: settings of tests/altered.py that its services run with. `timeout`: seconds to wait for Slack and ServiceNow.
    `per_second`: calls to Slack that a channel gets; 0: as many as come. `storm`, `fields`: settings, as YAML;
    `life`: so are more of ServiceNow's, by their keys.
    """

    def __init__(
        self,
        directory: Path,
        sandbox: Running,
        redis_url: str | None,
        *,
        wait_minutes: float = 3,
        timeout: float = 3,
        per_second: float = 0,
        interactivity: str = "link",
        storm: str = "{}",
        fields: str = "{}",
        life: Mapping[str, str] = MappingProxyType({}),
        constants: Sequence[str] = (),
        extra: str = "",
    ) -> None:
        self.directory = directory
        self.constants = tuple(constants)
        self.sandbox = sandbox
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config_path = directory / "config.yaml"
        text = CONFIG.format(
            root=ROOT,
            port=self.port,
            notifier_port=free_port(),
            escalator_port=free_port(),
            slack=sandbox.slack_url,
            servicenow_main=sandbox.servicenow_url("main"),
            servicenow_infra=sandbox.servicenow_url("infra"),
            redis=f"url: {redis_url}" if redis_url else "host: ''",
            wait_minutes=wait_minutes,
            timeout=timeout,
            per_second=per_second,
            interactivity=interactivity,
            storm=storm,
            fields=fields,
            life="\n".join(f"    {key}: {value}" for key, value in life.items()),
        )
        self.config_path.write_text(text + extra, encoding="utf-8")
        self.config = load_config(self.config_path, {}).config
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ports: dict[str, int] = {}

    def start(
        self,
        name: str,
        *arguments: str,
        command: str | None = None,
        environment: Mapping[str, str] | None = None,
        constants: Sequence[str] = (),
    ) -> None:
        """Run `ackstream COMMAND`, which is `name` unless there are several of one kind: a service, or `up`.

        A service that is one of several listens on a port of its own.
        """
        command = command or name
        own = {}
        if name != command and command in PORT_VARIABLES:
            port = self._ports.setdefault(name, free_port())
            own[PORT_VARIABLES[command]] = str(port)
        altered = [*self.constants, *constants]
        program = ["tests.altered", *altered, "--"] if altered else ["ops.command"]
        command_line = [sys.executable, "-m", *program, command, "--config", str(self.config_path)]
        with (self.directory / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [*command_line, *arguments],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**clean_environment(), **own, **(environment or {})},
            )

    async def start_all(self) -> None:
        for service in SERVICES:
            self.start(service)
        for service in SERVICES:
            await self.ready(service)

    def address(self, name: str) -> str:
        """Where a service, or one of several, answers."""
        if name in self._ports:
            return f"http://127.0.0.1:{self._ports[name]}"
        return health_urls(self.config)[name]

    async def ready(self, service: str) -> None:
        url = f"{self.address(service)}/readyz"

        async def is_ready() -> bool:
            async with httpx.AsyncClient(trust_env=False) as client:
                try:
                    return (await client.get(url)).status_code == 200
                except httpx.HTTPError:
                    assert self._processes[service].poll() is None, self.log(service)
                    return False

        await wait_until(is_ready, f"{service} to be ready", seconds=20, every=0.05)

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        """End a process and wait for it; its exit code."""
        process = self._processes[name]
        if process.poll() is None:
            process.send_signal(number)
        return process.wait(30)

    def wait(self, name: str) -> int:
        """Until it ends by itself; its exit code."""
        return self._processes[name].wait(30)

    def signal(self, name: str, number: int) -> None:
        self._processes[name].send_signal(number)

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def stop(self) -> None:
        for process in self._processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self._processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(errors="replace")

    async def press(self, message: dict[str, Any], action_id: str, user: str = "U0HUMAN") -> dict[str, Any]:
        """Somebody presses a button of the message; what became of it."""
        click = {"channel": "C0TEST", "ts": message["ts"], "action_id": action_id, "user": user}
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            answer = await client.post(f"{self.sandbox.url}/_sandbox/click", json=click)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    # What people and other systems see

    async def send(self, body: Any, query: str = "", **options: Any) -> httpx.Response:
        """POST to ingest."""
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            content = {"content": body} if isinstance(body, bytes) else {"json": body}
            return await client.post(f"{self.url}/api/incidents{query}", **content, **options)

    def messages(self, channel: str = "C0TEST") -> list[dict[str, Any]]:
        """What the channel shows; threads are shut."""
        return [message for message in self.sandbox.world.slack.messages(channel) if not is_reply(message)]

    def replies(self, channel: str = "C0TEST") -> list[dict[str, Any]]:
        """What all threads of the channel show."""
        return [message for message in self.sandbox.world.slack.messages(channel) if is_reply(message)]

    def records(self, instance: str = "main") -> list[dict[str, Any]]:
        return self.sandbox.world.servicenow.rows(instance, "incident")

    async def message(
        self, describes: Callable[[dict[str, Any]], bool], description: str, seconds: float = 10
    ) -> dict[str, Any]:
        """The first Slack message that fits."""
        found = await wait_until(
            lambda: [m for m in self.messages() if describes(m)], description, seconds=seconds
        )
        first: dict[str, Any] = found[0]
        return first


def is_reply(message: dict[str, Any]) -> bool:
    return message.get("thread_ts") not in (None, message["ts"])


def clean_environment() -> dict[str, str]:
    """Ours, less what would override a configuration file."""
    overrides = (
        "ACKSTREAM_",
        "SLACK_",
        "ONCALL_",
        "REDIS_",
        "SERVICENOW_",
        "GATEWAY_SECRET",
        "DEBUG_BODY",
        "PORT",
    )
    return {name: value for name, value in os.environ.items() if not name.startswith(overrides)}


def ack_link(message: dict[str, Any]) -> str | None:
    """Where the message's button to acknowledge leads."""
    url: str | None = next(
        (button["url"] for button in buttons(message) if button["action_id"] == "ack_incident"), None
    )
    return url


def buttons(message: dict[str, Any]) -> list[dict[str, Any]]:
    blocks = message["attachments"][0]["blocks"]
    return [button for block in blocks if block["type"] == "actions" for button in block["elements"]]


def color(message: dict[str, Any]) -> str:
    """As Slack reports it, without #."""
    shown: str = message["attachments"][0]["color"]
    return shown.removeprefix("#")


async def acknowledge(url: str, name: str = "") -> httpx.Response:
    """Click the page's one button."""
    async with httpx.AsyncClient(trust_env=False) as client:
        page = await client.get(url)
        assert page.status_code == 200, page.text
        return await client.post(url, data={"name": name})


async def pause_for_a_moment() -> None:
    """For tests that show that something does *not* happen."""
    await asyncio.sleep(0.5)

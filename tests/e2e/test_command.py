"""The `ackstream` command as somebody types it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stack import ROOT, Stack, clean_environment, color
from tests.unit.config.seed import CONFIG, ENVIRONMENT

Typed = subprocess.CompletedProcess[str]
Run = Callable[..., Typed]
TEMPLATE = (ROOT / "config" / "slack_message.tmpl").read_text(encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """From `run("check-config", "c.yaml", NAME=value)`: what it printed and its exit code; in an empty directory."""

    def run(*arguments: str, **environment: str) -> Typed:
        return subprocess.run(
            [sys.executable, "-m", "ops.command", *arguments],
            cwd=tmp_path,
            env=clean_environment() | {"PYTHONPATH": str(ROOT)} | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The seed page's directory: its configuration, and the template beside it."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "slack_message.tmpl").write_text(TEMPLATE, encoding="utf-8")
    path = tmp_path / "config" / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def test_check_config_says_success(run: Run, config: Path) -> None:
    done = run("check-config", "config/config.yaml", **ENVIRONMENT)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "SUCCESS")


def test_check_config_says_all_that_is_wrong_and_fails(run: Run, config: Path) -> None:
    config.write_text(CONFIG.replace("wait_minutes: 3", "wait_minuts: 3"), encoding="utf-8")
    done = run("check-config", "config/config.yaml", **ENVIRONMENT | {"SLACK_TOKEN": "", "PORT": "http"})
    assert done.returncode == 2
    assert "config/config.yaml:11: alert.slack.token: is required" in done.stdout
    assert (
        "config/config.yaml:17: oncall.wait_minuts: is not a known key; did you mean wait_minutes?"
        in done.stdout
    )
    assert "environment variable PORT: port: should be a whole number" in done.stdout
    assert done.stdout.splitlines()[-1] == "FAILED: 3 problems"
    assert "your_servicenow_password" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ .commonLabels.severity }}", "is Go template syntax"),
        ("{{ incident.facts.title | nosuchfilter }}", "No filter named 'nosuchfilter'"),
        ("{% if incident.state == 'resolved' %}{{ 1 / 0 }}{% endif %}", "ZeroDivisionError"),
        ("{% for alert in alerts %}", "Unexpected end of template"),
        (None, "there is no such file"),
    ],
)
def test_check_config_renders_the_template(run: Run, config: Path, template: str | None, said: str) -> None:
    path = config.parent / "slack_message.tmpl"
    path.unlink() if template is None else path.write_text(template, encoding="utf-8")
    done = run("check-config", "config/config.yaml", **ENVIRONMENT)
    assert done.returncode == 2
    assert said in done.stdout
    assert "slack_message.tmpl" in done.stdout


@pytest.mark.parametrize("command", ["ingest", "notifier", "escalator", "up", "test-alert"])
def test_a_wrong_configuration_stops_every_command_with_the_reason(
    run: Run, tmp_path: Path, command: str
) -> None:
    (tmp_path / "c.yaml").write_text("prot: 3000\n", encoding="utf-8")
    done = run(command, "--config", "c.yaml")
    assert done.returncode == 2
    assert "c.yaml:1: prot: is not a known key; did you mean port?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_service_without_a_redis_says_what_to_do(run: Run, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("name: x\n", encoding="utf-8")
    done = run("ingest", "--config", "c.yaml")
    assert done.returncode == 1
    assert "no Redis is configured: set redis.host or redis.url" in done.stderr


async def test_a_test_alert_opens_joins_and_resolves(stack: Stack, run: Run) -> None:
    place = ("test-alert", "--config", str(stack.config_path), "--name", "Drill", "--severity", "warning")
    first = json.loads(run(*place).stdout)
    assert first["outcome"] == "opened"
    message = await stack.message(lambda message: "Drill" in message["text"], "the message")
    assert "(warning)" in message["text"]
    assert json.loads(run(*place).stdout) == first | {"outcome": "joined"}
    assert json.loads(run(*place, "--resolve").stdout) == first | {"outcome": "resolved"}
    await stack.message(lambda message: color(message) == "36A64F", "a green message")
    assert json.loads(run(*place, "--wait", "0").stdout)["outcome"] == "opened"


def test_a_test_alert_that_nobody_takes_is_one_clear_line(run: Run) -> None:
    done = run("test-alert", "--url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: nothing took the alert at http://127.0.0.1:9")
    assert "Traceback" not in done.stderr

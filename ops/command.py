"""The `ackstream` command. Each command imports what it needs when it runs, so that a service starts without the others' weight."""

import asyncio
import json
from pathlib import Path

import click

from ops.check_command import check_config
from ops.night_commands import dead_letters, explain, parked, status
from ops.options import Failure, config_option, data_dir_option, ingest_at, load, url_option
from ops.reconcile.command import reconcile
from ops.replay.command import replay
from ops.template_commands import convert_template, render


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ackstream")
def main() -> None:
    """Alertmanager to Slack to ServiceNow: one message, one acknowledge button, and no lost page."""


@main.command()
@config_option
def ingest(config_path: Path) -> None:
    """Take notifications and acknowledgements over HTTP."""
    from services.ingest.__main__ import run  # noqa: PLC0415

    run(config_path)


@main.command()
@config_option
def notifier(config_path: Path) -> None:
    """Keep each incident's Slack message up to date."""
    from services.notifier.__main__ import run  # noqa: PLC0415

    run(config_path)


@main.command()
@config_option
def escalator(config_path: Path) -> None:
    """Bring what nobody acknowledged to ServiceNow."""
    from services.escalator.__main__ import run  # noqa: PLC0415

    run(config_path)


@main.command()
@config_option
@data_dir_option
def up(config_path: Path, data_dir: Path) -> None:
    """Run everything in one process tree."""
    from ops.embedded import EmbeddedServerError  # noqa: PLC0415
    from ops.up import UpError, health_urls, say  # noqa: PLC0415
    from ops.up import up as run_up  # noqa: PLC0415

    config = load(config_path)

    async def when_ready() -> None:
        say(f"Ackstream is ready: POST {health_urls(config)['ingest']}/api/incidents")

    try:
        asyncio.run(run_up(config, config_path, data_dir, when_ready))
    except (UpError, EmbeddedServerError) as error:
        raise Failure(f"ackstream up: {error}") from None


@main.command()
def demo() -> None:
    """Watch one alert travel, all on this machine: stand-ins for Slack and ServiceNow, and a sample alert."""
    from ops.demo import demo as run_demo  # noqa: PLC0415
    from ops.embedded import EmbeddedServerError  # noqa: PLC0415
    from ops.up import UpError  # noqa: PLC0415

    template = Path(__file__).resolve().parent.parent / "config" / "slack_message.tmpl"
    try:
        asyncio.run(run_demo(template))
    except (UpError, EmbeddedServerError) as error:
        raise Failure(f"ackstream demo: {error}") from None


@main.command("test-alert")
@config_option
@url_option
@click.option(
    "--name", default="AckstreamTest", show_default=True, help="The alert's name; one incident per name."
)
@click.option("--severity", default="critical", show_default=True)
@click.option("--summary", default="This is a test. Nothing is broken.", show_default=True)
@click.option("--wait", "wait_minutes", help="Minutes to acknowledge (oncall_wait_minutes).")
@click.option("--resolve", is_flag=True, help="Say that it is over.")
def test_alert(
    config_path: Path,
    url: str | None,
    name: str,
    severity: str,
    summary: str,
    wait_minutes: str | None,
    *,
    resolve: bool,
) -> None:
    """Send one alert, as Alertmanager would."""
    import httpx  # noqa: PLC0415

    from ops.sample_alert import alert_body, send  # noqa: PLC0415

    base, headers = ingest_at(url, config_path)
    body = alert_body(name, severity, summary, resolved=resolve)
    try:
        answer = send(base, body, {"oncall_wait_minutes": wait_minutes} if wait_minutes else {}, headers)
    except httpx.HTTPStatusError as error:
        raise Failure(
            f"{base} answered {error.response.status_code}: {error.response.text.strip()}"
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Failure(f"nothing took the alert at {base} ({error}); is `ackstream up` running?") from None
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))


for command in (
    check_config,
    explain,
    status,
    parked,
    dead_letters,
    reconcile,
    replay,
    render,
    convert_template,
):
    main.add_command(command)


if __name__ == "__main__":
    main()

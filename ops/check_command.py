"""The `ackstream check-config` command: what can be known about a configuration, and, asked for, what Slack and ServiceNow say to it."""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.night_commands import output_option
from ops.options import load
from shared import logs
from shared.config import Config, OnCallConfig
from shared.notification import SERVICENOW

if TYPE_CHECKING:
    from ops.check_config import Report
    from services.notifier.channel_health import Finding

WRONG, WRONG_OUTSIDE = 2, 1
"""Exit codes."""


@dataclass(frozen=True)
class Online:
    """What was found outside. `slack`, `servicenow`: None where nobody was asked."""

    slack: "list[Finding] | None" = None
    servicenow: "list[Finding] | None" = None
    failures: list[str] = field(default_factory=list)


@click.command("check-config")
@click.argument(
    "file", type=click.Path(path_type=Path), default=Path("config/config.yaml"), envvar="ACKSTREAM_CONFIG"
)
@click.option(
    "--online",
    is_flag=True,
    help="Ask Slack and ServiceNow, too: credentials, scopes, channels, tables, rights. Exits 1 when something is wrong. Posts nothing to "
    "Slack; whether a test record is written to ServiceNow, you are asked first.",
)
@click.option(
    "--create-test-record",
    is_flag=True,
    help="With --online: do not ask, write it. It says that it is a test, and is closed where that is allowed.",
)
@output_option
def check_config(file: Path, output: str, *, online: bool, create_test_record: bool) -> None:
    """Check FILE and the templates that it names. Prints SUCCESS, or every problem; exits 2 when there is one."""
    from ops.check_config import check  # noqa: PLC0415

    logs.configure("ackstream", "error")  # stdout is for answers
    report, found = check(file), Online()
    if output == "text":
        _tell(report)
    if online and not report.problems:
        config = load(file)
        writes = _may_write(config, consent=create_test_record)
        found = asyncio.run(_ask(config, writes=writes))
        if output == "text":
            _tell_online(found)
    failures = [_count(report.problems)] if report.problems else found.failures
    if output == "json":
        data = {"ok": not failures, **asdict(report), **asdict(found)}
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(f"FAILED: {failure}" for failure in failures) or "SUCCESS")
    if failures:
        sys.exit(WRONG if report.problems else WRONG_OUTSIDE)


def _asks_servicenow(oncall: OnCallConfig) -> bool:
    """Whether on-call leads there, and it is known where and as whom."""
    settings = oncall.servicenow
    return SERVICENOW in oncall.plan.targets and bool(settings.instance_url and settings.is_complete)


def _count(problems: tuple[str, ...]) -> str:
    return f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"


def _tell(report: "Report") -> None:
    for line in report.problems:
        click.echo(line)
    for warning in report.warnings:
        click.echo(f"warning: {warning}")


def _may_write(config: Config, *, consent: bool) -> bool:
    """Says what will be written before anything is asked. Whoever is at a terminal has to agree; nobody else is asked."""
    is_asked = sys.stdin.isatty() and sys.stderr.isatty()
    if not _asks_servicenow(config.oncall) or not (consent or is_asked):
        return False
    settings = config.oncall.servicenow
    names = [None, *settings.other_instance_urls]
    places = [
        f"{settings.table_for(name)} at {settings.instance(name)[1]}"
        for name in names
        if name or settings.instance_url
    ]
    click.echo(
        "To prove that records can be written takes one, with the configured fields of a sample alert. It says that it is a test, and is "
        f"closed where that is allowed; rules of ServiceNow may tell people of it. It goes to {', '.join(places)}.",
        err=True,
    )
    return consent or click.confirm("Write it?", err=True)


async def _ask(config: Config, *, writes: bool) -> Online:
    from ops import check_online, check_servicenow  # noqa: PLC0415

    slack = await check_online.ask_slack(config.alert.slack) if config.alert.slack.enable else None
    servicenow = (
        await check_servicenow.ask_servicenow(config, writes=writes)
        if _asks_servicenow(config.oncall)
        else None
    )
    failures = [check_online.failure(slack or []), check_servicenow.failure(servicenow or [])]
    return Online(slack, servicenow, [failure for failure in failures if failure])


def _tell_online(found: Online) -> None:
    from ops.check_online import table  # noqa: PLC0415

    if found.slack is None:
        click.echo("alert.slack.enable is false: Slack is not asked")
    for line in table([*(found.slack or []), *(found.servicenow or [])]):
        click.echo(line)

"""The commands of people who write message templates."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from ops.night_commands import output_option
from ops.options import Failure, load

STATES = ("open", "acknowledged", "escalated", "resolved")

file_type = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option(
    "--template", "template_path", type=file_type, help="The template; default: the configured one."
)
@click.option(
    "--sample",
    default="alertmanager",
    show_default=True,
    help="alertmanager, grafana, sentry, cloudwatch, fluentbit, flat, or a FILE with a body as it was sent.",
)
@click.option(
    "--state",
    type=click.Choice(STATES),
    help="What the message looks like then; default: as the sample leaves it.",
)
@click.option(
    "--config",
    "config_path",
    type=file_type,
    envvar="ACKSTREAM_CONFIG",
    show_envvar=True,
    help="Where button and template path come from; default: config/config.yaml, unless --template is given.",
)
@output_option
def render(
    template_path: Path | None, sample: str, state: str | None, config_path: Path | None, output: str
) -> None:
    """Print the Slack message that a template makes of a sample, as it reads and as JSON. Sends nothing.

    Exits 1 when the template cannot be read, or fails for this sample: then it is the plain message that would go out.
    """
    from ops.message_text import message_lines  # noqa: PLC0415
    from ops.render import Page, SampleError, render_sample  # noqa: PLC0415
    from services.notifier.__main__ import look  # noqa: PLC0415
    from services.notifier.template import MessageTemplate, TemplateError  # noqa: PLC0415
    from shared.config import Config  # noqa: PLC0415

    named = config_path or (None if template_path else Path("config/config.yaml"))
    config = load(named) if named else Config()
    page = Page(look(config), config.ack_base_url)
    try:
        template = MessageTemplate.load(template_path or config.alert.slack.template_path)
        rendering = render_sample(template, page, sample, state, datetime.now(UTC))
    except TemplateError as error:
        raise Failure(str(error)) from None
    except SampleError as error:
        raise Failure(str(error), code=2) from None
    message = json.dumps(rendering.message, indent=2, ensure_ascii=False)
    if output == "text":
        click.echo("\n".join(message_lines(rendering.message)) + "\n")
    click.echo(message)
    if rendering.error:
        raise Failure(rendering.error)


@click.command("convert-template")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--output", "target", type=file_type, metavar="FILE", help="Write it there; default: standard output."
)
def convert_template(file: Path, target: Path | None) -> None:
    """Turn FILE, a Go template of Versus Incident, into a Jinja2 template.

    What cannot be converted stays in it as a comment, is told with its line, and makes the exit code 1. What is converted but does
    not do quite the same is told, too.
    """
    from ops.convert.conversion import convert  # noqa: PLC0415
    from ops.convert.report import is_jinja, report  # noqa: PLC0415

    try:
        source = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file}: cannot be read as UTF-8 text: {error}", code=2) from None
    if is_jinja(source):
        raise Failure(f"{file} is a Jinja2 template already", code=2)
    conversion = convert(source, os.environ)
    _write(conversion.source, target)
    for line in report(conversion, str(file)):
        click.echo(line, err=True)
    if conversion.left:
        sys.exit(1)


def _write(source: str, target: Path | None) -> None:
    if target is None:
        click.echo(source, nl=False)
        return
    try:
        target.write_text(source, encoding="utf-8")
    except OSError as error:
        raise Failure(
            f"{target}: cannot be written: {error.strerror or type(error).__name__}", code=2
        ) from None

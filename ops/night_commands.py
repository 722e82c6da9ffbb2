"""The commands of people who debug at night: they look into Redis, and change nothing but dead letters and the time of a retry."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click

from ops.options import Failure, config_option, data_dir_option, ingest_at, load, url_option
from shared.redis_client import Scripts

T = TypeVar("T")

output_option = click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
)
ids_argument = click.argument("ids", nargs=-1, required=True, metavar="ID...")


def ask(config_path: Path, data_dir: Path, question: Callable[[Scripts], Awaitable[T]]) -> T:
    """What Redis answers. Raises Failure."""
    from ops.letters import LetterError  # noqa: PLC0415
    from ops.redis_access import RedisAccessError, redis_of  # noqa: PLC0415

    config = load(config_path)

    async def answer() -> T:
        async with redis_of(config, data_dir) as scripts:
            return await question(scripts)

    try:
        return asyncio.run(answer())
    except (RedisAccessError, LetterError) as error:
        raise Failure(str(error)) from None


def incident_id_or_fail(text: str) -> None:
    from shared.identity import is_incident_id  # noqa: PLC0415

    if not is_incident_id(text):
        raise Failure(f"{text!r} is not an incident id; those have 32 hex digits, as in the acknowledge link")


@click.command()
@click.argument("incident_id")
@click.option("--at", type=click.DateTime(), help="As it was then, in UTC.")
@config_option
@data_dir_option
@output_option
def explain(incident_id: str, at: datetime | None, config_path: Path, data_dir: Path, output: str) -> None:
    """What happened to INCIDENT_ID, and why it did or did not escalate. Read from the event stream alone."""
    from ops import explain as look  # noqa: PLC0415
    from ops.timeline import Story  # noqa: PLC0415
    from ops.turns import Turn, turn_of  # noqa: PLC0415

    incident_id_or_fail(incident_id)
    until = at.replace(tzinfo=UTC) if at else None

    async def found(scripts: Scripts) -> tuple[Story, Turn | None]:
        turn = None if until else await turn_of(scripts, incident_id)
        return await look.story_of(scripts, incident_id, until), turn

    story, turn = ask(config_path, data_dir, found)
    show = look.as_json if output == "json" else look.as_text
    click.echo(show(incident_id, story, until or datetime.now(UTC), turn))


@click.command()
@config_option
@data_dir_option
@output_option
def status(config_path: Path, data_dir: Path, output: str) -> None:
    """The pipeline in numbers: stream, groups, deadlines, dead letters, memory."""
    from ops import status as look  # noqa: PLC0415

    found = ask(config_path, data_dir, look.status_of)
    click.echo(look.as_json(found) if output == "json" else look.as_text(found))


@click.group(invoke_without_command=True)
@click.pass_context
@config_option
@data_dir_option
@output_option
def parked(context: click.Context, config_path: Path, data_dir: Path, output: str) -> None:
    """Incidents whose message or record, and storms whose digest, does not come through, with the last error and the next try."""
    from ops import parked as look  # noqa: PLC0415

    if context.invoked_subcommand:
        return
    found = ask(config_path, data_dir, look.parked)
    click.echo(look.as_json(found) if output == "json" else look.as_text(found, datetime.now(UTC)))


@parked.command("retry")
@click.argument("ids", nargs=-1, metavar="[ID...]")
@click.option("--all", "everything", is_flag=True, help="Whatever waits for its next try.")
@config_option
@data_dir_option
def retry_parked(ids: tuple[str, ...], config_path: Path, data_dir: Path, *, everything: bool) -> None:
    """Try again now, because what was in the way has been mended. A doubt about an earlier attempt is waited for all the same."""
    from ops import parked as look  # noqa: PLC0415

    if bool(ids) == everything:
        raise Failure("name the incidents to try again, or --all", code=2)
    for incident_id in ids:
        incident_id_or_fail(incident_id)
    found = ask(config_path, data_dir, lambda scripts: look.retry(scripts, list(ids)))
    click.echo(f"{len(found)} due now" if found else "nothing was waiting for its next try")


@click.group("dead-letters")
def dead_letters() -> None:
    """What could not be understood: list, show, retry, drop."""


@dead_letters.command("list")
@config_option
@data_dir_option
@output_option
def list_letters(config_path: Path, data_dir: Path, output: str) -> None:
    """All there are, oldest first."""
    from ops import letters as look  # noqa: PLC0415

    found = ask(config_path, data_dir, lambda scripts: look.Letters(scripts).all())
    click.echo(look.as_json(found) if output == "json" else look.as_text(found))


@dead_letters.command("show")
@ids_argument
@config_option
@data_dir_option
def show_letters(ids: tuple[str, ...], config_path: Path, data_dir: Path) -> None:
    """Letters with their whole payload, as JSON."""
    from ops import letters as look  # noqa: PLC0415

    async def found(scripts: Scripts) -> list[look.Letter]:
        return [await look.Letters(scripts).get(id_) for id_ in ids]

    click.echo(look.as_json(ask(config_path, data_dir, found)))


@dead_letters.command("retry")
@ids_argument
@url_option
@config_option
@data_dir_option
def retry_letters(ids: tuple[str, ...], url: str | None, config_path: Path, data_dir: Path) -> None:
    """Send letters through their door again. Each is dropped once it was taken."""
    from ops import letters as look  # noqa: PLC0415

    base, headers = ingest_at(url, config_path)

    async def retry(scripts: Scripts) -> None:
        letters = look.Letters(scripts)
        for id_ in ids:
            click.echo(await letters.retry(await letters.get(id_), base, headers))

    ask(config_path, data_dir, retry)


@dead_letters.command("drop")
@ids_argument
@config_option
@data_dir_option
def drop_letters(ids: tuple[str, ...], config_path: Path, data_dir: Path) -> None:
    """Forget letters for good."""
    from ops import letters as look  # noqa: PLC0415

    async def drop(scripts: Scripts) -> None:
        letters = look.Letters(scripts)
        for id_ in ids:
            await letters.drop((await letters.get(id_)).id)
            click.echo(f"dropped {id_}")

    ask(config_path, data_dir, drop)

"""The `ackstream replay` command: from what was typed to one way of replaying."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops.night_commands import output_option
from ops.options import Failure, config_option, data_dir_option, load

Say = Callable[[str], None]

if TYPE_CHECKING:
    from ops.replay.replay import Answer, Replay
    from ops.replay.wish import Wish

INTERRUPTED = 130
"""The exit code of who was stopped with Ctrl-C."""


@click.command()
@click.option("--from", "start", metavar="WHEN", help="2026-01-31T03:00 (UTC), a stream id, -1h, -30m, -2d.")
@click.option("--to", "end", metavar="WHEN", help="The same, or now. Without both: all that the stream has.")
@click.option("--incident", "incidents", multiple=True, metavar="ID", help="Only this one; may be repeated.")
@click.option(
    "--group",
    type=click.Choice(["notifier", "escalator"]),
    help="This stage looks at the incidents again: mends, and repeats nothing.",
)
@click.option(
    "--force", is_flag=True, help="With --group notifier: also post anew what was deleted in Slack."
)
@click.option("--dry-run", is_flag=True, help="Say, event by event, what each stage would do. Sends nothing.")
@click.option("--channel", metavar="C_TEST", help="Show it in this Slack channel, marked, without buttons.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="With --channel and --as-new: keep the rhythm, N times as fast. Without: as fast as it goes.",
)
@click.option("--into", metavar="REDIS_URL", help="Copy it into another Redis, for a look elsewhere.")
@click.option("--redact", is_flag=True, help="With --into: mask what alerts and people said.")
@click.option(
    "--what-if",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What would be different with this configuration: messages, deadlines, records.",
)
@click.option(
    "--as-new", is_flag=True, help="Send what came in again, in a world of its own on this machine."
)
@click.option("--exit", "until_delivered", is_flag=True, help="With --as-new: end when all is delivered.")
@config_option
@data_dir_option
@output_option
def replay(config_path: Path, data_dir: Path, output: str, **options: Any) -> None:
    """Run the past again: mend it, look at it, try it, copy it. docs/replay.md shows each way."""
    from ops.embedded import EmbeddedServerError  # noqa: PLC0415
    from ops.redis_access import RedisAccessError  # noqa: PLC0415
    from ops.replay.progress import StoppedError  # noqa: PLC0415
    from ops.replay.replay import ReplayError  # noqa: PLC0415
    from ops.replay.selection import SelectionError  # noqa: PLC0415
    from ops.replay.wish import Wish, WishError  # noqa: PLC0415
    from ops.up import UpError  # noqa: PLC0415

    try:
        wish = Wish(**options)
        way = wish.check()
        say = _say if output == "text" else None
        answer = asyncio.run(_answer(way, wish, config_path, data_dir, say))
    except StoppedError:
        raise Failure("stopped; nothing was changed", INTERRUPTED) from None
    except (WishError, SelectionError, ReplayError, RedisAccessError, UpError, EmbeddedServerError) as error:
        raise Failure(str(error)) from None
    said = json.dumps(answer.data, indent=2, ensure_ascii=False, default=str)
    click.echo(said if output == "json" else answer.text)
    if answer.stopped:
        raise SystemExit(INTERRUPTED)


def _say(text: str) -> None:
    """At once. Who reads only the beginning (`| head`) has seen enough, and that is no error."""
    try:
        click.echo(text)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


async def _answer(way: str, wish: "Wish", config_path: Path, data_dir: Path, say: "Say | None") -> "Answer":
    from ops.redis_access import redis_of  # noqa: PLC0415
    from ops.replay.anew import as_new, requests_of  # noqa: PLC0415
    from ops.replay.progress import Patience, Progress  # noqa: PLC0415
    from ops.replay.reading import redis_now  # noqa: PLC0415
    from ops.replay.replay import Replay  # noqa: PLC0415
    from ops.replay.selection import Selection  # noqa: PLC0415

    selection = Selection.parse(wish.start, wish.end, wish.incidents)
    config, progress = load(config_path), Progress()
    async with redis_of(config, data_dir) as scripts:
        now = await redis_now(scripts)
        with Patience() as patience:
            replay = Replay(config, scripts, selection.at(now), now, patience, progress)
            try:
                if way != "--as-new":
                    return await _one_way(way, wish, replay, say)
                requests = await requests_of(replay)
            finally:
                progress.clear()
    # From here on, signals are for the world's own process tree.
    return await as_new(config, requests, wish.speed, until_delivered=wish.until_delivered)


async def _one_way(way: str, wish: "Wish", replay: "Replay", say: "Say | None") -> "Answer":
    from ops.replay.copy import copy_into  # noqa: PLC0415
    from ops.replay.difference import what_if  # noqa: PLC0415
    from ops.replay.rehearsal import rehearse  # noqa: PLC0415
    from ops.replay.repair import repair_escalator, repair_notifier  # noqa: PLC0415
    from ops.replay.show import show  # noqa: PLC0415

    match way:
        case "--channel":
            return await show(replay, wish.channel or "", wish.speed)
        case "--into":
            return await copy_into(replay, wish.into or "", redact=wish.redact)
        case "--what-if":
            return await what_if(replay, load(wish.what_if or Path()))
        case "--group" if wish.group == "escalator":
            return await repair_escalator(replay)
        case "--group":
            return await repair_notifier(replay, force=wish.force)
        case _:
            return await rehearse(replay, say)

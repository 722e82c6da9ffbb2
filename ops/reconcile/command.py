"""The `ackstream reconcile` command."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.night_commands import output_option
from ops.options import Failure, config_option, data_dir_option, load
from shared import logs
from shared.config import Config, ServiceNowConfig
from shared.redis_client import Scripts

if TYPE_CHECKING:
    from ops.reconcile.mending import Mended, Mending
    from ops.reconcile.survey import Findings
    from ops.replay.progress import Patience
    from services.escalator.instances import Instance, Instances

DIFFERS = 1
INTERRUPTED = 130
"""Exit codes."""

DEFAULT = "default"
"""What the default instance is called on the command line."""


@click.command()
@click.option(
    "--fix", is_flag=True, help="Mend what can be mended without anybody's judgement, after telling it."
)
@click.option("--instance", metavar="NAME", help=f"Only this one; {DEFAULT}: the one without a name.")
@config_option
@data_dir_option
@output_option
def reconcile(config_path: Path, data_dir: Path, output: str, instance: str | None, *, fix: bool) -> None:
    """Compare incidents with ServiceNow's records, both ways. Writes nothing without --fix.

    Exits 0 when all agrees; 1 when differences are left, or somebody could not be asked.
    """
    from ops.redis_access import RedisAccessError, redis_of  # noqa: PLC0415
    from ops.replay.progress import StoppedError  # noqa: PLC0415
    from services.escalator.tls import CertificateError  # noqa: PLC0415

    logs.configure("ackstream", "error")  # stdout is for answers
    config = load(config_path)
    settings = config.oncall.servicenow
    if not (settings.instance_url and settings.is_complete):
        raise Failure(
            "oncall.servicenow names no instance with credentials: there is nothing to compare with", 2
        )

    async def compared() -> bool:
        async with redis_of(config, data_dir) as scripts:
            return await _run(config, scripts, output, instance, fix=fix)

    try:
        agrees = asyncio.run(compared())
    except StoppedError:
        raise Failure("stopped; nothing is half-done", INTERRUPTED) from None
    except (RedisAccessError, CertificateError) as error:
        raise Failure(str(error)) from None
    if not agrees:
        raise SystemExit(DIFFERS)


async def _run(config: Config, scripts: Scripts, output: str, name: str | None, *, fix: bool) -> bool:
    from ops.reconcile import report  # noqa: PLC0415
    from ops.replay.progress import Patience  # noqa: PLC0415
    from services.escalator.instances import Instances  # noqa: PLC0415

    instances = Instances.of(config.oncall.servicenow, scripts)
    chosen = _chosen(config.oncall.servicenow, instances, name)
    try:
        with Patience() as patience:
            found = await _survey(config, scripts, instances, chosen, patience)
            if output == "text":
                click.echo(report.as_text(found))
            mended = list["Mended"]()
            for one in [one for one in found.differences if fix and one.mend]:
                patience.step()
                mended.append(await _mending(config, scripts, instances).mend(one))
                if output == "text":
                    click.echo(report.mended_as_text(mended[-1]))
    finally:
        await instances.close()
    if output == "json":
        click.echo(report.as_json(found, mended))
    return len(found.differences) == sum(one.done for one in mended) and not (
        found.unasked or found.unreadable
    )


def _chosen(settings: ServiceNowConfig, instances: "Instances", name: str | None) -> "list[Instance]":
    wanted = name and (None if name == DEFAULT else settings.find_instance(name) or name)
    chosen = [one for one in instances.all if name is None or one.name == wanted]
    if not chosen:
        known = ", ".join(one.gate.label for one in instances.all)
        raise Failure(f"there is no instance {name}; there are {known}", 2)
    return chosen


async def _survey(
    config: Config, scripts: Scripts, instances: "Instances", chosen: "list[Instance]", patience: "Patience"
) -> "Findings":
    from ops.reconcile.comparison import Ways  # noqa: PLC0415
    from ops.reconcile.rows import Rows  # noqa: PLC0415
    from ops.reconcile.survey import Survey  # noqa: PLC0415
    from ops.replay.progress import Progress  # noqa: PLC0415
    from services.escalator.servicenow import ServiceNow  # noqa: PLC0415
    from shared.store import Store  # noqa: PLC0415

    settings = config.oncall.servicenow
    closes = {one.name for one in instances.all if settings.life_for(one.name).on_resolve == "state"}
    ways = Ways(lambda name: instances.named(name).name, closes, frozenset())
    rows = Rows(ServiceNow.of(settings), settings, chosen, patience)
    return await Survey(scripts, Store(scripts, config.rules), rows, ways, patience, Progress()).run()


def _mending(config: Config, scripts: Scripts, instances: "Instances") -> "Mending":
    from ops.reconcile.mending import Mending  # noqa: PLC0415
    from services.escalator.mapping import Mappings  # noqa: PLC0415
    from services.escalator.servicenow_target import servicenow_targets  # noqa: PLC0415
    from shared.store import Store  # noqa: PLC0415

    settings = config.oncall.servicenow
    targets = servicenow_targets(settings, instances, Mappings(settings, lambda _: ""))
    return Mending(Store(scripts, config.rules), targets)

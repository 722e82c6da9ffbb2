"""What several commands share: options, the loaded configuration, and failures in one line."""

from pathlib import Path

import click

from shared.config import Config

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=Path("config/config.yaml"),
    envvar="ACKSTREAM_CONFIG",
    show_default=True,
    show_envvar=True,
    help="Configuration file.",
)

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    show_default=True,
    help="Where the embedded server keeps its data, when no Redis is configured.",
)

url_option = click.option(
    "--url", help="Base URL of ingest; by default this machine, at the configured port."
)


class Failure(click.ClickException):
    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]  # click declares it on the class and reads it from the instance


def load(config_path: Path) -> Config:
    """Raises Failure with exit code 2, which names every mistake."""
    from shared.config_errors import ConfigError  # noqa: PLC0415
    from shared.config_file import load_config  # noqa: PLC0415

    try:
        return load_config(config_path).config
    except ConfigError as error:
        raise Failure(str(error), code=2) from None


def ingest_at(url: str | None, config_path: Path) -> tuple[str, dict[str, str]]:
    """Where to send to: `url`, or where the configured ingest listens on this machine, with the header that it asks for."""
    from ops.up import local_url  # noqa: PLC0415
    from services.ingest.authorization import header_for  # noqa: PLC0415

    if url:
        return url.rstrip("/"), {}
    config = load(config_path)
    return local_url(config.host, config.port), header_for(config.ingest.auth)

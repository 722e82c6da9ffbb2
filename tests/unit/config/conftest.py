from collections.abc import Callable
from pathlib import Path

import pytest

from shared.config_errors import ConfigError
from shared.config_file import LoadedConfig, load_config

Load = Callable[..., LoadedConfig]
Complaints = Callable[..., list[str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """From `load(text, NAME=value, …)`: the configuration that `text` makes with these variables."""

    def load(text: str, **environ: str) -> LoadedConfig:
        file = tmp_path / "config.yaml"
        file.write_bytes(text.encode())
        return load_config(file, environ)

    return load


@pytest.fixture
def complaints(load: Load, tmp_path: Path) -> Complaints:
    """From `complaints(text, NAME=value, …)`: what is told about it, a line each, without the directory."""

    def complaints(text: str, **environ: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, **environ)
        return str(caught.value).replace(f"{tmp_path}/", "").splitlines()

    return complaints

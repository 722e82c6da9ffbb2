"""compose.yaml hands on what the configuration asks for. That containers really run is another suite's business."""

import re
from pathlib import Path

import pytest
import yaml

from shared.config_keys import OVERRIDES
from tests.unit.config.seed import ENVIRONMENT

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
# Its comments speak of ${NAME}.
WANTED = set(re.findall(r"\$\{(\w+)", (ROOT / "config" / "config.yaml").read_text())) - {"NAME"}
SERVICES = ("ingest", "notifier", "escalator")


@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_of_the_configuration_reaches_every_service(service: str) -> None:
    assert WANTED | set(ENVIRONMENT) <= set(COMPOSE["services"][service]["environment"])


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_runs_its_own_command_and_scales(service: str) -> None:
    declared = COMPOSE["services"][service]
    assert declared["command"] == [service]
    assert "container_name" not in declared
    assert declared["read_only"] is True


def test_what_is_set_is_a_variable_that_somebody_reads() -> None:
    assert set(COMPOSE["services"]["ingest"]["environment"]) <= WANTED | set(OVERRIDES)


def test_redis_keeps_what_it_was_told() -> None:
    command = " ".join(COMPOSE["services"]["redis"]["command"])
    for option in ("--appendonly yes", "--maxmemory-policy noeviction", "--requirepass"):
        assert option in command
    assert "redis_data:/data" in COMPOSE["services"]["redis"]["volumes"]


def test_the_example_environment_names_what_compose_reads() -> None:
    example = re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    read = set(re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text()))
    assert set(example) <= read

"""What docs/servicenow.md shows is true: its examples are valid, print what stands below them, and fail for no sender."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ops.check_config import check, sample_incident, samples
from services.escalator.mapping import Mappings, RecordFields
from services.escalator.vocabulary import NAMES
from shared.config import Config
from shared.config_file import load_config
from shared.incident import Incident, Message

PAGE = (Path(__file__).parents[3] / "docs/servicenow.md").read_text(encoding="utf-8")
NIGHT = datetime(2026, 3, 1, 3, tzinfo=UTC)
EXAMPLES = [
    text
    for text in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    if "fields:" in text or "on_resolve:" in text
]
CREDENTIALS = """
    instance_url: https://dev12345.service-now.com
    username: ackstream
    password: secret
"""


@pytest.fixture(params=range(len(EXAMPLES)))
def file(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A configuration with one of the page's examples in it."""
    path = tmp_path / "config.yaml"
    text = EXAMPLES[request.param].replace("  servicenow:\n", "  servicenow:" + CREDENTIALS, 1)
    path.write_text(text, encoding="utf-8")
    return path


def escalated(sample: str) -> Incident:
    incident, _ = sample_incident(samples()[sample], NIGHT)
    message = Message(channel="C0123456789", ts="1772334002.000200", shown=1)
    return incident.model_copy(update={"message": message})


def record(config: Config, incident: Incident, instance: str | None = None) -> RecordFields:
    mappings = Mappings(
        config.oncall.servicenow, lambda incident: f"https://ack.example.com/api/ack/{incident.id}"
    )
    return mappings.render(incident, NIGHT + timedelta(minutes=3, seconds=2), instance)


def test_the_examples_are_as_check_config_wants_them(file: Path) -> None:
    assert check(file).problems == ()


@pytest.mark.parametrize("sample", samples())
def test_the_examples_fail_for_no_sender(file: Path, sample: str) -> None:
    config = load_config(file, {}).config
    for instance in (None, *config.oncall.servicenow.other_instance_urls):
        flaws = record(config, escalated(sample), instance).flaws
        assert {flaw.why for flaw in flaws} <= {"is empty"}


@pytest.mark.parametrize("file", [0], indirect=True)
def test_the_first_example_makes_the_record_below_it(file: Path) -> None:
    shown = re.search(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    made = record(load_config(file, {}).config, escalated("alertmanager"))
    assert shown
    assert made.flaws == ()
    assert json.loads(shown[1]) == made.values


@pytest.mark.parametrize("file", [1], indirect=True)
def test_what_an_instance_has_of_its_own_wins(file: Path) -> None:
    config = load_config(file, {}).config
    infra = record(config, escalated("alertmanager"), "infra").values
    main = record(config, escalated("alertmanager")).values
    assert (infra["category"], infra["u_source"], infra["urgency"]) == ("hardware", "alertmanager", "1")
    assert (main["category"], main["urgency"], "u_source" in main) == ("software", "1", False)


def test_every_name_is_explained() -> None:
    table = PAGE.split("### What a template can speak of")[1].split("### ")[0]
    assert set(re.findall(r"`([a-z_]+)`", table)) >= NAMES

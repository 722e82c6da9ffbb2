"""What the pages show is true: their templates print what stands below them, and their Go templates are refused."""

import itertools
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ops.check_config import sample_incident, samples
from ops.convert.conversion import convert
from services.notifier.template import MessageTemplate, TemplateError
from shared.incident import Acknowledgement, Closure, Incident, Lease, Record, State

DOCS = Path(__file__).parents[3] / "docs"
PAGES = ("slack-template.md", "migrating-from-versus.md")
NOW = datetime(2026, 3, 1, 3, tzinfo=UTC)
ACK = "https://ack.example.com/api/ack/1?exp=1772420400&sig=x"
DEFAULT_SAMPLE = "alertmanager"

# ```jinja SAMPLE … ```, and what it prints in a ```text block, with perhaps a sentence between them.
_BLOCK = re.compile(
    r"^```(jinja|go)(?: (\w+))?\n(.*?)^```$(?:\n\n(?:[^`#\n][^\n]*\n\n)?```text\n(.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
_SPAN = re.compile(r"(`+)(.+?)\1")
_TEMPLATE = re.compile(r"\{\{|\{%|\{#")


class Block(NamedTuple):
    place: str
    language: str
    sample: str
    source: str
    printed: str | None


class Row(NamedTuple):
    """A line of a table."""

    place: str
    cells: list[str]


def read(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def blocks(language: str) -> list[Block]:
    found = []
    for page in PAGES:
        text = read(page)
        for match in _BLOCK.finditer(text):
            kind, sample, source, printed = match.groups()
            if kind == language:
                place = f"{page}:{text.count(chr(10), 0, match.start()) + 1}"
                found.append(Block(place, kind, sample or DEFAULT_SAMPLE, source, printed))
    return found


def rows() -> list[Row]:
    """The lines of tables that show templates."""
    found = []
    for page in PAGES:
        for number, line in enumerate(read(page).splitlines(), 1):
            if line.startswith("|") and _TEMPLATE.search(line):
                cells = re.split(r"(?<!\\)\|", line)[1:-1]
                found.append(Row(f"{page}:{number}", [cell.strip().replace(r"\|", "|") for cell in cells]))
    return found


def templates(cell: str) -> list[str]:
    """The code in a cell that is a template."""
    return [match[2] for match in _SPAN.finditer(cell) if _TEMPLATE.search(match[2])]


def code(cell: str) -> str | None:
    """What a cell says that is all code."""
    match = _SPAN.fullmatch(cell)
    return match[2].strip(" ") if match else None


def incident_of(sample: str) -> tuple[Incident, dict[str, Any]]:
    incident, body = sample_incident(samples()[sample], NOW)
    return incident, json.loads(body)


def later(incident: Incident) -> list[Incident]:
    """`incident` in every other state."""
    record = Record(sys_id="0" * 32, number="INC0010001", url="https://dev.example/r", instance=None, at=NOW)
    lease = Lease(token="t", at=NOW, until=NOW + timedelta(minutes=1))
    updates: list[dict[str, Any]] = [
        {"acknowledgement": Acknowledgement(at=NOW, by="anna", door="link")},
        {"escalation": incident.escalation.model_copy(update={"lease": lease})},
        {"record": record},
        {"closure": Closure(at=NOW, state=State.RESOLVED)},
        {"closure": Closure(at=NOW, state=State.SUPERSEDED)},
        {"closure": Closure(at=NOW, state=State.EXPIRED)},
    ]
    return [incident.model_copy(update=update) for update in updates]


def load(folder: Path, source: str) -> MessageTemplate:
    path = folder / "message.tmpl"
    path.write_text(source, encoding="utf-8")
    return MessageTemplate.load(path)


def place(found: Block | Row) -> str:
    return found.place


def test_the_pages_have_templates_of_both_kinds() -> None:
    assert len(blocks("jinja")) >= 10
    assert len(blocks("go")) >= 2
    assert len(rows()) >= 50


@pytest.mark.parametrize("block", blocks("jinja"), ids=place)
def test_a_template_prints_what_the_page_says(tmp_path: Path, block: Block) -> None:
    incident, body = incident_of(block.sample)
    text = load(tmp_path, block.source).render(incident, body, ACK)
    assert text
    if block.printed is not None:
        assert text + "\n" == block.printed


@pytest.mark.parametrize("sample", samples())
@pytest.mark.parametrize("block", blocks("jinja"), ids=place)
def test_a_template_fails_for_no_sender_and_in_no_state(tmp_path: Path, block: Block, sample: str) -> None:
    template = load(tmp_path, block.source)
    incident, body = incident_of(sample)
    for each in (incident, *later(incident)):
        template.render(each, body, ACK)


@pytest.mark.parametrize("block", blocks("go"), ids=place)
def test_a_go_template_is_recognised(tmp_path: Path, block: Block) -> None:
    with pytest.raises(TemplateError, match="Go template syntax"):
        load(tmp_path, block.source)


@pytest.mark.parametrize("row", [row for row in rows() if row.place.startswith("slack")], ids=place)
def test_an_example_in_a_table_prints_what_stands_beside_it(tmp_path: Path, row: Row) -> None:
    incident, body = incident_of(DEFAULT_SAMPLE)
    for cell, beside in itertools.pairwise([*row.cells, ""]):
        printed = [load(tmp_path, source).render(incident, body, ACK) for source in templates(cell)]
        if len(printed) == 1 and code(cell) and code(beside):
            assert printed == [code(beside)]


@pytest.mark.parametrize("row", [row for row in rows() if row.place.startswith("migrating")], ids=place)
def test_a_go_construct_is_refused_and_its_translation_is_not(tmp_path: Path, row: Row) -> None:
    incident, body = incident_of(DEFAULT_SAMPLE)
    go, *jinja = row.cells
    for source in templates(go):
        with pytest.raises(TemplateError):
            load(tmp_path, source)
    for source in itertools.chain.from_iterable(map(templates, jinja)):
        load(tmp_path, source).render(incident, body, ACK)


TRANSLATIONS = [row for row in rows() if row.place.startswith("migrating") and templates(row.cells[0])]


@pytest.mark.parametrize("row", TRANSLATIONS, ids=place)
def test_a_go_construct_is_converted_to_what_prints_as_its_translation(tmp_path: Path, row: Row) -> None:
    incident, body = incident_of(DEFAULT_SAMPLE)
    go, jinja, _ = row.cells
    expected = load(tmp_path, templates(jinja)[0]).render(incident, body, ACK)
    for source in templates(go):
        conversion = convert(source, {})
        if "template" in source or "define" in source:
            assert conversion.left
        else:
            assert not conversion.left
            assert load(tmp_path, conversion.source).render(incident, body, ACK) == expected


@pytest.mark.parametrize("block", blocks("go"), ids=place)
def test_a_whole_go_template_is_converted(tmp_path: Path, block: Block) -> None:
    incident, body = incident_of(block.sample)
    conversion = convert(block.source, {})
    assert not conversion.left
    assert load(tmp_path, conversion.source).render(incident, body, ACK)

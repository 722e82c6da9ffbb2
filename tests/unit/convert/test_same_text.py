"""A converted template prints what the Go template printed. What that is was taken from Go's text/template, with Versus' functions."""

import json
from pathlib import Path

import pytest

from ops.check_config import samples
from tests.unit.convert.converting import converted, printed
from tests.unit.convert.go_prints import BODY, PRINTS

FOLDER = Path(__file__).parent / "templates"
TEXTS = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize(("source", "text"), PRINTS, ids=[source[:60] for source, _ in PRINTS])
def test_a_construct_prints_the_same(tmp_path: Path, source: str, text: str) -> None:
    body = json.dumps(json.loads(samples()["alertmanager"]) | BODY).encode()
    assert printed(tmp_path, converted(source), body) == text


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.stem)
def test_a_template_prints_the_same_for_a_sample(tmp_path: Path, text: Path) -> None:
    template, sample, _ = text.name.split(".")
    source = (FOLDER / f"{template}.go.tmpl").read_text(encoding="utf-8")
    assert printed(tmp_path, converted(source), sample) + "\n" == text.read_text(encoding="utf-8")


def test_there_is_a_template_for_all_senders_and_one_for_each() -> None:
    assert len(TEXTS) == len(samples()) + 4

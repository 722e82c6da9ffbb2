"""`ackstream check-config --online` as somebody types it, with a ServiceNow that has its tables, rules and rights."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.faults import Fault
from sandbox.server import Running, running
from tests.servers import free_port
from tests.stack import ROOT, clean_environment

CONFIG = """\
name: night watch
oncall:
  enable: true
  servicenow:
    instance_url: {url}
    username: ackstream
    password: {password}
    timeout_seconds: 3
"""
COMMAND = (sys.executable, "-m", "ops.command", "check-config")


@pytest.fixture
def sandbox() -> Iterator[Running]:
    with running() as started:
        yield started


def check(
    url: str, directory: Path, *options: str, more: str = "", password: str = "sandbox"
) -> tuple[int, list[str], str]:
    """Exit code, lines, and what went to stderr. Nobody is at a terminal."""
    file = directory / "config.yaml"
    file.write_text(CONFIG.format(url=url, password=password) + more)
    done = subprocess.run(
        [*COMMAND, str(file), "--online", *options],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert password not in done.stdout + done.stderr
    return done.returncode, done.stdout.splitlines(), done.stderr


def told(lines: list[str]) -> dict[str, list[str]]:
    """What the findings say, by what they are about, as in `reading` → [`OK`, `incident at …`]."""
    found = [line.split(maxsplit=2) for line in lines if line.partition("default: ")[1]]
    return {rest.split(maxsplit=1)[0]: [grade, *rest.split(maxsplit=1)[1:]] for grade, _, rest in found}


def test_without_consent_it_only_looks(sandbox: Running, tmp_path: Path) -> None:
    code, lines, errors = check(sandbox.servicenow_url(), tmp_path)
    assert (code, errors, lines[-1]) == (0, "", "SUCCESS")
    assert told(lines)["reading"] == ["OK", f"incident at {sandbox.servicenow_url()}, signed in by basic"]
    assert told(lines)["writing"][0] == "ADVICE"
    assert {call.name.split()[0] for call in sandbox.world.servicenow.calls.entries} == {"GET"}


def test_a_test_record_is_announced_written_found_and_closed(sandbox: Running, tmp_path: Path) -> None:
    code, lines, errors = check(sandbox.servicenow_url(), tmp_path, "--create-test-record")
    assert (code, lines[-1]) == (0, "SUCCESS")
    assert f"It goes to incident at {sandbox.servicenow_url()}." in errors
    (row,) = sandbox.world.servicenow.rows()
    assert row["short_description"].startswith("TEST of Ackstream (night watch): nothing is broken")
    assert len(row["correlation_id"]) == 32
    assert (row["state"], row["active"]) == ("7", "false")
    assert told(lines)["creating"][1].startswith(f"{row['number']}  {sandbox.servicenow_url()}/nav_to.do")
    assert told(lines)["changing"] == ["OK", f"{row['number']} is closed"]


FIELDS = """\
    fields:
      category: network
      u_team: '{{ labels.team or "night" }}'
      kategorie: software
      short_description: '[{{ severity }}] {{ title }}'
"""


def test_a_field_that_the_instance_drops_is_named_and_its_value_is_not(
    sandbox: Running, tmp_path: Path
) -> None:
    code, lines, _ = check(sandbox.servicenow_url(), tmp_path, "--create-test-record", more=FIELDS)
    assert code == 1
    grade, words = told(lines)["fields"]
    assert (grade, words.partition(":")[0]) == ("WRONG", "kategorie")
    assert lines[-1] == "FAILED: ServiceNow would not take records as configured (default)"
    (row,) = sandbox.world.servicenow.rows()
    assert (row["category"], row["short_description"][:4]) == ("network", "TEST")


def test_fields_that_are_refused_are_told_and_the_rest_is_proven_without_them(
    sandbox: Running, tmp_path: Path
) -> None:
    sandbox.world.faults.add(Fault(target="servicenow", kind="status", match="POST", status=403, count=1))
    code, lines, _ = check(sandbox.servicenow_url(), tmp_path, "--create-test-record", more=FIELDS)
    assert code == 1
    assert any("WRONG  default: fields" in line and "refused" in line for line in lines)
    assert len(sandbox.world.servicenow.rows()) == 1


@pytest.mark.parametrize(
    ("status", "grade", "mend"),
    [
        (401, "WRONG", "check how we sign in"),
        (403, "WRONG", "the user may not read incident: give it a role"),
        (404, "WRONG", "check the instance URL, and the table"),
        (503, "UNKNOWN", "answered 503"),
    ],
)
def test_what_is_refused_when_reading_is_told_with_its_mend(
    sandbox: Running, tmp_path: Path, status: int, grade: str, mend: str
) -> None:
    sandbox.world.faults.add(Fault(target="servicenow", kind="status", match="GET", status=status))
    code, lines, _ = check(sandbox.servicenow_url(), tmp_path, "--create-test-record")
    assert (code, told(lines)["reading"][0]) == (1, grade)
    assert mend in told(lines)["reading"][1]
    assert sandbox.world.servicenow.rows() == [], "who may not read is not made to write"


def test_a_user_who_may_not_create(sandbox: Running, tmp_path: Path) -> None:
    sandbox.world.faults.add(Fault(target="servicenow", kind="status", match="POST", status=403))
    code, lines, _ = check(sandbox.servicenow_url(), tmp_path, "--create-test-record")
    assert (code, told(lines)["creating"][0]) == (1, "WRONG")
    assert "the user may not create records in incident: give it a role" in told(lines)["creating"][1]


def test_a_user_who_may_not_change_is_told_of_what_is_left(sandbox: Running, tmp_path: Path) -> None:
    sandbox.world.faults.add(Fault(target="servicenow", kind="status", match="PATCH", status=403))
    code, lines, _ = check(sandbox.servicenow_url(), tmp_path, "--create-test-record")
    assert code == 0, "no update rights are needed as configured"
    assert told(lines)["changing"][0] == "ADVICE"
    assert "INC0010001 stays open: close or delete it by hand" in told(lines)["changing"][1]


LIFE = """\
    on_acknowledge: work_note
    on_resolve: state
    close_code: Solution provided
"""


def test_where_records_are_closed_it_is_shown_with_the_states_that_are_configured(
    sandbox: Running, tmp_path: Path
) -> None:
    code, lines, _ = check(sandbox.servicenow_url(), tmp_path, "--create-test-record", more=LIFE)
    assert code == 0
    (row,) = sandbox.world.servicenow.rows()
    assert (row["state"], row["close_code"]) == ("6", "Solution provided")
    assert told(lines)["changing"] == ["OK", "INC0010001 is closed"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_right_to_change_that_is_needed_and_not_there_is_a_failure(
    sandbox: Running, tmp_path: Path, status: int
) -> None:
    sandbox.world.faults.add(Fault(target="servicenow", kind="status", match="PATCH", status=status))
    code, lines, _ = check(sandbox.servicenow_url(), tmp_path, "--create-test-record", more=LIFE)
    assert (code, told(lines)["changing"][0]) == (1, "WRONG")
    assert "INC0010001 stays open: close or delete it by hand" in told(lines)["changing"][1]
    assert lines[-1] == "FAILED: ServiceNow would not take records as configured (default)"


def test_a_table_without_correlation_id_is_not_written_to(sandbox: Running, tmp_path: Path) -> None:
    sandbox.world.faults.add(Fault(target="servicenow", kind="foreign_row", match="GET"))
    code, lines, _ = check(sandbox.servicenow_url(), tmp_path, "--create-test-record")
    assert (code, told(lines)["reading"][0]) == (1, "WRONG")
    assert "a search by correlation_id brings other records" in told(lines)["reading"][1]
    assert sandbox.world.servicenow.rows() == []


def test_a_user_who_may_only_create_is_told_what_a_lost_answer_would_mean(
    sandbox: Running, tmp_path: Path
) -> None:
    sandbox.world.servicenow.change(rights={"ackstream": ["create"]})
    code, lines, _ = check(sandbox.servicenow_url(), tmp_path, "--create-test-record")
    assert code == 1
    assert told(lines)["creating"][0] == "OK"
    assert told(lines)["finding"][0] == "WRONG"
    assert "INC0010001 is there, and is not found again by correlation_id" in " ".join(lines)
    assert told(lines)["changing"][0] == "ADVICE"


def test_columns_that_are_hidden_are_told(sandbox: Running, tmp_path: Path) -> None:
    sandbox.world.servicenow.change(hidden=["number", "category"])
    code, lines, _ = check(sandbox.servicenow_url(), tmp_path, "--create-test-record", more=FIELDS)
    assert code == 1
    assert told(lines)["finding"][0] == "ADVICE"
    assert any("category, kategorie: not taken, or not shown to us" in line for line in lines)


def test_work_notes_that_are_hidden_are_told_where_they_matter(sandbox: Running, tmp_path: Path) -> None:
    sandbox.world.servicenow.change(hidden=["work_notes"])
    code, lines, _ = check(sandbox.servicenow_url(), tmp_path, "--create-test-record", more=LIFE)
    assert (code, told(lines)["changing"][0]) == (0, "ADVICE")
    assert "work notes are not shown to the user" in told(lines)["changing"][1]


def test_a_lost_answer_says_what_to_look_for(sandbox: Running, tmp_path: Path) -> None:
    sandbox.world.faults.add(Fault(target="servicenow", kind="drop_after", match="POST"))
    code, lines, _ = check(sandbox.servicenow_url(), tmp_path, "--create-test-record")
    assert code == 1
    (row,) = sandbox.world.servicenow.rows()
    assert f"look for correlation_id {row['correlation_id']}" in told(lines)["creating"][1]


def test_a_wrong_table_and_a_wrong_password(sandbox: Running, tmp_path: Path) -> None:
    code, lines, _ = check(sandbox.servicenow_url(), tmp_path, more="    table: u_nothing\n")
    assert code == 1
    assert "Invalid table u_nothing" in told(lines)["reading"][1]
    assert "is there a table u_nothing" in told(lines)["reading"][1]
    code, lines, _ = check(sandbox.servicenow_url(), tmp_path, password="hunter2")
    assert (code, told(lines)["reading"][0]) == (1, "WRONG")


def test_every_instance_is_tried_and_one_that_is_not_there_holds_up_none(
    sandbox: Running, tmp_path: Path
) -> None:
    other = f"    other_instance_urls:\n      infra: http://127.0.0.1:{free_port()}\n"
    code, lines, _ = check(sandbox.servicenow_url(), tmp_path, "--create-test-record", more=other)
    assert code == 1
    assert any("UNKNOWN  infra: reading" in line and "nobody listens there" in line for line in lines)
    assert lines[-1] == "FAILED: ServiceNow could not be asked (infra)"
    assert told(lines)["changing"][0] == "OK"


def test_who_is_not_led_to_is_not_asked(sandbox: Running, tmp_path: Path) -> None:
    webhook = "  provider: webhook\n  webhook: {url: https://pager.example.com/hook, secret: 0123456789abcdef0123456789abcdef}\n"
    code, lines, _ = check(sandbox.servicenow_url(), tmp_path, "--create-test-record", more=webhook)
    assert (code, lines[-1]) == (0, "SUCCESS")
    assert list(sandbox.world.servicenow.calls.entries) == []


def test_json_says_the_same(sandbox: Running, tmp_path: Path) -> None:
    code, lines, _ = check(sandbox.servicenow_url(), tmp_path, "--output", "json")
    data: dict[str, Any] = json.loads("\n".join(lines))
    assert (code, data["ok"], data["slack"], data["failures"], data["problems"]) == (0, True, None, [], [])
    assert [(one["about"], one["grade"]) for one in data["servicenow"]] == [
        ("default: reading", "ok"),
        ("default: writing", "advice"),
    ]


@pytest.mark.parametrize(("answer", "rows"), [("y", 1), ("n", 0), ("", 0)])
def test_at_a_terminal_somebody_is_asked_before_anything_is_written(
    sandbox: Running, tmp_path: Path, answer: str, rows: int
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.format(url=sandbox.servicenow_url(), password="sandbox"))
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    done = subprocess.run(
        [*COMMAND, str(file), "--online"],
        cwd=ROOT,
        env=clean_environment(),
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    asked = os.read(ours, 4000).decode()
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0
    assert "Write it? [y/N]" in asked
    assert len(sandbox.world.servicenow.rows()) == rows

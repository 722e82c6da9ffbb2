"""What the configuration may say of a record's life after it was written."""

from pathlib import Path

import pytest

from ops.check_config import check
from tests.unit.config.conftest import Complaints, Load

SERVICENOW = """\
oncall:
  servicenow:
    instance_url: https://main.example
    username: ackstream
    password: secret
    other_instance_urls: {Infra: 'https://infra.example', db: 'https://db.example'}
"""


def test_as_delivered_a_record_is_told_nothing(load: Load) -> None:
    servicenow = load(SERVICENOW).config.oncall.servicenow
    assert {servicenow.on_acknowledge, servicenow.on_update, servicenow.on_resolve} == {"none"}
    assert servicenow.closed_states == ("6", "7", "8")


def test_an_instance_says_what_is_different_there_and_keeps_the_rest(load: Load) -> None:
    text = SERVICENOW + (
        "    on_acknowledge: work_note\n    on_resolve: State\n    states: {acknowledged: 4, resolved: 7}\n    close_code: Solved\n"
        "    life_by_instance: {INFRA: {on_acknowledge: none, on_update: state, states: {updated: -5}}}\n"
    )
    servicenow = load(text).config.oncall.servicenow
    main, infra = servicenow.life_for(None), servicenow.life_for("Infra")
    assert (main.on_acknowledge, main.on_update, main.on_resolve) == ("work_note", "none", "state")
    assert (infra.on_acknowledge, infra.on_update, infra.on_resolve) == ("none", "state", "state")
    assert infra.states.model_dump() == {
        "acknowledged": "4",
        "unacknowledged": None,
        "updated": "-5",
        "resolved": "7",
    }
    assert infra.close_code == "Solved"
    assert servicenow.life_for("db") == main


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("on_acknowledge: note", "on_acknowledge: should be 'none', 'work_note' or 'state', not \"note\""),
        ("on_update: state", "on_update: is state, which needs oncall.servicenow.states.updated: the value that your instance has for it"),
        ("life_by_instance: {infra: {on_update: state}}", "life_by_instance.infra.on_update: is state, which needs oncall.servicenow.life_by_instance.infra.states.updated: the value that your instance has for it"),
        ("states: {acknowledged: 6}", "states.acknowledged: is one of closed_states (6, 7, 8), which are left alone"),
        ("on_acknowledge: state\n    closed_states: [2, 3]", "closed_states: states.acknowledged is 2, one of closed_states (2, 3), which are left alone"),
        ("on_acknowledge: state\n    life_by_instance: {db: {closed_states: [2]}}", "life_by_instance.db.closed_states: states.acknowledged is 2, one of closed_states (2), which are left alone"),
        ("closed_states: [2]\n    life_by_instance: {db: {on_acknowledge: state}}", "life_by_instance.db.on_acknowledge: states.acknowledged is 2, one of closed_states (2), which are left alone"),
        ("life_by_instance: {db: {states: {updated: 3}, closed_states: [3]}}", "life_by_instance.db.states.updated: is one of closed_states (3), which are left alone"),
        ("life_by_instance: {app: {on_update: none}}", "life_by_instance.app: is no instance of oncall.servicenow.other_instance_urls; there: Infra, db"),
        ("life_by_instance: {db: {on_resolv: state}}", "life_by_instance.db.on_resolv: is not a known key; did you mean on_resolve?"),
        ("states: {resolve: 7}", "states.resolve: is not a known key; did you mean resolved?"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(complaints: Complaints, line: str, complaint: str) -> None:
    last = 7 + line.count("\n")
    assert complaints(f"{SERVICENOW}    {line}\n") == [f"config.yaml:{last}: oncall.servicenow.{complaint}"]


def test_a_state_that_is_given_for_all_instances_need_not_be_given_for_one(load: Load) -> None:
    text = (
        SERVICENOW
        + "    states: {updated: 2}\n    life_by_instance: {db: {on_update: state, states: {acknowledged: 3}}}\n"
    )
    assert load(text).config.oncall.servicenow.life_for("db").states.updated == "2"


def test_resolving_without_a_close_code_is_warned_of(load: Load) -> None:
    warned = [one for one in load(SERVICENOW + "    on_resolve: state\n").warnings if "close_code" in one]
    assert len(warned) == 3
    assert "for the instance Infra" in warned[1]
    text = SERVICENOW + "    on_resolve: state\n    close_code: Solution provided\n"
    assert not [one for one in load(text).warnings if "close_code" in one]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("close_notes: '{{ ended'", "7: oncall.servicenow.close_notes: unexpected end of template, expected 'end of print statement'."),
        ("close_notes: '{{ endet }}'", "7: oncall.servicenow.close_notes: endet is no name that a template can speak of; did you mean ended?"),
        ("life_by_instance: {db: {close_notes: '{{ 1 / truncated }}'}}", "7: oncall.servicenow.life_by_instance.db.close_notes: the template fails: ZeroDivisionError: division by zero (with the sample alert of alertmanager)"),
    ],
)  # fmt: skip
def test_check_config_finds_what_is_wrong_with_close_notes(tmp_path: Path, line: str, problem: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"{SERVICENOW}    {line}\n", encoding="utf-8")
    found = [text.replace(f"{tmp_path}/", "") for text in check(file).problems]
    assert found[0] == f"config.yaml:{problem}"


def test_a_state_that_no_record_is_set_to_contradicts_nothing(load: Load) -> None:
    text = (
        SERVICENOW + "    closed_states: [2, 3]\n    on_acknowledge: work_note\n    on_resolve: work_note\n"
    )
    assert load(text).config.oncall.servicenow.closed_states == ("2", "3")

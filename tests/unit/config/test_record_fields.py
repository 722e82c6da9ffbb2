"""What the configuration may say of records, and what `check-config` finds in their templates."""

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
    other_instance_urls: {Infra: 'https://infra.example', db: '${DB_URL}'}
"""


def test_fields_are_texts_whatever_yaml_makes_of_them(load: Load) -> None:
    text = SERVICENOW + "    fields: {urgency: 2, category: on, u_code: 0123}\n"
    fields = load(text).config.oncall.servicenow.fields
    assert fields == {"urgency": "2", "category": "on", "u_code": "0123"}


def test_names_of_instances_ignore_case_and_those_without_a_url_are_known(load: Load) -> None:
    text = (
        SERVICENOW
        + "    fields_by_instance: {infra: {urgency: 1}, DB: {urgency: 2}}\n    table_by_instance: {INFRA: u_event}\n"
    )
    servicenow = load(text).config.oncall.servicenow
    assert servicenow.fields_for("Infra") == {"urgency": "1"}
    assert servicenow.fields_for("db") == {"urgency": "2"}
    assert (servicenow.table_for("Infra"), servicenow.table_for(None)) == ("u_event", "incident")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("fields: {correlation_id: x}", "fields: should not have correlation_id in it, by which a record is found again"),
        ("fields: {Short Description: x}", "fields.Short Description: is no name of a field: lower-case letters, digits and _, as in short_description"),
        ("fields: {urgency: [1, 2]}", "fields.urgency: should be a text"),
        ("fields_by_instance: {infra: {sys_id: x}}", "fields_by_instance.infra: should not have sys_id in it, by which a record is found again"),
        ("fields_by_instance: {app: {urgency: 1}}", "fields_by_instance.app: is no instance of oncall.servicenow.other_instance_urls; there: Infra, db"),
        ("table_by_instance: {app: u_x}", "table_by_instance.app: is no instance of oncall.servicenow.other_instance_urls; there: Infra, db"),
        ("table_by_instance: {infra: a, INFRA: b}", "table_by_instance: has two names that differ only in upper and lower case"),
        ("required_fields: [Urgency]", "required_fields.0: is no name of a field: lower-case letters, digits and _, as in short_description"),
        ("field_lengths: {urgency: 0}", "field_lengths.urgency: should be at least 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(complaints: Complaints, line: str, complaint: str) -> None:
    assert complaints(f"{SERVICENOW}    {line}\n") == [f"config.yaml:7: oncall.servicenow.{complaint}"]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("fields:\n  urgency: '{{ severity'", "8: oncall.servicenow.fields.urgency: unexpected end of template, expected 'end of print statement'."),
        ("fields:\n  description: |\n    fine\n    {% if title %}", "8: oncall.servicenow.fields.description: Unexpected end of template. Jinja was looking for the following tags: 'elif' or 'else' or 'endif'. The innermost block that needs to be closed is 'if'. in line 2 of the template"),
        ("fields:\n  urgency: '{{ severty }}'", "8: oncall.servicenow.fields.urgency: severty is no name that a template can speak of; did you mean severity?"),
        ("fields:\n  urgency: '{{ severity | uper }}'", "8: oncall.servicenow.fields.urgency: No filter named 'uper'."),
        ("fields:\n  urgency: '{% include \"x\" %}'", "8: oncall.servicenow.fields.urgency: include, import and extends are not there; put all into one template"),
        ("fields:\n  urgency: '{{ 1 / truncated }}'", "8: oncall.servicenow.fields.urgency: the template fails: ZeroDivisionError: division by zero (with the sample alert of alertmanager)"),
        ("fields:\n  category: software\nfield_lengths: {category: 4}", "8: oncall.servicenow.fields.category: is longer than the 4 characters that the field takes; oncall.servicenow.field_lengths allows more"),
        ("fields_by_instance:\n  infra:\n    urgency: '{{'", "9: oncall.servicenow.fields_by_instance.infra.urgency: unexpected 'end of template'"),
        ("fields: {urgency: '1'}\nrequired_fields: [caller_id]", "8: oncall.servicenow.required_fields: caller_id is required, and no template fills it"),
    ],
)  # fmt: skip
def test_check_config_finds_what_is_wrong_with_a_template(tmp_path: Path, lines: str, problem: str) -> None:
    assert problems(tmp_path, lines)[0] == f"config.yaml:{problem}"


def problems(tmp_path: Path, lines: str) -> list[str]:
    text = SERVICENOW + "".join(f"    {line}\n" for line in lines.splitlines())
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return [problem.replace(f"{tmp_path}/", "") for problem in check(file).problems]


def test_a_required_field_that_is_empty_for_some_senders_is_found(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "fields:\n  category: '{{ labels.team }}'\nrequired_fields: [category]")
    assert problem.startswith("config.yaml:8: oncall.servicenow.fields.category: is required, and empty")
    assert "sentry" in problem
    assert "alertmanager," not in problem
    assert problem.endswith('give it a default: {{ … or "default" }}')


def test_a_required_field_must_not_be_empty_for_any_instance(tmp_path: Path) -> None:
    lines = "fields: {category: software}\nfields_by_instance:\n  infra: {category: '{{ labels.none }}'}\nrequired_fields: [category]"
    (problem,) = problems(tmp_path, lines)
    assert problem.startswith(
        "config.yaml:9: oncall.servicenow.fields_by_instance.infra.category: is required, and empty for the instance Infra"
    )


def test_a_required_field_with_a_default_and_the_default_field_are_well(tmp_path: Path) -> None:
    lines = (
        "fields:\n  category: '{{ labels.team or \"none\" }}'\nrequired_fields: [category, short_description]"
    )
    assert problems(tmp_path, lines) == []


def test_an_import_set_belongs_to_one_instance_or_to_all(load: Load) -> None:
    config = load(SERVICENOW + "    import_set: u_all\n    import_set_by_instance: {infra: u_infra}\n").config
    named = config.oncall.servicenow.import_set_for
    assert [named(None), named("Infra"), named("db")] == ["u_all", "u_infra", "u_all"]


def test_an_import_set_might_drop_what_lists_a_storms_incidents(complaints: Complaints) -> None:
    text = SERVICENOW + "    import_set: u_all\nalert: {slack: {storm: {servicenow: parent}}}\n"
    assert complaints(text) == [
        "config.yaml:7: oncall.servicenow.import_set: cannot go with alert.slack.storm.servicenow: parent"
    ]

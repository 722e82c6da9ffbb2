"""Where a record goes in ServiceNow, and what it says."""

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field

from shared.config_section import Section, distinct

Value = TypeVar("Value")

OURS = {"correlation_id", "sys_id"}
"""Fields of a record that no template may fill."""

LENGTHS = {
    "short_description": 160,
    "description": 4000,
    "comments": 4000,
    "work_notes": 4000,
    "close_notes": 4000,
}
"""Characters that ServiceNow's own fields take. What is longer it cuts without a word."""

LONGEST = 255
"""Of a field that nobody said anything about."""


def _table(name: str) -> str:
    if not re.fullmatch("[a-z0-9_]+", name):
        raise ValueError("should be a table name: lower-case letters, digits and _")
    return name


def _field(name: str) -> str:
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise ValueError("is no name of a field: lower-case letters, digits and _, as in short_description")
    return name


def _none_of_ours(fields: dict[str, str]) -> dict[str, str]:
    if taken := sorted(OURS & fields.keys()):
        raise ValueError(f"should not have {' or '.join(taken)} in it, by which a record is found again")
    return fields


TableName = Annotated[str, AfterValidator(_table)]
FieldName = Annotated[str, AfterValidator(_field)]
FieldSources = Annotated[dict[FieldName, str], AfterValidator(_none_of_ours)]


class RecordConfig(Section):
    table: TableName = Field("incident", description="Table of the records.")
    table_by_instance: Annotated[dict[str, TableName], AfterValidator(distinct)] = Field(
        {}, description="By the name of a further instance: another table."
    )
    import_set: TableName | None = Field(
        None,
        description="Staging table of an Import Set: records are made through it, and its transform map sees to it that there is one "
        "for each `correlation_id`. See [ServiceNow](servicenow.md#a-guard-inside-servicenow).",
    )
    import_set_by_instance: Annotated[dict[str, TableName], AfterValidator(distinct)] = Field(
        {}, description="By the name of a further instance: another staging table."
    )
    fields: FieldSources = Field(
        {},
        description="What a record says: a Jinja2 template for each field. `short_description` takes the place of the default one; "
        "`correlation_id` is always the incident's id. See [ServiceNow](servicenow.md#fields).",
    )
    fields_by_instance: Annotated[dict[str, FieldSources], AfterValidator(distinct)] = Field(
        {}, description="By the name of a further instance: other or more fields."
    )
    required_fields: tuple[FieldName, ...] = Field(
        (),
        description="Fields that must never be empty: `check-config` tells when one is, for any of its sample alerts.",
    )
    field_lengths: dict[FieldName, Annotated[int, Field(ge=1, le=65_536)]] = Field(
        {},
        description="Characters that a field takes, where that is not 160 (`short_description`), 4000 (`description`, `comments`, "
        "`work_notes`, `close_notes`) or 255 (all others). Longer values are cut.",
    )

    def table_for(self, instance: str | None) -> str:
        return next(iter(_of(instance, self.table_by_instance)), self.table)

    def import_set_for(self, instance: str | None) -> str | None:
        """None: records are inserted into their table itself."""
        return next(iter(_of(instance, self.import_set_by_instance)), self.import_set)

    def fields_for(self, instance: str | None) -> dict[str, str]:
        """Templates by field, for the instance with that name; what is said for it alone wins."""
        return self.fields | next(iter(_of(instance, self.fields_by_instance)), {})

    def longest(self, field: str) -> int:
        """Characters that the field takes."""
        return self.field_lengths.get(field) or LENGTHS.get(field, LONGEST)


def _of(instance: str | None, by_name: Mapping[str, Value]) -> list[Value]:
    """What there is under that name, found ignoring case; at most one."""
    wanted = instance.lower() if instance else None
    return [value for name, value in by_name.items() if name.lower() == wanted]

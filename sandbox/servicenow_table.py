import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.servicenow_history import JOURNALS, Change, Note, change, journal

# The columns of `incident` that an integration meets; others begin with u_, as an administrator's own do.
INCIDENT_COLUMNS = """
active assigned_to assignment_group business_service caller_id category close_code close_notes closed_at
closed_by cmdb_ci comments contact_type correlation_display correlation_id description escalation
hold_reason impact incident_state location made_sla number opened_at opened_by parent priority resolved_at
resolved_by severity short_description state subcategory sys_class_name sys_created_by sys_created_on
sys_domain sys_id sys_mod_count sys_updated_by sys_updated_on urgency work_notes
"""
COLUMNS = frozenset(INCIDENT_COLUMNS.split())
REFERENCES = {
    "assigned_to": "sys_user",
    "assignment_group": "sys_user_group",
    "business_service": "cmdb_ci_service",
    "caller_id": "sys_user",
    "closed_by": "sys_user",
    "cmdb_ci": "cmdb_ci",
    "opened_by": "sys_user",
    "parent": "task",
    "resolved_by": "sys_user",
    "sys_domain": "sys_user_group",
}
# Longer values are cut without a word.
LENGTHS = {
    "short_description": 160,
    "description": 4000,
    "correlation_id": 100,
    "correlation_display": 100,
    "close_notes": 4000,
}
READ_ONLY = ("sys_id", "number", "sys_created_on", "sys_created_by", "sys_mod_count")
DEFAULTS = {
    "active": "true",
    "state": "1",
    "incident_state": "1",
    "priority": "5",
    "urgency": "3",
    "impact": "3",
}
# What people see in the place of a choice's value. Names of what a reference leads to are not known here.
_THREE = {"1": "1 - High", "2": "2 - Medium", "3": "3 - Low"}
_STATES = {"1": "New", "2": "In Progress", "3": "On Hold", "6": "Resolved", "7": "Closed", "8": "Canceled"}
LABELS = {"impact": _THREE, "urgency": _THREE, "state": _STATES, "incident_state": _STATES}
RESOLVED, CLOSED, CANCELED = "6", "7", "8"


def is_column(name: str) -> bool:
    return name in COLUMNS or name.startswith("u_")


@dataclass
class Row:
    """`fields` are plain values; `journal` holds entries of journals, which the plain value of a row does not show."""

    fields: dict[str, str]
    journal: list[Note] = field(default_factory=list)
    history: list[Change] = field(default_factory=list)

    @property
    def notes(self) -> list[tuple[str, str]]:
        """The journals' entries, oldest first: column and text."""
        return [(note.column, note.text) for note in self.journal]

    def write(self, values: Mapping[str, Any], user: str, stamp: str) -> None:
        """Columns that do not exist are ignored, as the Table API does."""
        before = dict(self.fields)
        told = [
            Note(stamp, user, name, _text(text)) for name, text in values.items() if name in JOURNALS and text
        ]
        self.journal += told
        for name, value in values.items():
            if is_column(name) and name not in READ_ONLY and name not in JOURNALS:
                self.fields[name] = _text(value)[: LENGTHS.get(name)]
        self.history.append(change(stamp, user, before, self.fields, told))
        self._keep_books(user, stamp)

    def _keep_books(self, user: str, stamp: str) -> None:
        """What ServiceNow writes by itself; the history has only what somebody wrote."""
        state = self.fields["state"]
        if state in (RESOLVED, CLOSED) and not self.fields.get("resolved_at"):
            self.fields |= {"resolved_at": stamp, "resolved_by": user}
        if state == CLOSED and not self.fields.get("closed_at"):
            self.fields |= {"closed_at": stamp, "closed_by": user}
        self.fields |= {
            "incident_state": state,
            "active": "false" if state in (CLOSED, CANCELED) else "true",
            "sys_updated_on": stamp,
            "sys_updated_by": user,
        }

    def shown(
        self,
        base: str,
        only: Iterable[str] = (),
        *,
        links: bool = True,
        display: str = "false",
        hidden: Collection[str] = (),
    ) -> dict[str, Any]:
        """As the API returns it: every column, references as objects with a link under `base`. `display`: sysparm_display_value,
        `false`, `true` or `all`. A column that is `hidden` from the user is left out."""
        wanted = (set(only) or COLUMNS | self.fields.keys()) - set(hidden)
        values = {name: self.fields.get(name, "") for name in sorted(wanted) if is_column(name)}
        shown = {name: _shown(name, value, base if links else "", display) for name, value in values.items()}
        return shown | {name: self._journal(name, display) for name in JOURNALS if name in shown}

    def _journal(self, name: str, display: str) -> Any:
        """A journal has no value, only entries to display."""
        text = journal(self.journal, name)
        return {"display_value": text, "value": ""} if display == "all" else text if display == "true" else ""


@dataclass
class Table:
    name: str
    prefix: str
    rows: dict[str, Row] = field(default_factory=dict)

    def insert(self, values: Mapping[str, Any], user: str, now: datetime) -> Row:
        """Always a new row: nothing de-duplicates, on correlation_id or otherwise."""
        stamp = f"{now:%Y-%m-%d %H:%M:%S}"
        fields = DEFAULTS | {
            "sys_id": uuid.uuid4().hex,
            "number": f"{self.prefix}{10_001 + len(self.rows):07d}",
            "sys_class_name": self.name,
            "sys_domain": "global",
            "opened_at": stamp,
            "opened_by": user,
            "sys_created_on": stamp,
            "sys_created_by": user,
            "sys_mod_count": "0",
        }
        row = Row(fields)
        row.write(values, user, stamp)
        return self.rows.setdefault(fields["sys_id"], row)

    def update(self, row: Row, values: Mapping[str, Any], user: str, now: datetime) -> None:
        row.write(values, user, f"{now:%Y-%m-%d %H:%M:%S}")
        row.fields["sys_mod_count"] = str(int(row.fields["sys_mod_count"]) + 1)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _shown(name: str, value: str, base: str, display: str) -> Any:
    label = LABELS.get(name, {}).get(value, value)
    if name not in REFERENCES or not value:
        return (
            {"display_value": label, "value": value}
            if display == "all"
            else label
            if display == "true"
            else value
        )
    link = {"link": f"{base}/api/now/table/{REFERENCES[name]}/{value}"} if base else {}
    if display == "true":
        return link | {"display_value": label} if base else label
    return link | {"value": value} | ({"display_value": label} if display == "all" else {})

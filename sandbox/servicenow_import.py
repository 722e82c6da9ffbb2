"""The Import Set API: a row of a staging table goes through a transform map, which coalesces on correlation_id."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from sandbox.servicenow import ServiceNow, ServiceNowRefusal
from sandbox.servicenow_history import JOURNALS
from sandbox.servicenow_table import is_column

STAGING = {"u_ackstream_import": "incident"}
"""Staging tables, and the table that each one's transform map leads to."""


class Imports:
    """One staging table of one instance. `base` is the instance's address, for links."""

    def __init__(self, servicenow: ServiceNow, instance: str, staging: str, base: str, user: str) -> None:
        self._servicenow = servicenow
        self._instance = servicenow.instance(instance)
        self._staging = staging
        self._base = base
        self._user = user

    def perform(self, given: Mapping[str, Any] | None) -> Response:
        """Raises ServiceNowRefusal."""
        if self._staging not in STAGING:
            raise ServiceNowRefusal(400, f"Invalid table {self._staging}")
        table = self._instance.table(STAGING[self._staging])
        values = {_mapped(name): value for name, value in (given or {}).items()}
        known = [row for row in table.rows.values() if _same(row.fields, values)]
        if known:
            table.update(known[0], values, self._user, self._servicenow.now())
        row = known[0] if known else table.insert(values, self._user, self._servicenow.now())
        sys_id = row.fields["sys_id"]
        result = {
            "transform_map": "Ackstream",
            "table": table.name,
            "display_name": "number",
            "display_value": row.fields["number"],
            "record_link": f"{self._base}/api/now/table/{table.name}/{sys_id}",
            "status": "updated" if known else "inserted",
            "sys_id": sys_id,
        }
        answer = {"import_set": "ISET0010001", "staging_table": self._staging, "result": [result]}
        return JSONResponse(answer, status_code=201)


def _mapped(column: str) -> str:
    """A staging column to the column of the same name, with or without its prefix."""
    name = column.removeprefix("u_")
    return name if is_column(name) or name in JOURNALS else column


def _same(fields: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    return bool(values.get("correlation_id")) and fields.get("correlation_id") == values["correlation_id"]

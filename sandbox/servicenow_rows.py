import uuid
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from sandbox.servicenow import ServiceNow, ServiceNowRefusal
from sandbox.servicenow_query import select
from sandbox.servicenow_table import CLOSED, RESOLVED, Row, Table

NO_RECORD = ("No Record found", "Record doesn't exist or ACL restricts the record retrieval")
NOT_JSON = ("Exception while reading request", "The payload is not valid JSON.")
MANDATORY = {"close_code": "Resolution code", "close_notes": "Resolution notes"}


class Rows:
    """One table of one instance, as the Table API serves it. `base` is the instance's address, for links."""

    def __init__(self, servicenow: ServiceNow, instance: str, table: str, base: str) -> None:
        self._servicenow = servicenow
        self._instance = instance
        self._table = table
        self._base = base

    def perform(
        self,
        verb: str,
        sys_id: str,
        given: Mapping[str, Any] | None,
        options: Mapping[str, str],
        *,
        lie: bool,
    ) -> Response:
        """Raises ServiceNowRefusal. With `lie`, the effect is honest and the answer shows another row."""
        table = self._servicenow.instance(self._instance).table(self._table)
        if given is None:
            raise ServiceNowRefusal(400, *NOT_JSON)
        if verb == "GET" and not sys_id:
            return self._query(table, options, lie=lie)
        if verb == "POST":
            _check_resolution(table, {}, given)
            row = table.insert(given, self._servicenow.user, self._servicenow.now())
        else:
            row = self._row(table, sys_id)
        if verb == "PATCH":
            _check_resolution(table, row.fields, given)
            table.update(row, given, self._servicenow.user, self._servicenow.now())
        return self._one(_another(table, row) if lie else row, options, created=verb == "POST")

    def _query(self, table: Table, options: Mapping[str, str], *, lie: bool) -> Response:
        by_id = {sys_id: row.fields for sys_id, row in table.rows.items()}
        found = select(list(by_id.values()), options.get("sysparm_query", ""))
        start, limit = _number(options, "sysparm_offset", 0), _number(options, "sysparm_limit", 10_000)
        page = [table.rows[fields["sys_id"]] for fields in found[start : start + limit]]
        if lie:
            page = [_another(table, page[0] if page else None)]
        headers = {"X-Total-Count": str(len(found))}
        return JSONResponse({"result": [self._shown(row, options) for row in page]}, headers=headers)

    def _row(self, table: Table, sys_id: str) -> Row:
        if sys_id not in table.rows:
            raise ServiceNowRefusal(404, *NO_RECORD)
        return table.rows[sys_id]

    def _one(self, row: Row, options: Mapping[str, str], *, created: bool) -> Response:
        location = f"{self._base}/api/now/table/{self._table}/{row.fields['sys_id']}"
        headers = {"Location": location} if created else {}
        return JSONResponse(
            {"result": self._shown(row, options)}, status_code=201 if created else 200, headers=headers
        )

    def _shown(self, row: Row, options: Mapping[str, str]) -> dict[str, Any]:
        only = [name for name in options.get("sysparm_fields", "").split(",") if name]
        links = options.get("sysparm_exclude_reference_link") != "true"
        return row.shown(self._base, only, links=links, display=options.get("sysparm_display_value", "false"))


def _check_resolution(table: Table, stored: Mapping[str, str], given: Mapping[str, Any]) -> None:
    """The data policy that every new instance has: resolving an incident needs a code and notes."""
    resolving = str(given.get("state", "")) in (RESOLVED, CLOSED) and table.name == "incident"
    missing = [label for name, label in MANDATORY.items() if not (given.get(name) or stored.get(name))]
    if resolving and missing:
        detail = (
            f"Data Policy Exception: the following mandatory fields are not filled in: {', '.join(missing)}"
        )
        raise ServiceNowRefusal(403, "Operation Failed", detail)


def _another(table: Table, row: Row | None) -> Row:
    """Any row but this one; where there is none, one that no table holds."""
    others = [other for other in table.rows.values() if other is not row]
    if others:
        return others[-1]
    stray = {
        "sys_id": uuid.uuid4().hex,
        "number": f"{table.prefix}0009999",
        "correlation_id": uuid.uuid4().hex,
    }
    return Row(
        stray | {"short_description": "Somebody else's record", "state": "1", "sys_class_name": table.name}
    )


def _number(options: Mapping[str, str], name: str, default: int) -> int:
    text = options.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else default

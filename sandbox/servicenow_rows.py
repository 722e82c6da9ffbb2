import uuid
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from sandbox.servicenow import ServiceNow, ServiceNowRefusal
from sandbox.servicenow_page import Page
from sandbox.servicenow_query import select
from sandbox.servicenow_table import CLOSED, RESOLVED, Row, Table

NO_RECORD = ("No Record found", "Record doesn't exist or ACL restricts the record retrieval")
NOT_JSON = ("Exception while reading request", "The payload is not valid JSON.")
FAILED = "Operation Failed"
INSERT_FAILED = "ACL Exception Insert Failed due to security constraints"
UPDATE_FAILED = "ACL Exception Update Failed due to security constraints"
LABELS = {"close_code": "Resolution code", "close_notes": "Resolution notes"}
CHANGES = ("PATCH", "PUT")


class Rows:
    """One table of one instance, as the Table API serves it to a user. `base` is the instance's address, for links."""

    def __init__(self, servicenow: ServiceNow, instance: str, table: str, base: str, user: str) -> None:
        self._servicenow = servicenow
        self._settings = servicenow.settings
        self._instance = instance
        self._name = table
        self._base = base
        self._user = user

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
        if verb not in (("GET", *CHANGES) if sys_id else ("GET", "POST")):
            raise ServiceNowRefusal(405, "Method not supported", f"{verb} method not supported")
        table = self._servicenow.instance(self._instance).table(self._name)
        if given is None:
            raise ServiceNowRefusal(400, *NOT_JSON)
        if verb == "GET" and not sys_id:
            return self._query(table, options, lie=lie)
        if verb == "POST":
            row = self._insert(table, given)
        elif verb in CHANGES:
            row = self._update(table, sys_id, given)
        else:
            row = self._row(table, sys_id)
        return self._one(_another(table, row) if lie else row, options, created=verb == "POST")

    def _insert(self, table: Table, given: Mapping[str, Any]) -> Row:
        if not self._settings.may(self._user, "create"):
            raise ServiceNowRefusal(403, FAILED, INSERT_FAILED)
        self._check_resolution({}, given)
        return table.insert(given, self._user, self._servicenow.now())

    def _update(self, table: Table, sys_id: str, given: Mapping[str, Any]) -> Row:
        row = table.rows.get(sys_id)
        if row is None:
            raise ServiceNowRefusal(404, *NO_RECORD)
        final = self._settings.closed_is_final and row.fields["state"] == CLOSED
        if final or not self._settings.may(self._user, "write"):
            raise ServiceNowRefusal(403, FAILED, UPDATE_FAILED)
        self._check_resolution(row.fields, given)
        table.update(row, given, self._user, self._servicenow.now())
        return row

    def _query(self, table: Table, options: Mapping[str, str], *, lie: bool) -> Response:
        by_id = {sys_id: row.fields for sys_id, row in table.rows.items()}
        found = select(list(by_id.values()), options.get("sysparm_query", ""))
        page = Page.of(options)
        rows = [table.rows[fields["sys_id"]] for fields in found[page.start : page.start + page.limit]]
        if not self._settings.may(self._user, "read"):
            rows = []  # the count has them all the same
        if lie:
            rows = [_another(table, rows[0] if rows else None)]
        place = f"{self._base}/api/now/table/{self._name}"
        headers = {"X-Total-Count": str(len(found)), "Link": page.links(place, options, len(found))}
        return JSONResponse({"result": [self._shown(row, options) for row in rows]}, headers=headers)

    def _row(self, table: Table, sys_id: str) -> Row:
        if sys_id not in table.rows or not self._settings.may(self._user, "read"):
            raise ServiceNowRefusal(404, *NO_RECORD)
        return table.rows[sys_id]

    def _one(self, row: Row, options: Mapping[str, str], *, created: bool) -> Response:
        location = f"{self._base}/api/now/table/{self._name}/{row.fields['sys_id']}"
        headers = {"Location": location} if created else {}
        return JSONResponse(
            {"result": self._shown(row, options)}, status_code=201 if created else 200, headers=headers
        )

    def _shown(self, row: Row, options: Mapping[str, str]) -> dict[str, Any]:
        return row.shown(
            self._base,
            [name for name in options.get("sysparm_fields", "").split(",") if name],
            links=options.get("sysparm_exclude_reference_link") != "true",
            display=options.get("sysparm_display_value", "false"),
            hidden=self._settings.hidden,
        )

    def _check_resolution(self, stored: Mapping[str, str], given: Mapping[str, Any]) -> None:
        """The data policy that every new instance has: resolving an incident needs a code and notes."""
        resolving = str(given.get("state", "")) in (RESOLVED, CLOSED) and self._name == "incident"
        wanted = [name for name in self._settings.mandatory if not (given.get(name) or stored.get(name))]
        if resolving and wanted:
            missing = ", ".join(LABELS.get(name, name) for name in wanted)
            detail = f"Data Policy Exception: the following mandatory fields are not filled in: {missing}"
            raise ServiceNowRefusal(403, FAILED, detail)


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

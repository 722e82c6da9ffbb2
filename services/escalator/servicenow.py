"""ServiceNow's Table API as the escalator needs it: find our record, create it, look at it, change it.

Nothing here repeats a call, follows a redirect, or logs a credential. What an answer means is said in servicenow_answers.
https://www.servicenow.com/docs: Table API.
"""

from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from typing import Any, Self
from urllib.parse import quote

import httpx

from services.escalator.import_set import columns, imported
from services.escalator.instances import Instance
from services.escalator.servicenow_answers import (
    Row,
    Seen,
    is_sys_id,
    result_of,
    row_of,
    rows_of,
    says_no_such_record,
    seen_of,
    text_of,
)
from services.escalator.signing_in import NotAskedError
from services.escalator.target import EscalationError
from services.escalator.trouble import NOT_SENT, trouble_of
from shared.config_record import RecordConfig
from shared.identity import is_incident_id

__all__ = ["Row", "Seen", "ServiceNow"]

PAGE = 100
"""Rows of one answer to a search."""

ORDER = "ORDERBYsys_created_on^ORDERBYsys_id"
"""So that a row that is made meanwhile comes last and moves no other one from page to page."""

HIDDEN = (
    "an answer was lost, and its record may be there: the instance counts one, and does not show it; let the integration user read sys_id, "
    "number and correlation_id"
)

SEEN = "sys_id,number,correlation_id,state,active,work_notes"


class ServiceNow:
    """`table`, `import_set`: those of the instance with a name, or None for the default one."""

    def __init__(
        self,
        table: Callable[[str | None], str],
        import_set: Callable[[str | None], str | None] = lambda _: None,
    ) -> None:
        self._table = table
        self._import_set = import_set

    @classmethod
    def of(cls, settings: RecordConfig) -> Self:
        return cls(settings.table_for, settings.import_set_for)

    async def find(self, instance: Instance, incident_id: str, *, in_doubt: bool = False) -> Row | None:
        """Our record, if it is there. `in_doubt`: an answer to its creation was lost; then one that is counted and not shown is not
        taken for none. Raises EscalationError, never in doubt: looking changes nothing."""
        query = {
            "sysparm_query": f"correlation_id={_hex(incident_id)}",
            "sysparm_fields": "sys_id,number,correlation_id",
            "sysparm_limit": "1",
        }
        response = await self._read(instance, self._path(instance), query)
        rows = rows_of(response)
        if in_doubt and not rows and _total(response):
            raise EscalationError(HIDDEN, needs_person=True)
        # An instance drops a query term that it does not understand, and answers with any row.
        ours = [row for row in rows if row.get("correlation_id") == incident_id]
        return row_of(ours[0]) if ours else None

    async def look(self, instance: Instance, sys_id: str) -> Seen | None:
        """The record as it is now; None: there is none, or it is not shown to us. Raises EscalationError, never in doubt."""
        options = {"sysparm_display_value": "all", "sysparm_fields": SEEN}
        response = await self._read(instance, self._path(instance, sys_id), options)
        if says_no_such_record(response):
            return None
        result = result_of(response, 200, writes=False)
        seen = seen_of(result) if isinstance(result, dict) else None
        if seen is None or seen.sys_id != sys_id:
            raise EscalationError("cannot look at the record: answered 200 with something else")
        return seen

    async def search(
        self, instance: Instance, query: str, fields: Collection[str]
    ) -> AsyncGenerator[dict[str, str], None]:
        """Every row that an encoded query finds, oldest first; of its `fields` those that we are shown. A query must hold
        nothing of a stranger's. What the instance does not understand of it, it drops: look at what comes back. Raises
        EscalationError, never in doubt."""
        options = {
            "sysparm_query": f"{query}^{ORDER}".removeprefix("^"),
            "sysparm_fields": ",".join(fields),
            "sysparm_exclude_reference_link": "true",
            "sysparm_limit": str(PAGE),
        }
        offset, more = 0, True
        while more:
            response = await self._read(
                instance, self._path(instance), options | {"sysparm_offset": str(offset)}
            )
            rows = rows_of(response)
            for row in rows:
                yield {name: text_of(row[name]) for name in fields if name in row}
            offset += PAGE
            more = _is_more(response, offset, len(rows))

    async def create(self, instance: Instance, incident_id: str, fields: Mapping[str, str]) -> Row:
        """Insert the record. Raises EscalationError."""
        body = {**fields, "correlation_id": _hex(incident_id)}
        if staging := self._import_set(instance.name):
            return imported(await self._write(instance, "POST", f"/api/now/import/{staging}", columns(body)))
        result = result_of(await self._write(instance, "POST", self._path(instance), body), 201, writes=True)
        if not isinstance(result, dict) or not (row := row_of(result)):
            raise EscalationError(
                "answered 201 without showing the record; let the integration user read sys_id, number and correlation_id",
                unseen=True,
            )
        # A table without that column answers with none; the record is there all the same.
        if result.get("correlation_id") not in (incident_id, None, ""):
            raise EscalationError(
                "answered 201 with another correlation_id; does a rule change it?", unseen=True
            )
        return row

    async def update(self, instance: Instance, sys_id: str, values: Mapping[str, str]) -> None:
        """Change the record. Raises EscalationError. Only who has looked may call again after a doubt: a note would stand there twice."""
        response = await self._write(instance, "PATCH", self._path(instance, sys_id), dict(values))
        result = result_of(response, 200, writes=True)
        if not isinstance(result, dict) or text_of(result.get("sys_id")) != sys_id:
            raise EscalationError("answered 200 without showing the record that was changed", in_doubt=True)

    def link(self, instance: Instance, row: Row) -> str:
        """Where people see the record."""
        return f"{instance.url}/nav_to.do?uri={quote(f'{self._table(instance.name)}.do?sys_id={row.sys_id}', safe='')}"

    def _path(self, instance: Instance, sys_id: str = "") -> str:
        if sys_id and not is_sys_id(sys_id):
            raise ValueError("not a sys_id")
        return f"/api/now/table/{self._table(instance.name)}" + (f"/{sys_id}" if sys_id else "")

    async def _read(self, instance: Instance, path: str, options: dict[str, str]) -> httpx.Response:
        try:
            return await _request(instance, "GET", path, params=options)
        except (httpx.HTTPError, TimeoutError) as error:
            trouble = trouble_of(error)
            words = f"cannot look for the record: {trouble.words}"
            raise EscalationError(words, needs_person=trouble.needs_person) from None

    async def _write(
        self, instance: Instance, method: str, path: str, body: dict[str, str]
    ) -> httpx.Response:
        try:
            return await _request(instance, method, path, json=body)
        except NOT_SENT as error:
            trouble = trouble_of(error)
            raise EscalationError(trouble.words, needs_person=trouble.needs_person) from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise EscalationError(f"answer lost: {trouble_of(error).words}", in_doubt=True) from None


async def _request(instance: Instance, method: str, path: str, **arguments: Any) -> httpx.Response:
    try:
        return await instance.request(method, path, **arguments)
    except NotAskedError as error:
        raise EscalationError(
            str(error),
            needs_person=error.needs_person,
            put_off=error.put_off,
            retry_after=error.retry_after,
        ) from None


def _is_more(response: httpx.Response, offset: int, length: int) -> bool:
    """A page may be short in the middle: rows that are hidden from us are taken out of it, and yet counted."""
    total = _total(response)
    return length == PAGE if total is None else offset < total


def _total(response: httpx.Response) -> int | None:
    """How many rows the whole search finds, also those that are hidden from us; None: it does not say."""
    total = response.headers.get("x-total-count", "")[:9]
    return int(total) if total.isdecimal() else None


def _hex(incident_id: str) -> str:
    """In a query `^NQ` would start another one: ids are hex, or they do not go out."""
    if not is_incident_id(incident_id):
        raise ValueError("not an incident id")
    return incident_id

"""ServiceNow's Table API as the escalator needs it: find our record, create it, and say what a failure means.

Success is 201 and JSON and a sys_id and our correlation_id. Nothing here repeats a call, follows a redirect, or logs a
credential. https://www.servicenow.com/docs: Table API; the rest was found by experiment.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from services.escalator.instances import Instance
from services.escalator.signing_in import NotAskedError, retry_after
from services.escalator.target import EscalationError
from services.escalator.trouble import trouble_of
from shared.identity import is_incident_id


@dataclass(frozen=True)
class Row:
    """A record as ServiceNow names it."""

    sys_id: str
    number: str


NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""The only failures after which the request surely did not arrive."""

GATEWAY_LOST_IT = (502, 504)
"""A proxy in front gave up waiting; the server behind it may go on."""

ASLEEP = " (is the instance asleep?)"
"""A hibernating developer instance answers 200 and HTML."""

REFUSED = (400, 403)
"""The second, too: an instance's business rules and data policies answer it."""

NEEDS_PERSON = (400, 401, 403, 404)


class ServiceNow:
    """`table`: that of the instance with a name, or None for the default one."""

    def __init__(self, table: Callable[[str | None], str]) -> None:
        self._table = table

    async def find(self, instance: Instance, incident_id: str) -> Row | None:
        """Our record, if it is there. Raises EscalationError, never in doubt: looking changes nothing."""
        query = {
            "sysparm_query": f"correlation_id={_hex(incident_id)}",
            "sysparm_fields": "sys_id,number,correlation_id",
            "sysparm_limit": "1",
        }
        try:
            response = await self._request(instance, "GET", params=query)
        except (httpx.HTTPError, TimeoutError) as error:
            trouble = trouble_of(error)
            words = f"cannot look for the record: {trouble.words}"
            raise EscalationError(words, needs_person=trouble.needs_person) from None
        rows = _result(response, 200)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise EscalationError("cannot look for the record: answered 200 without a list of records")
        # An instance drops a query term that it does not understand, and answers with any row.
        ours = [row for row in rows if row.get("correlation_id") == incident_id]
        return _row(ours[0]) if ours else None

    async def create(self, instance: Instance, incident_id: str, fields: dict[str, str]) -> Row:
        """Insert the record. Raises EscalationError."""
        body = {**fields, "correlation_id": _hex(incident_id)}
        try:
            response = await self._request(instance, "POST", json=body)
        except NOT_SENT as error:
            trouble = trouble_of(error)
            raise EscalationError(trouble.words, needs_person=trouble.needs_person) from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise EscalationError(f"answer lost: {trouble_of(error).words}", in_doubt=True) from None
        result = _result(response, 201)
        if not isinstance(result, dict) or not (row := _row(result)):
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

    def link(self, instance: Instance, row: Row) -> str:
        """Where people see the record."""
        return f"{instance.url}/nav_to.do?uri={quote(f'{self._table(instance.name)}.do?sys_id={row.sys_id}', safe='')}"

    async def _request(self, instance: Instance, method: str, **arguments: Any) -> httpx.Response:
        path = f"/api/now/table/{self._table(instance.name)}"
        try:
            return await instance.request(method, path, **arguments)
        except NotAskedError as error:
            raise EscalationError(
                str(error),
                needs_person=error.needs_person,
                put_off=error.put_off,
                retry_after=error.retry_after,
            ) from None


def _result(response: httpx.Response, expected: int) -> Any:
    """The answer's `result`. Raises EscalationError for anything but JSON with the expected status."""
    status = response.status_code
    if status != expected:
        raise EscalationError(
            f"answered {status}{_detail(response)}{_asleep(response)}",
            in_doubt=status in GATEWAY_LOST_IT,
            needs_person=status in NEEDS_PERSON or response.is_redirect,
            refused=status in REFUSED,
            retry_after=retry_after(response),
        )
    try:
        answer = response.json()
    except ValueError:
        raise EscalationError(
            f"answered {status} with something that is not JSON{ASLEEP}",
            in_doubt=status == httpx.codes.CREATED,
        ) from None
    return answer.get("result") if isinstance(answer, dict) else None


def _detail(response: httpx.Response) -> str:
    if response.is_redirect:
        return " (a redirect; credentials are not sent on): check the instance URL"
    try:
        message = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {str(message)[:200]}"


def _asleep(response: httpx.Response) -> str:
    return f" with a page for people{ASLEEP}" if "html" in response.headers.get("content-type", "") else ""


def _row(result: dict[str, Any]) -> Row | None:
    sys_id, number = result.get("sys_id"), result.get("number")
    if not isinstance(sys_id, str) or not re.fullmatch("[0-9a-f]{32}", sys_id):
        return None
    return Row(
        sys_id, number if isinstance(number, str) and number else sys_id
    )  # not every table numbers its rows


def _hex(incident_id: str) -> str:
    """In a query `^NQ` would start another one: ids are hex, or they do not go out."""
    if not is_incident_id(incident_id):
        raise ValueError("not an incident id")
    return incident_id

"""What an answer of ServiceNow's Table API means: success is the right status and JSON and what was asked for, all of it.

What each status stands for: https://www.servicenow.com/docs, "REST API HTTP response codes"; the rest was found by experiment.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from services.escalator.signing_in import document_of, retry_after
from services.escalator.target import EscalationError
from services.escalator.trouble import GATEWAY_LOST_IT
from shared.plain_text import clean, one_line, shortened


@dataclass(frozen=True)
class Row:
    """A record as ServiceNow names it."""

    sys_id: str
    number: str


@dataclass(frozen=True)
class Seen:
    """A record as it is now, as far as it is shown to us.

    `state`: the choice's value, empty when not shown. `active`, `work_notes`: None when not shown. `work_notes` are all of them in one
    text, newest first, each after a line of time and author; a user who may not read them may get an empty text as well.
    """

    sys_id: str
    number: str
    correlation_id: str
    state: str
    active: bool | None
    work_notes: str | None


ASLEEP = " (is the instance asleep?)"
"""A hibernating developer instance answers 200 and HTML."""

REFUSED = (400, 403)
"""The second, too: an instance's business rules and data policies answer it."""

LONGEST_NUMBER = 80
"""Characters. ServiceNow's have 40; the number is in each message about the incident."""

NEEDS_PERSON = (400, 401, 403, 404, 405, 406, 415)


def result_of(response: httpx.Response, expected: int, *, writes: bool) -> Any:
    """The answer's `result`; None where it has none. Raises EscalationError for anything but JSON with the expected status.

    `writes`: whether the request was to change something. Then another 2xx, or one that cannot be read, leaves a doubt.
    """
    status = response.status_code
    if status != expected:
        raise EscalationError(
            f"answered {status}{_detail(response)}{_asleep(response)}",
            in_doubt=writes and (status in GATEWAY_LOST_IT or response.is_success),
            needs_person=status in NEEDS_PERSON or response.is_redirect,
            refused=writes and status in REFUSED,
            status=status,
            retry_after=retry_after(response),
        )
    try:
        answer = document_of(response)
    except ValueError:
        what = _asleep(response) or f" with something that is not JSON{ASLEEP}"
        raise EscalationError(f"answered {status}{what}", in_doubt=writes) from None
    return answer.get("result") if isinstance(answer, dict) else None


def rows_of(response: httpx.Response) -> list[dict[str, Any]]:
    """The records of a list. Raises EscalationError."""
    rows = result_of(response, 200, writes=False)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise EscalationError("cannot look for the record: answered 200 without a list of records")
    return rows


def says_no_such_record(response: httpx.Response) -> bool:
    """Whether it is ServiceNow itself that answers 404; a proxy's page says nothing about the record."""
    return response.status_code == httpx.codes.NOT_FOUND and _error(response) is not None


def row_of(result: Mapping[str, Any]) -> Row | None:
    """None: it does not name a record."""
    sys_id, number = result.get("sys_id"), result.get("number")
    if not isinstance(sys_id, str) or not is_sys_id(sys_id):
        return None
    # Not every table numbers its rows.
    return Row(sys_id, number_of(number) or sys_id)


def seen_of(result: Mapping[str, Any]) -> Seen:
    """Of a row asked for with `sysparm_display_value=all`."""
    sys_id, active = text_of(result.get("sys_id")), text_of(result.get("active"))
    notes = result.get("work_notes")
    return Seen(
        sys_id=sys_id,
        number=number_of(result.get("number")) or sys_id,
        correlation_id=text_of(result.get("correlation_id")),
        state=text_of(result.get("state")),
        active=active == "true" if active in ("true", "false") else None,
        # Journals have no value of their own: their entries are what is displayed.
        work_notes=None if notes is None else text_of(notes, "display_value"),
    )


def text_of(field: object, part: str = "value") -> str:
    """A field of a row as plain text, whether it is shown as a text or as an object with parts. JSON can hold what no store takes."""
    value = field.get(part) if isinstance(field, dict) else field
    return clean(value) if isinstance(value, str) else ""


def number_of(field: object) -> str:
    """A record's number, or what stands for it; empty: it is not shown."""
    return shortened(text_of(field), LONGEST_NUMBER)


def is_sys_id(text: str) -> bool:
    return bool(re.fullmatch("[0-9a-f]{32}", text))


def _error(response: httpx.Response) -> Mapping[str, Any] | None:
    """`{"error": {"message": …, "detail": …}, "status": "failure"}`: ServiceNow's own words."""
    try:
        error = document_of(response)["error"]
    except (ValueError, KeyError, TypeError):
        return None
    return error if isinstance(error, dict) else None


def _detail(response: httpx.Response) -> str:
    if response.is_redirect:
        return " (a redirect; credentials are not sent on): check the instance URL"
    error = _error(response) or {}
    words = [shortened(one_line(error[key]), 200) for key in ("message", "detail") if error.get(key)]
    return f": {'; '.join(words)}" if words else ""


def _asleep(response: httpx.Response) -> str:
    return f" with a page for people{ASLEEP}" if "html" in response.headers.get("content-type", "") else ""

"""Records made through an Import Set: a staging table whose transform map coalesces on correlation_id, so that ServiceNow itself keeps
to one record for each. https://www.servicenow.com/docs: Import Set API."""

from collections.abc import Mapping
from typing import Any

import httpx

from services.escalator.servicenow_answers import Row, is_sys_id, number_of, result_of, text_of
from services.escalator.target import EscalationError

MADE = ("inserted", "updated", "ignored")
"""What a transform says when the record is there: it is new, was there and differed, or was there and alike."""

ASK = "does its transform map run, and may the integration user write through it?"


def columns(values: Mapping[str, str]) -> dict[str, str]:
    """A staging table's columns are its administrator's own, and so begin with `u_`."""
    return {name if name.startswith("u_") else f"u_{name}": value for name, value in values.items()}


def imported(response: httpx.Response) -> Row:
    """The record that the transform made, or found. Raises EscalationError."""
    results = result_of(response, 201, writes=True)
    rows = results if isinstance(results, list) else [results]
    told = [row for row in rows if isinstance(row, dict)]
    for row in told:
        if row.get("status") in MADE and (sys_id := _sys_id(row)):
            return Row(sys_id, number_of(row.get("display_value")) or sys_id)
    for row in told:
        if row.get("status") == "error":
            words = (
                text_of(row.get("error_message")) or text_of(row.get("status_message")) or "no reason given"
            )
            raise EscalationError(f"the import was refused: {words[:200]}", needs_person=True, refused=True)
    raise EscalationError(f"the import made no record: {ASK}", needs_person=True)


def _sys_id(row: Mapping[str, Any]) -> str:
    """Of the record itself: the link leads to it."""
    last = text_of(row.get("record_link")).partition("?")[0].rpartition("/")[2]
    return next((text for text in (last, text_of(row.get("sys_id"))) if is_sys_id(text)), "")

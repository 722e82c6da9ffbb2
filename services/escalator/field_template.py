"""The template of one field of a record: plain text, of a length that the field takes. Pure."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from jinja2 import meta

from services.escalator.vocabulary import NAMES
from shared import template_filters
from shared.plain_text import clean, shortened
from shared.template_environment import LenientEnvironment, failed_line, generated
from shared.template_filters import as_text, moment_of

MAX_RENDERED = 100_000
"""More than any field takes. Rendering stops there, so that a template cannot fill the memory."""

STAMP = "%Y-%m-%d %H:%M:%S"
"""How ServiceNow takes a moment, in UTC."""

_BLANK_LINES = re.compile(r"[ \t]*\n(?:[ \t]*\n)+")

_CODE = re.compile(r"\[(?=/?code\]|ackstream )", re.IGNORECASE)
"""In comments and work notes what stands in [code] is HTML, and [ackstream …] says what a record knows already. An alert may bring
neither; a template may."""


class FieldError(Exception):
    """A template that fails for an incident. The message is for people."""


class FieldTemplate:
    """`longest`: characters that the field takes. Raises UnusableTemplateError."""

    def __init__(self, source: str, longest: int) -> None:
        environment = LenientEnvironment(FILTERS, finalize)
        self._template = environment.compiled(source, _PLACE)
        self._longest = longest
        undeclared = meta.find_undeclared_variables(environment.parse(source))
        self.unknown = sorted(undeclared - NAMES - environment.globals.keys())
        """Names that are none of those which templates can speak of."""
        self.is_literal = not re.search(r"\{[{%#]", source)
        """Whether it says the same of each incident."""

    def render(self, names: Mapping[str, Any]) -> tuple[str, bool]:
        """The text, perhaps empty, and whether it was cut. Raises FieldError."""
        try:
            text = clean(generated(self._template, names, MAX_RENDERED))
        except Exception as error:
            line = failed_line(error, _PLACE)
            where = f" in line {line}" if line > 1 else ""
            raise FieldError(f"the template fails{where}: {type(error).__name__}: {error}") from error
        text = _BLANK_LINES.sub("\n\n", text).strip()
        return shortened(text, self._longest), len(text) > self._longest


_PLACE = "field template"


def finalize(value: object) -> str:
    """What `{{ value }}` prints."""
    text = value.astimezone(UTC).strftime(STAMP) if isinstance(value, datetime) else as_text(value)
    return _CODE.sub("[\u2060", text)


def time_filter(value: object, layout: str = "") -> str:
    """A moment, an ISO 8601 text or Unix seconds or milliseconds, as ServiceNow takes it, or by a strftime `layout` in the zone that
    it is given in; any other text as it is."""
    try:
        moment = moment_of(value)
        return moment.strftime(layout) if layout else moment.astimezone(UTC).strftime(STAMP)
    except (ValueError, OverflowError, OSError):
        return as_text(value)


FILTERS: dict[str, Callable[..., Any]] = template_filters.FILTERS | {
    "e": as_text,
    "escape": as_text,
    "time": time_filter,
}

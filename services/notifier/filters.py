"""The filters of message templates: those that every template has, and Slack's markup. None of them fails on what a body lacks."""

from collections.abc import Callable
from typing import Any

from services.notifier.mrkdwn import Mrkdwn, code, codeblock, date, escape, link
from shared import template_filters
from shared.template_filters import as_text, moment_of, of_text


def as_mrkdwn(value: object) -> Mrkdwn:
    return value if isinstance(value, Mrkdwn) else escape(as_text(value))


def link_filter(url: object, label: object = "") -> Mrkdwn:
    return link(as_text(url), as_text(label))


def time_filter(value: object, layout: str = "") -> str:
    """A moment, an ISO 8601 text or Unix seconds or milliseconds as a Slack date, or, with a strftime `layout`, as plain text in
    the zone that it is given in; any other text as it is."""
    try:
        moment = moment_of(value)
        return moment.strftime(layout) if layout else date(moment)
    except (ValueError, OverflowError, OSError):
        return as_text(value)


FILTERS: dict[str, Callable[..., Any]] = template_filters.FILTERS | {
    "code": of_text(code),
    "codeblock": of_text(codeblock),
    "e": as_mrkdwn,
    "escape": as_mrkdwn,
    "link": link_filter,
    "time": time_filter,
}

"""What `alert.slack.routes` and `mention` are made of: from texts in the file to matchers and to Slack's markup."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainValidator

from shared.matchers import Matcher, parse_matchers
from shared.slack_mentions import DEFAULT, Mentions, parse_mentions

EMPTY = 'has no matcher in it; one is severity="critical"'


def _texts(value: Any) -> Any:
    if isinstance(value, dict):
        raise ValueError("should be a matcher or a list of them; put one that begins with { in quotes")  # noqa: TRY004
    if value == []:
        raise ValueError(EMPTY)
    return (value,) if isinstance(value, str) else value


def _matchers(value: Any) -> tuple[Matcher, ...]:
    if not isinstance(value, str):
        raise ValueError("should be a text; put a matcher that begins with { in quotes")  # noqa: TRY004
    return parse_matchers(value)


def _by_severity(value: Any) -> Any:
    return value if isinstance(value, dict) else {DEFAULT: value}


def _mentions(value: Any) -> Mentions:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("should be a mention or a list of them")
    return parse_mentions(texts)


def _distinct(mentions: dict[str, Mentions]) -> dict[str, Mentions]:
    if len({severity.lower() for severity in mentions}) < len(mentions):
        raise ValueError("has two severities that differ only in upper and lower case")
    return mentions


MentionList = Annotated[Mentions, BeforeValidator(_mentions)]
"""One text or a list of texts."""

Match = Annotated[
    tuple[Annotated[tuple[Matcher, ...], PlainValidator(_matchers)], ...], BeforeValidator(_texts)
]
"""One text or a list of texts; all that is in them must fit."""

Mention = Annotated[
    dict[str, MentionList],
    BeforeValidator(_by_severity),
    AfterValidator(_distinct),
]
"""Mentions by severity; one text or a list is for all of them. Empty: nothing was said about it."""

"""The link to a silence, read back as Alertmanager's interface reads it."""

import json
import re
from typing import Any
from urllib.parse import unquote

import pytest

from services.ingest.silence import silence_url

ALERTMANAGER = "https://am.example/alertmanager/"


def body(
    group: dict[str, Any], common: dict[str, Any] | None = None, url: Any = ALERTMANAGER
) -> dict[str, Any]:
    return {"externalURL": url, "groupLabels": group, "commonLabels": group if common is None else common}


def read_back(url: str | None) -> dict[str, str]:
    """By the grammar of Utils/Filter.elm: braces, names of unreserved characters, =, JSON strings, commas, nothing else."""
    assert url
    base, _, encoded = url.partition("?filter=")
    assert base == "https://am.example/alertmanager/#/silences/new"
    assert re.fullmatch(r"[A-Za-z0-9%_.~-]+", encoded)
    filter_ = unquote(encoded)
    item = r'([^\s{}!=~,\\"\'`]+)=("(?:[^"\\]|\\.)*")'
    assert re.fullmatch(rf"\{{{item}(?:, {item})*\}}", filter_)
    return {name: json.loads(value) for name, value in re.findall(item, filter_)}


@pytest.mark.parametrize(
    "labels",
    [
        {"alertname": "HighLatency", "service": "checkout"},
        {"alertname": 'say "hi", {you} & me #1 \\ 100% + ü 🙂', "path": "/a?b=c&d"},
        {"line": "a\nb\tc", "empty": ""},
        {"service.name": "api", "größe": "x"},
    ],
)
def test_every_value_comes_through(labels: dict[str, str]) -> None:
    assert read_back(silence_url(body(labels))) == labels


def test_group_and_common_labels_come_together() -> None:
    made = body({"alertname": "A"}, {"alertname": "A", "job": "api"})
    assert read_back(silence_url(made)) == {"alertname": "A", "job": "api"}


def test_where_all_labels_are_too_long_those_of_the_group_will_do() -> None:
    made = body({"alertname": "A"}, {"alertname": "A", "query": "x" * 2000})
    assert read_back(silence_url(made)) == {"alertname": "A"}


@pytest.mark.parametrize(
    "made",
    [
        body({}),
        {},
        body({"alertname": "A"}, url=""),
        body({"alertname": "A"}, url=7),
        body({"alertname": "A"}, url="javascript:alert(1)"),
        body({"alertname": "A"}, url="https://am.example/?x=1"),
        body({"alertname": "A" * 2000}),
        body({"alertname": 7}),
        body({"a name": "x"}),
        body({"": "x"}),
    ],
)
def test_rather_no_link_than_one_that_silences_more(made: dict[str, Any]) -> None:
    assert silence_url(made) is None


def test_what_is_no_text_breaks_nothing() -> None:
    assert silence_url(body({"alertname": "\ud800"}))

"""Alertmanager's and Grafana's bodies, and everything that can be wrong inside them."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from services.ingest.alertmanager import MAX_ALERTS
from shared.notification import Link, Notification
from tests.unit.ingest.bodies import notify, sample, without

ANYTHING = [None, True, False, 0, 7, -1.5, float("nan"), "", "text", [], [1], ["a"], {}, {"a": 1}, [{}], [[]]]
WRONG = [value for value in ANYTHING if not isinstance(value, str)]


def body_of(*alerts: Any, **fields: Any) -> dict[str, Any]:
    return {"receiver": "r", "status": "firing", "groupKey": "g", "alerts": list(alerts)} | fields


def alert(**fields: Any) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "Good", "severity": "critical"},
        "annotations": {"summary": "It is bad"},
        "startsAt": "2026-03-01T02:58:11.123Z",
        "fingerprint": "f",
    } | fields


def facts_size(notification: Notification) -> int:
    return len(notification.facts.model_dump_json())


# What a good body becomes


def test_an_alertmanager_body_is_told_in_our_words() -> None:
    seen = notify(sample("alertmanager"))
    assert seen.firing
    assert seen.join_window is None
    assert seen.warnings == ()
    assert seen.facts.source == "alertmanager"
    assert seen.facts.title == "HighLatency"
    assert seen.facts.severity == "critical"
    assert seen.facts.summary == "p99 latency of checkout is above 2 s"
    assert seen.facts.resource == "checkout-7d9f-1:8080"
    assert seen.facts.labels == sample("alertmanager")["commonLabels"]
    assert seen.facts.links == (
        Link(text="Source", url="http://prometheus.example:9090/graph?g0.expr=latency"),
        Link(text="Runbook", url="https://runbooks.example/checkout/latency"),
        Link(
            text="Silence",
            url="http://alertmanager.example:9093/#/silences/new?filter=%7Balertname%3D%22HighLatency%22%2C%20"
            "service%3D%22checkout%22%2C%20severity%3D%22critical%22%2C%20team%3D%22shop%22%7D",
        ),
        Link(text="Alertmanager", url="http://alertmanager.example:9093"),
    )
    assert [a.name for a in seen.alerts] == ["HighLatency"] * 2
    assert len({a.key for a in seen.alerts}) == 2
    assert seen.alerts[0].started_at == datetime(2026, 3, 1, 2, 58, 11, 123000, tzinfo=UTC)


def test_the_body_travels_as_it_came() -> None:
    raw = json.dumps(sample("alertmanager"), indent=3).encode()
    assert notify(raw).body == raw.decode()


def test_resolved_is_the_same_group_and_the_same_alerts() -> None:
    fired, resolved = notify(sample("alertmanager")), notify(sample("alertmanager_resolved"))
    assert not resolved.firing
    assert not any(a.firing for a in resolved.alerts)
    assert resolved.dedup_key == fired.dedup_key
    assert [a.key for a in resolved.alerts] == [a.key for a in fired.alerts]


def test_a_grafana_body_is_told_in_our_words() -> None:
    seen = notify(sample("grafana"))
    assert seen.facts.source == "grafana"
    assert seen.facts.title == "Disk almost full"
    assert seen.facts.severity == "warning"
    assert seen.facts.resource == "db-2"
    assert [link.text for link in seen.facts.links] == [
        *("Source", "Dashboard", "Panel", "Silence", "Alertmanager")
    ]


def test_a_newer_alertmanager_s_fields_are_ignored() -> None:
    newer = sample("alertmanager", version="5", notificationReason="repeat", extra={"deep": [1, {"x": None}]})
    newer["alerts"][0]["annotationsV2"] = [1]
    seen, known = notify(newer), notify(sample("alertmanager"))
    assert (seen.dedup_key, seen.alerts, seen.facts) == (known.dedup_key, known.alerts, known.facts)


@pytest.mark.parametrize(
    ("given", "counted"),
    [(0, 0), (3, 3), (-1, 0), (True, 0), ("4", 0), (1.5, 0), (None, 0), ({}, 0), ([], 0)],
)
def test_alerts_that_the_sender_left_out_are_counted(given: Any, counted: int) -> None:
    assert notify(sample("alertmanager", truncatedAlerts=given)).facts.truncated == counted


# Firing or resolved


@pytest.mark.parametrize(
    ("group", "alerts", "firing"),
    [
        ("firing", ["firing"], True),
        ("resolved", ["resolved"], False),
        ("RESOLVED", ["Resolved", " resolved "], False),
        ("resolved", ["resolved", "firing"], True),
        ("firing", ["resolved"], True),
        ("resolved", [], False),
        ("firing", [], True),
        ("suppressed", [], True),
        ("", ["resolved"], True),
        ({"state": "resolved"}, [], True),
        (["resolved"], ["resolved"], True),
        ("resolved", [{"state": "resolved"}], True),
        ("resolved", [None], True),
    ],
)
def test_firing_wins_over_every_contradiction(group: Any, alerts: list[Any], firing: bool) -> None:
    seen = notify(body_of(*(alert(status=status) for status in alerts), status=group))
    assert seen.firing is firing


def test_a_body_without_alerts_still_opens_something() -> None:
    seen = notify(body_of(commonLabels={"alertname": "Lonely"}))
    assert seen.facts.title == "Lonely"
    (stand_in,) = seen.alerts
    assert stand_in.firing


# Identity


def test_the_group_key_and_the_receiver_are_the_identity() -> None:
    base = notify(body_of(alert()))
    assert notify(body_of(alert(fingerprint="other"), groupLabels={"a": "b"})).dedup_key == base.dedup_key
    assert notify(body_of(alert(), groupKey="other")).dedup_key != base.dedup_key
    assert notify(body_of(alert(), receiver="other")).dedup_key != base.dedup_key


@pytest.mark.parametrize("group_key", [None, "", " ", {}, [], True])
def test_without_a_group_key_the_labels_are_the_identity(group_key: Any) -> None:
    def of(**fields: Any) -> str:
        return notify(body_of(alert(), groupKey=group_key, **fields)).dedup_key

    labels = {"a": "1", "b": {"c": [1, None], "d": "2"}}
    turned = {"b": {"d": "2", "c": [1, None]}, "a": "1"}
    assert of(groupLabels=labels) == of(groupLabels=turned) == of(commonLabels=turned)
    assert of(groupLabels=labels) != of(groupLabels=labels | {"a": "2"})
    assert of(groupLabels=labels, commonLabels={"x": "y"}) == of(groupLabels=labels)


def test_an_idempotency_key_does_not_replace_the_group_key() -> None:
    body = sample("alertmanager")
    assert notify(body, "one").dedup_key == notify(body, "two").dedup_key == notify(body).dedup_key


@pytest.mark.parametrize("fingerprint", [None, "", [], {}, True])
def test_without_a_fingerprint_an_alert_s_labels_are_its_identity(fingerprint: Any) -> None:
    def key(**labels: Any) -> str:
        return notify(body_of(alert(fingerprint=fingerprint, labels=labels))).alerts[0].key

    assert key(a="1", b="2") == key(b="2", a="1")
    assert key(a="1", b="2") != key(a="1", b="3")


def test_an_alert_that_fires_anew_is_the_same_alert_with_a_later_start() -> None:
    (first,), (again,) = (
        notify(body_of(alert(startsAt=moment))).alerts
        for moment in ("2026-03-01T02:58:11Z", "2026-03-01T04:00:00Z")
    )
    assert first.key == again.key
    assert first.started_at
    assert again.started_at
    assert first.started_at < again.started_at


def test_labels_within_labels_are_told_apart_in_no_time() -> None:
    labels: dict[str, Any] = {"a": '"'}
    for _ in range(150):
        labels = {"a": labels}
    began = time.perf_counter()
    notify(body_of(alert(fingerprint=None, labels=labels), groupKey=None, groupLabels=labels))
    assert time.perf_counter() - began < 1


# Times


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T02:58:11Z", datetime(2026, 3, 1, 2, 58, 11, tzinfo=UTC)),
        ("2026-03-01T02:58:11.123456789Z", datetime(2026, 3, 1, 2, 58, 11, 123456, tzinfo=UTC)),
        ("2026-03-01T03:58:11.5+01:00", datetime(2026, 3, 1, 2, 58, 11, 500000, tzinfo=UTC)),
        ("2026-03-01T02:58:11", datetime(2026, 3, 1, 2, 58, 11, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("9999-12-31T23:59:59-01:00", None),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("2026-02-30T00:00:00Z", None),
        ("2026-03-01T02:58:60Z", None),
        ("yesterday", None),
        ("\ud800", None),
        ("", None),
        *((value, None) for value in WRONG),
    ],
)
def test_a_start_that_cannot_be_read_is_none(text: Any, moment: datetime | None) -> None:
    (one,) = notify(body_of(alert(startsAt=text))).alerts
    assert one.started_at == moment


# Nonsense


@pytest.mark.parametrize("wrong", [None, "an alert", 7, [], [{}], True, float("inf")])
def test_what_is_no_alert_costs_the_others_nothing(wrong: Any) -> None:
    seen = notify(body_of(wrong, alert(), wrong))
    assert [a.name for a in seen.alerts] == ["Good"]
    assert seen.warnings == (
        "alerts[0] is not an object; left out",
        "alerts[2] is not an object; left out",
    )


def test_alerts_that_are_all_strings_still_page() -> None:
    seen = notify(body_of(*["x"] * 500))
    assert seen.firing
    assert len(seen.alerts) == 1
    assert len(seen.warnings) == 10


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize(
    "field",
    [
        *("status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"),
        *("dashboardURL", "panelURL", "silenceURL", "values", "valueString", "imageURL"),
    ],
)
def test_a_field_of_the_wrong_type_costs_neither_its_alert_nor_the_others(field: str, value: Any) -> None:
    seen = notify(body_of(alert(**{field: value}), alert(fingerprint="other")))
    assert seen.firing
    assert len(seen.alerts) == 2
    assert seen.alerts[1].name == "Good"
    assert seen.facts.title


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize(
    "field",
    [
        *("status", "receiver", "groupKey", "groupLabels", "commonLabels", "commonAnnotations"),
        *("externalURL", "version", "truncatedAlerts", "title", "orgId", "state", "message"),
    ],
)
def test_a_group_s_field_of_the_wrong_type_costs_no_alert(field: str, value: Any) -> None:
    seen = notify(body_of(alert(), **{field: value}))
    assert seen.firing
    assert seen.facts.title == "Good"
    assert seen.facts.summary == "It is bad"


@pytest.mark.parametrize("value", ANYTHING)
@pytest.mark.parametrize("name", ["alertname", "severity", "instance", "summary", "runbook_url", "dashboard"])
def test_a_label_of_the_wrong_type_is_left_empty(name: str, value: Any) -> None:
    odd = {name: value}
    seen = notify(body_of(alert(labels=odd, annotations=odd), commonLabels=odd, commonAnnotations=odd))
    assert seen.firing
    assert seen.facts.title


@pytest.mark.parametrize("value", [None, "x", 7, {}, {"0": {}}, True])
def test_alerts_that_are_no_list_make_a_generic_incident(value: Any) -> None:
    seen = notify(sample("alertmanager", alerts=value))
    assert seen.facts.source == "generic"
    assert seen.firing


def test_a_list_of_alerts_alone_is_not_alertmanager_s() -> None:
    assert notify({"alerts": [alert()]}).facts.source == "generic"


@pytest.mark.parametrize("mark", ["groupKey", "receiver", "commonLabels", "groupLabels", "status"])
def test_one_mark_of_alertmanager_is_enough(mark: str) -> None:
    assert notify({"alerts": [alert()], mark: None}).facts.source == "alertmanager"


# Size and characters


def test_a_label_of_100_kb_leaves_the_facts_small() -> None:
    huge = "x" * 100_000
    everywhere = {"alertname": huge, "severity": huge, "instance": huge, huge: huge}
    notes = {"summary": huge, "description": huge, "runbook_url": f"https://x.example/{huge}"}
    seen = notify(
        body_of(
            alert(labels=everywhere, annotations=notes, fingerprint=huge, generatorURL=f"https://{huge}"),
            commonLabels=everywhere,
            commonAnnotations=notes,
            groupKey=huge,
            receiver=huge,
        )
    )
    assert facts_size(seen) < 15_000
    assert len(seen.alerts[0].model_dump_json()) < 1_000
    assert seen.facts.title.endswith("x…")
    assert seen.facts.links == ()


def test_ten_thousand_labels_leave_the_facts_small() -> None:
    labels = {f"label_{number}": "x" * 2_000 for number in range(10_000)}
    assert facts_size(notify(body_of(commonLabels=labels, commonAnnotations=labels))) < 140_000


def test_groups_with_a_common_start_are_told_apart_however_long_it_is() -> None:
    start = "x" * 50_000
    assert notify(body_of(groupKey=start + "a")).dedup_key != notify(body_of(groupKey=start + "b")).dedup_key


def test_a_thousand_alerts_are_told_one_by_one_and_the_rest_is_counted() -> None:
    resolved = [alert(fingerprint=str(number), status="resolved") for number in range(MAX_ALERTS)]
    firing = [alert(fingerprint=f"firing {number}") for number in range(30)]
    seen = notify(body_of(*resolved, *firing, truncatedAlerts=2))
    assert len(seen.alerts) == MAX_ALERTS
    assert sum(a.firing for a in seen.alerts) == 30
    assert seen.facts.truncated == 32
    assert seen.warnings == (f"30 of {MAX_ALERTS + 30} alerts were left out",)


def test_as_many_alerts_as_are_told_need_no_warning() -> None:
    seen = notify(body_of(*(alert(fingerprint=str(number)) for number in range(MAX_ALERTS))))
    assert (len(seen.alerts), seen.facts.truncated, seen.warnings) == (MAX_ALERTS, 0, ())


def test_a_megabyte_of_empty_alerts_is_soon_dealt_with() -> None:
    raw = b'{"status":"firing","alerts":[' + b",".join([b"{}"] * 340_000) + b"]}"
    began = time.perf_counter()
    assert len(notify(raw).alerts) == MAX_ALERTS
    assert time.perf_counter() - began < 3


@pytest.mark.parametrize(
    "words", ["<!channel>", "<@U123>", "*bold* _it_ `code`", "&lt;b&gt;", "a & b", "{{7*7}}"]
)
def test_other_media_s_markup_is_plain_text_here(words: str) -> None:
    seen = notify(
        body_of(alert(labels={"alertname": words}, annotations={"summary": words}), commonLabels={"a": words})
    )
    assert (seen.facts.title, seen.facts.summary, seen.facts.labels) == (words, words, {"a": words})


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a\x00b", "a b"),
        ("\x1b[31mred", "[31mred"),
        ("gnp.\u202egpj", "gnp. gpj"),
        ("a\ud800b", "a\ufffdb"),
        ("  padded\n", "padded"),
        ("two\nlines\tkept", "two\nlines\tkept"),
        ("\x00\x00", ""),
    ],
)
def test_control_characters_do_not_reach_people(given: str, shown: str) -> None:
    assert notify(body_of(alert(annotations={"summary": given}))).facts.summary == shown


@pytest.mark.parametrize(
    "url",
    [
        *("javascript:alert(1)", "//x.example", "ftp://x.example", "https://x.example/a b", "https://x\ny"),
        *("https://x.example/" + "x" * 2_000, ["https://x.example"], {}, 7, None),
    ],
)
def test_what_is_no_web_address_is_not_linked(url: Any) -> None:
    seen = notify(
        body_of(
            alert(generatorURL=url, annotations={"runbook_url": url, "dashboard_url": url}), externalURL=url
        )
    )
    assert seen.facts.links == ()


@pytest.mark.parametrize(
    ("severities", "worst"),
    [
        (["warning", "critical", "info"], "critical"),
        (["info", "page"], "page"),
        (["none", "unheard-of"], "unheard-of"),
        ([None, 7, ["critical"]], "7"),
        ([], ""),
    ],
)
def test_the_worst_severity_counts_where_the_group_has_none(severities: list[Any], worst: str) -> None:
    alerts = [alert(labels={"severity": severity}) for severity in severities]
    assert notify(body_of(*alerts)).facts.severity == worst


def test_a_firing_alert_is_shown_before_a_resolved_one() -> None:
    seen = notify(
        body_of(alert(status="resolved", labels={"alertname": "Old"}), alert(labels={"alertname": "New"}))
    )
    assert seen.facts.title == "New"


def test_names_are_found_in_the_group_s_labels_and_in_the_title() -> None:
    assert notify(body_of(alert(labels={}), groupLabels={"alertname": "Group"})).facts.title == "Group"
    assert notify(body_of(alert(labels={}), title="[FIRING:1] x")).facts.title == "[FIRING:1] x"
    assert notify(without(body_of(alert(labels={})), "receiver")).facts.title == "Alert"

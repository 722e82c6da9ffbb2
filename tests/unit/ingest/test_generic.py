"""Any other JSON object: who sent it, what it says, what it is the same as, and whether it is over."""

import json
from datetime import timedelta
from typing import Any

import pytest

from shared.notification import Link
from tests.unit.ingest.bodies import SAMPLES, notify, sample, without

MINUTES = timedelta(minutes=5)
ANYTHING = [None, True, 0, 7.5, float("nan"), "", "text", [], [1], {}, {"a": 1}, [{}], [[]]]


def sns(message: Any, **fields: Any) -> dict[str, Any]:
    """As Amazon SNS delivers it: JSON inside JSON."""
    text = message if isinstance(message, str) else json.dumps(message)
    return {"Type": "Notification", "MessageId": "m-1", "Subject": "ALARM", "Message": text} | fields


# Over or not


@pytest.mark.parametrize(
    ("body", "firing"),
    [
        ({"status": "resolved"}, False),
        ({"status": "Resolved"}, False),
        ({"status": " RESOLVED\n"}, False),
        ({"state": "resolved"}, False),
        ({"alertState": "resolved"}, False),
        ({"status": "ok"}, False),
        ({"state": "OK"}, False),
        ({"alertState": "Ok"}, False),
        ({"status": "firing"}, True),
        ({"status": "resolve"}, True),
        ({"status": "okay"}, True),
        ({"status": ""}, True),
        ({"Status": "resolved"}, True),
        ({"text": "resolved"}, True),
        ({"status": "firing", "state": "resolved"}, True),
        ({"status": "resolved", "state": "firing"}, False),
        ({"state": "firing", "alertState": "resolved"}, True),
        ({"status": "", "state": "resolved"}, True),
        ({"status": 1, "state": "resolved"}, False),
        ({"status": None, "state": {}, "alertState": "ok"}, False),
        ({"status": ["resolved"]}, True),
        ({"status": True}, True),
        ({"nested": {"status": "resolved"}}, True),
        ({"NewStateValue": "OK"}, False),
        ({"NewStateValue": "ALARM"}, True),
        ({"NewStateValue": "INSUFFICIENT_DATA"}, True),
        ({"NewStateValue": "OK", "state": "ALARM"}, True),
        ({"NewStateValue": {"x": "OK"}}, True),
        ({"action": "resolved"}, True),
        ({"action": "resolved", "data": {"issue": {"id": "1"}}}, False),
        ({"action": "resolved", "data": {"metric_alert": {"id": "1"}}}, False),
        ({"action": "created", "data": {"issue": {"id": "1"}}}, True),
        ({}, True),
    ],
)
def test_the_first_string_among_the_usual_places_says_whether_it_is_over(
    body: dict[str, Any], firing: bool
) -> None:
    seen = notify(body)
    assert seen.firing is firing
    assert [alert.firing for alert in seen.alerts] == [firing]


# Who sent it, and what it says


def test_a_flat_body_is_told_in_our_words() -> None:
    seen = notify(sample("flat"))
    assert seen.facts.source == "generic"
    assert seen.facts.title == "order-service"
    assert seen.facts.summary == "[ERROR] out of stock check failed for order 4711"
    assert seen.facts.resource == "order-service"
    assert seen.facts.labels == {"ServiceName": "order-service", "UserID": "U0123456789"}


def test_a_cloudwatch_alarm_is_told_in_our_words() -> None:
    seen = notify(sample("cloudwatch"))
    assert seen.facts.source == "cloudwatch"
    assert seen.facts.title == "orders-queue-age"
    assert seen.facts.severity == "critical"
    assert seen.facts.summary.startswith("Threshold Crossed")
    assert seen.facts.resource == "AWS/SQS/ApproximateAgeOfOldestMessage QueueName=orders"
    assert seen.facts.labels["Region"] == "EU (Frankfurt)"


def test_an_alarm_through_sns_is_the_same_as_without() -> None:
    wrapped, plain = notify(sns(sample("cloudwatch"))), notify(sample("cloudwatch"))
    assert (wrapped.dedup_key, wrapped.facts, wrapped.firing) == (plain.dedup_key, plain.facts, plain.firing)
    over = notify(sns(sample("cloudwatch_ok")))
    assert (over.dedup_key, over.firing) == (plain.dedup_key, False)


@pytest.mark.parametrize(
    "message",
    ["plain words", "", "[1, 2]", "7", "null", '"text"', "{", '{"a":' * 5_000, "\x00"],
)
def test_words_through_sns_are_a_message_of_their_own(message: str) -> None:
    seen = notify(sns(message))
    assert seen.facts.source == "generic"
    assert seen.facts.title == "ALARM"
    assert seen.facts.summary == message.strip("\x00")[:2999] + ("…" if len(message) > 3000 else "")
    assert seen.dedup_key == notify(sns(message)).dedup_key != notify(sns(message, MessageId="m-2")).dedup_key


@pytest.mark.parametrize(
    "message",
    [
        '{"title":"\\ud800"}',
        '{"\\ud800":1}',
        '{"a":' * 199 + "1" + "}" * 199,
        '{"a":' * 400 + "1" + "}" * 400,
        '{"a":NaN,"b":1e999}',
        '{"a":' + "9" * 5_000 + "}",
        '\ufeff{"title":"x"}',
        '{"a":1,"a":2}',
    ],
)
def test_nasty_json_inside_sns_does_no_harm(message: str) -> None:
    assert notify(sns(message)).firing


@pytest.mark.parametrize("message", [None, 7, {"AlarmName": "x"}, ["x"]])
def test_an_sns_message_that_is_no_text_is_taken_as_it_is(message: Any) -> None:
    assert notify(sns("") | {"Message": message}).facts.source == "generic"


def test_a_sentry_integration_s_body_is_told_in_our_words() -> None:
    seen = notify(sample("sentry"))
    assert seen.firing  # "status": "unresolved" lies in the issue, and is no "resolved"
    assert seen.facts.source == "sentry"
    assert seen.facts.title.startswith("TypeError")
    assert seen.facts.severity == "error"
    assert seen.facts.resource == "shop/app/cart/summary"
    assert seen.facts.links == (Link(text="Source", url="https://acme.sentry.example/issues/4509118/"),)


def test_the_older_sentry_plug_in_s_body_is_told_too() -> None:
    body = {
        "id": "4509118",
        "project": "shop",
        "project_slug": "shop",
        "level": "error",
        "culprit": "app/cart/summary",
        "message": "TypeError: x is undefined",
        "url": "https://acme.sentry.example/issues/4509118/",
        "event": {"event_id": "e1", "logentry": {"formatted": "x is undefined in cart"}},
    }
    seen = notify(body)
    assert seen.facts.source == "sentry"
    assert seen.facts.title == "TypeError: x is undefined"
    assert seen.facts.summary == "x is undefined in cart"
    assert seen.facts.resource == "shop/app/cart/summary"
    again = notify(body | {"event": {"event_id": "e2"}})
    assert again.dedup_key == seen.dedup_key == notify(sample("sentry")).dedup_key


def test_a_fluent_bit_record_is_told_in_our_words() -> None:
    seen = notify(sample("fluentbit"))
    assert seen.facts.source == "fluentbit"
    assert seen.facts.title == "Log alert: payments"
    assert seen.facts.severity == "error"
    assert "payment provider refused" in seen.facts.summary
    assert seen.facts.resource == "shop/payments-6c9b7f7d5-x2x7k/payments"


@pytest.mark.parametrize(
    ("body", "title"),
    [
        ({}, "Alert"),
        ({"title": "T", "name": "N"}, "T"),
        ({"title": "", "name": "N"}, "N"),
        ({"title": None, "alertname": "A"}, "A"),
        ({"title": {"text": "x"}, "service": "S"}, "S"),
        ({"title": 42}, "42"),
        ({"title": True}, "Alert"),
        ({"title": "<!channel> & <b>"}, "<!channel> & <b>"),
        ({"title": "a\x00\u202eb"}, "a  b"),
        ({"title": "x" * 100_000}, "x" * 299 + "…"),
        ({"log": "x"}, "Log alert"),
        ({"AlarmName": None}, "CloudWatch alarm"),
        ({"data": {"issue": {}}}, "Sentry issue"),
    ],
)
def test_every_body_has_a_title(body: dict[str, Any], title: str) -> None:
    assert notify(body).facts.title == title


def test_links_of_a_flat_body_are_web_addresses_only() -> None:
    seen = notify({"url": "javascript:alert(1)", "link": "https://x.example", "runbook_url": ["https://y"]})
    assert seen.facts.links == (Link(text="Source", url="https://x.example"),)


def test_labels_are_the_sender_s_own_or_else_its_scalar_fields() -> None:
    assert notify({"labels": {"a": 1, "b": True, "c": [1]}, "x": "y"}).facts.labels == {
        "a": "1",
        "b": "true",
        "c": "",
    }
    assert notify({"x": "y", "n": None, "deep": {"z": 1}, "message": "m"}).facts.labels == {"x": "y", "n": ""}


def test_fields_of_100_kb_leave_the_facts_small() -> None:
    huge = "x" * 100_000
    for body in (
        dict.fromkeys(("title", "summary", "severity", "resource", "url", huge), huge),
        sample("cloudwatch", AlarmName=huge, NewStateReason=huge, Region=huge),
        sample("fluentbit", log=huge, kubernetes={"pod_name": huge, "labels": {huge: huge, "app": huge}}),
        sample("sentry", data={"issue": {"title": huge, "culprit": huge, "metadata": {"value": huge}}}),
    ):
        assert len(notify(body).facts.model_dump_json()) < 12_000


@pytest.mark.parametrize("value", ANYTHING)
@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name in SAMPLES for field in SAMPLES[name]], ids="/".join
)
def test_a_field_of_the_wrong_type_costs_no_page(name: str, field: str, value: Any) -> None:
    assert notify(sample(name, **{field: value})).facts.title
    assert notify(without(sample(name), field)).facts.title


@pytest.mark.parametrize("value", ANYTHING)
@pytest.mark.parametrize(
    ("name", "outer", "field"),
    [
        ("sentry", "issue", field)
        for field in (
            "id",
            "issue_id",
            "title",
            "culprit",
            "level",
            "metadata",
            "project",
            "logentry",
            "web_url",
        )
    ]
    + [("cloudwatch", "Trigger", field) for field in ("MetricName", "Namespace", "Dimensions", "Statistic")]
    + [
        ("fluentbit", "kubernetes", field)
        for field in ("pod_name", "namespace_name", "labels", "container_name")
    ],
)
def test_an_inner_field_of_the_wrong_type_costs_no_page(
    name: str, outer: str, field: str, value: Any
) -> None:
    body = sample(name)
    (body["data"] if outer == "issue" else body)[outer][field] = value
    seen = notify(body)
    assert seen.facts.source == name
    assert seen.facts.title


# Identity


@pytest.mark.parametrize("name", ["fingerprint", "groupKey"])
def test_an_identity_of_its_own_outlasts_every_change_of_content(name: str) -> None:
    fired = notify({name: "f", "state": "firing", "value": 1})
    over = notify({name: "f", "state": "resolved", "value": 2})
    assert fired.dedup_key == over.dedup_key != notify({name: "g"}).dedup_key
    assert fired.alerts[0].key == over.alerts[0].key
    assert fired.join_window is None


@pytest.mark.parametrize("nothing", [None, "", "  ", [], {}, True, "\x00"])
def test_an_identity_that_says_nothing_is_none(nothing: Any) -> None:
    assert notify({"fingerprint": nothing, "groupKey": nothing}).join_window == MINUTES


def test_a_fingerprint_and_a_group_key_of_the_same_text_are_not_the_same() -> None:
    assert notify({"fingerprint": "x"}).dedup_key != notify({"groupKey": "x"}).dedup_key
    assert notify({"fingerprint": "x", "groupKey": "y"}).dedup_key == notify({"fingerprint": "x"}).dedup_key
    assert notify({"fingerprint": 7}).dedup_key == notify({"fingerprint": "7"}).dedup_key


def test_an_idempotency_key_tells_bodies_without_an_identity_apart() -> None:
    one, other = notify(sample("flat"), "a"), notify(sample("flat"), "b")
    assert one.dedup_key != other.dedup_key
    assert one.dedup_key == notify({"something": "else"}, "a").dedup_key
    assert one.join_window is None
    assert notify({"fingerprint": "f"}, "a").dedup_key == notify({"fingerprint": "f"}).dedup_key


def test_the_same_content_is_the_same_for_five_minutes_in_whatever_order_it_comes() -> None:
    first = notify(b'{"a": 1, "b": {"c": [1, 2], "d": "\xc3\xa4"}}')
    second = notify(b'{"b":{"d":"\\u00e4","c":[1,2]},"a":1}')
    assert first.dedup_key == second.dedup_key
    assert first.join_window == MINUTES
    assert notify(b'{"a": 1, "b": {"c": [2, 1], "d": "\xc3\xa4"}}').dedup_key != first.dedup_key


def test_content_that_differs_only_far_inside_is_not_the_same() -> None:
    assert (
        notify({"message": "x" * 50_000 + "a"}).dedup_key != notify({"message": "x" * 50_000 + "b"}).dedup_key
    )


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), 10**400, "\ud800", "\x00"])
def test_odd_content_is_the_same_as_itself(odd: Any) -> None:
    assert notify({"x": odd}).dedup_key == notify({"x": odd}).dedup_key != notify({"x": 0}).dedup_key


def test_an_alarm_is_told_by_its_arn_or_else_by_account_region_and_name() -> None:
    alarm, over = sample("cloudwatch"), sample("cloudwatch_ok")
    assert notify(alarm).dedup_key == notify(over).dedup_key
    bare, bare_over = without(alarm, "AlarmArn"), without(over, "AlarmArn")
    assert notify(bare).dedup_key == notify(bare_over).dedup_key != notify(alarm).dedup_key
    assert notify(bare).join_window is None
    for name in ("AWSAccountId", "Region", "AlarmName"):
        assert notify(bare | {name: "other"}).dedup_key != notify(bare).dedup_key


def test_a_sentry_issue_is_told_by_its_id() -> None:
    created = sample("sentry")
    over = sample("sentry", action="resolved")
    over["data"]["issue"]["status"] = "resolved"
    assert notify(created).dedup_key == notify(over).dedup_key
    assert not notify(over).firing
    other = sample("sentry")
    other["data"]["issue"]["id"] = "1"
    assert notify(other).dedup_key != notify(created).dedup_key


def test_a_sentry_body_without_an_id_is_told_by_its_content() -> None:
    assert notify({"data": {"issue": {"title": "x"}}}).join_window == MINUTES

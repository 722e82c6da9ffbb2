"""What a webhook is told. docs/oncall.md promises it."""

import json
from datetime import timedelta
from typing import Any

import pytest

from services.escalator.vocabulary import Escalation
from services.escalator.webhook_body import MAX_ALERTS, Event, escalation, update
from shared.commands import Acknowledge, Fire
from shared.incident import Incident, News, NewsKind, Record
from shared.notification import WEBHOOK
from shared.transitions import advance
from tests.episodes import MINUTE, NOON, alert, incident_id, notification

TOLD = Escalation(NOON + 3 * MINUTE, page_url="https://ack.example/1", console_url="https://console.example")


def opened(count: int = 1) -> Incident:
    alerts = [alert(f"alert {number}") for number in range(count)]
    incident = advance(None, Fire(notification(*alerts), incident_id()), NOON).incident
    assert incident
    return incident


def said(event: Event) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(event.body)
    return told


def news(*kinds: NewsKind) -> list[News]:
    return [
        News(seq=5 + number, at=NOON + (4 + number) * MINUTE, kind=kind, data={"by": "Ada"})
        for number, kind in enumerate(kinds)
    ]


def test_an_escalation_says_what_people_need() -> None:
    event = escalation(opened(), 0, TOLD)
    body = said(event)
    assert event.id == f"{incident_id()}-0-escalated"
    assert (body["type"], body["timestamp"]) == ("incident.escalated", "2026-01-01T12:03:00+00:00")
    assert body["data"]["step"] == 0
    incident = body["data"]["incident"]
    assert (incident["id"], incident["title"], incident["severity"]) == (
        incident_id(),
        "HighLatency",
        "critical",
    )
    assert incident["alerts"] == [
        {"name": "alert 0", "summary": "", "firing": True, "started_at": "2026-01-01T12:00:00+00:00"}
    ]
    assert (incident["ack_url"], incident["console_url"]) == (
        "https://ack.example/1",
        f"https://console.example/incidents/{incident_id()}",
    )
    assert "deadline: nobody has acknowledged" in incident["timeline"]
    assert (incident["acknowledged"], incident["closed"], incident["records"]) == (None, None, [])


def test_each_step_and_each_thing_that_happened_has_an_id_of_its_own_without_a_dot() -> None:
    incident = opened()
    events = [escalation(incident, 0, TOLD), escalation(incident, 2, TOLD)]
    events += [update(incident, 2, news(NewsKind.ACKNOWLEDGED)[:1], TOLD)]
    events += [update(incident, 2, news(NewsKind.ACKNOWLEDGED, NewsKind.CLOSED), TOLD)]
    ids = {event.id for event in events}
    assert len(ids) == 4
    assert not any("." in id_ for id_ in ids)


@pytest.mark.parametrize(
    ("kinds", "name"),
    [
        ([NewsKind.ACKNOWLEDGED], "acknowledged"),
        ([NewsKind.ACKNOWLEDGED, NewsKind.UPDATED], "acknowledged"),
        ([NewsKind.ACKNOWLEDGED, NewsKind.UNACKNOWLEDGED], "unacknowledged"),
        ([NewsKind.UNACKNOWLEDGED, NewsKind.ACKNOWLEDGED, NewsKind.UPDATED], "acknowledged"),
        ([NewsKind.UPDATED, NewsKind.UPDATED], "updated"),
        ([NewsKind.CLOSED], "closed"),
        ([NewsKind.ACKNOWLEDGED, NewsKind.CLOSED], "closed"),
    ],
)
def test_what_came_together_is_named_after_what_counts_most(kinds: list[NewsKind], name: str) -> None:
    body = said(update(opened(), 0, news(*kinds), TOLD))
    assert body["type"] == f"incident.{name}"
    assert [one["kind"] for one in body["data"]["news"]] == [str(kind) for kind in kinds]
    assert body["timestamp"] == (NOON + (3 + len(kinds)) * MINUTE).isoformat()


def test_an_update_says_how_things_are() -> None:
    incident = opened()
    record = Record(sys_id="x", number="P1", url="https://p.example", instance=None, at=NOON, target=WEBHOOK)
    taken = advance(incident, Acknowledge("Ada", "link"), NOON + timedelta(seconds=1)).incident
    assert taken
    body = said(update(taken.model_copy(update={"record": record}), 0, news(NewsKind.ACKNOWLEDGED), TOLD))[
        "data"
    ]["incident"]
    assert body["acknowledged"] == {"at": "2026-01-01T12:00:01+00:00", "by": "Ada"}
    assert body["records"] == [
        {"target": "webhook", "instance": None, "number": "P1", "url": "https://p.example"}
    ]


def test_of_very_many_alerts_the_rest_is_counted() -> None:
    incident = said(escalation(opened(MAX_ALERTS + 5), 0, TOLD))["data"]["incident"]
    assert (len(incident["alerts"]), incident["alert_count"], incident["firing"]) == (100, 105, 105)

"""What alerts and people said is masked; what the machinery needs is not."""

import json
from typing import Any

import pytest

from ops.check_config import samples
from ops.replay.redaction import Redactor
from services.ingest.documents import read_documents
from services.ingest.parsing import parse_document
from shared.commands import Acknowledge, CallAgain, Fire, RecordWritten, ResolveByHand, Unacknowledge
from shared.incident import Haste, Incident, NewsKind, Record, Snooze
from shared.notification import SLACK, WEBHOOK, Call, Notification, PlannedStep
from shared.transitions import advance
from tests.episodes import MINUTE, NOON, incident_id

REDACTOR = Redactor(b"key")


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in strings(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in strings(inner)]
    return [value] if isinstance(value, str) else []


def parsed(raw: bytes | str) -> Notification:
    (document,) = read_documents(raw.encode() if isinstance(raw, str) else raw).items
    return parse_document(document, Call(wait=3 * MINUTE))


def test_the_same_value_has_the_same_mask_and_another_copy_another() -> None:
    assert REDACTOR.mask("checkout") == REDACTOR.mask("checkout")
    assert REDACTOR.mask("checkout") != REDACTOR.mask("payment")
    assert REDACTOR.mask("checkout") != Redactor(b"other").mask("checkout")
    assert REDACTOR.mask("") == ""


def test_an_address_stays_an_address() -> None:
    assert REDACTOR.mask("https://wiki.example.com/secret").startswith("https://redacted.invalid/")


@pytest.mark.parametrize("name", sorted(samples()))
def test_a_body_of_every_sender_is_masked_and_still_read_the_same_way(name: str) -> None:
    raw = samples()[name]
    masked = REDACTOR.body(raw.decode())
    before, after = parsed(raw), parsed(masked)
    assert (after.firing, after.facts.source, len(after.alerts)) == (
        before.firing,
        before.facts.source,
        len(before.alerts),
    )
    assert after.facts.severity in (before.facts.severity, REDACTOR.mask(before.facts.severity))
    assert [alert.started_at for alert in after.alerts] == [alert.started_at for alert in before.alerts]
    assert len(after.facts.links) == len(before.facts.links)
    for said in (before.facts.title, before.facts.summary, before.facts.resource):
        assert not said or said not in masked


BODY = {
    "receiver": "team-secret",
    "status": "firing",
    "groupKey": '{}:{alertname="Secret"}',
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "Secret", "severity": "critical", "status": "two secret words"},
            "annotations": {"summary": "secret of 2026-01-01"},
            "startsAt": "2026-01-01T12:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "https://secret.example.com/x",
            "fingerprint": "0123456789abcdef",
            "value": 17,
        }
    ],
    "more": ["secret", {"deep": "secret", "token": "abcdef0123456789abcdef0123456789"}],
}


def test_what_tells_alerts_apart_stays() -> None:
    masked = json.loads(REDACTOR.body(json.dumps(BODY)))
    (alert,) = masked["alerts"]
    assert alert["fingerprint"] == "0123456789abcdef"
    assert (alert["startsAt"], alert["status"], alert["value"]) == ("2026-01-01T12:00:00Z", "firing", 17)
    assert alert["labels"]["severity"] == "critical"
    assert masked["more"][1]["token"] != "abcdef0123456789abcdef0123456789"
    assert parsed(json.dumps(masked)).alerts[0].key == parsed(json.dumps(BODY)).alerts[0].key
    assert not [text for text in strings(masked) if "secret" in text.lower()]


SECRET_STEPS = (
    PlannedStep(offset=-MINUTE, target=SLACK, mention=("<!subteam^SECRET>",)),
    PlannedStep(offset=MINUTE, target=WEBHOOK),
)


DEEDS: list[tuple[str, Any, dict[str, Any]]] = [("snooze", Snooze, {"until": NOON}), ("haste", Haste, {})]


def life() -> Incident:
    notification = parsed(json.dumps(BODY))
    call = notification.call.model_copy(update={"steps": SECRET_STEPS})
    fired = Fire(notification.model_copy(update={"call": call}), incident_id())
    opened = advance(None, fired, NOON).incident
    opened = advance(opened, CallAgain(1), NOON + 2 * MINUTE).incident
    taken = advance(opened, Acknowledge("Secret Ada", "link"), NOON + MINUTE).incident
    record = Record(
        sys_id="a" * 32, number="INC1", url="https://secret.service-now.com/x", instance="infra", at=NOON
    )
    incident = advance(taken, RecordWritten("", record), NOON + MINUTE).incident
    further = record.model_copy(update={"wants": tuple(NewsKind), "target": WEBHOOK})
    incident = advance(incident, RecordWritten("", further, 2), NOON + MINUTE).incident
    incident = advance(incident, Unacknowledge("Secret Bob", "link", "U0SECRET"), NOON + MINUTE).incident
    incident = advance(incident, Acknowledge("Secret Ada", "button", "U0SECRET"), NOON + MINUTE).incident
    incident = advance(incident, ResolveByHand("Secret Bob", "button", "U0SECRET"), NOON + MINUTE).incident
    assert incident
    assert incident.notes
    assert incident.records[1].news
    put_off = {name: kind(at=NOON, by="Secret Ada", **more) for name, kind, more in DEEDS}
    incident = incident.model_copy(update=put_off)
    return incident.model_copy(update={"warnings": ('oncall_wait_minutes: "secret" is no number',)})


def test_a_state_says_nothing_that_an_alert_or_a_person_said() -> None:
    masked = REDACTOR.incident(life())
    assert "secret" not in masked.model_dump_json().lower()
    assert (masked.state, masked.deadline, masked.starts) == (
        life().state,
        life().deadline,
        life().starts,
    )
    assert masked.record
    assert (masked.record.number, masked.record.instance) == ("INC1", "infra")
    assert masked.facts.title == masked.facts.labels.get("alertname", masked.facts.title)


def test_what_a_newer_version_added_to_a_state_does_not_come_along() -> None:
    state = json.loads(life().model_dump_json())
    for part in (state, state["facts"], state["alerts"][0], state["acknowledgement"], state["record"]):
        part["note"] = "secret"
    masked = REDACTOR.incident(Incident.model_validate_json(json.dumps(state)))
    assert "secret" not in masked.model_dump_json().lower()
    assert masked == REDACTOR.incident(life())


@pytest.mark.parametrize(
    ("kind", "data", "kept"),
    [
        ("acknowledged", {"by": "secret", "door": "link"}, {"door": "link"}),
        ("superseded", {"by": incident_id(2)}, {"by": incident_id(2)}),
        ("notified", {"channel": "C1", "ts": "1.0", "shown": 2}, {"channel": "C1", "ts": "1.0", "shown": 2}),
        ("escalation_failed", {"error": "answered 500", "attempt": 1}, {"error": "answered 500"}),
        ("snoozed", {"reason": "secret", "deep": ["secret"], "minutes": 5}, {"minutes": 5}),
        (
            "opened",
            {"title": "secret", "severity": "critical", "warnings": ["secret"]},
            {"severity": "critical"},
        ),
        ("opened", {"idempotency_key": "secret", "after": incident_id(2)}, {"after": incident_id(2)}),
        (
            "called_again",
            {"mention": ["<!subteam^secret>"], "step": 1, "deadline": NOON.isoformat()},
            {"step": 1, "deadline": NOON.isoformat()},
        ),
        ("record_updated", {"upto": 7, "outcome": "noted", "step": 2}, {"outcome": "noted", "step": 2}),
        (
            "opened",
            {
                "call": {
                    "wait": "PT3M",
                    "steps": [{"offset": "-PT1M", "target": "slack", "mention": ["secret"]}],
                }
            },
            {},
        ),
        (
            "escalated",
            {"url": "https://secret.example.com", "target": "webhook", "wants": ["closed"]},
            {"target": "webhook", "wants": ["closed"]},
        ),
        ("escalated", {"url": "https://secret.example.com", "number": "INC1"}, {"number": "INC1"}),
    ],
)
def test_an_event_keeps_what_is_ours(kind: str, data: dict[str, Any], kept: dict[str, Any]) -> None:
    masked = REDACTOR.event(kind, data)
    assert masked.keys() == data.keys()
    assert kept.items() <= masked.items()
    assert "secret" not in json.dumps(masked)

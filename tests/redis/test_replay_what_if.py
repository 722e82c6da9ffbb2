"""`replay --what-if`: what would have been different last night with the configuration that somebody proposes."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ops.replay.difference import what_if
from ops.replay.replay import Answer, ReplayError
from ops.timeline import moment
from services.ingest.__main__ import oncall_defaults
from services.ingest.parameters import weigh
from shared.commands import Acknowledge, Command, EscalateNow, ResolveByHand, SnoozeFor, Unacknowledge
from shared.config import Config
from shared.notification import Call
from shared.redis_client import Scripts
from shared.store import Store
from tests.redis.lives import alertmanager_body, received
from tests.redis.replaying import TEMPLATE, configured, everything_in, replay_of

PRESENT = configured()


async def fired(store: Store, name: str = "HighLatency", *, firing: bool = True, **query: str) -> str:
    """As ingest does it, with the present configuration."""
    call, _ = weigh(query, oncall_defaults(PRESENT))
    body = alertmanager_body(name, {"web-1": (firing, 0)})
    step = await store.receive(received(body, call, None, **query))
    assert step.incident
    return step.incident.id


def only(answer: Answer) -> dict[str, Any]:
    differences: Any = answer.data["differences"]
    (found,) = differences
    difference: dict[str, Any] = found
    return difference


async def test_the_same_configuration_makes_no_difference(scripts: Scripts, store: Store) -> None:
    await store.apply(await fired(store), Acknowledge("Ada", "link"))
    await fired(store, "DiskFull", oncall_wait_minutes="0", servicenow_other_instance="infra")
    await fired(store, "DiskFull", firing=False)
    before = await everything_in(scripts)
    answer = await what_if(await replay_of(scripts), configured())
    assert answer.text == "No difference: 2 incidents would be what they were."
    assert answer.data["differences"] == []
    assert await everything_in(scripts) == before


async def test_a_longer_wait_moves_the_deadline_and_is_seen_in_the_message(
    scripts: Scripts, store: Store
) -> None:
    await fired(store)
    await fired(store, "Asked", oncall_wait_minutes="5")
    answer = await what_if(await replay_of(scripts), configured(oncall={"wait_minutes": 10}))
    difference = only(answer)
    assert difference["title"] == "HighLatency", "the other one asked for its wait itself"
    assert difference["facts"].keys() == {"deadline"}
    assert any(line.startswith("-Escalates to ServiceNow") for line in difference["messages"]["as it opens"])
    assert "1 of 2 incidents would be different." in answer.text


async def test_a_wait_of_zero_escalates_before_anybody_can_acknowledge(
    scripts: Scripts, store: Store
) -> None:
    incident = await fired(store)
    await store.apply(incident, Acknowledge("Ada", "link"))
    answer = await what_if(await replay_of(scripts), configured(oncall={"wait_minutes": 0}))
    difference = only(answer)
    record = difference["facts"]["record"]
    assert record["present"].startswith("none: Ada acknowledges at ")
    assert record["proposed"].endswith(
        "in ServiceNow (default): POST http://127.0.0.1:9/main/api/now/table/incident"
    )
    assert difference["request"]["present"] is None
    assert difference["request"]["proposed"]["body"] == {
        "short_description": f"Incident {incident}",
        "correlation_id": incident,
    }
    assert any("ESCALATED" in line for line in difference["messages"]["as it ends"])


async def test_on_call_switched_off_writes_no_record(scripts: Scripts, store: Store) -> None:
    await fired(store, oncall_wait_minutes="0")
    answer = await what_if(await replay_of(scripts), configured(oncall={"enable": False}))
    facts = only(answer)["facts"]
    assert facts["record"]["proposed"] == "none: no on-call"
    assert facts["deadline"]["proposed"] == "no on-call"


async def test_another_table_is_another_request(scripts: Scripts, store: Store) -> None:
    await fired(store, oncall_wait_minutes="0", servicenow_other_instance="infra")
    changed = PRESENT.model_dump()
    settings = {**changed["oncall"]["servicenow"], "table": "em_alert"}
    config = configured(oncall={"servicenow": {**settings, "password": "x", "other_instance_urls": {}}})
    facts = only(await what_if(await replay_of(scripts), config))["facts"]
    assert facts["record"]["present"].endswith(
        "(infra): POST http://127.0.0.1:9/infra/api/now/table/incident"
    )
    assert facts["record"]["proposed"].endswith(
        "(default): POST http://127.0.0.1:9/main/api/now/table/em_alert"
    )
    assert "is not configured" in facts["warnings"]["proposed"]


async def test_a_changed_template_is_a_difference(scripts: Scripts, store: Store, tmp_path: Path) -> None:
    await fired(store)
    template = tmp_path / "message.tmpl"
    text = TEMPLATE.read_text(encoding="utf-8").replace("*Since:*", "*Began:*")
    template.write_text(text, encoding="utf-8")
    difference = only(await what_if(await replay_of(scripts), configured(template)))
    diff = difference["messages"]["as it opens"]
    assert any(line.startswith("-*Since:*") for line in diff)
    assert any(line.startswith("+*Began:*") for line in diff)
    assert difference["facts"] == {}


@pytest.mark.parametrize(
    ("slack", "said"),
    [({"channel_id": "C0NEW"}, "C0NEW"), ({"enable": False}, "no message")],
)
async def test_another_channel_or_none(
    scripts: Scripts, store: Store, slack: dict[str, Any], said: str
) -> None:
    await fired(store)
    await fired(store, "Routed", slack_channel_id="C0OWN")
    answer = await what_if(await replay_of(scripts), configured(**slack))
    assert answer.data["differences"][0]["facts"]["channel"] == {"present": "C0TEST", "proposed": said}
    assert answer.data["different"] == (2 if said == "no message" else 1)


async def test_what_was_weighed_otherwise_is_told(scripts: Scripts, store: Store) -> None:
    """By an older version, which kept no parameters, or under a configuration that has changed since."""
    body = alertmanager_body("Old", {"web-1": (True, 0)})
    await store.receive(received(body, Call(wait=timedelta(minutes=7))))
    answer = await what_if(await replay_of(scripts), configured())
    assert answer.data["weighed_otherwise"] == 1
    assert "1 notifications were weighed otherwise" in answer.text.splitlines()[-1]


async def test_a_range_counts_what_its_incidents_lived_through_before(scripts: Scripts, store: Store) -> None:
    incident = await fired(store)
    await fired(store, "Other")
    await store.apply(incident, Acknowledge("Ada", "link"))
    entries = await scripts.execute("XRANGE", "{ackstream:0}:events", "-", "+")
    last = entries[-1][0].decode()
    answer = await what_if(await replay_of(scripts, last), configured(oncall={"wait_minutes": 10}))
    assert only(answer)["incident"] == incident


async def test_a_template_that_cannot_be_used_is_one_line(
    scripts: Scripts, store: Store, tmp_path: Path
) -> None:
    template = tmp_path / "message.tmpl"
    template.write_text("{% if %}", encoding="utf-8")
    with pytest.raises(ReplayError, match=r"message\.tmpl:1"):
        await what_if(await replay_of(scripts), configured(template))


def test_the_tests_configuration_is_one_that_escalates() -> None:
    config: Config = PRESENT
    assert config.oncall.configured


async def test_an_acknowledgement_would_lapse_where_that_is_proposed(scripts: Scripts, store: Store) -> None:
    await store.apply(await fired(store), Acknowledge("Ada", "link"))
    answer = await what_if(await replay_of(scripts), configured(oncall={"ack_timeout_minutes": 0.000001}))
    facts = only(answer)["facts"]
    assert facts["record"]["present"].startswith("none: Ada acknowledges at ")
    assert facts["record"]["proposed"] == "none yet: the deadline is still to come"


WHO = ("Kim", "button")


@pytest.mark.parametrize(
    ("deeds", "record"),
    [
        ([EscalateNow(*WHO)], "at "),
        ([SnoozeFor(*WHO)], "none yet: the deadline is still to come"),
        ([SnoozeFor(*WHO), EscalateNow(*WHO)], "at "),
        ([Acknowledge(*WHO), Unacknowledge(*WHO)], "none yet: the deadline is still to come"),
    ],
)
async def test_what_people_did_is_done_under_both_configurations(
    scripts: Scripts, store: Store, deeds: list[Command], record: str
) -> None:
    incident = await fired(store)
    for deed in deeds:
        assert (await store.apply(incident, deed)).changes
    before = (await store.load(incident)).incident
    answer = await what_if(await replay_of(scripts), configured(oncall={"enable": False}))
    facts = only(answer)["facts"]
    assert before
    assert facts["record"]["present"].startswith(record)
    assert facts["deadline"]["present"] == moment(before.deadline)


async def test_what_was_resolved_by_hand_is_resolved_under_both(scripts: Scripts, store: Store) -> None:
    await store.apply(await fired(store), ResolveByHand(*WHO))
    answer = await what_if(await replay_of(scripts), configured(oncall={"enable": False}))
    assert "record" not in only(answer)["facts"], "resolved, not: no on-call"

"""What a record says, from an incident in a real Redis to the sandbox's ServiceNow. No field costs a record."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from sandbox.faults import Fault
from sandbox.server import Running
from services.escalator.escalator import Escalator
from services.escalator.instances import Instance, Instances
from services.escalator.mapping import Mappings
from services.escalator.servicenow_target import servicenow_targets
from services.escalator.targets import Targets
from shared.config import ServiceNowConfig
from shared.incident import Incident, State
from shared.store import Store
from tests.episodes import notification
from tests.redis.conftest import now

SECOND = timedelta(seconds=1)
AT_ONCE = timedelta(0)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(auth=("ackstream", "sandbox"), trust_env=False) as client:
        yield client


async def escalated(
    store: Store, http: httpx.AsyncClient, sandbox: Running, instance: str | None = None, **settings: Any
) -> Incident:
    """What is left of an incident whose deadline has come, after one attempt."""
    urls = {"infra": sandbox.servicenow_url("infra")}
    config = ServiceNowConfig.model_validate({"other_instance_urls": urls, **settings})
    main = Instance(None, sandbox.servicenow_url("main"), [http], SECOND)
    instances = Instances(main, [Instance("infra", urls["infra"], [http], SECOND)])
    mappings = Mappings(config, lambda incident: f"https://ack.example.com/api/ack/{incident.id}")
    targets = Targets(servicenow_targets(config, instances, mappings))
    escalator = Escalator(store, targets, wake=lambda: None)
    opened = (await store.receive(notification(wait=AT_ONCE, instance=instance))).incident
    assert opened
    await escalator.escalate(opened.id)
    return await now(store, opened.id)


def left_out(field: str) -> float:
    return REGISTRY.get_sample_value("ackstream_record_fields_left_out_total", {"field": field}) or 0


def refuse(sandbox: Running, status: int, count: int | None) -> None:
    sandbox.world.faults.add(
        Fault(target="servicenow", kind="status", status=status, match="POST", count=count)
    )


FIELDS = {
    "short_description": "[{{ severity }}] {{ title }}",
    "urgency": '{{ {"critical": 1}[severity] or 3 }}',
    "assignment_group": "287ebd7da9fe198100f92cc8d1d2154e",
    "work_notes": "{{ ack_url }}",
}


async def test_a_record_says_what_the_templates_make_of_the_incident(
    store: Store, http: httpx.AsyncClient, sandbox: Running
) -> None:
    incident = await escalated(store, http, sandbox, fields=FIELDS)
    assert incident.state is State.ESCALATED
    (row,) = sandbox.world.servicenow.instance("main").table("incident").rows.values()
    said = {name: row.fields[name] for name in ("short_description", "urgency", "assignment_group")}
    assert said == {
        "short_description": "[critical] HighLatency",
        "urgency": "1",
        "assignment_group": FIELDS["assignment_group"],
    }
    assert row.fields["correlation_id"] == incident.id
    assert row.notes == [("work_notes", f"https://ack.example.com/api/ack/{incident.id}")]


async def test_another_instance_has_another_table_and_other_fields(
    store: Store, http: httpx.AsyncClient, sandbox: Running
) -> None:
    own = {"infra": {"short_description": "infra: {{ title }}"}}
    incident = await escalated(
        store,
        http,
        sandbox,
        "infra",
        fields=FIELDS,
        fields_by_instance=own,
        table_by_instance={"INFRA": "problem"},
    )
    (row,) = sandbox.world.servicenow.rows("infra", "problem")
    assert (row["short_description"], row["urgency"]) == ("infra: HighLatency", "1")
    assert incident.record
    assert incident.record.number.startswith("PRB")
    assert "problem.do" in incident.record.url
    assert sandbox.world.servicenow.rows("main", "incident") == []


async def test_a_field_that_fails_or_is_empty_is_left_out_and_told(
    store: Store, http: httpx.AsyncClient, sandbox: Running
) -> None:
    bad = {
        "u_broken": "{{ 1 / 0 }}",
        "u_empty": "{{ labels.nothing }}",
        "u_syntax": "{% if %}",
        "category": "x" * 300,
    }
    before = {field: left_out(field) for field in bad}
    with capture_logs() as logs:
        incident = await escalated(store, http, sandbox, fields=FIELDS | bad)
    (row,) = sandbox.world.servicenow.rows("main", "incident")
    assert incident.state is State.ESCALATED
    assert row["urgency"] == "1"
    assert row["category"] == "x" * 254 + "…"
    assert row.keys().isdisjoint(bad.keys() - {"category"})
    assert {field: left_out(field) - count for field, count in before.items()} == {
        "u_broken": 1,
        "u_empty": 1,
        "u_syntax": 1,
        "category": 0,
    }
    told = {log["field"]: log["event"] for log in logs if "field" in log}
    assert told == {
        "u_broken": "field_left_out",
        "u_empty": "field_left_out",
        "u_syntax": "field_left_out",
        "category": "field_cut",
    }


@pytest.mark.parametrize("status", [400, 403])
async def test_fields_that_servicenow_refuses_do_not_cost_the_record(
    store: Store, http: httpx.AsyncClient, sandbox: Running, status: int
) -> None:
    refuse(sandbox, status, count=1)
    before = left_out("urgency"), left_out("short_description")
    with capture_logs() as logs:
        incident = await escalated(store, http, sandbox, fields=FIELDS)
    (row,) = sandbox.world.servicenow.rows("main", "incident")
    assert row["short_description"] == f"Incident {incident.id}"
    assert incident.state is State.ESCALATED
    assert incident.escalation.attempts == 0
    (told,) = [log for log in logs if log["event"] == "fields_refused"]
    assert (told["log_level"], told["fields"]) == ("error", sorted(FIELDS))
    assert told["error"].startswith(f"answered {status}")
    assert (left_out("urgency"), left_out("short_description")) == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize(("status", "calls"), [(400, 2), (403, 2), (401, 1), (404, 1), (500, 1), (429, 1)])
async def test_what_is_refused_for_another_reason_is_tried_again_later(
    store: Store, http: httpx.AsyncClient, sandbox: Running, status: int, calls: int
) -> None:
    refuse(sandbox, status, count=None)
    incident = await escalated(store, http, sandbox, fields=FIELDS)
    assert len(sandbox.world.servicenow.calls.named("POST")) == calls
    assert sandbox.world.servicenow.rows("main", "incident") == []
    assert incident.escalation.attempts == 1
    assert incident.escalation.error.startswith(f"answered {status}")
    assert incident.escalation.retry_at


async def test_without_fields_of_its_own_a_refused_record_is_not_written_twice(
    store: Store, http: httpx.AsyncClient, sandbox: Running
) -> None:
    refuse(sandbox, 400, count=1)
    incident = await escalated(store, http, sandbox)
    assert len(sandbox.world.servicenow.calls.named("POST")) == 1
    assert incident.escalation.parked


@pytest.mark.parametrize("fields", [FIELDS, {}])
async def test_a_record_that_was_refused_after_it_was_written_is_not_written_again(
    store: Store, http: httpx.AsyncClient, sandbox: Running, fields: dict[str, str]
) -> None:
    """As where the table has a unique index on the column, and somebody else was faster."""
    fault = Fault(target="servicenow", kind="status", status=403, match="POST", count=1, after=True)
    sandbox.world.faults.add(fault)
    incident = await escalated(store, http, sandbox, fields=fields)
    assert len(sandbox.world.servicenow.rows("main", "incident")) == 1
    assert len(sandbox.world.servicenow.calls.named("POST")) == 1
    assert incident.state is State.ESCALATED


async def test_an_answer_that_was_lost_is_not_followed_by_a_second_record(
    store: Store, http: httpx.AsyncClient, sandbox: Running
) -> None:
    """Only a refusal says that there is none."""
    sandbox.world.faults.add(Fault(target="servicenow", kind="drop_after", match="POST", count=1))
    incident = await escalated(store, http, sandbox, fields=FIELDS)
    assert len(sandbox.world.servicenow.rows("main", "incident")) == 1
    assert len(sandbox.world.servicenow.calls.named("POST")) == 1
    assert incident.escalation.doubt_until


async def test_through_an_import_set_a_refused_field_does_not_cost_the_record(
    store: Store, http: httpx.AsyncClient, sandbox: Running
) -> None:
    refuse(sandbox, 403, count=1)
    incident = await escalated(store, http, sandbox, fields=FIELDS, import_set="u_ackstream_import")
    (row,) = sandbox.world.servicenow.rows("main", "incident")
    assert (row["correlation_id"], row["short_description"]) == (incident.id, f"Incident {incident.id}")
    assert incident.state is State.ESCALATED

"""Incidents of one storm escalate into one record: each listed there once, whatever becomes of the calls."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from sandbox.faults import Fault
from sandbox.server import Running
from services.escalator import outcomes, parent_closing, parent_record, servicenow_target
from services.escalator import target as target_module
from services.escalator.escalator import Escalator
from services.escalator.instances import Instances
from services.escalator.mapping import Mappings
from services.escalator.parents import parents
from services.escalator.queues import Queues
from services.escalator.servicenow_target import servicenow_targets
from services.escalator.targets import Targets
from shared.commands import Acknowledge, Digested, ResolveByHand
from shared.config import ServiceNowConfig
from shared.due_times import DueTimes, Poller
from shared.incident import State
from shared.keys import Keys, ParentKeys, StormKeys
from shared.redis_client import Scripts
from shared.store import Store
from shared.storms import Storms
from tests.redis.conftest import now, opened
from tests.redis.replica import Replica
from tests.waiting import wait_until

STORM = f"{7:030x}00"
AT_ONCE = timedelta(0)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a minute at night takes a second here; a request is over within it."""
    monkeypatch.setattr(servicenow_target, "SERVER_GRACE", 0.5 * SECOND)
    monkeypatch.setattr(target_module, "TIME_TO_COMMIT", 0.5 * SECOND)
    monkeypatch.setattr(outcomes, "backoff", lambda *_, **__: 0.1 * SECOND)
    monkeypatch.setattr(outcomes, "LOOK_AGAIN", 0.2 * SECOND)
    monkeypatch.setattr(parent_record, "LATER", 0.5 * SECOND)
    monkeypatch.setattr(parent_record, "WHILE_OTHERS_WRITE", 0.5 * SECOND)
    monkeypatch.setattr(parent_closing, "LATER", 0.2 * SECOND)


@asynccontextmanager
async def working(
    client: Redis, sandbox: Running, *, seconds: float = 1, **settings: Any
) -> AsyncIterator[asyncio.Task[None]]:
    replica = Replica(Scripts(client), sandbox, seconds, storms=True, **settings)
    running = asyncio.create_task(replica.run())
    yield running
    replica.stopping.set()
    sandbox.world.faults.clear()
    await running


def misbehave(sandbox: Running, kind: str, match: str, **more: Any) -> None:
    sandbox.world.faults.add(Fault(target="servicenow", kind=kind, match=match, **more))  # type: ignore[arg-type]


async def member(store: Store, scripts: Scripts, name: str, **more: Any) -> str:
    """An incident that the digest of STORM tells of, and that is due."""
    id_ = await opened(store, group=name, **{"wait": AT_ONCE, "title": "HighLatency", **more})
    await store.apply(id_, Digested(STORM, "C1"))
    await Storms(scripts).note(await now(store, id_))
    return id_


async def members(store: Store, scripts: Scripts, count: int, **more: Any) -> list[str]:
    return [await member(store, scripts, f"group {number}", **more) for number in range(count)]


def listed(sandbox: Running, instance: str = "main") -> Counter[str]:
    """Whom the work notes of all records in the instance list, and how often."""
    return Counter(
        id_
        for row in sandbox.world.servicenow.instance(instance).table("incident").rows.values()
        for kind, text in row.notes
        if kind == "work_notes"
        for id_ in re.findall("(?m)^- ([0-9a-f]{32}) ", text)
    )


def rows(sandbox: Running, instance: str = "main") -> list[dict[str, str]]:
    return sandbox.world.servicenow.rows(instance)


async def all_recorded(store: Store, ids: list[str], seconds: float = 20) -> None:
    async def missing() -> bool:
        return all([(await now(store, id_)).record for id_ in ids])

    await wait_until(missing, "a record for each", seconds=seconds)


async def test_a_storm_gets_one_record_that_lists_each_incident_once(
    client: Redis, store: Store, scripts: Scripts, sandbox: Running
) -> None:
    ids = await members(store, scripts, 60, severity="warning")
    async with working(client, sandbox), working(client, sandbox):
        await all_recorded(store, ids)
    (row,) = rows(sandbox)
    assert row["correlation_id"] == STORM
    assert row["short_description"] == "60 incidents at once: HighLatency"
    assert listed(sandbox) == Counter(ids)
    records = [(await now(store, id_)).record for id_ in ids]
    assert {(record.sys_id, record.parent) for record in records} == {(row["sys_id"], STORM)}
    assert all("https://console.example.com/incidents/" in text for text in work_notes(sandbox))
    assert len(sandbox.world.servicenow.calls.named("PATCH")) < 10


def work_notes(sandbox: Running) -> list[str]:
    table = sandbox.world.servicenow.instance("main").table("incident")
    return [text for row in table.rows.values() for _, text in row.notes]


async def test_a_rate_lets_a_whole_note_through_as_one_write(
    client: Redis, store: Store, scripts: Scripts, sandbox: Running
) -> None:
    """As records of their own they would take 120 calls, and at five a second 20 s."""
    ids = await members(store, scripts, 60)
    async with working(client, sandbox, rate_per_instance=5):
        await all_recorded(store, ids, seconds=10)
    assert listed(sandbox) == Counter(ids)
    assert len(sandbox.world.servicenow.calls.entries) < 30


async def test_each_instance_has_a_parent_of_its_own(
    client: Redis, store: Store, scripts: Scripts, sandbox: Running
) -> None:
    main = await members(store, scripts, 5)
    infra = [await member(store, scripts, f"infra {number}", instance="infra") for number in range(5)]
    async with working(client, sandbox):
        await all_recorded(store, [*main, *infra])
    assert (listed(sandbox), listed(sandbox, "infra")) == (Counter(main), Counter(infra))
    assert [row["correlation_id"] for row in rows(sandbox, "infra")] == [STORM]


async def test_an_incident_with_a_message_of_its_own_gets_a_record_of_its_own(
    client: Redis, store: Store, scripts: Scripts, sandbox: Running
) -> None:
    alone, together = await opened(store, wait=AT_ONCE, group="alone"), await member(store, scripts, "other")
    async with working(client, sandbox):
        await all_recorded(store, [alone, together])
    assert {row["correlation_id"] for row in rows(sandbox)} == {alone, STORM}
    assert (await now(store, alone)).record.parent == ""


async def test_who_was_acknowledged_is_not_listed(
    client: Redis, store: Store, scripts: Scripts, sandbox: Running
) -> None:
    ids = await members(store, scripts, 4)
    await store.apply(ids[0], Acknowledge("anna", "link"))
    async with working(client, sandbox):
        await all_recorded(store, ids[1:])
    assert listed(sandbox) == Counter(ids[1:])


async def test_the_parent_is_as_bad_as_the_worst_and_says_what_came(
    client: Redis, store: Store, scripts: Scripts, sandbox: Running
) -> None:
    for name, severity, title in (
        ("a", "warning", "HighLatency"),
        ("b", "error", "DiskFull"),
        ("c", "info", "Slow"),
    ):
        ids = [await member(store, scripts, name, severity=severity, title=title)]
    fields = {
        "short_description": "{{ title }}",
        "urgency": "{{ severity_rank }}",
        "work_notes": "{{ title }}",
        "u_source": "{{ source }}",
    }
    async with working(client, sandbox, fields=fields):
        await all_recorded(store, ids)
    (row,) = rows(sandbox)
    assert row["short_description"].startswith("3 incidents at once: ")
    assert row["short_description"].endswith(" and 1 more")
    assert (row["urgency"], row["u_source"]) == ("1", "alertmanager")
    assert "- DiskFull (error): 1" in row["description"]


async def test_fields_that_are_refused_do_not_cost_the_parent(
    client: Redis, store: Store, scripts: Scripts, sandbox: Running
) -> None:
    ids = await members(store, scripts, 3)
    misbehave(sandbox, "status", "POST", status=403, count=1)
    async with working(client, sandbox, fields={"urgency": "1"}):
        await all_recorded(store, ids)
    assert listed(sandbox) == Counter(ids)
    assert rows(sandbox)[0]["urgency"] == "3"


async def test_a_parent_that_a_person_has_closed_is_left_alone(
    client: Redis, store: Store, scripts: Scripts, sandbox: Running
) -> None:
    first = await members(store, scripts, 3)
    async with working(client, sandbox):
        await all_recorded(store, first)
        table = sandbox.world.servicenow.instance("main").table("incident")
        (row,) = table.rows.values()
        row.fields |= {"state": "7", "active": "false"}
        later = [await member(store, scripts, f"later {number}") for number in range(3)]
        await all_recorded(store, later)
    assert listed(sandbox) == Counter(first)
    assert {one["correlation_id"] for one in rows(sandbox)} == {STORM, *later}


async def test_a_parent_that_a_person_has_deleted_is_not_written_again(
    client: Redis, store: Store, scripts: Scripts, sandbox: Running
) -> None:
    first = await members(store, scripts, 3)
    async with working(client, sandbox):
        await all_recorded(store, first)
        sandbox.world.servicenow.instance("main").table("incident").rows.clear()
        later = [await member(store, scripts, f"later {number}") for number in range(3)]
        await all_recorded(store, later)
    assert {one["correlation_id"] for one in rows(sandbox)} == set(later)


@pytest.mark.parametrize("verb", ["POST", "PATCH"])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "drop_after"},
        {"kind": "drop"},
        {"kind": "hang_after", "seconds": 1},
        {"kind": "status", "status": 504, "after": True},
        {"kind": "status", "status": 503},
        {"kind": "html"},
    ],
    ids=lambda fault: str(fault["kind"]) + str(fault.get("status", "")),
)
async def test_whatever_becomes_of_an_answer_each_is_listed_once(
    client: Redis, store: Store, scripts: Scripts, sandbox: Running, verb: str, fault: dict[str, Any]
) -> None:
    """Notes of five, so that there are several writes, and the first two fail."""
    ids = await members(store, scripts, 20)
    misbehave(sandbox, **fault, match=verb, count=2)
    async with working(client, sandbox, seconds=0.5, field_lengths={"work_notes": 600}):
        await all_recorded(store, ids)
    assert [row["correlation_id"] for row in rows(sandbox)] == [STORM]
    assert listed(sandbox) == Counter(ids)


async def test_who_may_only_create_gets_records_of_their_own_for_those_who_come_later(
    client: Redis, store: Store, scripts: Scripts, sandbox: Running
) -> None:
    sandbox.world.servicenow.change(rights={"ackstream": ["create", "read"]})
    first = await members(store, scripts, 3)
    async with working(client, sandbox):
        await all_recorded(store, first)
        later = [await member(store, scripts, f"later {number}") for number in range(12)]
        await all_recorded(store, later)
    assert listed(sandbox) == Counter(first)
    assert sorted(row["correlation_id"] for row in rows(sandbox)) == sorted([STORM, *later])


async def test_where_work_notes_are_not_shown_none_is_lost(
    client: Redis, store: Store, scripts: Scripts, sandbox: Running
) -> None:
    settings = sandbox.world.servicenow.settings
    sandbox.world.servicenow.settings = settings.model_copy(update={"hidden": frozenset({"work_notes"})})
    ids = await members(store, scripts, 5)
    misbehave(sandbox, "drop_after", "POST", count=1)
    async with working(client, sandbox, seconds=0.5):
        await all_recorded(store, ids)
    assert [row["correlation_id"] for row in rows(sandbox)] == [STORM]
    assert set(listed(sandbox)) == set(ids)


async def test_a_table_without_correlation_id_gets_one_parent_too(
    client: Redis, store: Store, scripts: Scripts, sandbox: Running
) -> None:
    """A search for a column that is not there shows any rows; Redis remembers which one is ours."""
    settings = sandbox.world.servicenow.settings
    sandbox.world.servicenow.settings = settings.model_copy(update={"hidden": frozenset({"correlation_id"})})
    ids = await members(store, scripts, 20)
    async with working(client, sandbox, field_lengths={"work_notes": 600}):
        await all_recorded(store, ids)
    assert len(rows(sandbox)) == 1
    assert listed(sandbox) == Counter(ids)


async def over(client: Redis) -> None:
    """The storm: nobody joins it any more."""
    await client.hset(StormKeys(STORM).facts, "over", 1)


async def end(store: Store, scripts: Scripts, ids: list[str]) -> None:
    for id_ in ids:
        await store.apply(id_, ResolveByHand("anna", "link"))
        await Storms(scripts).note(await now(store, id_))


@pytest.mark.parametrize("how", ["state", "work_note"])
async def test_a_parent_ends_once_with_the_last_of_its_incidents(
    client: Redis, store: Store, scripts: Scripts, sandbox: Running, how: str
) -> None:
    ids = await members(store, scripts, 6)
    settings = {"on_resolve": how, "close_code": "Solution provided", "on_acknowledge": "work_note"}
    async with working(client, sandbox, **settings), working(client, sandbox, **settings):
        await all_recorded(store, ids)
        before = len(work_notes(sandbox))
        await end(store, scripts, ids[:5])
        await wait_until(lambda: no_news(store, ids[:5]), "five that need nothing more")
        assert (rows(sandbox)[0]["state"], len(work_notes(sandbox))) == ("1", before)
        misbehave(sandbox, "drop_after", "PATCH", count=1)
        await end(store, scripts, ids[5:])
        await over(client)
        await wait_until(lambda: no_news(store, ids), "none that needs anything", seconds=15)
    assert rows(sandbox)[0]["state"] == ("6" if how == "state" else "1")
    assert work_notes(sandbox)[before:] == [
        f"All incidents that are listed here are over.\n[ackstream {STORM}-over]"
    ]


async def no_news(store: Store, ids: list[str]) -> bool:
    return not any([(await now(store, id_)).record.news for id_ in ids])


async def test_a_parent_does_not_end_while_its_storm_rages(
    client: Redis, store: Store, scripts: Scripts, sandbox: Running
) -> None:
    ids = await members(store, scripts, 2)
    async with working(client, sandbox, on_resolve="state", close_code="Solution provided"):
        await all_recorded(store, ids)
        await end(store, scripts, ids)
        waits = "more incidents of the storm may yet be listed"
        await wait_until(lambda: told(store, ids, waits), "the last one to wait for the storm's end")
        later = await member(store, scripts, "later")
        await all_recorded(store, [later])
        await wait_until(lambda: no_news(store, ids), "the first ones to need nothing more")
        assert rows(sandbox)[0]["state"] == "1"
        await end(store, scripts, [later])
        await over(client)
        await wait_until(lambda: no_news(store, [*ids, later]), "none that needs anything")
    assert rows(sandbox)[0]["state"] == "6"
    assert listed(sandbox) == Counter([*ids, later])


async def told(store: Store, ids: list[str], error: str) -> bool:
    return any([(await now(store, id_)).record.update.error == error for id_ in ids])


async def test_what_redis_remembers_of_a_parent_does_not_stay_for_ever(
    client: Redis, store: Store, scripts: Scripts, sandbox: Running
) -> None:
    ids = await members(store, scripts, 2)
    async with working(client, sandbox):
        await all_recorded(store, ids)
    assert await client.scard(ParentKeys(STORM, "").children) == 2
    assert await client.ttl(ParentKeys(STORM, "").record) > 0
    assert (await now(store, ids[0])).state is State.ESCALATED

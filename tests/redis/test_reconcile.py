"""Incidents on a real Redis compared with the sandbox's records: many of them, an instance that lies, and what moves meanwhile."""

import io
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from ops.reconcile import rows as rows_module
from ops.reconcile.comparison import Kind, Mend, Ways
from ops.reconcile.mending import Mending
from ops.reconcile.rows import Rows
from ops.reconcile.survey import Findings, Survey
from ops.replay.progress import Patience, Progress
from sandbox.faults import Fault
from sandbox.server import Running
from services.escalator.escalator import Escalator
from services.escalator.instances import Instances
from services.escalator.servicenow import ServiceNow
from services.escalator.servicenow_target import servicenow_targets
from shared.commands import Acknowledge, Change, Reason, Step
from shared.config import ServiceNowConfig
from shared.identity import new_incident_id
from shared.incident import State
from shared.keys import servicenow_hold
from shared.redis_client import Scripts
from shared.store import Store
from tests.episodes import resolved, targets, unmapped
from tests.redis.conftest import now, opened

AT_ONCE = timedelta(0)


def settings_of(sandbox: Running, **more: object) -> ServiceNowConfig:
    given = {
        "instance_url": sandbox.servicenow_url("main"),
        "username": "ackstream",
        "password": "sandbox",
        "timeout_seconds": 2,
    }
    return ServiceNowConfig.model_validate(given | more)


class Comparison:
    def __init__(self, scripts: Scripts, settings: ServiceNowConfig) -> None:
        self.scripts = scripts
        self.settings = settings
        self.store = Store(scripts)
        self.instances = Instances.of(settings, scripts)
        self.escalator = Escalator(self.store, targets(self.instances, timeout_seconds=2), wake=lambda: None)

    async def found(self, rows: type[Rows] = Rows) -> Findings:
        closes = {
            one.name for one in self.instances.all if self.settings.life_for(one.name).on_resolve == "state"
        }
        ways = Ways(lambda name: self.instances.named(name).name, closes, frozenset())
        with Patience() as patience:
            some = rows(ServiceNow(self.settings.table_for), self.settings, self.instances.all, patience)
            return await Survey(self.scripts, self.store, some, ways, patience, Progress(io.StringIO())).run()

    async def escalated(self, **more: object) -> str:
        incident = await opened(self.store, wait=AT_ONCE, **more)
        await self.escalator.escalate(incident)
        return incident

    async def books(self, id_: str, **record: str) -> None:
        """Something else is in our books about an incident's record."""
        incident = await now(self.store, id_)
        assert incident.record
        changed = incident.record.model_copy(update=record)
        after = incident.model_copy(update={"record": changed, "version": incident.version + 1})
        assert await self.store.commit(Step(after, Reason.ESCALATED, (Change(after),)), incident.opened_at)

    @property
    def mending(self) -> Mending:
        return Mending(self.store, servicenow_targets(self.settings, self.instances, unmapped()))


@pytest.fixture
async def comparison(scripts: Scripts, sandbox: Running) -> AsyncIterator[Comparison]:
    made = Comparison(scripts, settings_of(sandbox))
    yield made
    await made.instances.close()


def old_id() -> str:
    return new_incident_id(datetime.now(UTC) - timedelta(days=30), 0, secrets.token_bytes(9))


async def test_more_than_a_page_of_orphans_and_of_incidents(comparison: Comparison, sandbox: Running) -> None:
    agreeing = [await comparison.escalated(group=f"group {number}") for number in range(60)]
    orphans = {old_id() for _ in range(230)}
    for orphan in orphans:
        sandbox.world.servicenow.insert({"correlation_id": orphan})
    found = await comparison.found()
    assert (found.incidents, found.open_records) == (len(agreeing), len(agreeing) + len(orphans))
    assert {(one.kind, one.incident) for one in found.differences} == {
        (Kind.ORPHAN, orphan) for orphan in orphans
    }


async def test_an_escalation_that_ends_between_two_looks_is_no_difference(
    comparison: Comparison, sandbox: Running
) -> None:
    incident = await opened(comparison.store, wait=AT_ONCE)
    sandbox.world.servicenow.insert({"correlation_id": incident})

    class Meanwhile(Rows):
        """The escalator comes to its end while we look."""

        async def among(self, *arguments: object) -> list[rows_module.Row]:
            found = await super().among(*arguments)  # type: ignore[arg-type]
            await comparison.escalator.escalate(incident)
            return found

    assert (await comparison.found(Meanwhile)).differences == []
    assert (await now(comparison.store, incident)).state is State.ESCALATED


async def test_an_instance_that_drops_the_condition_is_not_believed(
    comparison: Comparison, sandbox: Running
) -> None:
    await comparison.escalated()
    sandbox.world.faults.add(Fault(target="servicenow", kind="foreign_row", match="GET"))
    found = await comparison.found()
    assert found.differences == []
    assert "does not search by correlation_id" in found.unasked["default"]


async def test_a_pause_that_is_too_long_is_not_waited_for(comparison: Comparison, sandbox: Running) -> None:
    await comparison.escalated()
    sandbox.world.faults.add(
        Fault(target="servicenow", kind="status", status=429, retry_after=3600, match="GET")
    )
    found = await comparison.found()
    assert found.differences == []
    assert "answered 429" in found.unasked["default"]


async def test_what_another_replica_was_told_is_obeyed(
    comparison: Comparison, sandbox: Running, client: Redis
) -> None:
    await comparison.escalated()
    sandbox.world.servicenow.calls.clear()
    await client.set(servicenow_hold(""), "1", px=1200)
    began = datetime.now(UTC)
    assert (await comparison.found()).unasked == {}
    assert datetime.now(UTC) - began > timedelta(seconds=1)


async def test_an_incident_that_this_version_cannot_read_is_counted(
    comparison: Comparison, client: Redis
) -> None:
    incident = await comparison.escalated()
    await client.hset(f"{{ackstream:0}}:incident:{incident}", "state", "{}")
    found = await comparison.found()
    assert (found.incidents, found.differences) == (0, [])
    assert found.unreadable >= 1


async def test_a_missing_record_that_is_only_hidden_from_the_search_is_there(
    comparison: Comparison, sandbox: Running
) -> None:
    await comparison.escalated()

    class Blind(Rows):
        async def among(self, *_: object) -> list[rows_module.Row]:
            return []

    assert (await comparison.found(Blind)).differences == []
    sandbox.world.servicenow.instance("main").table("incident").rows.clear()
    assert [one.kind for one in (await comparison.found(Blind)).differences] == [Kind.MISSING]


async def test_mending_looks_once_more_before_it_touches_anything(
    comparison: Comparison, sandbox: Running
) -> None:
    incident = await opened(comparison.store)
    row = sandbox.world.servicenow.insert({"correlation_id": incident})
    (difference,) = (await comparison.found()).differences
    del sandbox.world.servicenow.instance("main").table("incident").rows[row.fields["sys_id"]]
    mended = await comparison.mending.mend(difference)
    assert (mended.done, mended.told) == (False, "the record is gone")
    assert (await now(comparison.store, incident)).record is None


async def test_a_mended_record_is_as_old_as_it_is(comparison: Comparison, sandbox: Running) -> None:
    incident = await opened(comparison.store)
    await comparison.store.apply(incident, Acknowledge("Ada", "link"))
    made = sandbox.world.servicenow.insert({"correlation_id": incident}).fields
    (difference,) = (await comparison.found()).differences
    assert (await comparison.mending.mend(difference)).done
    record = (await now(comparison.store, incident)).record
    assert record
    assert (record.number, f"{record.at:%Y-%m-%d %H:%M:%S}") == (made["number"], made["sys_created_on"])
    assert (await comparison.mending.mend(difference)).done, "once more changes nothing"


async def test_what_was_left_open_is_closed_as_configured_and_only_once(
    scripts: Scripts, comparison: Comparison, sandbox: Running
) -> None:
    incident = await comparison.escalated()
    await comparison.store.receive(resolved())
    (left,) = (await comparison.found()).differences
    assert (left.kind, left.incident, left.mend) == (Kind.LEFT_OPEN, incident, None)
    closing = Comparison(scripts, settings_of(sandbox, on_resolve="state", close_code="Solution provided"))
    (left,) = (await closing.found()).differences
    assert left.mend is Mend.CLOSE
    assert (await closing.mending.mend(left)).done
    (row,) = sandbox.world.servicenow.rows()
    assert (row["state"], row["close_code"]) == ("6", "Solution provided")
    assert (await closing.found()).differences == []
    again = await closing.mending.mend(left)
    assert (again.done, again.told[:18]) == (False, "it was told of the")
    assert len(sandbox.world.servicenow.calls.named("PATCH main/incident/" + row["sys_id"])) == 1
    await closing.instances.close()


async def test_a_record_at_an_instance_that_is_configured_no_longer_is_not_said_to_be_missing(
    comparison: Comparison,
) -> None:
    await comparison.books(await comparison.escalated(), instance="infra", sys_id="a" * 32)
    found = await comparison.found()
    assert [one.kind for one in found.differences if one.kind is Kind.MISSING] == []
    assert found.unasked == {"infra": "it is not configured (any more), and has records"}


async def test_the_record_of_a_storm_that_redis_has_forgotten_is_no_orphan_while_incidents_are_listed_in_it(
    comparison: Comparison, sandbox: Running
) -> None:
    storm = old_id()
    row = sandbox.world.servicenow.insert({"correlation_id": storm}).fields
    assert [one.kind for one in (await comparison.found()).differences] == [Kind.ORPHAN]
    id_ = await comparison.escalated()
    sandbox.world.servicenow.instance("main").table("incident").rows.popitem()
    await comparison.books(id_, sys_id=row["sys_id"], parent=storm)
    assert (await comparison.found()).differences == []

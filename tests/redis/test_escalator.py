"""Deadlines that run out, on a real Redis, with the sandbox's ServiceNow: one record each, whatever it answers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from redis.asyncio import Redis

from sandbox.faults import Fault
from sandbox.server import Running
from services.escalator import escalator as escalator_module
from services.escalator import outcomes
from services.escalator.escalator import Escalator
from services.escalator.instances import Instance, Instances
from services.escalator.servicenow import Row, ServiceNow
from services.escalator.servicenow_target import SERVER_GRACE
from shared.commands import Acknowledge, Reason
from shared.incident import State
from shared.keys import OPEN_LIFETIME, Keys
from shared.redis_client import Scripts
from shared.store import Store
from tests.episodes import notification, resolved, targets
from tests.redis import conftest
from tests.redis.conftest import Stall, now

AT_ONCE = timedelta(0)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries are due at once; how long they wait is backoff's own test."""
    monkeypatch.setattr(outcomes, "backoff", lambda *_, **__: AT_ONCE)
    monkeypatch.setattr(outcomes, "LOOK_AGAIN", AT_ONCE)
    monkeypatch.setattr(outcomes, "NEEDS_PERSON", AT_ONCE)
    monkeypatch.setattr(outcomes, "RAREST", AT_ONCE)


def made(store: Store, client: httpx.AsyncClient, url: str) -> Escalator:
    instances = Instances(Instance(None, url, [client], SECOND))
    return Escalator(store, targets(instances, timeout_seconds=1), wake=lambda: None)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(auth=("ackstream", "sandbox"), trust_env=False) as client:
        yield client


@pytest.fixture
def escalator(store: Store, http: httpx.AsyncClient, sandbox: Running) -> Escalator:
    return made(store, http, sandbox.servicenow_url("main"))


async def opened(store: Store, wait: timedelta = AT_ONCE) -> str:
    return await conftest.opened(store, wait=wait)


def misbehave(sandbox: Running, kind: str, match: str = "POST", **more: object) -> None:
    sandbox.world.faults.add(Fault(target="servicenow", kind=kind, match=match, **more))  # type: ignore[arg-type]


def records(sandbox: Running) -> list[str]:
    return [row["correlation_id"] for row in sandbox.world.servicenow.rows("main", "incident")]


async def test_what_is_due_becomes_a_record(
    escalator: Escalator, store: Store, sandbox: Running, client: Redis
) -> None:
    incident = await opened(store)
    await escalator.escalate(incident)
    assert records(sandbox) == [incident]
    after = await now(store, incident)
    assert (after.state, after.record.number) == (State.ESCALATED, "INC0010001")
    assert await client.zcard(Keys().deadlines) == 0


async def test_what_is_not_due_is_left_alone_and_stays_armed(
    escalator: Escalator, store: Store, sandbox: Running, client: Redis
) -> None:
    incident = await opened(store, timedelta(minutes=3))
    await escalator.escalate(incident)
    assert records(sandbox) == []
    assert await client.zscore(Keys().deadlines, incident) == round(
        (await now(store, incident)).deadline.timestamp() * 1000
    )


@pytest.mark.parametrize("ending", ["acknowledged", "resolved"])
async def test_what_somebody_took_or_what_is_over_is_not_escalated(
    escalator: Escalator, store: Store, sandbox: Running, client: Redis, ending: str
) -> None:
    incident = await opened(store)
    if ending == "acknowledged":
        await store.apply(incident, Acknowledge("Ada", "link"))
    else:
        await store.receive(resolved())
    await escalator.escalate(incident)
    assert list(sandbox.world.servicenow.calls.entries) == []
    assert await client.zcard(Keys().deadlines) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 401},
        {"kind": "redirect", "url": "/servicenow/elsewhere/api/now/table/incident"},
    ],
    ids=lambda wrong: f"{wrong['kind']} {wrong.get('status', '')}",
)
async def test_a_failure_is_told_and_tried_again_until_it_works(
    escalator: Escalator, store: Store, sandbox: Running, wrong: dict[str, object]
) -> None:
    incident = await opened(store)
    misbehave(sandbox, count=3, **wrong)
    for attempt in (1, 2, 3):
        await escalator.escalate(incident)
        after = await now(store, incident)
        assert after.escalation.attempts == attempt
        assert after.escalation.error.startswith("answered ")
        assert records(sandbox) == []
    await escalator.escalate(incident)
    assert records(sandbox) == [incident]
    assert (await now(store, incident)).state is State.ESCALATED


async def test_within_a_retry_after_nobody_is_asked_and_no_attempt_counted(
    escalator: Escalator, store: Store, sandbox: Running
) -> None:
    incident = await opened(store)
    misbehave(sandbox, "status", match="GET", status=429, retry_after=30, count=1)
    await escalator.escalate(incident)
    refused = await now(store, incident)
    await escalator.escalate(incident)
    after = await now(store, incident)
    assert (after.escalation.attempts, after.escalation.error) == (1, refused.escalation.error)
    assert after.escalation.retry_at - after.opened_at > timedelta(seconds=25)
    assert len(sandbox.world.servicenow.calls.entries) == 1


@pytest.mark.parametrize("kind", ["drop_after", "hang_after"])
async def test_a_record_whose_answer_was_lost_is_found_and_not_written_again(
    escalator: Escalator, store: Store, sandbox: Running, kind: str
) -> None:
    incident = await opened(store)
    misbehave(sandbox, kind, count=1, seconds=3)
    await escalator.escalate(incident)
    assert (await now(store, incident)).escalation.doubt_until
    await escalator.escalate(incident)
    assert records(sandbox) == [incident]
    assert len(sandbox.world.servicenow.calls.named("POST")) == 1
    assert (await now(store, incident)).record.number == "INC0010001"


@pytest.mark.parametrize(("kind", "more"), [("drop_after", SECOND), ("hang_after", AT_ONCE)])
async def test_a_connection_that_breaks_at_once_leaves_as_long_a_doubt_as_our_time_limit_would(
    escalator: Escalator, store: Store, sandbox: Running, kind: str, more: timedelta
) -> None:
    """What ServiceNow does with a request does not depend on when we noticed that its answer is lost."""
    incident = await opened(store)
    misbehave(sandbox, kind, count=1, seconds=3)
    await escalator.escalate(incident)
    after = await store.load(incident)
    left = after.incident.escalation.doubt_until - after.now - SERVER_GRACE
    assert more - SECOND / 2 < left <= more


async def test_an_acknowledgement_in_doubt_does_not_end_the_look(
    escalator: Escalator, store: Store, sandbox: Running, client: Redis
) -> None:
    incident = await opened(store)
    misbehave(sandbox, "drop_after", count=1)
    await escalator.escalate(incident)
    assert (await store.apply(incident, Acknowledge("Ada", "link"))).reason is Reason.ACKNOWLEDGED
    await escalator.escalate(incident)
    after = await now(store, incident)
    assert (after.record.number, after.acknowledgement.by) == ("INC0010001", "Ada")
    assert len(sandbox.world.servicenow.calls.named("POST")) == 1
    assert await client.zcard(Keys().deadlines) == 0


async def test_in_doubt_it_only_looks(escalator: Escalator, store: Store, sandbox: Running) -> None:
    incident = await opened(store)
    misbehave(sandbox, "drop", count=1)
    for _ in range(5):
        await escalator.escalate(incident)
    assert len(sandbox.world.servicenow.calls.named("POST")) == 1
    assert records(sandbox) == []


async def test_a_record_that_we_are_not_shown_is_never_written_again(store: Store) -> None:
    """An integration user that may create but not read: each retry would make one more record."""
    verbs = []

    def answer(request: httpx.Request) -> httpx.Response:
        verbs.append(request.method)
        return (
            httpx.Response(201, json={"result": {}})
            if request.method == "POST"
            else httpx.Response(200, json={"result": []})
        )

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        escalator = made(store, client, "https://dev1.service-now.com")
        incident = await opened(store)
        for _ in range(5):
            await escalator.escalate(incident)
    assert verbs == ["GET", "POST", "GET", "GET", "GET", "GET"]
    effort = (await now(store, incident)).escalation
    assert "let the integration user read sys_id" in effort.error
    assert effort.doubt_until - (await now(store, incident)).opened_at > OPEN_LIFETIME - timedelta(minutes=1)


async def test_an_acknowledgement_between_two_attempts_ends_it(
    escalator: Escalator, store: Store, sandbox: Running
) -> None:
    incident = await opened(store)
    misbehave(sandbox, "status", status=500, count=1)
    await escalator.escalate(incident)
    assert (await store.apply(incident, Acknowledge("Ada", "link"))).reason is Reason.ACKNOWLEDGED
    await escalator.escalate(incident)
    assert records(sandbox) == []
    assert (await now(store, incident)).state is State.ACKNOWLEDGED


async def test_ten_escalators_at_once_write_one_record(
    client: Redis, store: Store, http: httpx.AsyncClient, sandbox: Running
) -> None:
    incident = await opened(store)
    crowd = [made(Store(Scripts(client)), http, sandbox.servicenow_url("main")) for _ in range(10)]
    await asyncio.gather(*(escalator.escalate(incident) for escalator in crowd))
    assert records(sandbox) == [incident]
    assert len(sandbox.world.servicenow.calls.named("POST")) == 1


@pytest.mark.parametrize(
    "body", [{}, {"result": {}}, [], {"error": "x"}, {"result": ["x"]}, {"result": None}]
)
async def test_an_answer_that_is_no_list_of_records_does_not_mean_that_there_is_none(
    store: Store, body: object
) -> None:
    verbs = []

    def answer(request: httpx.Request) -> httpx.Response:
        verbs.append(request.method)
        return httpx.Response(200, json=body)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        await made(store, client, "https://dev1.service-now.com").escalate(incident := await opened(store))
    assert verbs == ["GET"]
    assert "without a list of records" in (await now(store, incident)).escalation.error


async def test_an_instance_that_is_configured_no_longer_is_not_named(
    store: Store, http: httpx.AsyncClient, sandbox: Running
) -> None:
    step = await store.receive(notification(wait=AT_ONCE, instance="infra"))
    await made(store, http, sandbox.servicenow_url("main")).escalate(step.incident.id)
    assert (await now(store, step.incident.id)).record.instance is None


async def test_a_foreign_row_is_not_taken_for_ours(
    escalator: Escalator, store: Store, sandbox: Running
) -> None:
    sandbox.world.servicenow.insert({"short_description": "somebody else's", "correlation_id": "x"}, "main")
    incident = await opened(store)
    misbehave(sandbox, "foreign_row", match="GET", count=1)
    await escalator.escalate(incident)
    assert records(sandbox) == ["x", incident]


async def test_who_was_stalled_after_looking_writes_nothing(
    escalator: Escalator, store: Store, sandbox: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease may be over by the time that its request arrives, and somebody else has written the record."""
    incident, stall = await opened(store), Stall()
    monkeypatch.setattr(escalator_module, "time", stall)
    look = ServiceNow.find

    async def look_and_stall(client: ServiceNow, instance: Instance, incident_id: str) -> Row | None:
        found = await look(client, instance, incident_id)
        stall.seconds += 12  # of a lease of 12
        return found

    monkeypatch.setattr(ServiceNow, "find", look_and_stall)
    await escalator.escalate(incident)
    assert records(sandbox) == []
    assert (await now(store, incident)).escalation.error == "stalled before the request"
    monkeypatch.undo()
    await escalator.escalate(incident)
    assert records(sandbox) == [incident]


async def test_a_record_that_comes_late_says_how_late(
    escalator: Escalator, store: Store, sandbox: Running, client: Redis
) -> None:
    incident = await opened(store)
    state = await now(store, incident)
    overdue = state.model_copy(update={"deadline": state.deadline - timedelta(minutes=3)})
    await client.hset(Keys().incident(incident), "state", overdue.model_dump_json(exclude_defaults=True))
    await escalator.escalate(incident)
    (row,) = sandbox.world.servicenow.rows("main", "incident")
    assert row["short_description"] == f"Incident {incident} (escalated 3 min 0 s late)"

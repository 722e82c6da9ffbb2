"""What each answer of the Table API means. Against the sandbox over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import timedelta

import httpx
import pytest

from sandbox.faults import Fault
from sandbox.server import Running, running
from services.escalator.answer_length import LONGEST
from services.escalator.instances import Instance, Instances
from services.escalator.servicenow import ServiceNow
from services.escalator.target import EscalationError
from shared.config import ServiceNowConfig
from tests.episodes import incident_id
from tests.servers import free_port

ID = incident_id(7)
SECOND = timedelta(seconds=1)
FIELDS = {"short_description": f"Incident {ID}"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Running]:
    with running() as started:
        yield started


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(auth=("ackstream", "sandbox"), trust_env=False) as client:
        yield client


@pytest.fixture
def main(sandbox: Running, http: httpx.AsyncClient) -> Instance:
    sandbox.world.reset()
    sandbox.world.faults.clear()
    return Instance(None, sandbox.servicenow_url("main"), [http], SECOND)


@pytest.fixture
def servicenow() -> ServiceNow:
    return ServiceNow(lambda _: "incident")


def misbehave(sandbox: Running, kind: str, match: str = "POST", **more: object) -> None:
    sandbox.world.faults.add(Fault(target="servicenow", kind=kind, match=match, **more))  # type: ignore[arg-type]


async def failure(servicenow: ServiceNow, main: Instance) -> EscalationError:
    with pytest.raises(EscalationError) as caught:
        await servicenow.create(main, ID, FIELDS)
    return caught.value


async def test_a_record_is_created_with_the_two_fields_and_found_again(
    servicenow: ServiceNow, sandbox: Running, main: Instance
) -> None:
    created = await servicenow.create(main, ID, FIELDS)
    assert created.number.startswith("INC")
    assert await servicenow.find(main, ID) == created
    row = sandbox.world.servicenow.rows("main", "incident")[0]
    assert (row["short_description"], row["correlation_id"]) == (f"Incident {ID}", ID)


async def test_no_record_is_nothing(servicenow: ServiceNow, main: Instance) -> None:
    assert await servicenow.find(main, ID) is None


async def test_a_foreign_row_in_the_answer_is_not_ours(
    servicenow: ServiceNow, sandbox: Running, main: Instance
) -> None:
    sandbox.world.servicenow.insert({"correlation_id": "somebody else's"})
    misbehave(sandbox, "foreign_row", "GET")
    assert await servicenow.find(main, ID) is None


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_what_needs_a_person_is_named_so(
    servicenow: ServiceNow, sandbox: Running, main: Instance, status: int
) -> None:
    misbehave(sandbox, "status", status=status)
    error = await failure(servicenow, main)
    assert (error.needs_person, error.in_doubt) == (True, False)
    assert str(status) in str(error)


async def test_429_brings_its_retry_after(servicenow: ServiceNow, sandbox: Running, main: Instance) -> None:
    misbehave(sandbox, "status", status=429, retry_after=17)
    error = await failure(servicenow, main)
    assert error.retry_after == timedelta(seconds=17)
    assert (error.needs_person, error.in_doubt) == (False, False)


@pytest.mark.parametrize(("status", "in_doubt"), [(500, False), (503, False), (502, True), (504, True)])
async def test_a_gateway_that_gave_up_leaves_doubt_and_an_answer_does_not(
    servicenow: ServiceNow, sandbox: Running, main: Instance, status: int, in_doubt: bool
) -> None:
    misbehave(sandbox, "status", status=status)
    error = await failure(servicenow, main)
    assert (error.in_doubt, error.needs_person) == (in_doubt, False)


@pytest.mark.parametrize("kind", ["drop", "drop_after"])
async def test_a_lost_connection_leaves_doubt(
    servicenow: ServiceNow, sandbox: Running, main: Instance, kind: str
) -> None:
    misbehave(sandbox, kind)
    assert (await failure(servicenow, main)).in_doubt


async def test_an_answer_that_does_not_come_in_time_leaves_doubt_and_the_record_is_found(
    servicenow: ServiceNow, sandbox: Running, main: Instance
) -> None:
    misbehave(sandbox, "hang_after", seconds=3)
    assert (await failure(servicenow, main)).in_doubt
    sandbox.world.faults.clear()
    assert await servicenow.find(main, ID) is not None


async def test_a_server_that_is_not_there_leaves_no_doubt(
    servicenow: ServiceNow, http: httpx.AsyncClient
) -> None:
    absent = Instance(None, f"http://127.0.0.1:{free_port()}", [http], SECOND)
    error = await failure(servicenow, absent)
    assert not error.in_doubt


@pytest.mark.parametrize("kind", ["html", "garbage"])
async def test_200_with_something_else_is_not_success(
    servicenow: ServiceNow, sandbox: Running, main: Instance, kind: str
) -> None:
    misbehave(sandbox, kind)
    await failure(servicenow, main)
    misbehave(sandbox, kind, "GET")
    with pytest.raises(EscalationError):
        await servicenow.find(main, ID)


async def test_201_with_somebody_elses_record_is_not_success(
    servicenow: ServiceNow, sandbox: Running, main: Instance
) -> None:
    misbehave(sandbox, "foreign_row")
    await failure(servicenow, main)


async def test_a_redirect_is_a_failure_and_credentials_do_not_follow(
    servicenow: ServiceNow, sandbox: Running, main: Instance
) -> None:
    misbehave(sandbox, "redirect", url=sandbox.servicenow_url("elsewhere"))
    error = await failure(servicenow, main)
    assert error.needs_person
    assert not sandbox.world.servicenow.calls.named("POST elsewhere/incident")


async def test_an_id_that_is_not_hex_never_goes_out(servicenow: ServiceNow, main: Instance) -> None:
    with pytest.raises(ValueError, match="not an incident id"):
        await servicenow.find(main, "x^NQactive=true")


async def test_a_record_is_looked_at_with_its_state_and_its_notes(
    servicenow: ServiceNow, sandbox: Running, main: Instance
) -> None:
    row = await servicenow.create(main, ID, FIELDS)
    await servicenow.update(main, row.sys_id, {"state": "2", "work_notes": "taken over"})
    seen = await servicenow.look(main, row.sys_id)
    assert seen is not None
    assert (seen.sys_id, seen.number, seen.correlation_id) == (row.sys_id, row.number, ID)
    assert (seen.state, seen.active) == ("2", True)


async def test_a_record_that_is_gone_is_nothing_and_a_proxys_404_is_a_failure(
    servicenow: ServiceNow, sandbox: Running, main: Instance
) -> None:
    assert await servicenow.look(main, "0" * 32) is None
    nowhere = Instance(None, sandbox.url + "/nowhere", main._lines, SECOND)  # noqa: SLF001  with the same credentials
    with pytest.raises(EscalationError, match="answered 404") as caught:
        await servicenow.look(nowhere, "0" * 32)
    assert caught.value.needs_person


async def test_a_search_turns_the_pages_and_brings_each_row_once(
    servicenow: ServiceNow, sandbox: Running, main: Instance
) -> None:
    for number in range(250):
        sandbox.world.servicenow.insert({"correlation_id": f"{number:03}", "assignment_group": "g1"})
    found = [
        row async for row in servicenow.search(main, "stateIN1,2", ["correlation_id", "assignment_group"])
    ]
    assert {row["correlation_id"] for row in found} == {f"{number:03}" for number in range(250)}
    assert len(found) == 250
    assert {row["assignment_group"] for row in found} == {"g1"}
    assert len(sandbox.world.servicenow.calls.named("GET main/incident")) == 3


async def test_a_search_that_finds_nothing_asks_once(
    servicenow: ServiceNow, sandbox: Running, main: Instance
) -> None:
    assert [row async for row in servicenow.search(main, "state=1", ["number"])] == []
    assert len(sandbox.world.servicenow.calls.named("GET")) == 1


async def test_an_update_is_made_once_whatever_comes_back(
    servicenow: ServiceNow, sandbox: Running, main: Instance
) -> None:
    row = await servicenow.create(main, ID, FIELDS)
    misbehave(sandbox, "drop_after", "PATCH")
    with pytest.raises(EscalationError, match="answer lost") as caught:
        await servicenow.update(main, row.sys_id, {"work_notes": "once"})
    assert caught.value.in_doubt
    assert len(sandbox.world.servicenow.calls.named("PATCH")) == 1


@pytest.mark.parametrize("kind", ["html", "garbage"])
async def test_any_other_success_may_have_written_the_record(
    servicenow: ServiceNow, sandbox: Running, main: Instance, kind: str
) -> None:
    misbehave(sandbox, kind)
    error = await failure(servicenow, main)
    assert (error.in_doubt, error.needs_person) == (True, False)


async def test_an_answer_without_an_end_is_cut_short_and_leaves_doubt(servicenow: ServiceNow) -> None:
    sent = 0

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n\r\n")
        with suppress(ConnectionError):
            while sent < 10 * LONGEST:
                writer.write(b" " * 1_000_000)
                sent += 1_000_000
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = {
            "instance_url": f"http://127.0.0.1:{port}",
            "username": "ackstream",
            "password": "sandbox",
        }
        instances = Instances.of(ServiceNowConfig.model_validate(settings))
        error = await failure(servicenow, instances.named(None))
        await instances.close()
    assert error.in_doubt
    assert str(error) == "answer lost: connection failed (ReadError)"
    assert sent < 3 * LONGEST

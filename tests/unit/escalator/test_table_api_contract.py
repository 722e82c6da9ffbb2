"""The contract with ServiceNow's Table API: every answer, and what each call makes of it. Against the sandbox over real sockets.

What an answer means is written in one word each, for the calls in the order create, update, find, look:

    ok       success            none     there is no such record
    failed   a plain failure: nothing was done, it is tried again
    person   a failure that needs a person; `refused`: that other fields may mend, too
    doubt    it may have been done all the same
    unseen   it was done, and nobody can show it to us: needs a person, too
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest

from sandbox.faults import Fault
from sandbox.server import Running, running
from services.escalator.instances import Instance
from services.escalator.servicenow import EscalationError, ServiceNow
from tests.episodes import incident_id
from tests.servers import free_port

ID, STRANGER = incident_id(7), incident_id(8)
OURS, OTHER, ABSENT = "a" * 32, "b" * 32, "0" * 32
PATIENCE = timedelta(seconds=0.5)
CALLS = ("create", "update", "find", "look")
HTML = "<html><body>Your instance is hibernating</body></html>"
ACL = '{"error":{"message":"No Record found","detail":"Record doesn\'t exist or ACL restricts it"},"status":"failure"}'
ERROR = '{"error":{"message":"Operation Failed","detail":"Data Policy Exception"},"status":"failure"}'
OUR_ROW = f'{{"sys_id":"{OURS}","number":"INC1","correlation_id":"{ID}"}}'
THEIR_ROW = f'{{"sys_id":"{OTHER}","number":"INC2","correlation_id":"{STRANGER}"}}'


@dataclass(frozen=True)
class Case:
    """`meaning`: for each of CALLS. `says`: a part of each failure's words."""

    name: str
    meaning: str
    fault: dict[str, Any] = field(default_factory=dict)
    says: str = ""


def status(code: int, meaning: str, body: str = ERROR, **more: Any) -> Case:
    fault = {"kind": "body", "status": code, "body": body, **more}
    return Case(f"{code}", meaning, fault, f"answered {code}")


def body(name: str, code: int, text: str, meaning: str, media_type: str = "application/json") -> Case:
    says = "with a page for people" if media_type == "text/html" else ""
    return Case(name, meaning, {"kind": "body", "status": code, "body": text, "media_type": media_type}, says)


# fmt: off
CASES = (
    #                                              create  update  find    look
    Case("as it should be",                       "ok      ok      none    ok"),
    status(400,                                   "refused refused person  person"),
    status(401,                                   "person  person  person  person"),
    status(403,                                   "refused refused person  person"),
    status(404,                                   "person  person  person  none", ACL),
    status(405,                                   "person  person  person  person"),
    status(406,                                   "person  person  person  person"),
    status(415,                                   "person  person  person  person"),
    status(409,                                   "failed  failed  failed  failed"),
    status(429,                                   "failed  failed  failed  failed", retry_after=17),
    status(500,                                   "failed  failed  failed  failed"),
    status(502,                                   "doubt   doubt   failed  failed"),
    status(503,                                   "failed  failed  failed  failed"),
    status(504,                                   "doubt   doubt   failed  failed"),
    status(202,                                   "doubt   doubt   failed  failed", "{}"),
    status(204,                                   "doubt   doubt   failed  failed", ""),
    body("404 of a proxy", 404, HTML,             "person  person  person  person", "text/html"),
    body("asleep: 200 and HTML", 200, HTML,       "doubt   doubt   failed  failed", "text/html"),
    body("201 and HTML", 201, HTML,               "doubt   doubt   failed  failed", "text/html"),
    body("200 and half of it", 200, '{"resu',     "doubt   doubt   failed  failed"),
    body("200 without a result", 200, "[]",       "doubt   doubt   failed  failed"),
    body("201 without a result", 201, "{}",       "unseen  doubt   failed  failed"),
    body("201 hides all", 201, '{"result":{}}',   "unseen  doubt   failed  failed"),
    body("200 hides all", 200, '{"result":{}}',   "doubt   doubt   failed  failed"),
    body("200, no rows", 200, '{"result":[]}',    "doubt   doubt   none    failed"),
    body("200, other things", 200, '{"result":[7]}', "doubt doubt  failed  failed"),
    body("201, our row", 201, f'{{"result":{OUR_ROW}}}',    "ok     doubt   failed  failed"),
    body("201, their row", 201, f'{{"result":{THEIR_ROW}}}', "unseen doubt  failed  failed"),
    body("200, their row", 200, f'{{"result":{THEIR_ROW}}}', "doubt doubt   failed  failed"),
    body("200, their rows", 200, f'{{"result":[{THEIR_ROW}]}}', "doubt doubt none   failed"),
    body("200, nested", 200, "[" * 9_999,         "doubt   doubt   failed  failed"),
    body("404, nested", 404, "[" * 9_999,         "person  person  person  person"),
    Case("a redirect",                            "person  person  person  person",
         {"kind": "redirect", "url": "/servicenow/elsewhere/api/now/table/incident"}, "redirect"),
    Case("another row",                           "unseen  doubt   none    failed", {"kind": "foreign_row"}),
    Case("dropped before",                        "doubt   doubt   failed  failed", {"kind": "drop"}),
    Case("dropped after",                         "doubt   doubt   failed  failed", {"kind": "drop_after"}),
    Case("committed, then silent",                "doubt   doubt   failed  failed", {"kind": "hang_after"},
         "no answer in time"),
)
# fmt: on


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Running]:
    with running() as started:
        yield started


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(auth=("ackstream", "sandbox"), trust_env=False) as client:
        yield client


@pytest.fixture
def instance(sandbox: Running, http: httpx.AsyncClient) -> Instance:
    sandbox.world.reset()
    sandbox.world.faults.clear()
    return Instance(None, sandbox.servicenow_url(), [http], PATIENCE)


def calls(instance: Instance, sys_id: str) -> dict[str, Callable[[], Awaitable[object]]]:
    servicenow = ServiceNow(lambda _: "incident")
    return {
        "create": lambda: servicenow.create(instance, ID, {"short_description": "Disk full"}),
        "update": lambda: servicenow.update(instance, sys_id, {"work_notes": "noted"}),
        "find": lambda: servicenow.find(instance, ID),
        "look": lambda: servicenow.look(instance, sys_id),
    }


async def outcome(call: str, made: Awaitable[object]) -> tuple[str, EscalationError | None]:
    try:
        answer = await made
    except EscalationError as error:
        return meaning(error), error
    return ("none" if answer is None and call != "update" else "ok"), None


def meaning(error: EscalationError) -> str:
    if error.unseen:
        return "unseen"
    if error.in_doubt:
        assert not error.needs_person
        return "doubt"
    if error.needs_person:
        return "refused" if error.refused else "person"
    return "failed"


def told() -> list[Any]:
    return [
        pytest.param(case, call, wanted, id=f"{case.name}: {call} is {wanted}")
        for case in CASES
        for call, wanted in zip(CALLS, case.meaning.split(), strict=True)
    ]


@pytest.mark.parametrize(("case", "call", "wanted"), told())
async def test_every_answer_means_something(
    sandbox: Running, instance: Instance, case: Case, call: str, wanted: str
) -> None:
    row = sandbox.world.servicenow.insert({"correlation_id": STRANGER})
    if case.fault:
        sandbox.world.faults.add(Fault(target="servicenow", **case.fault))
    got, error = await outcome(call, calls(instance, row.fields["sys_id"])[call]())
    assert got == wanted
    assert len(sandbox.world.servicenow.calls.entries) == 1, "a call is made once"
    if error:
        assert case.says in str(error)
        assert error.retry_after == timedelta(seconds=case.fault.get("retry_after", 0))


@pytest.mark.parametrize("call", CALLS)
async def test_a_server_that_is_not_there_leaves_no_doubt(http: httpx.AsyncClient, call: str) -> None:
    absent = Instance(None, f"http://127.0.0.1:{free_port()}", [http], PATIENCE)
    assert (await outcome(call, calls(absent, OURS)[call]()))[0] == "failed"


@pytest.mark.parametrize(("call", "wanted"), list(zip(CALLS, ("ok", "person", "none", "none"), strict=True)))
async def test_a_record_that_is_not_there(instance: Instance, call: str, wanted: str) -> None:
    assert (await outcome(call, calls(instance, ABSENT)[call]()))[0] == wanted


@pytest.mark.parametrize(("call", "wanted"), list(zip(CALLS, ("ok", "refused", "none", "none"), strict=True)))
async def test_a_user_who_may_only_create(
    sandbox: Running, instance: Instance, call: str, wanted: str
) -> None:
    row = sandbox.world.servicenow.insert({"correlation_id": ID})
    sandbox.world.servicenow.change(rights={"ackstream": ["create"]})
    assert (await outcome(call, calls(instance, row.fields["sys_id"])[call]()))[0] == wanted


async def test_a_data_policy_refuses_in_its_own_words(sandbox: Running, instance: Instance) -> None:
    row = sandbox.world.servicenow.insert({"correlation_id": ID})
    with pytest.raises(EscalationError, match=r"Operation Failed; Data Policy.*Resolution code") as caught:
        await ServiceNow(lambda _: "incident").update(instance, row.fields["sys_id"], {"state": "6"})
    assert caught.value.refused
    assert row.fields["state"] == "1"


async def test_words_that_no_store_takes_are_left_out(sandbox: Running, instance: Instance) -> None:
    words = '{"error":{"message":"Data\\ud800 Policy\\u0000","detail":"first\\nsecond"}}'
    sandbox.world.faults.add(Fault(target="servicenow", kind="body", status=403, body=words))
    with pytest.raises(EscalationError, match=r"^answered 403: Data Policy; first second$"):
        await ServiceNow(lambda _: "incident").create(instance, ID, {})


async def test_a_number_that_no_store_takes_is_mended(sandbox: Running, instance: Instance) -> None:
    row = f'{{"result":{{"sys_id":"{OURS}","number":"INC\\ud8001{"0" * 100}","correlation_id":"{ID}"}}}}'
    sandbox.world.faults.add(Fault(target="servicenow", kind="body", status=201, body=row))
    written = await ServiceNow(lambda _: "incident").create(instance, ID, {})
    assert written.number == f"INC1{'0' * 75}…"


async def test_all_that_is_seen_of_a_record(sandbox: Running, instance: Instance) -> None:
    row = sandbox.world.servicenow.insert({"correlation_id": ID, "work_notes": "first"})
    sandbox.world.servicenow.edit(row.fields["number"], {"state": "7", "work_notes": "second"})
    seen = await ServiceNow(lambda _: "incident").look(instance, row.fields["sys_id"])
    assert seen is not None
    assert (seen.number, seen.correlation_id, seen.state, seen.active) == ("INC0010001", ID, "7", False)
    assert seen.work_notes is not None
    assert seen.work_notes.index("beth.anglin (Work notes)\nsecond") < seen.work_notes.index("first")


async def test_what_is_hidden_is_not_known(sandbox: Running, instance: Instance) -> None:
    row = sandbox.world.servicenow.insert({"correlation_id": ID, "work_notes": "first"})
    sandbox.world.servicenow.change(hidden=["work_notes", "active", "state", "number"])
    seen = await ServiceNow(lambda _: "incident").look(instance, row.fields["sys_id"])
    assert seen is not None
    assert (seen.state, seen.active, seen.work_notes) == ("", None, None)
    assert seen.number == seen.sys_id


async def test_a_search_reads_on_past_rows_that_are_hidden_from_it(
    sandbox: Running, instance: Instance
) -> None:
    for _ in range(201):
        sandbox.world.servicenow.insert({"correlation_id": ID})
    sandbox.world.faults.add(Fault(target="servicenow", kind="foreign_row", count=1))
    rows = [row async for row in ServiceNow(lambda _: "incident").search(instance, "", ["number"])]
    assert len(rows) == 1 + 100 + 1


@pytest.mark.parametrize("call", ["look", "update"])
async def test_what_is_no_sys_id_never_goes_out(instance: Instance, call: str) -> None:
    with pytest.raises(ValueError, match="not a sys_id"):
        await calls(instance, "../sys_user")[call]()

"""Records made through an Import Set: what a transform says, and that ServiceNow itself keeps to one for each incident."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from sandbox.faults import Fault
from sandbox.server import Running, running
from services.escalator.import_set import columns, imported
from services.escalator.instances import Instance
from services.escalator.servicenow import ServiceNow
from services.escalator.target import EscalationError
from shared.config import ServiceNowConfig
from tests.episodes import incident_id

ID, SYS_ID = incident_id(7), "ea928be64f411200adf9f8e18110c777"
STAGING = "u_ackstream_import"
FIELDS = {"short_description": f"Incident {ID}", "u_source": "alertmanager"}
LINK = f"https://x.service-now.com/api/now/table/incident/{SYS_ID}"
MADE = {"table": "incident", "display_name": "number", "display_value": "INC0010001", "record_link": LINK}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Running]:
    with running() as started:
        yield started


@pytest.fixture
async def main(sandbox: Running) -> AsyncIterator[Instance]:
    sandbox.world.reset()
    sandbox.world.faults.clear()
    async with httpx.AsyncClient(auth=("ackstream", "sandbox"), trust_env=False) as client:
        yield Instance(None, sandbox.servicenow_url("main"), [client], timedelta(seconds=1))


@pytest.fixture
def servicenow() -> ServiceNow:
    return ServiceNow.of(ServiceNowConfig.model_validate({"import_set": STAGING}))


async def test_a_record_is_made_through_the_staging_table_and_found_in_its_own(
    servicenow: ServiceNow, sandbox: Running, main: Instance
) -> None:
    made = await servicenow.create(main, ID, FIELDS)
    assert made == await servicenow.find(main, ID)
    (row,) = sandbox.world.servicenow.rows("main")
    assert (row["short_description"], row["u_source"]) == (FIELDS["short_description"], "alertmanager")
    assert [call.name for call in sandbox.world.servicenow.calls.named("POST")] == [
        f"POST main/import/{STAGING}"
    ]


async def test_written_again_it_is_the_same_record(
    servicenow: ServiceNow, sandbox: Running, main: Instance
) -> None:
    sandbox.world.faults.add(Fault(target="servicenow", kind="drop_after", match="POST", count=1))
    with pytest.raises(EscalationError) as lost:
        await servicenow.create(main, ID, FIELDS)
    assert lost.value.in_doubt
    again = await servicenow.create(main, ID, FIELDS)
    assert [row["sys_id"] for row in sandbox.world.servicenow.rows("main")] == [again.sys_id]


async def test_a_staging_table_that_is_not_there_needs_a_person(main: Instance) -> None:
    servicenow = ServiceNow.of(ServiceNowConfig.model_validate({"import_set": "u_other"}))
    with pytest.raises(EscalationError, match="Invalid table u_other") as refused:
        await servicenow.create(main, ID, FIELDS)
    assert refused.value.needs_person


def test_staging_columns_are_the_fields_with_u_before_them() -> None:
    assert columns({"urgency": "1", "u_source": "x"}) == {"u_urgency": "1", "u_source": "x"}


def answer(*results: dict[str, Any], status: int = 201) -> httpx.Response:
    body = {"import_set": "ISET0010001", "staging_table": STAGING, "result": list(results)}
    return httpx.Response(status, content=json.dumps(body))


@pytest.mark.parametrize("status", ["inserted", "updated", "ignored"])
def test_whatever_the_transform_did_the_record_is_known(status: str) -> None:
    row = imported(answer(MADE | {"status": status, "sys_id": SYS_ID}))
    assert (row.sys_id, row.number) == (SYS_ID, "INC0010001")


def test_the_sys_id_may_be_that_of_the_staging_row() -> None:
    assert imported(answer(MADE | {"status": "inserted", "sys_id": "b" * 32})).sys_id == SYS_ID


def test_of_several_transforms_the_one_that_made_a_record_counts() -> None:
    skipped = {"transform_map": "Other", "status": "ignored", "status_message": "Row transform ignored"}
    assert imported(answer(skipped, MADE | {"status": "inserted"})).sys_id == SYS_ID


@pytest.mark.parametrize(
    ("results", "told", "refused"),
    [
        ([{"status": "error", "error_message": "Data policy"}], "the import was refused: Data policy", True),
        ([{"status": "error"}], "the import was refused: no reason given", True),
        ([{"status": "ignored"}], "the import made no record", False),
        ([], "the import made no record", False),
        (
            [MADE | {"status": "inserted", "record_link": "x", "sys_id": ""}],
            "the import made no record",
            False,
        ),
        (
            [MADE | {"status": "inserted", "record_link": "http://[x", "sys_id": ""}],
            "the import made no record",
            False,
        ),
    ],
)
def test_a_transform_that_made_nothing_needs_a_person(
    results: list[dict[str, Any]], told: str, refused: bool
) -> None:
    with pytest.raises(EscalationError, match=told) as raised:
        imported(answer(*results))
    assert (raised.value.needs_person, raised.value.refused, raised.value.in_doubt) == (True, refused, False)


@pytest.mark.parametrize("content", [b"<html>", b'{"result": 5}', b"[]", b'{"result": [5]}'])
def test_an_answer_that_is_none_makes_no_record(content: bytes) -> None:
    with pytest.raises(EscalationError):
        imported(httpx.Response(201, content=content))

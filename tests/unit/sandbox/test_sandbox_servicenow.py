import re
from typing import Any

import httpx
import pytest

from sandbox.server import Running
from sandbox.servicenow import ServiceNow
from sandbox.servicenow_query import select
from sandbox.world import World

RECORD = {"short_description": "Incident 0192", "correlation_id": "0192"}


async def create(now: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await now.post("incident", json=RECORD | fields)
    assert answer.status_code == 201
    result: dict[str, Any] = answer.json()["result"]
    return result


async def test_post_creates_a_record_and_says_where_it_is(now: httpx.AsyncClient) -> None:
    answer = await now.post("incident", json=RECORD)
    assert answer.status_code == 201
    record = answer.json()["result"]
    assert re.fullmatch(r"[0-9a-f]{32}", record["sys_id"])
    assert (record["number"], record["state"], record["correlation_id"]) == ("INC0010001", "1", "0192")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", record["sys_created_on"])
    assert record["opened_by"]["link"].endswith("/servicenow/main/api/now/table/sys_user/ackstream")
    assert record["sys_domain"]["value"] == "global"
    again = await now.get(answer.headers["Location"])
    assert again.json()["result"] == record


@pytest.mark.parametrize(
    ("display", "group", "urgency"),
    [
        ("false", {"value": "g1"}, "1"),
        ("true", {"display_value": "g1"}, "1 - High"),
        ("all", {"value": "g1", "display_value": "g1"}, {"value": "1", "display_value": "1 - High"}),
    ],
)
async def test_fields_come_back_as_values_or_as_people_see_them(
    now: httpx.AsyncClient, display: str, group: dict[str, str], urgency: Any
) -> None:
    sys_id = (await create(now, assignment_group="g1", urgency=1))["sys_id"]
    options = {"sysparm_display_value": display, "sysparm_fields": "assignment_group,urgency"}
    answer = (await now.get(f"incident/{sys_id}", params=options)).json()["result"]
    link = answer["assignment_group"].pop("link")
    assert link.endswith("/servicenow/main/api/now/table/sys_user_group/g1")
    assert answer == {"assignment_group": group, "urgency": urgency}


async def test_correlation_id_does_not_deduplicate(now: httpx.AsyncClient) -> None:
    first, second = await create(now), await create(now)
    assert (first["number"], second["number"]) == ("INC0010001", "INC0010002")
    assert first["sys_id"] != second["sys_id"]


async def test_get_finds_by_query_with_fields_limit_and_offset(now: httpx.AsyncClient) -> None:
    for correlation in ("a1", "b2", "a1"):
        await create(now, correlation_id=correlation)
    options = {
        "sysparm_query": "correlation_id=a1",
        "sysparm_fields": "number,correlation_id",
        "sysparm_limit": "1",
    }
    answer = await now.get("incident", params=options)
    assert answer.json() == {"result": [{"number": "INC0010001", "correlation_id": "a1"}]}
    assert answer.headers["X-Total-Count"] == "2"
    answer = await now.get("incident", params=options | {"sysparm_offset": "1"})
    assert [row["number"] for row in answer.json()["result"]] == ["INC0010003"]
    answer = await now.get("incident", params={"sysparm_query": "correlation_id=none"})
    assert (answer.status_code, answer.json()) == (200, {"result": []})


async def test_an_invalid_term_is_dropped_so_any_row_comes_back(now: httpx.AsyncClient) -> None:
    await create(now)
    answer = await now.get("incident", params={"sysparm_query": "corelation_id=abc", "sysparm_limit": "1"})
    assert answer.json()["result"][0]["correlation_id"] == "0192"


ROWS = [
    {"number": "1", "correlation_id": "a", "state": "1", "short_description": "Disk full"},
    {"number": "2", "correlation_id": "b", "state": "6", "short_description": "CPU"},
    {"number": "3", "correlation_id": "a", "state": "7", "short_description": ""},
]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", "123"),
        ("correlation_id=a", "13"),
        ("correlation_id=a^state!=7", "1"),
        ("correlation_id=b^ORstate=7", "23"),
        ("correlation_id=b^NQstate=7", "23"),
        ("stateIN1,7", "13"),
        ("short_descriptionLIKEdisk", "1"),
        ("short_descriptionSTARTSWITHcp", "2"),
        ("short_descriptionISEMPTY", "3"),
        ("ORDERBYDESCnumber", "321"),
        ("correlation_id=a^ORDERBYDESCnumber", "31"),
        ("nonsense", "123"),
        ("no_such_column=1^correlation_id=b", "2"),
    ],
)
def test_encoded_queries(query: str, numbers: str) -> None:
    assert "".join(row["number"] for row in select(list(ROWS), query)) == numbers


async def test_patch_changes_a_record_and_appends_notes(now: httpx.AsyncClient, world: World) -> None:
    place = f"incident/{(await create(now))['sys_id']}"
    resolution = {"state": 6, "close_code": "Solved", "close_notes": "Recovered", "work_notes": "noted"}
    answer = await now.patch(place, json=resolution)
    record = answer.json()["result"]
    assert (answer.status_code, record["state"], record["sys_mod_count"]) == (200, "6", "1")
    assert record["resolved_at"]
    assert record["work_notes"] == ""
    await now.patch(place, json={"work_notes": "noted"})
    (row,) = world.servicenow.instance("main").table("incident").rows.values()
    assert row.notes == [("work_notes", "noted")] * 2


async def test_resolving_without_a_code_breaks_the_data_policy(now: httpx.AsyncClient, world: World) -> None:
    place = f"incident/{(await create(now))['sys_id']}"
    answer = await now.patch(place, json={"state": "6"})
    assert answer.status_code == 403
    assert "Resolution code, Resolution notes" in answer.json()["error"]["detail"]
    assert world.servicenow.rows()[0]["state"] == "1"


async def test_refusals_have_the_words_of_the_real_one(now: httpx.AsyncClient) -> None:
    missing = await now.get("incident/" + "0" * 32)
    assert (missing.status_code, missing.json()["error"]["message"]) == (404, "No Record found")
    unknown = await now.get("u_x")
    assert unknown.status_code == 400
    assert unknown.json() == {"error": {"message": "Invalid table u_x", "detail": None}, "status": "failure"}
    not_json = await now.post("incident", content=b"<xml/>")
    assert (not_json.status_code, not_json.json()["status"]) == (400, "failure")


@pytest.mark.parametrize("auth", [None, ("ackstream", "wrong"), ("nobody", "sandbox")])
async def test_basic_authentication_is_required(sandbox: Running, http: httpx.AsyncClient, auth: Any) -> None:
    answer = await http.post(sandbox.servicenow_url() + "/api/now/table/incident", json=RECORD, auth=auth)
    assert answer.status_code == 401
    detail = {"message": "User Not Authenticated", "detail": "Required to provide Auth information"}
    assert answer.json() == {"error": detail, "status": "failure"}
    assert sandbox.world.servicenow.rows() == []


async def test_instances_do_not_share_rows(sandbox: Running, http: httpx.AsyncClient) -> None:
    for instance in ("main", "infra", "app", "db"):
        url = sandbox.servicenow_url(instance) + "/api/now/table/incident"
        answer = await http.post(url, json=RECORD, auth=("ackstream", "sandbox"))
        assert answer.json()["result"]["number"] == "INC0010001"
    assert list(sandbox.world.servicenow.instances) == ["main", "infra", "app", "db"]


async def test_columns_that_do_not_exist_are_ignored_and_long_values_cut(now: httpx.AsyncClient) -> None:
    record = await create(
        now, nonsense="x", u_team="db", short_description="x" * 200, sys_id="mine", active=True
    )
    assert "nonsense" not in record
    assert (record["u_team"], len(record["short_description"])) == ("db", 160)
    assert record["sys_id"] != "mine"


def test_an_instance_can_have_tables_of_its_own() -> None:
    servicenow = ServiceNow(tables={"u_page": "PAGE"})
    row = servicenow.insert({"u_id": "7"}, table="u_page")
    assert row.fields["number"] == "PAGE0010001"


async def test_the_request_log_has_the_user_and_no_secret(now: httpx.AsyncClient, world: World) -> None:
    await create(now)
    await now.get("incident", params={"sysparm_query": "correlation_id=0192"}, auth=("mallory", "hunter2"))
    post, get = world.servicenow.calls.entries
    assert (post.name, post.user, post.authorized, post.status) == (
        "POST main/incident",
        "ackstream",
        True,
        201,
    )
    assert post.arguments == RECORD
    assert (get.name, get.user, get.authorized, get.status) == ("GET main/incident", "mallory", False, 401)
    assert world.servicenow.calls.named("POST") == [post]
    assert "authorization" not in str(world.as_json()).lower()
    assert "hunter2" not in str(world.as_json())

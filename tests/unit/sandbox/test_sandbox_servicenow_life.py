"""A row after it was made: notes, people, rights, history, and lists of many."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from sandbox.servicenow import ServiceNow
from sandbox.world import World

RECORD = {"short_description": "Disk full", "correlation_id": "0192"}
CLOSING = {"state": "7", "close_code": "Solved", "close_notes": "Recovered"}
NIGHT = datetime(2026, 11, 24, 3, tzinfo=UTC)


async def create(now: httpx.AsyncClient, **fields: Any) -> str:
    """Its place."""
    answer = await now.post("incident", json=RECORD | fields)
    assert answer.status_code == 201
    return f"incident/{answer.json()['result']['sys_id']}"


@pytest.mark.parametrize("display", ["false", "true", "all"])
async def test_a_journal_is_empty_as_a_value_and_shows_all_entries_newest_first(
    now: httpx.AsyncClient, display: str
) -> None:
    place = await create(now, work_notes="first")
    await now.patch(place, json={"work_notes": "second", "comments": "for the caller"})
    options = {"sysparm_display_value": display, "sysparm_fields": "work_notes,comments,sys_created_on"}
    row = (await now.get(place, params=options)).json()["result"]
    at = row["sys_created_on"]["value"] if display == "all" else row["sys_created_on"]
    shown = row["work_notes"]["display_value"] if display == "all" else row["work_notes"]
    if display == "false":
        assert (shown, row["comments"]) == ("", "")
        return
    newest, oldest = shown.split("\n\n")[:2]
    assert newest.endswith(" - ackstream (Work notes)\nsecond")
    assert oldest == f"{at} - ackstream (Work notes)\nfirst"
    assert "(Additional comments)\nfor the caller" in str(row["comments"]).replace("\\n", "\n")
    if display == "all":
        assert row["work_notes"]["value"] == ""


async def test_put_changes_a_row_as_patch_does_and_other_verbs_are_no_use(now: httpx.AsyncClient) -> None:
    place = await create(now)
    assert (await now.put(place, json={"state": "2"})).json()["result"]["state"] == "2"
    for verb, where in (("PATCH", "incident"), ("POST", place), ("DELETE", place)):
        answer = await now.request(verb, where, json={})
        error = {"message": "Method not supported", "detail": f"{verb} method not supported"}
        assert (answer.status_code, answer.json()["error"]) == (405, error)


async def test_what_is_no_json_is_an_unsupported_media_type(now: httpx.AsyncClient) -> None:
    answer = await now.post("incident", data={"short_description": "x"})
    assert (answer.status_code, answer.json()["status"]) == (415, "failure")


async def test_a_list_has_links_to_its_other_pages_and_counts_all(
    now: httpx.AsyncClient, world: World
) -> None:
    for number in range(5):
        world.servicenow.insert({"u_n": str(number)})
    options = {"sysparm_limit": "2", "sysparm_query": "stateIN1^ORDERBYnumber", "sysparm_fields": "u_n"}
    seen, relations, page = [], [], await now.get("incident", params=options)
    while True:
        assert page.headers["X-Total-Count"] == "5"
        seen += [row["u_n"] for row in page.json()["result"]]
        relations.append("".join(name[0] for name in page.links))
        if "next" not in page.links:
            break
        page = await now.get(page.links["next"]["url"])
    assert (seen, relations) == (list("01234"), ["fnl", "fpnl", "fpl"])


async def test_who_may_only_create_sees_nothing_and_changes_nothing(
    now: httpx.AsyncClient, world: World
) -> None:
    world.servicenow.change(rights={"ackstream": ["create"]})
    place = await create(now)
    listed = await now.get("incident", params={"sysparm_query": "correlation_id=0192"})
    assert (listed.json(), listed.headers["X-Total-Count"]) == ({"result": []}, "1")
    assert (await now.get(place)).status_code == 404
    refused = await now.patch(place, json={"state": "2"})
    assert refused.status_code == 403
    assert refused.json()["error"]["detail"] == "ACL Exception Update Failed due to security constraints"


async def test_who_may_only_read_creates_nothing(now: httpx.AsyncClient, world: World) -> None:
    world.servicenow.change(rights={"ackstream": ["read"]})
    assert (await now.post("incident", json=RECORD)).status_code == 403
    assert world.servicenow.rows() == []


async def test_hidden_columns_are_left_out(now: httpx.AsyncClient, world: World) -> None:
    world.servicenow.change(hidden=["work_notes"])
    row = (await now.get(await create(now))).json()["result"]
    assert "work_notes" not in row
    assert "comments" in row


async def test_the_data_policy_can_be_switched_off_and_closed_rows_be_final(
    now: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    place = await create(now)
    assert (await now.patch(place, json={"state": "7"})).status_code == 403
    settings = {"mandatory": [], "closed_is_final": True}
    assert (await http.patch("/_sandbox/servicenow", json=settings)).json()["closed_is_final"] is True
    closed = await now.patch(place, json={"state": "7"})
    assert (closed.status_code, closed.json()["result"]["active"]) == (200, "false")
    assert (await now.patch(place, json={"work_notes": "late"})).status_code == 403
    assert (await http.patch("/_sandbox/servicenow", json={"finl": True})).status_code == 422
    await http.delete("/_sandbox/state")
    assert (await now.patch(await create(now), json={"state": "7"})).status_code == 403


async def test_a_person_closes_a_row_in_its_form(
    now: httpx.AsyncClient, http: httpx.AsyncClient, world: World
) -> None:
    place = await create(now)
    edit = {"record": "INC0010001", "values": CLOSING, "user": "fred.luddy"}
    row = (await http.post("/_sandbox/servicenow/edit", json=edit)).json()
    assert (row["state"], row["active"], row["closed_by"]) == ("7", "false", "fred.luddy")
    assert (await now.get(place)).json()["result"]["sys_updated_by"] == "fred.luddy"
    told = (await http.get("/_sandbox/servicenow/history")).text
    assert "fred.luddy  state: 1 → 7; " in told
    for wrong in ({"record": "INC9"}, {"table": "u_none"}):
        assert (await http.post("/_sandbox/servicenow/edit", json=edit | wrong)).status_code == 404
    assert (await http.post("/_sandbox/servicenow/edit", json={"values": {}})).status_code == 422
    assert (await http.get("/_sandbox/servicenow/history?table=u_none")).status_code == 404


def test_the_history_of_a_row_says_who_wrote_what() -> None:
    servicenow = ServiceNow(clock=NIGHT.timestamp)
    servicenow.insert(RECORD)
    servicenow.edit("INC0010001", {"state": "2", "work_notes": "looking"})
    assert servicenow.history().splitlines() == [
        "INC0010001",
        "  2026-11-24 03:00:00  ackstream  short_description: Disk full; correlation_id: 0192",
        "  2026-11-24 03:00:00  beth.anglin  state: 1 → 2; work_notes: looking",
    ]


async def test_the_page_shows_the_latest_notes(now: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    await create(now, work_notes="<b>taken</b> over")
    board = (await http.get("/_sandbox/board")).json()
    assert "&lt;b&gt;taken&lt;/b&gt; over" in board["instances"][0]["items"][0]["html"]

"""`ackstream reconcile` as somebody types it, after a day on which everything went wrong between Redis and ServiceNow."""

import json
import secrets
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from ops.sample_alert import alert_body
from sandbox.faults import Fault
from shared.identity import new_incident_id
from tests.stack import ROOT, Stack, ack_link, acknowledge, clean_environment
from tests.waiting import wait_until

Reconcile = Callable[..., tuple[int, str, str]]


@pytest.fixture
def reconcile(stack: Stack) -> Reconcile:
    """From `reconcile("--fix")`: exit code, stdout and stderr of `ackstream reconcile --fix` with the stack's configuration."""

    def run(*options: str) -> tuple[int, str, str]:
        command = [
            sys.executable,
            "-m",
            "ops.command",
            "reconcile",
            *options,
            "--config",
            str(stack.config_path),
        ]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


async def opened(stack: Stack, name: str, query: str = "?oncall_wait_minutes=0") -> str:
    answer = await stack.send(alert_body(name, "critical", f"{name} is broken"), query)
    incident: str = answer.json()["incident_id"]
    return incident


async def record_of(stack: Stack, incident: str, instance: str = "main") -> dict[str, Any]:
    """Once our books have it, too: the message names it."""
    (row,) = await wait_until(
        lambda: [row for row in stack.records(instance) if row["correlation_id"] == incident],
        "the record",
        seconds=20,
    )
    await stack.message(lambda message: row["number"] in str(message), "a message that names the record")
    return dict(row)


def kinds(output: str) -> dict[str, str]:
    """By incident."""
    return {one["incident"]: one["kind"] for one in json.loads(output)["differences"]}


async def test_all_agrees(stack: Stack, reconcile: Reconcile) -> None:
    await record_of(stack, await opened(stack, "Escalated"))
    await opened(stack, "Waiting", "")
    assert reconcile() == (0, "compared: 2 incidents, 1 open record; all agrees\n", "")


async def test_a_day_on_which_everything_went_wrong(
    stack: Stack, reconcile: Reconcile, client: Redis
) -> None:
    servicenow = stack.sandbox.world.servicenow
    table = servicenow.instance("main").table("incident")
    # Deleted; closed by a person; two of one; resolved, and nothing has told the record; an answer that was lost for good; somebody's.
    missing, closed, double, over = [
        await opened(stack, name) for name in ("Deleted", "Closed", "Double", "Over")
    ]
    rows = {incident: await record_of(stack, incident) for incident in (missing, closed, double, over)}
    del table.rows[rows[missing]["sys_id"]]
    done = {"state": "7", "close_code": "Solved", "close_notes": "by hand"}
    table.update(table.rows[rows[closed]["sys_id"]], done, "ada", datetime.now(UTC))
    servicenow.insert({"correlation_id": double, "short_description": "once more"})
    await stack.send(alert_body("Over", "critical", "", resolved=True))
    lost = await opened(stack, "Lost", "?oncall_wait_minutes=60")
    number = servicenow.insert({"correlation_id": lost}).fields["number"]
    orphan = new_incident_id(datetime.now(UTC) - timedelta(days=30), 0, secrets.token_bytes(9))
    servicenow.insert({"correlation_id": orphan, "short_description": "of last month"})
    servicenow.insert({"correlation_id": secrets.token_hex(16), "short_description": "another integration's"})
    await stack.message(lambda message: "Over" in str(message) and "esolved" in str(message), "it is over")

    before = [dict(row) for row in servicenow.rows()]
    code, output, errors = reconcile("--output", "json")
    assert (code, errors) == (1, "")
    expected = {
        missing: "missing",
        closed: "closed_by_hand",
        double: "double",
        over: "left_open",
        lost: "unknown",
        orphan: "orphan",
    }
    assert kinds(output) == expected
    assert servicenow.rows() == before, "nothing is written without --fix"
    code, output, _ = reconcile()
    assert code == 1
    assert f"unknown         {lost}  " in output
    assert "enters it into our books" in output
    print(output)

    code, output, errors = reconcile("--fix")
    assert (code, errors) == (1, ""), "what needs a judgement is left"
    assert f"mended  unknown  {lost}" in output
    assert servicenow.rows() == before, "records that our books do not know are never closed"
    await stack.message(lambda message: "Lost" in str(message) and number in str(message), "it is told")
    _, output, _ = reconcile("--output", "json")
    assert kinds(output) == {incident: kind for incident, kind in expected.items() if incident != lost}


async def test_what_was_acknowledged_and_has_a_record_all_the_same(
    stack: Stack, reconcile: Reconcile
) -> None:
    incident = await opened(stack, "Both", "")
    message = await stack.message(ack_link, "a message with a button")
    await acknowledge(ack_link(message), "Ada")
    stack.sandbox.world.servicenow.insert({"correlation_id": incident})
    code, output, _ = reconcile("--fix", "--output", "json")
    (found,) = json.loads(output)["differences"]
    assert (code, found["kind"], found["mended"]) == (0, "unknown", True), "all that differed is mended"
    assert reconcile()[0] == 0


async def test_an_instance_that_does_not_answer_is_told_of_and_the_other_compared(
    stack: Stack, reconcile: Reconcile
) -> None:
    await record_of(
        stack, await opened(stack, "There", "?oncall_wait_minutes=0&servicenow_other_instance=infra"), "infra"
    )
    await record_of(stack, await opened(stack, "Here"))
    stack.sandbox.world.servicenow.insert({"correlation_id": "0" * 32})
    stack.sandbox.world.faults.add(Fault(target="servicenow", kind="status", status=401, match="infra"))
    code, output, _ = reconcile()
    assert code == 1
    assert "infra could not be asked: answered 401" in output
    assert "no difference" in output
    assert reconcile("--instance", "default")[0] == 0
    code, _, errors = reconcile("--instance", "nowhere")
    assert (code, "there are default, infra" in errors) == (2, True)


async def test_retry_after_is_waited_for(stack: Stack, reconcile: Reconcile) -> None:
    await record_of(stack, await opened(stack, "Here"))
    stack.sandbox.world.faults.add(
        Fault(target="servicenow", kind="status", status=429, retry_after=2, match="GET", count=1)
    )
    began = datetime.now(UTC)
    assert reconcile()[0] == 0
    assert datetime.now(UTC) - began > timedelta(seconds=2)

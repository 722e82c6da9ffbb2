"""A day of one problem, as its record in ServiceNow tells it. Alertmanager, Redis and all services are real; `pytest -s` prints it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.servicenow_table import Row
from tests.alertmanager import Alertmanager
from tests.conftest import need
from tests.e2e.conftest import StackFactory
from tests.stack import Stack, ack_link, acknowledge, color
from tests.waiting import wait_until

GREEN = "36A64F"
ALERT = "HighLatency — HighLatency is not as it should be"
LIFE = {
    "on_acknowledge": "state",
    "on_update": "work_note",
    "on_resolve": "state",
    "states": "{acknowledged: 2, resolved: 6}",
    "close_code": "Solution provided",
}
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  "


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    server = Alertmanager(need("prometheus-alertmanager"), tmp_path)
    yield server
    server.stop()


@pytest.fixture
async def stack(alertmanager: Alertmanager, new_stack: StackFactory) -> Stack:
    stack = new_stack(life=LIFE)
    await stack.start_all()
    alertmanager.configure(
        stack.url,
        **{
            "oncall_wait_minutes=5": "oncall_wait_minutes=0.03",
            "send_resolved: false": "send_resolved: true",
        },
    )
    await alertmanager.start()
    return stack


async def test_one_problem_is_one_record_that_lives_with_it(stack: Stack, alertmanager: Alertmanager) -> None:
    # Something breaks. There are two seconds to react, and everybody is at lunch.
    await alertmanager.fire("HighLatency", severity="critical", instance="web-1")
    message = await stack.message(ack_link, "a message with a button")
    link = ack_link(message)

    # So a record is written. ServiceNow's people see it as new.
    await wait_until(lambda: records(stack), "a record in ServiceNow")
    record = records(stack)[0]
    assert record.fields["state"] == "1"

    # It gets worse. The record is told.
    await alertmanager.fire("HighLatency", severity="critical", instance="web-2")
    await wait_until(lambda: len(notes(record)) == 1, "a note about the second alert", seconds=20)
    assert record.fields["state"] == "1"

    # Somebody comes back from lunch and takes it, late. Whoever looks into ServiceNow need not.
    await acknowledge(link, name="Ada")
    await wait_until(lambda: record.fields["state"] == "2", "the record in progress")

    # One half is mended, then the other. The record is resolved, with what ServiceNow wants to know of it.
    await alertmanager.resolve("HighLatency", severity="critical", instance="web-2")
    await wait_until(lambda: len(notes(record)) == 3, "a note about the first half", seconds=20)
    await alertmanager.resolve("HighLatency", severity="critical", instance="web-1")
    await wait_until(lambda: record.fields["state"] == "6", "the record resolved", seconds=20)
    assert record.fields["close_code"] == "Solution provided"
    assert re.fullmatch(
        r"HighLatency: resolved after \d+ s; acknowledged by Ada", record.fields["close_notes"]
    )

    # Next day somebody closes it, and it stays closed.
    stack.sandbox.world.servicenow.edit(
        record.fields["number"], {"state": "7", "work_notes": "Thanks, looks good"}
    )

    # Slack says the same, in one message; and there is one record, each of whose notes stands there once.
    await stack.message(lambda message: color(message) == GREEN, "a green message")
    assert len(stack.messages()) == 1
    assert records(stack) == [record]
    print("\n" + stack.sandbox.world.servicenow.history())
    told = [re.sub(rf"^{TIME}", "", note.splitlines()[0]) for note in notes(record)]
    assert told[:3] == [
        f"1 alert began to fire ({ALERT}); 2 firing",
        "acknowledged by Ada",
        f"1 alert ceased to fire ({ALERT}); 1 firing",
    ]
    assert re.fullmatch(r"resolved after \d+ s", told[3])
    assert told[4:] == ["Thanks, looks good"]
    states = [one.values["state"] for one in record.history if "state" in one.values]
    assert states == [("1", "2"), ("2", "6"), ("6", "7")]


def records(stack: Stack) -> list[Row]:
    return list(stack.sandbox.world.servicenow.instance("main").table("incident").rows.values())


def notes(record: Row) -> list[str]:
    return [text for journal, text in record.notes if journal == "work_notes"]

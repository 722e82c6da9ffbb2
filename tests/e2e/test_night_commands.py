"""What somebody asks at three in the morning, and what the commands answer, about real incidents of real processes."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from ops.sample_alert import alert_body
from sandbox.faults import Fault
from tests.stack import ROOT, Stack, ack_link, acknowledge, clean_environment, color
from tests.waiting import wait_until

Ask = Callable[..., str]


@pytest.fixture
def ask(stack: Stack) -> Ask:
    """From `ask("status")`: what `ackstream status` prints with the stack's configuration."""

    def ask(*arguments: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "ops.command", *arguments, "--config", str(stack.config_path)]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    return ask


async def opened(stack: Stack, name: str, query: str = "") -> str:
    answer = await stack.send(alert_body(name, "critical", f"{name} is broken"), query)
    incident: str = answer.json()["incident_id"]
    return incident


async def test_why_did_it_not_escalate(stack: Stack, ask: Ask) -> None:
    incident = await opened(stack, "HighLatency")
    message = await stack.message(ack_link, "a message with a button")
    before = datetime.now(UTC)
    assert "unless acknowledged." in ask("explain", incident).splitlines()[-1]
    await acknowledge(ack_link(message), "Ada")
    await stack.message(lambda message: color(message) == "F2A900", "an amber message")
    told = ask("explain", incident).splitlines()
    assert told[0] == f"{incident}  HighLatency (critical)  acknowledged"
    assert told[-1].startswith("It did not escalate: Ada acknowledged 2 min 5")
    assert told[-1].endswith("before the deadline.")
    assert any("opened: HighLatency; 1 firing; deadline" in line for line in told)
    assert any("acknowledged: by Ada, through link" in line for line in told)
    assert any("edited in C0TEST" in line for line in told)
    # As it was before that.
    past = ask("explain", incident, "--at", f"{before:%Y-%m-%d %H:%M:%S}")
    assert "acknowledged:" not in past


async def test_why_did_it_escalate(stack: Stack, ask: Ask) -> None:
    stack.sandbox.world.faults.add(
        Fault(target="servicenow", kind="status", match="POST", status=500, count=1)
    )
    incident = await opened(stack, "HighLatency", "?oncall_wait_minutes=0")
    await wait_until(stack.records, "a record", seconds=20)
    await stack.message(lambda message: color(message) == "7B1FA2", "a purple message")
    story = json.loads(ask("explain", incident, "--output", "json"))
    assert story["state"] == "escalated"
    assert story["why"].startswith("It escalated as INC0010001, ")
    assert "after 1 failed attempt: nobody had acknowledged." in story["why"]
    assert [event["type"] for event in story["events"] if event["type"].startswith("escal")] == [
        "escalation_claimed",
        "escalation_failed",
        "escalation_claimed",
        "escalated",
    ]


async def test_an_incident_that_nobody_knows(stack: Stack, ask: Ask) -> None:
    assert "No event in the stream mentions" in ask("explain", "0" * 32)
    assert "not an incident id" in ask("explain", "INC0010001", code=1)


async def test_what_is_going_on(stack: Stack, ask: Ask) -> None:
    assert "events               0" in ask("status")
    await opened(stack, "HighLatency")
    await stack.message(ack_link, "a message with a button")

    def settled() -> dict[str, object] | None:
        status: dict[str, object] = json.loads(ask("status", "--output", "json"))
        return status if all(group["pending"] == 0 for group in status["groups"]) else None

    status = await wait_until(settled, "nothing pending")
    assert (status["deadlines"], status["due"], status["overdue"], status["dead_letters"]) == (1, 0, None, 0)
    assert {group["name"]: group["consumers"] for group in status["groups"]} == {
        "notifier": 1,
        "escalator": 1,
    }
    assert "deadlines            1  0 due" in ask("status")


async def test_what_does_not_come_through(stack: Stack, ask: Ask) -> None:
    assert ask("parked").startswith("Nothing is parked")
    stack.sandbox.world.faults.add(Fault(target="slack", kind="slack_error", error="invalid_auth"))
    incident = await opened(stack, "HighLatency")
    told = await wait_until(lambda: "invalid_auth" in (told := ask("parked")) and told, "the failure")
    assert told.startswith(f"{incident}  slack      needs a person, attempt 1: invalid_auth; next try ")
    (found,) = json.loads(ask("parked", "--output", "json"))
    assert (found["stage"], found["title"], found["needs_person"]) == ("slack", "HighLatency", True)
    # Mended: nobody has to wait for the next try, which would be in a minute or two.
    stack.sandbox.world.faults.clear()
    assert ask("parked", "retry", "--all").strip() == "1 due now"
    await stack.message(ack_link, "the message", seconds=5)
    assert "retry_asked: of the delivery, by hand" in ask("explain", incident)
    assert "nothing was waiting" in ask("parked", "retry", incident)
    assert "or --all" in ask("parked", "retry", code=2)


async def test_what_could_not_be_understood(stack: Stack, ask: Ask) -> None:
    assert ask("dead-letters", "list").strip() == "There are no dead letters."
    await stack.send(b"no JSON")
    await stack.send(b'[{"title": "DiskFull"}, 5]')
    first, second = json.loads(ask("dead-letters", "list", "--output", "json"))
    assert (first["payload"], second["payload"]) == ("no JSON", "5")
    assert "not JSON" in ask("dead-letters", "list")
    assert "no JSON" in ask("dead-letters", "show", first["id"])
    assert ask("dead-letters", "drop", first["id"]).strip() == f"dropped {first['id']}"
    assert "there is no dead letter" in ask("dead-letters", "show", first["id"], code=1)
    # A second time it is no better; it is there once, not twice.
    assert "refused again, 400" in ask("dead-letters", "retry", second["id"], "--url", stack.url, code=1)
    (left,) = json.loads(ask("dead-letters", "list", "--output", "json"))
    assert left["payload"] == "5"


async def test_a_letter_that_makes_sense_by_now_is_taken(stack: Stack, ask: Ask, client: Redis) -> None:
    fields = {
        "origin": "ingest",
        "error": "a mistake of ours, mended since",
        "size": 21,
        "payload": '{"title": "DiskFull"}',
    }
    await client.xadd("{ackstream:0}:dead", fields)
    (letter,) = json.loads(ask("dead-letters", "list", "--output", "json"))
    assert '"outcome":"opened"' in ask("dead-letters", "retry", letter["id"], "--url", stack.url)
    await stack.message(lambda message: "DiskFull" in message["text"], "its message")
    assert ask("dead-letters", "list").strip() == "There are no dead letters."


async def test_an_event_that_was_poison_is_handed_out_again(stack: Stack, ask: Ask, client: Redis) -> None:
    incident = await opened(stack, "HighLatency")
    await stack.message(ack_link, "a message with a button")
    ((_, event), *_) = await client.xrange("{ackstream:0}:events")
    payload = json.dumps({name.decode(): value.decode() for name, value in event.items()})
    fields = {
        "origin": "stream:notifier",
        "error": "poison",
        "size": len(payload.encode()),
        "payload": payload,
    }
    await client.xadd("{ackstream:0}:dead", fields)
    (letter,) = json.loads(ask("dead-letters", "list", "--output", "json"))
    assert "appended to the stream" in ask("dead-letters", "retry", letter["id"])
    assert (await client.xrevrange("{ackstream:0}:events", count=1))[0][1][b"incident"].decode() == incident
    assert len(stack.messages()) == 1

"""What somebody took and forgot, or put off: real processes, real time, small times."""

from datetime import timedelta

from redis.asyncio import Redis

from ops.sample_alert import alert_body
from shared.commands import SnoozeFor
from shared.redis_client import Scripts
from shared.store import Store
from tests.e2e.conftest import StackFactory
from tests.stack import Stack, ack_link, acknowledge, color
from tests.waiting import wait_until

RED, AMBER, PURPLE = "C70039", "F2A900", "7B1FA2"
BROKEN = alert_body("HighLatency", "critical", "p99 latency of checkout is above 2 s")


def thread(stack: Stack, ts: str) -> list[str]:
    return [reply.body["text"] for reply in stack.sandbox.world.slack.channel("C0TEST").replies(ts)]


async def test_an_acknowledgement_that_was_forgotten_is_remembered(new_stack: StackFactory) -> None:
    # Six seconds to react; three seconds after an acknowledgement it counts as forgotten.
    stack = new_stack(wait_minutes=0.1)
    text = stack.config_path.read_text()
    stack.config_path.write_text(
        text.replace("  wait_minutes", "  ack_timeout_minutes: 0.05\n  wait_minutes")
    )
    await stack.start_all()
    incident = (await stack.send(BROKEN)).json()["incident_id"]
    message = await stack.message(lambda message: color(message) == RED, "a red message")

    # Ada takes it …
    await acknowledge(ack_link(message), name="Ada")
    message = await stack.message(lambda message: color(message) == AMBER, "an amber message")
    assert "if it still fires" in str(message["attachments"])

    # … and goes to bed. It is everybody's again, with a button, and the thread says why.
    message = await stack.message(lambda message: color(message) == RED, "a red message again")
    assert ack_link(message)
    (reminder,) = await wait_until(lambda: thread(stack, message["ts"]), "a reminder")
    assert reminder.startswith("⏰ Still firing ")
    assert "after Ada acknowledged it. Escalates " in reminder
    assert stack.records() == []

    # Nobody comes. The deadline that was armed again passes.
    (record,) = await wait_until(stack.records, "a record in ServiceNow", seconds=20)
    assert record["correlation_id"] == incident
    await stack.message(lambda message: color(message) == PURPLE, "a purple message")
    assert len(stack.messages()) == 1
    assert thread(stack, message["ts"]) == [reminder]


async def test_a_snooze_holds_whatever_the_deadline_was(new_stack: StackFactory, client: Redis) -> None:
    stack = new_stack(wait_minutes=0.1)
    await stack.start_all()
    incident = (await stack.send(BROKEN)).json()["incident_id"]
    await stack.message(lambda message: color(message) == RED, "a red message")
    store = Store(Scripts(client))
    snooze = (
        await store.apply(incident, SnoozeFor("Kim", "link", span=timedelta(seconds=9)))
    ).incident.snooze
    await stack.message(lambda message: message["text"].startswith("[SNOOZED by Kim]"), "a snoozed message")

    # Alertmanager goes on saying it.
    assert (await stack.send(BROKEN)).json()["outcome"] == "joined"

    await wait_until(stack.records, "a record in ServiceNow", seconds=20)
    message = await stack.message(lambda message: color(message) == PURPLE, "a purple message")
    after = (await store.load(incident)).incident
    assert after.record.at >= snooze.until
    assert after.lateness(after.record.at) < timedelta(seconds=5)
    (told,) = await wait_until(lambda: thread(stack, message["ts"]), "a reply")
    assert told.startswith("😴 Kim snoozed it. Escalates ")

"""One alert's path, as a story. Begin to read here: everything is real except Slack and ServiceNow, for which the sandbox stands."""

import httpx
from redis.asyncio import Redis

from ops.sample_alert import alert_body
from shared.keys import Keys
from tests.stack import Stack, ack_link, acknowledge, buttons, color
from tests.waiting import wait_until

RED, AMBER, PURPLE, GREEN = "C70039", "F2A900", "7B1FA2", "36A64F"
BROKEN = alert_body("HighLatency", "critical", "p99 latency of checkout is above 2 s")
MENDED = alert_body("HighLatency", "critical", "p99 latency of checkout is above 2 s", resolved=True)


async def test_somebody_acknowledges(stack: Stack, client: Redis) -> None:
    # Alertmanager knows that something is broken. Ingest takes its word …
    taken = (await stack.send(BROKEN)).json()
    incident = taken["incident_id"]
    assert taken == {
        "status": "Incident created",
        "incident_id": incident,
        "outcome": "opened",
        "warnings": [],
    }

    # … which is by then in Redis: the incident, and the event that tells the other services.
    keys = Keys()
    assert await client.exists(keys.incident(incident))
    (_, event), *_ = await client.xrange(keys.events)
    assert event[b"type"] == b"opened"

    # The notifier makes one Slack message of it, red, with a button.
    message = await stack.message(lambda message: color(message) == RED, "a red message")
    assert message["text"].startswith("[FIRING:1] HighLatency (critical)")
    link = ack_link(message)
    assert link.startswith(f"{stack.url}/api/ack/{incident}?exp=")

    # Alertmanager says it again, and again. It is the same problem: no second incident, no second message.
    for _ in range(3):
        assert (await stack.send(BROKEN)).json() == taken | {"outcome": "joined"}

    # A person opens the link, sees what it is about, and takes it.
    thanks = await acknowledge(link, name="Ada")
    assert thanks.status_code == 200
    assert "Acknowledged" in thanks.text

    # The same message tells everybody who has it, and its first button would now take that back.
    message = await stack.message(lambda message: color(message) == AMBER, "an amber message")
    assert message["text"].startswith("[ACKNOWLEDGED by Ada]")
    assert ack_link(message) is None
    assert [button["action_id"] for button in buttons(message)] == ["unack_incident", "resolve_incident"]

    # It is mended. Green, and over: nothing waits any more, and ServiceNow was never called.
    assert (await stack.send(MENDED)).json()["outcome"] == "resolved"
    message = await stack.message(lambda message: color(message) == GREEN, "a green message")
    assert "Acknowledged by Ada" in str(message["attachments"])
    assert len(stack.messages()) == 1
    assert await client.zcard(keys.deadlines) == 0
    assert stack.sandbox.world.servicenow.calls.named("POST") == []
    assert stack.records() == []


async def test_nobody_acknowledges(stack: Stack, client: Redis) -> None:
    # This time there are two seconds to react, and everybody is asleep.
    incident = (await stack.send(BROKEN, "?oncall_wait_minutes=0.03")).json()["incident_id"]
    message = await stack.message(lambda message: color(message) == RED, "a red message")
    link = ack_link(message)
    assert stack.records() == []

    # The deadline passes. The escalator claims the incident and writes one record, with our id as its correlation_id.
    record = (await wait_until(stack.records, "a record in ServiceNow"))[0]
    assert record["correlation_id"] == incident
    assert record["short_description"] == f"Incident {incident}"

    # The Slack message turns purple and leads there.
    message = await stack.message(lambda message: color(message) == PURPLE, "a purple message")
    assert message["text"].startswith(f"[ESCALATED {record['number']}]")

    # Who clicks the old button now is told the truth.
    async with httpx.AsyncClient(trust_env=False) as browser:
        page = await browser.get(link)
    assert f"escalated as {record['number']}" in page.text.lower().replace(
        record["number"].lower(), record["number"]
    )

    # Its end is told, too, and there is still one message and one record.
    await stack.send(MENDED)
    await stack.message(lambda message: color(message) == GREEN, "a green message")
    assert (len(stack.messages()), len(stack.records())) == (1, 1)
    assert await client.zcard(Keys().deadlines) == 0

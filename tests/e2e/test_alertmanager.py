"""The routes that Versus' users have, in a real Alertmanager."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared.incident import Incident
from shared.keys import Keys
from shared.redis_client import Scripts
from shared.store import Store
from tests.alertmanager import Alertmanager
from tests.conftest import need
from tests.e2e.conftest import StackFactory
from tests.stack import Stack, ack_link, acknowledge, color, pause_for_a_moment
from tests.waiting import wait_until

RED, AMBER, PURPLE, GREEN = "C70039", "F2A900", "7B1FA2", "36A64F"


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    server = Alertmanager(need("prometheus-alertmanager"), tmp_path)
    yield server
    server.stop()


@pytest.fixture
async def stack(alertmanager: Alertmanager, new_stack: StackFactory) -> Stack:
    """Everything running, with three seconds to acknowledge where a route does not say otherwise."""
    stack = new_stack(wait_minutes=0.05)
    await stack.start_all()
    alertmanager.configure(stack.url)
    await alertmanager.start()
    return stack


async def incidents(client: Redis) -> list[Incident]:
    """All there are, oldest first."""
    store = Store(Scripts(client))
    ids = sorted([key.decode().rpartition(":")[2] async for key in client.scan_iter(Keys().incident("*"))])
    return [loaded.incident for id_ in ids if (loaded := await store.load(id_)).incident]


async def test_without_on_call(alertmanager: Alertmanager, stack: Stack, client: Redis) -> None:
    await alertmanager.fire("DiskFilling", severity="warning")
    message = await stack.message(lambda message: color(message) == RED, "a message")
    assert ack_link(message) is None
    await pause_for_a_moment()
    assert [incident.deadline for incident in await incidents(client)] == [None]
    assert stack.records() == []


async def test_wait_then_acknowledge(alertmanager: Alertmanager, stack: Stack, client: Redis) -> None:
    await alertmanager.fire("HighLatency", severity="critical")
    message = await stack.message(ack_link, "a message with a button")
    (incident,) = await incidents(client)
    assert incident.deadline - incident.opened_at == timedelta(minutes=5)
    await acknowledge(ack_link(message))
    await stack.message(lambda message: color(message) == AMBER, "an amber message")
    await wait_until(lambda: nothing_waits(client), "no deadline left")
    assert stack.records() == []


async def test_wait_then_escalate(alertmanager: Alertmanager, new_stack: StackFactory, client: Redis) -> None:
    stack = new_stack()
    await stack.start_all()
    alertmanager.configure(stack.url, **{"oncall_wait_minutes=5": "oncall_wait_minutes=0.03"})
    await alertmanager.start()
    await alertmanager.fire("HighLatency", severity="critical")
    message = await stack.message(ack_link, "a message with a button")
    await wait_until(stack.records, "a record")
    message = await stack.message(lambda message: color(message) == PURPLE, "a purple message")
    assert ack_link(message), "it can still be taken"
    (incident,) = await incidents(client)
    assert incident.record.number == stack.records()[0]["number"]
    assert incident.record.at >= incident.deadline


async def test_immediate(alertmanager: Alertmanager, stack: Stack) -> None:
    await alertmanager.fire("DatabaseDown", severity="urgent")
    await wait_until(stack.records, "a record")
    message = await stack.message(lambda message: color(message) == PURPLE, "a purple message")
    assert ack_link(message) is None
    assert len(stack.records()) == 1


async def test_another_instance(alertmanager: Alertmanager, stack: Stack) -> None:
    await alertmanager.fire("SwitchDown", team="infrastructure")
    (record,) = await wait_until(lambda: stack.records("infra"), "a record in the instance infra")
    await stack.message(lambda message: record["number"] in message["text"], "the record's number in Slack")
    assert stack.records("main") == []


async def test_repeats_make_one_incident(
    alertmanager: Alertmanager, new_stack: StackFactory, client: Redis
) -> None:
    stack = new_stack()
    await stack.start_all()
    alertmanager.configure(stack.url, repeat="1s")
    await alertmanager.start()
    await alertmanager.fire("HighLatency", severity="critical")

    async def repeated() -> bool:
        return any(incident.notifications >= 4 for incident in await incidents(client))

    await wait_until(repeated, "three repeats", seconds=20)
    assert len(await incidents(client)) == 1
    assert len(stack.messages()) == 1
    assert len(stack.sandbox.world.slack.calls.named("chat.postMessage")) == 1


async def test_a_resolved_notification_cancels_the_escalation(
    alertmanager: Alertmanager, new_stack: StackFactory, client: Redis
) -> None:
    stack = new_stack()
    await stack.start_all()
    alertmanager.configure(stack.url, **{"send_resolved: false": "send_resolved: true"})
    await alertmanager.start()
    await alertmanager.fire("HighLatency", severity="critical")
    await stack.message(ack_link, "a message with a button")
    await alertmanager.resolve("HighLatency", severity="critical")
    message = await stack.message(lambda message: color(message) == GREEN, "a green message", seconds=20)
    assert ack_link(message) is None
    await wait_until(lambda: nothing_waits(client), "no deadline left")
    assert stack.records() == []


async def test_a_start_that_moves_back_is_the_same_incident(
    alertmanager: Alertmanager, stack: Stack, client: Redis
) -> None:
    """As when the second of two Prometheus replicas had seen the problem first."""
    await alertmanager.fire("HighLatency", severity="critical")
    await stack.message(ack_link, "a message with a button")
    await alertmanager.fire(
        "HighLatency", severity="critical", started_at=datetime.now(UTC) - timedelta(minutes=5)
    )
    await alertmanager.fire("Another", severity="critical")
    await alertmanager.fire("HighLatency", severity="critical", pod="b")

    async def retold() -> bool:
        return any(incident.notifications == 2 for incident in await incidents(client))

    await wait_until(retold, "Alertmanager to tell it again", seconds=20)
    assert sorted(incident.facts.title for incident in await incidents(client)) == ["Another", "HighLatency"]


async def test_without_send_resolved_a_new_episode_is_a_new_incident(
    alertmanager: Alertmanager, stack: Stack, client: Redis
) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    await alertmanager.fire("HighLatency", severity="critical", started_at=long_ago)
    await stack.message(ack_link, "a message with a button")
    await alertmanager.next_look()
    await alertmanager.resolve("HighLatency", severity="critical")
    await alertmanager.next_look()
    await alertmanager.fire("HighLatency", severity="critical")
    await wait_until(lambda: len(stack.messages()) == 2, "a second message", seconds=20)
    first, second = await incidents(client)
    assert first.state == "superseded"
    assert second.deadline == first.deadline, "a problem that comes back must not get more time"


async def test_what_ingest_could_not_take_comes_again(
    alertmanager: Alertmanager, stack: Stack, client: Redis
) -> None:
    stack.kill("ingest")
    await alertmanager.fire("HighLatency", severity="critical")
    await pause_for_a_moment()
    stack.start("ingest")
    await stack.message(ack_link, "a message with a button", seconds=30)
    assert len(await incidents(client)) == 1


async def nothing_waits(client: Redis) -> bool:
    return await client.zcard(Keys().deadlines) == 0

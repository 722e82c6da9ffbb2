"""Three steps while nobody acknowledges: people are called again, a record is written, the webhook is called."""

import asyncio
from datetime import datetime
from pathlib import Path

import pytest
from redis.asyncio import Redis

from ops.sample_alert import alert_body
from sandbox.faults import Fault
from shared.incident import State
from tests.e2e.conftest import StackFactory
from tests.faults.traffic import incident_of, no_deadline_left, parked
from tests.stack import Stack, ack_link, acknowledge
from tests.waiting import wait_until

BROKEN = alert_body("HighLatency", "critical", "p99 latency of checkout is above 2 s")
MENDED = alert_body("HighLatency", "critical", "p99 latency of checkout is above 2 s", resolved=True)

STEPS = """\
  steps:
    - {{wait_minutes: {wait}, mention: '@here'}}
    - {{wait_minutes: {wait}, target: servicenow}}
    - {{wait_minutes: {wait}, target: webhook}}
  webhook:
    url: {url}
    secret: {secret}
    timeout_seconds: 3
"""


def with_steps(stack: Stack, seconds: float = 1) -> Stack:
    webhook, path = stack.sandbox.world.webhook, stack.config_path
    steps = STEPS.format(wait=seconds / 60, url=stack.sandbox.webhook_url, secret=webhook.secret)
    path.write_text(path.read_text().replace("  wait_minutes: 3\n", steps))
    return stack


@pytest.fixture
def stepped(new_stack: StackFactory) -> Stack:
    return with_steps(new_stack())


async def opened(stack: Stack, query: str = "") -> str:
    incident: str = (await stack.send(BROKEN, query)).json()["incident_id"]
    return incident


async def called_again(client: Redis) -> int:
    events = await client.xrange("{ackstream:0}:events")
    return sum(event[b"type"] == b"called_again" for _, event in events)


async def all_told(stack: Stack, client: Redis) -> None:
    await wait_until(lambda: stack.sandbox.world.webhook.told("incident.escalated"), "the webhook's call")
    await no_deadline_left(client, seconds=10)


async def test_all_of_them_come_in_order_once_each(stepped: Stack, client: Redis) -> None:
    await stepped.start_all()
    id_ = await opened(stepped)
    await all_told(stepped, client)
    incident = await incident_of(client, id_)
    (mention, pager), record = incident.further, incident.record
    assert mention.called_at
    assert record
    assert pager.record
    distances = [
        (later - earlier).total_seconds()
        for earlier, later in (
            (incident.opened_at, mention.called_at),
            (mention.called_at, record.at),
            (record.at, pager.record.at),
        )
    ]
    print(f"\nsteps a second apart came after {', '.join(f'{seconds:.2f} s' for seconds in distances)}")
    assert all(0.5 < seconds < 3 for seconds in distances)
    assert await called_again(client) == 1
    calls = [reply for reply in stepped.replies() if "<!here>" in str(reply)]
    assert len(calls) == 1, "the thread calls people once"
    assert [row["correlation_id"] for row in stepped.records()] == [id_]
    (delivery,) = stepped.sandbox.world.webhook.told()
    assert (delivery.id, delivery.copies) == (f"{id_}-2-escalated", 1)
    assert [one["target"] for one in delivery.data["incident"]["records"]] == ["servicenow"]

    # What becomes of it is told, too.
    await stepped.send(MENDED)
    (closed,) = await wait_until(
        lambda: stepped.sandbox.world.webhook.told("incident.closed"), "that it is over"
    )
    assert (closed.data["incident"]["id"], closed.copies) == (id_, 1)


async def test_an_acknowledgement_between_two_stops_those_after_it(stepped: Stack, client: Redis) -> None:
    await stepped.start_all()
    id_ = await opened(stepped)
    link = ack_link(await stepped.message(lambda message: bool(ack_link(message)), "a message"))
    assert link
    await wait_until(lambda: called_again(client), "the first step")
    assert (await acknowledge(link, "Ada")).status_code == 200
    await no_deadline_left(client, seconds=5)
    incident = await incident_of(client, id_)
    assert incident.deadline
    late = (incident.deadline - datetime.now(incident.deadline.tzinfo)).total_seconds() + 2.5
    await asyncio.sleep(max(0, late))  # past all steps: nothing may happen then
    assert (await incident_of(client, id_)).state is State.ACKNOWLEDGED
    assert (stepped.records(), stepped.sandbox.world.webhook.told()) == ([], [])


async def test_at_once_means_the_record_without_the_mention_before_it(stepped: Stack, client: Redis) -> None:
    await stepped.start_all()
    id_ = await opened(stepped, "?oncall_wait_minutes=0")
    await all_told(stepped, client)
    incident = await incident_of(client, id_)
    assert [step.target for step in incident.call.steps] == ["webhook"]
    assert await called_again(client) == 0
    assert len(stepped.records()) == 1


async def test_a_dead_servicenow_makes_the_webhook_no_later(stepped: Stack, client: Redis) -> None:
    stepped.sandbox.world.faults.add(Fault(target="servicenow", kind="latency", seconds=60))
    await stepped.start_all()
    id_ = await opened(stepped)
    (delivery,) = await wait_until(
        lambda: stepped.sandbox.world.webhook.told("incident.escalated"), "the webhook's call"
    )
    incident = await incident_of(client, id_)
    assert incident.record is None
    due = incident.due_at(2)
    assert due
    late = delivery.at - due.timestamp()
    print(f"\nwith a ServiceNow that hangs, the webhook was called {late:.2f} s late")
    assert late < 1.5
    stepped.sandbox.world.faults.clear()
    await wait_until(stepped.records, "the record, once it is back", seconds=20)


@pytest.mark.parametrize("kind", ["latency", "hang_after"])
async def test_an_escalator_killed_around_the_call_leaves_one_id(
    new_stack: StackFactory, client: Redis, kind: str
) -> None:
    """Killed while the receiver has not taken it yet, and while it has."""
    constants = ["services.escalator.target.TIME_TO_COMMIT=1", "services.escalator.queues.COMES_BACK=3"]
    stack = with_steps(new_stack(constants=constants), seconds=0.1)
    webhook = stack.sandbox.world.webhook
    stack.sandbox.world.faults.add(Fault(target="webhook", kind=kind, seconds=60, count=1))  # type: ignore[arg-type]
    await stack.start_all()
    id_ = await opened(stack)
    await wait_until(lambda: webhook.calls.entries, "the webhook's call", every=0.005)
    stack.kill("escalator")
    assert (await incident_of(client, id_)).further[1].record is None
    stack.sandbox.world.faults.clear()
    stack.start("escalator")
    await wait_until(lambda: len(webhook.calls.entries) > 1, "another call", seconds=30)
    await no_deadline_left(client, seconds=10)
    assert {call.headers["webhook-id"] for call in webhook.calls.entries} == {f"{id_}-2-escalated"}
    (delivery,) = webhook.told()
    assert delivery.copies == 2
    assert (await incident_of(client, id_)).further[1].record
    assert len(stack.records()) == 1


async def test_neither_address_nor_secret_of_the_webhook_is_written_anywhere(
    stepped: Stack, client: Redis, tmp_path: Path
) -> None:
    stepped.sandbox.world.faults.add(
        Fault(target="webhook", kind="status", status=403, count=1),
        Fault(target="webhook", kind="drop_after", count=1),
    )
    await stepped.start_all()
    await opened(stepped)
    await wait_until(lambda: "answered 403" in stepped.log("escalator"), "the refusal")
    written = [stepped.log(name) for name in ("ingest", "notifier", "escalator")]
    written += [str(await parked(stepped)), str(stepped.messages()), str(stepped.replies())]
    async for key in client.scan_iter():
        reads = {b"string": client.get, b"hash": client.hgetall, b"stream": client.xrange}
        kind = await client.type(key)
        written.append(str(await reads[kind](key)) if kind in reads else "")
    text = "\n".join(written)
    assert "answered 403: check oncall.webhook.url and secret" in text
    secret = stepped.sandbox.world.webhook.secret.removeprefix("whsec_")
    assert [one for one in ("sandbox-webhook-key", secret) if one in text] == []

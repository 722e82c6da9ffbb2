"""Deadlines that lead to a webhook, on a real Redis, with the sandbox's receiver: told once, whatever becomes of its answers."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from sandbox.faults import Fault
from sandbox.server import Running
from services.escalator import outcomes
from services.escalator.escalator import Escalator
from services.escalator.instances import Instance, Instances
from services.escalator.targets import Targets
from services.escalator.webhook_target import UNCONFIRMED, WebhookTarget, webhook_targets
from shared.commands import (
    Acknowledge,
    Claim,
    EscalateNow,
    RecordWritten,
    ResolveByHand,
    Retry,
    SnoozeFor,
    Stage,
    Unacknowledge,
)
from shared.config_webhook import WebhookConfig
from shared.incident import NewsKind, Record, State
from shared.notification import WEBHOOK, Call
from shared.store import Store
from tests.episodes import alert, notification, targets
from tests.redis.conftest import now

AT_ONCE = timedelta(0)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries are due at once; how long they wait is backoff's own test."""
    monkeypatch.setattr(outcomes, "backoff", lambda *_, **__: AT_ONCE)


@pytest.fixture
async def target(sandbox: Running) -> AsyncIterator[WebhookTarget]:
    settings = {
        "url": sandbox.webhook_url,
        "secret": sandbox.world.webhook.secret,
        "timeout_seconds": 1,
        "on_update": True,
    }
    (target,) = webhook_targets(
        WebhookConfig.model_validate(settings), None, lambda incident: f"https://ack.example/{incident.id}"
    )
    yield target
    await target.close()


@pytest.fixture
def escalator(store: Store, target: WebhookTarget) -> Escalator:
    return Escalator(store, Targets([target]), wake=lambda: None)


async def opened(store: Store) -> str:
    sent = notification().model_copy(update={"call": Call(wait=AT_ONCE, target=WEBHOOK)})
    incident = (await store.receive(sent)).incident
    assert incident
    return incident.id


def misbehave(sandbox: Running, kind: str, **more: Any) -> None:
    sandbox.world.faults.add(Fault(target="webhook", kind=kind, **more))  # type: ignore[arg-type]


def told(sandbox: Running) -> list[str]:
    return [delivery.type.removeprefix("incident.") for delivery in sandbox.world.webhook.told()]


async def test_what_is_due_is_told_with_a_link_to_act(
    escalator: Escalator, store: Store, sandbox: Running
) -> None:
    id_ = await opened(store)
    await escalator.escalate(id_)
    (delivery,) = sandbox.world.webhook.told("incident.escalated", id_)
    assert (delivery.id, delivery.copies) == (f"{id_}-0-escalated", 1)
    assert delivery.data["incident"]["ack_url"] == f"https://ack.example/{id_}"
    after = await now(store, id_)
    assert after.state is State.ESCALATED
    assert after.record
    assert (after.record.number, after.record.url) == ("PAGE0001", "https://pager.example/1")


@pytest.mark.parametrize("kind", ["drop", "drop_after", "hang_after", "status"])
async def test_a_lost_answer_is_asked_for_again_at_once_under_the_same_id(
    escalator: Escalator, store: Store, sandbox: Running, kind: str
) -> None:
    id_ = await opened(store)
    misbehave(sandbox, kind, count=2, seconds=2, status=504)
    for attempt in (1, 2):
        await escalator.escalate(id_)
        effort = (await now(store, id_)).escalation
        assert (effort.attempts, effort.doubt_until is not None) == (attempt, True)
    await escalator.escalate(id_)
    assert (await now(store, id_)).state is State.ESCALATED
    assert told(sandbox) == ["escalated"]
    assert {call.headers["webhook-id"] for call in sandbox.world.webhook.calls.entries} == {
        f"{id_}-0-escalated"
    }
    assert len(sandbox.world.webhook.calls.entries) == 3


@pytest.mark.parametrize("ending", ["acknowledged", "closed"])
async def test_who_may_have_been_told_hears_that_it_is_taken_or_over(
    escalator: Escalator, store: Store, sandbox: Running, ending: str
) -> None:
    """Also when a later attempt surely failed: the doubt about the first one stays."""
    id_ = await opened(store)
    misbehave(sandbox, "drop_after", count=1)
    await escalator.escalate(id_)
    misbehave(sandbox, "status", count=1)
    await escalator.escalate(id_)
    assert (await now(store, id_)).state is State.OPEN
    await store.apply(
        id_, Acknowledge("Ada", "link") if ending == "acknowledged" else ResolveByHand("Ada", "link")
    )
    await escalator.escalate(id_)
    record = (await now(store, id_)).record
    assert record
    assert record.number == UNCONFIRMED
    await escalator.escalate(id_)
    assert told(sandbox) == ["escalated", ending]


async def test_who_was_surely_not_told_hears_nothing_of_an_acknowledgement(
    escalator: Escalator, store: Store, sandbox: Running
) -> None:
    id_ = await opened(store)
    misbehave(sandbox, "status", count=1)
    await escalator.escalate(id_)
    await store.apply(id_, Acknowledge("Ada", "link"))
    await escalator.escalate(id_)
    assert (told(sandbox), (await now(store, id_)).state) == ([], State.ACKNOWLEDGED)
    assert len(sandbox.world.webhook.calls.entries) == 1


@pytest.mark.parametrize("kind", ["drop", "drop_after"])
async def test_who_snoozes_after_a_lost_answer_puts_off_the_next_attempt_and_not_the_page_for_ever(
    escalator: Escalator, store: Store, sandbox: Running, kind: str
) -> None:
    """Perhaps nobody was reached. Whoever was knows the id."""
    id_ = await opened(store)
    misbehave(sandbox, kind, count=1)
    await escalator.escalate(id_)
    await store.apply(id_, SnoozeFor("Ada", "link", span=timedelta(minutes=15)))
    await escalator.escalate(id_)
    snoozed = await now(store, id_)
    assert (snoozed.state, len(sandbox.world.webhook.calls.entries)) == (State.OPEN, 1)
    assert snoozed.deadline
    assert snoozed.escalation_due
    assert abs(snoozed.escalation_due - snoozed.deadline) < timedelta(seconds=1)
    await store.apply(id_, EscalateNow("Ada", "link"))
    await escalator.escalate(id_)
    assert ((await now(store, id_)).state, told(sandbox)) == (State.ESCALATED, ["escalated"])


async def test_who_acknowledges_while_such_a_snooze_lasts_is_told_of_once_it_is_over(
    escalator: Escalator, store: Store, sandbox: Running
) -> None:
    id_ = await opened(store)
    misbehave(sandbox, "drop_after", count=1)
    await escalator.escalate(id_)
    await store.apply(id_, SnoozeFor("Ada", "link", span=timedelta(minutes=15)))
    await escalator.escalate(id_)
    await store.apply(id_, Acknowledge("Ada", "link"))
    assert (await now(store, id_)).escalation.doubt_until
    await store.apply(id_, Retry(Stage.ESCALATION))
    await escalator.escalate(id_)
    await escalator.escalate(id_)
    assert told(sandbox) == ["escalated", "acknowledged"]


async def test_its_life_is_told_once_each(escalator: Escalator, store: Store, sandbox: Running) -> None:
    id_ = await opened(store)
    await escalator.escalate(id_)
    await store.apply(id_, Acknowledge("Ada", "link"))
    misbehave(sandbox, "drop_after", count=1)
    await escalator.escalate(id_)
    await escalator.escalate(id_)
    await store.apply(id_, Unacknowledge("Ada", "link"))
    await escalator.escalate(id_)
    await store.receive(notification(alert(), alert("b")))
    await escalator.escalate(id_)
    await store.apply(id_, ResolveByHand("Ada", "link"))
    await escalator.escalate(id_)
    await escalator.escalate(id_)
    assert told(sandbox) == ["escalated", "acknowledged", "unacknowledged", "updated", "closed"]
    assert [one.copies for one in sandbox.world.webhook.told()] == [1, 2, 1, 1, 1]
    closed = sandbox.world.webhook.told("incident.closed")[0]
    assert closed.data["incident"]["closed"]["by"] == "Ada"


async def test_what_happened_while_it_was_away_comes_together(
    escalator: Escalator, store: Store, sandbox: Running
) -> None:
    id_ = await opened(store)
    await escalator.escalate(id_)
    misbehave(sandbox, "status", count=1)
    await store.apply(id_, Acknowledge("Ada", "link"))
    await escalator.escalate(id_)
    await store.apply(id_, ResolveByHand("Ada", "link"))
    await escalator.escalate(id_)
    assert told(sandbox) == ["escalated", "closed"]
    kinds = [one["kind"] for one in sandbox.world.webhook.told()[1].data["news"]]
    assert kinds == ["acknowledged", "closed"]


async def test_a_refusal_is_parked_and_heals(escalator: Escalator, store: Store, sandbox: Running) -> None:
    id_ = await opened(store)
    misbehave(sandbox, "status", status=410, count=1)
    await escalator.escalate(id_)
    effort = (await now(store, id_)).escalation
    assert (effort.parked, effort.error) == (True, "answered 410: check oncall.webhook.url and secret")
    await escalator.escalate(id_)
    assert told(sandbox) == ["escalated"]


@pytest.mark.parametrize("configured", ["another instance", "another kind"])
async def test_a_record_whose_target_is_not_configured_any_more_is_told_nothing_elsewhere(
    escalator: Escalator, store: Store, sandbox: Running, configured: str
) -> None:
    """And all of it once somebody has mended that."""
    id_ = await opened(store)
    await escalator.escalate(id_)
    if configured == "another instance":
        record = Record(
            sys_id="a" * 32, number="INC1", url="", instance="infra", at=(await now(store, id_)).opened_at
        )
        id_ = await opened_and_escalated_to(store, record)
    await store.apply(id_, Acknowledge("Ada", "link"))
    async with httpx.AsyncClient(trust_env=False) as http:
        instance = Instance(None, sandbox.servicenow_url("main"), [http], timedelta(seconds=1))
        others = Escalator(store, targets(Instances(instance)), wake=lambda: None)
        await others.escalate(id_)
    after = await now(store, id_)
    assert after.record
    assert after.record.news
    assert after.record.update.parked
    assert "not configured" in after.record.update.error
    assert not sandbox.world.servicenow.calls.entries
    if configured == "another kind":
        await escalator.escalate(id_)
        assert told(sandbox) == ["escalated", "acknowledged"]


async def opened_and_escalated_to(store: Store, record: Record) -> str:
    sent = notification(group="other").model_copy(
        update={"call": Call(wait=AT_ONCE, instance=record.instance)}
    )
    incident = (await store.receive(sent)).incident
    assert incident
    wanting = record.model_copy(update={"wants": (NewsKind.ACKNOWLEDGED,)})
    await store.apply(incident.id, Claim("w1", timedelta(minutes=1), timedelta(minutes=1)))
    await store.apply(incident.id, RecordWritten("w1", wanting))
    return incident.id

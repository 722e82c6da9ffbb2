"""A record lives with its incident: it is told each thing once, whatever becomes of the answers, and never reopened."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from ops.parked import parked
from sandbox.faults import Fault
from sandbox.server import Running
from sandbox.servicenow_table import Row
from services.escalator import outcomes, servicenow_target
from services.escalator.escalator import Escalator
from services.escalator.instances import Instance, Instances, http_client
from services.escalator.tls import ssl_context
from shared.commands import Acknowledge, Change, Reason, Step, Unacknowledge
from shared.config import Patience
from shared.config_access import AccessConfig
from shared.incident import Record
from shared.redis_client import Scripts
from shared.store import Store
from tests.episodes import MINUTE, NOON, alert, notification, resolved, targets
from tests.faults.conftest import FULL
from tests.redis.conftest import now, opened
from tests.redis.test_servicenow_answers import BreakingProxy, Patient

AT_ONCE = timedelta(0)
SECOND = timedelta(seconds=1)
LIFE = {
    "on_acknowledge": "state",
    "on_update": "work_note",
    "on_resolve": "state",
    "states": {"acknowledged": "2", "unacknowledged": "1", "resolved": "6"},
    "close_code": "Solution provided",
}
ACK = Acknowledge("anna", "link")
MakeEscalator = Callable[..., Escalator]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "backoff", lambda *_, **__: AT_ONCE)
    monkeypatch.setattr(outcomes, "LOOK_AGAIN", AT_ONCE)
    monkeypatch.setattr(servicenow_target, "SERVER_GRACE", SECOND / 2)


@pytest.fixture
async def proxy(sandbox: Running) -> AsyncIterator[tuple[BreakingProxy, int]]:
    proxy = BreakingProxy(urlsplit(sandbox.url).port or 0)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    async with server:
        yield proxy, server.sockets[0].getsockname()[1]


@pytest.fixture
async def make_escalator(store: Store, proxy: tuple[BreakingProxy, int]) -> AsyncIterator[MakeEscalator]:
    access = AccessConfig.model_validate({"username": "ackstream", "password": "sandbox"})
    url = f"http://127.0.0.1:{proxy[1]}/servicenow/main"
    async with http_client(access, Patience(1, 1, 1), ssl_context(access)) as client:

        def make(**settings: object) -> Escalator:
            instances = Instances(Instance(None, url, [client] * 2, SECOND, gate=Patient("")))
            return Escalator(
                store, targets(instances, timeout_seconds=1, **LIFE | settings), wake=lambda: None
            )

        yield make


@pytest.fixture
def escalator(make_escalator: MakeEscalator) -> Escalator:
    return make_escalator()


async def escalated(store: Store, escalator: Escalator, group: str = "group") -> str:
    """Id of an incident that has its record."""
    id_ = await opened(store, wait=AT_ONCE, group=group)
    await escalator.escalate(id_)
    assert (await now(store, id_)).record
    return id_


async def record(store: Store, id_: str) -> Record:
    found = (await now(store, id_)).record
    assert found
    return found


async def told(store: Store, escalator: Escalator, id_: str) -> int:
    """When the record knows everything: attempts that it took."""
    for attempt in range(1, 100):
        await escalator.escalate(id_)
        if not (await record(store, id_)).news:
            return attempt
        await asyncio.sleep(0.02)
    pytest.fail(f"not told: {await record(store, id_)}")


def row(sandbox: Running, id_: str) -> Row:
    """The one record of an incident."""
    rows = sandbox.world.servicenow.instance("main").table("incident").rows.values()
    (found,) = [row for row in rows if row.fields["correlation_id"] == id_]
    return found


def notes(sandbox: Running, id_: str) -> list[str]:
    """What they say, a line each, without the times; each must have its mark."""
    texts = [text for journal, text in row(sandbox, id_).notes if journal == "work_notes"]
    assert all(f"[ackstream {id_}-" in text for text in texts)
    lines = [line.split("UTC  ")[1] for text in texts for line in text.splitlines() if "UTC  " in line]
    return [line.split(" after ")[0] for line in lines]


def close(sandbox: Running, id_: str, state: str = "7") -> None:
    """A person does, in ServiceNow."""
    closing = {"state": state, "close_code": "Solved", "close_notes": "by hand"}
    sandbox.world.servicenow.edit(row(sandbox, id_).fields["sys_id"], closing)


async def test_a_record_is_told_of_its_incidents_life(
    store: Store, escalator: Escalator, sandbox: Running
) -> None:
    id_ = await escalated(store, escalator)
    await store.receive(notification(alert("a"), alert("b")))
    await told(store, escalator, id_)
    assert row(sandbox, id_).fields["state"] == "1"
    await store.apply(id_, ACK)
    await told(store, escalator, id_)
    assert row(sandbox, id_).fields["state"] == "2"
    await store.apply(id_, Unacknowledge("bob", "link"))
    await told(store, escalator, id_)
    assert row(sandbox, id_).fields["state"] == "1"
    await store.apply(id_, ACK)
    await store.receive(resolved(alert("a", firing=False), alert("b", firing=False)))
    assert await told(store, escalator, id_) == 1
    assert notes(sandbox, id_) == [
        "1 alert began to fire (b); 2 firing",
        "acknowledged by anna",
        "not acknowledged any more: taken back by bob",
        "acknowledged by anna",
        "resolved",
    ]
    assert len(row(sandbox, id_).notes) == 4  # the last two in one
    fields = row(sandbox, id_).fields
    assert (fields["state"], fields["close_code"]) == ("6", "Solution provided")
    assert re.fullmatch("HighLatency: resolved after [0-9] s; acknowledged by anna", fields["close_notes"])


async def test_by_default_a_record_is_written_and_left(
    store: Store, make_escalator: MakeEscalator, sandbox: Running
) -> None:
    none = dict.fromkeys(("on_acknowledge", "on_update", "on_resolve"), "none")
    escalator = make_escalator(**none)
    id_ = await escalated(store, escalator)
    await store.apply(id_, ACK)
    await store.receive(resolved())
    await escalator.escalate(id_)
    assert sandbox.world.servicenow.calls.named("PATCH") == []
    assert (await now(store, id_)).duties == ()


async def test_what_was_wanted_once_and_is_not_any_more_is_not_told(
    store: Store, escalator: Escalator, make_escalator: MakeEscalator, sandbox: Running
) -> None:
    id_ = await escalated(store, escalator)
    await store.apply(id_, ACK)
    assert await told(store, make_escalator(on_acknowledge="none"), id_) == 1
    assert sandbox.world.servicenow.calls.named("PATCH") == []


@pytest.mark.parametrize("verb", ["GET", "PATCH"])
async def test_each_note_once_wherever_the_answer_breaks_off(
    store: Store,
    escalator: Escalator,
    sandbox: Running,
    proxy: tuple[BreakingProxy, int],
    verb: str,
) -> None:
    breaking, _ = proxy
    length, broken = 0, 0
    while length == 0 or length < breaking.length:
        id_ = await escalated(store, escalator, f"{verb} {length}")
        await store.apply(id_, ACK)
        breaking.arm(verb, length)
        assert await told(store, escalator, id_) == 2
        assert notes(sandbox, id_) == ["acknowledged by anna"], f"broken off after {length} bytes"
        assert row(sandbox, id_).fields["state"] == "2"
        sandbox.world.servicenow.reset()
        broken += 1
        length += 1 if FULL else 131
    print(f"\n{broken} answers to {verb}, of up to {breaking.length} bytes, broken off: each note once")
    assert broken > 4


@pytest.mark.parametrize(
    "fault",
    [
        Fault(target="servicenow", kind="drop", match="PATCH", count=1),
        Fault(target="servicenow", kind="drop_after", match="PATCH", count=1),
        Fault(target="servicenow", kind="hang_after", match="PATCH", count=1, seconds=2),
        Fault(target="servicenow", kind="status", status=504, after=True, match="PATCH", count=1),
        Fault(target="servicenow", kind="status", status=504, match="PATCH", count=1),
        Fault(target="servicenow", kind="status", status=503, match="PATCH", count=1),
        Fault(target="servicenow", kind="foreign_row", match="PATCH", count=1),
        Fault(target="servicenow", kind="html", match="PATCH", count=1),
        Fault(target="servicenow", kind="garbage", after=True, match="PATCH", count=1),
        Fault(target="servicenow", kind="status", status=403, after=True, match="PATCH", count=1),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status} {fault.after}",
)
async def test_each_note_once_whatever_becomes_of_the_request(
    store: Store, escalator: Escalator, sandbox: Running, fault: Fault
) -> None:
    id_ = await escalated(store, escalator)
    await store.receive(resolved())
    sandbox.world.faults.add(fault)
    assert await told(store, escalator, id_) >= 2
    assert notes(sandbox, id_) == ["resolved"]
    assert row(sandbox, id_).fields["state"] == "6"


async def test_what_happens_while_an_answer_is_missing_is_told_afterwards(
    store: Store, escalator: Escalator, sandbox: Running
) -> None:
    id_ = await escalated(store, escalator)
    await store.apply(id_, ACK)
    sandbox.world.faults.add(Fault(target="servicenow", kind="drop_after", match="PATCH", count=1))
    await escalator.escalate(id_)
    await store.receive(resolved())
    assert await told(store, escalator, id_) == 2  # once seen, the note is no longer in doubt
    assert notes(sandbox, id_) == ["acknowledged by anna", "resolved"]


async def test_two_escalators_tell_it_once(
    store: Store, make_escalator: MakeEscalator, sandbox: Running
) -> None:
    first, second = make_escalator(), make_escalator()
    ids = [await escalated(store, first, f"group {number}") for number in range(10)]
    for id_ in ids:
        await store.apply(id_, ACK)
    await asyncio.gather(*(one.escalate(id_) for id_ in ids for one in (first, second)))
    await asyncio.gather(*(told(store, first, id_) for id_ in ids))
    assert [notes(sandbox, id_) for id_ in ids] == [["acknowledged by anna"]] * 10


async def test_an_acknowledgement_while_nobody_knew_of_the_record_reaches_it(
    store: Store, escalator: Escalator, sandbox: Running
) -> None:
    id_ = await opened(store, wait=AT_ONCE)
    sandbox.world.faults.add(Fault(target="servicenow", kind="drop_after", match="POST", count=1))
    await escalator.escalate(id_)
    await store.apply(id_, ACK)
    await escalator.escalate(id_)
    await told(store, escalator, id_)
    assert notes(sandbox, id_) == ["acknowledged by anna"]


@pytest.mark.parametrize("state", ["6", "7", "8"])
async def test_a_record_that_a_person_has_closed_is_left_alone_and_a_new_episode_makes_a_new_one(
    store: Store, escalator: Escalator, sandbox: Running, state: str
) -> None:
    id_ = await escalated(store, escalator)
    close(sandbox, id_, state)
    await store.apply(id_, ACK)
    await store.receive(resolved())
    assert await told(store, escalator, id_) == 1
    assert sandbox.world.servicenow.calls.named("PATCH") == []
    fields = row(sandbox, id_).fields
    assert (fields["state"], fields["close_notes"]) == (state, "by hand")
    anew = await store.receive(notification(alert("a", NOON + MINUTE), wait=AT_ONCE))
    assert anew.incident
    assert anew.incident.id != id_
    await escalator.escalate(anew.incident.id)
    assert row(sandbox, anew.incident.id).fields["state"] == "1"


async def test_a_record_that_was_deleted_is_not_missed(
    store: Store, escalator: Escalator, sandbox: Running
) -> None:
    id_ = await escalated(store, escalator)
    sandbox.world.servicenow.reset()
    await store.apply(id_, ACK)
    assert await told(store, escalator, id_) == 1
    assert sandbox.world.servicenow.rows() == []


async def test_a_state_that_servicenow_refuses_is_parked_with_its_words(
    scripts: Scripts, store: Store, make_escalator: MakeEscalator, sandbox: Running
) -> None:
    escalator = make_escalator(close_code=None)
    id_ = await escalated(store, escalator)
    await store.receive(resolved())
    await escalator.escalate(id_)
    update = (await record(store, id_)).update
    assert update.parked
    assert "Data Policy Exception" in update.error
    (told_to_people,) = await parked(scripts)
    assert told_to_people.needs_person
    assert (told_to_people.error, told_to_people.record) == (
        update.error,
        (await record(store, id_)).number,
    )
    assert notes(sandbox, id_) == []
    # Somebody gives it a code.
    await told(store, make_escalator(), id_)
    assert await parked(scripts) == []
    assert row(sandbox, id_).fields["state"] == "6"


async def test_a_record_at_an_instance_that_is_configured_no_longer_is_not_taken_for_gone(
    scripts: Scripts, store: Store, escalator: Escalator, sandbox: Running
) -> None:
    id_ = await escalated(store, escalator)
    there = (await record(store, id_)).model_copy(update={"instance": "Infra"})
    incident = await now(store, id_)
    moved = incident.model_copy(update={"record": there, "version": incident.version + 1})
    await store.commit(Step(moved, Reason.ESCALATED, (Change(moved),)), incident.opened_at)
    await store.receive(resolved())
    await escalator.escalate(id_)
    (told_to_people,) = await parked(scripts)
    words = f"oncall.servicenow.other_instance_urls.Infra is not configured (any more), and {there.number} is there"
    assert words in told_to_people.error
    assert told_to_people.needs_person
    assert notes(sandbox, id_) == []


@pytest.mark.parametrize("kind", ["drop", "drop_after"])
async def test_a_note_that_we_are_not_shown_is_written_once_and_the_state_tells_whether_it_was(
    store: Store, escalator: Escalator, sandbox: Running, kind: str
) -> None:
    sandbox.world.servicenow.change(hidden={"work_notes"})
    id_ = await escalated(store, escalator)
    await store.receive(resolved())
    sandbox.world.faults.add(Fault(target="servicenow", kind=kind, match="PATCH", count=1))  # type: ignore[arg-type]
    await told(store, escalator, id_)
    assert notes(sandbox, id_) == ["resolved"]
    assert row(sandbox, id_).fields["state"] == "6"


@pytest.mark.parametrize(("kind", "wanted"), [("drop", []), ("drop_after", ["acknowledged by anna"])])
async def test_without_a_state_to_tell_a_doubtful_note_that_we_are_not_shown_is_not_repeated(
    store: Store, make_escalator: MakeEscalator, sandbox: Running, kind: str, wanted: list[str]
) -> None:
    escalator = make_escalator(on_acknowledge="work_note")
    sandbox.world.servicenow.change(hidden={"work_notes"})
    id_ = await escalated(store, escalator)
    await store.apply(id_, ACK)
    sandbox.world.faults.add(Fault(target="servicenow", kind=kind, match="PATCH", count=1))  # type: ignore[arg-type]
    with capture_logs() as logs:
        await told(store, escalator, id_)
    assert "work_notes_not_shown" in [log["event"] for log in logs]
    assert notes(sandbox, id_) == wanted


async def test_who_may_not_write_is_told_so_and_nothing_is_lost(
    store: Store, escalator: Escalator, sandbox: Running
) -> None:
    sandbox.world.servicenow.change(rights={"ackstream": {"create", "read"}})
    id_ = await escalated(store, escalator)
    await store.apply(id_, ACK)
    await escalator.escalate(id_)
    assert (await record(store, id_)).update.parked
    sandbox.world.servicenow.change(rights={})
    await told(store, escalator, id_)
    assert notes(sandbox, id_) == ["acknowledged by anna"]


async def test_who_may_create_and_not_read_writes_no_second_record_after_a_lost_answer(
    scripts: Scripts, store: Store, escalator: Escalator, sandbox: Running
) -> None:
    sandbox.world.servicenow.change(rights={"ackstream": ["create"]})
    sandbox.world.faults.add(Fault(target="servicenow", kind="drop_after", match="POST", count=1))
    id_ = await opened(store, wait=AT_ONCE)
    for _ in range(5):
        await escalator.escalate(id_)
        await asyncio.sleep(0.5)  # longer than a request can go on: nothing but the count of rows tells of it
    assert len(sandbox.world.servicenow.rows()) == 1
    (told_to_people,) = await parked(scripts)
    assert told_to_people.needs_person
    assert "let the integration user read sys_id, number and correlation_id" in told_to_people.error
    sandbox.world.servicenow.change(rights={})
    await escalator.escalate(id_)
    assert (await record(store, id_)).number == "INC0010001"

"""When a world of its own has come to rest."""

from datetime import timedelta

from ops.replay.anew import _is_settled
from shared.commands import BeginDelivery, Claim, Delivered, RecordWritten
from shared.incident import Record, State
from shared.redis_client import Scripts
from shared.store import Store
from tests.episodes import MINUTE, NOON
from tests.redis.conftest import now, opened

RECORD = Record(sys_id="0" * 32, number="INC1", url="https://example.com", instance=None, at=NOON)


async def show(store: Store, incident: str) -> None:
    await store.apply(incident, BeginDelivery("n", MINUTE))
    await store.apply(incident, Delivered("n", "C1", "1.0", (await now(store, incident)).revision))


async def test_an_escalation_under_way_is_waited_for(scripts: Scripts, store: Store) -> None:
    incident = await opened(store, wait=timedelta(0))
    await store.apply(incident, Claim("e", MINUTE, MINUTE))
    await show(store, incident)
    assert (await now(store, incident)).state is State.ESCALATING
    assert not await _is_settled(scripts, incident)
    await store.apply(incident, RecordWritten("e", RECORD))
    assert not await _is_settled(scripts, incident), "its message is old"
    await show(store, incident)
    assert await _is_settled(scripts, incident)

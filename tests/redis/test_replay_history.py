"""The fold of the stream is the state that the store keeps: after every step of many random lives."""

from collections import Counter

import pytest
from redis.asyncio import Redis

from ops.replay.history import History, Moment
from ops.timeline import happening
from shared.commands import Acknowledge, Reason
from shared.incident import Incident
from shared.keys import Keys
from shared.notification import Call
from shared.redis_client import Scripts
from shared.store import Store
from shared.stream import Entry
from tests.episodes import MINUTE
from tests.redis.lives import RULES, Lives, alertmanager_body, received

UNTOLD = {
    "version": True,
    "delivery": True,
    "record": {"update"},
    "further": {"__all__": {"record": {"update"}}},
}
"""That somebody is at work on a delivery, or tells a record, is no event: nobody else needs to hear of it."""

STEPS = 100


def people_see(incident: Incident) -> dict[str, object]:
    return incident.model_dump(exclude=UNTOLD)


async def entries(client: Redis) -> list[Entry]:
    return [Entry(id_.decode(), fields) for id_, fields in await client.xrange(Keys().events)]


@pytest.mark.parametrize("seed", range(25))
async def test_the_fold_is_the_state_after_every_step(client: Redis, seed: int) -> None:
    store = Store(Scripts(client), RULES)
    lives = Lives(store, seed)
    seen: list[tuple[int, Incident]] = []
    for _ in range(STEPS):
        for id_ in await lives.step():
            incident = (await store.load(id_)).incident
            assert incident
            seen.append((await client.xlen(Keys().events), incident))
    history, folded, compared = History(), dict[str, Moment](), 0
    for number, entry in enumerate(await entries(client), start=1):
        moment = history.tell(happening(entry))
        assert moment, entry
        folded[entry.incident_id] = moment
        for stored in (incident for at, incident in seen if at == number):
            # A commit of two incidents tells two events, and the state was looked at after both.
            assert people_see(folded[stored.id].after) == people_see(stored), moment.event
            compared += 1
    assert compared == len(seen)
    assert history.incomplete == set()
    repeated = {
        entry.incident_id for entry in await entries(client) if entry.text("reason") == Reason.REPEATED
    }
    for id_, moment in folded.items():
        loaded = await store.load(id_)
        assert loaded.incident
        assert people_see(moment.after) == people_see(loaded.incident)
        assert moment.body == loaded.body or id_ in repeated  # a mere repeat tells no body


async def test_the_random_lives_tell_every_event_there_is(client: Redis) -> None:
    """Else the test above could not fail where it should."""
    store = Store(Scripts(client), RULES)
    told: Counter[str] = Counter()
    for seed in range(25):
        await client.flushall()
        lives = Lives(store, seed)
        for _ in range(2 * STEPS):
            await lives.step()
        told.update(f"{e.type}/{e.text('reason')}" for e in await entries(client))
    wanted = {
        *("opened/opened", "opened/reopened", "opened/new_episode", "updated/joined", "updated/repeated"),
        *("updated/resolved_in_part", "resolved/resolved", "resolved/resolved_before_firing"),
        *("superseded/superseded", "acknowledged/acknowledged", "escalation_claimed/claimed"),
        *("escalation_claimed/taken_over", "escalation_failed/escalation_failed"),
        *("escalation_failed/escalation_in_doubt", "escalation_failed/called_off", "escalated/escalated"),
        *("notified/delivered", "notification_failed/delivery_failed", "repost_asked/repost_asked"),
        *("message_gone/message_gone", "retry_asked/retry_asked", "expired/expired", "lapsed/lapsed"),
        *("unacknowledged/unacknowledged", "snoozed/snoozed", "escalation_asked/escalation_asked"),
        *("resolved/resolved_by_hand", "deed_refused/already_acknowledged", "deed_refused/already_closed"),
        *("called_again/called_again", "called_again/no_thread", "record_updated/record_updated"),
        *("record_update_failed/update_failed", "record_update_failed/update_in_doubt"),
        *("noted/noted", "digested/digested", "handed_over/handed_over"),
    }
    assert wanted - set(told) == set()


async def test_an_incident_whose_beginning_was_trimmed_is_told_as_incomplete(
    store: Store, client: Redis
) -> None:
    body = alertmanager_body("a", {"x": (True, 0)})
    step = await store.receive(received(body, Call(wait=MINUTE)))
    await store.apply(step.incident.id, Acknowledge("Ada", "link"))
    other = await store.receive(received(alertmanager_body("b", {"x": (True, 0)}), Call(wait=MINUTE)))
    history = History()
    told = [history.tell(happening(entry)) for entry in (await entries(client))[1:]]
    assert told[0] is None
    assert told[1].after.id == other.incident.id
    assert history.incomplete == {step.incident.id}


async def test_an_event_that_was_appended_again_changes_nothing(store: Store, client: Redis) -> None:
    """As `dead-letters retry` does."""
    step = await store.receive(received(alertmanager_body("a", {"x": (True, 0)}), Call(wait=MINUTE)))
    await store.apply(step.incident.id, Acknowledge("Ada", "link"))
    first, second = await entries(client)
    history = History()
    told = [history.tell(happening(entry)) for entry in (first, second, first)]
    assert told[2] is None
    assert told[1].after.acknowledgement

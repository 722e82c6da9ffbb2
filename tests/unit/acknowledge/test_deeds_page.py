"""What else people can do on the page of an incident: take back, put off, hasten, resolve."""

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.incident import Acknowledgement, Effort, Incident, Snooze, State
from shared.offers import Offer, offers
from tests.unit.acknowledge.stage import (
    ACK,
    LEASE,
    NOW,
    SCENES,
    FakeStore,
    client_of,
    closed,
    escalated,
    incident,
    overdue,
    path_of,
)

LONG_AGO = NOW - timedelta(days=2)
FORM = re.compile(r'name="token" value="([0-9a-f]{16})"')
BUTTON = re.compile(r'<button[^>]*name="do" value="(\w+)"')


async def get(subject: Incident, do: str = "") -> httpx.Response:
    async with client_of(FakeStore(subject)) as client:
        return await client.get(path_of(subject) + (f"&do={do}" if do else ""))


async def press(store: FakeStore, do: str | None = None, name: str = "Ann", **fields: str) -> httpx.Response:
    assert store.incident
    async with client_of(store) as client:
        return await client.post(
            path_of(store.incident), data={"name": name, **({"do": do} if do else {}), **fields}
        )


def said(response: httpx.Response) -> str:
    text = re.sub(r"<(script|style|title)>.*?</\1>", "", response.text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", "", text).split())


@pytest.mark.parametrize("scene", SCENES)
async def test_the_page_offers_what_makes_sense_and_nothing_else(scene: str) -> None:
    assert BUTTON.findall((await get(SCENES[scene])).text) == list(offers(SCENES[scene]))


@pytest.mark.parametrize("chosen", Offer)
@pytest.mark.parametrize("scene", ["waiting", "on_call_off", "acknowledged", "escalated", "resolved"])
async def test_what_the_address_chooses_comes_first_where_it_is_possible(scene: str, chosen: Offer) -> None:
    possible = offers(SCENES[scene])
    found = BUTTON.findall((await get(SCENES[scene], chosen)).text)
    assert sorted(found) == sorted(possible)
    assert found[:1] == [chosen if chosen in possible else offer for offer in possible[:1]]


async def test_a_choice_that_nobody_knows_is_no_choice() -> None:
    assert said(await get(incident(), "%22onclick%3D")) == said(await get(incident()))


@pytest.mark.parametrize(
    ("subject", "do", "words", "status"),
    [
        (incident(), "snooze_15", "Ann snoozed it until 14:44:25 UTC", "snoozed"),
        (incident(), "snooze_60", "Escalates to ServiceNow in 1 h", "snoozed"),
        (incident(), "escalate", "It escalates now", "escalation_asked"),
        (incident(), "resolve", "You resolved it. Everybody reads now: Ann", "resolved_by_hand"),
        (SCENES["acknowledged"], "unacknowledge", "Nobody has it now", "unacknowledged"),
        (SCENES["acknowledged"], "resolve", "ServiceNow will not be called", "resolved_by_hand"),
        (escalated(), "resolve", "You resolved it.", "resolved_by_hand"),
        (SCENES["taken_late"], "unacknowledge", "Nobody has it now", "unacknowledged"),
        (
            SCENES["taken_late_and_told"],
            "unacknowledge",
            "Escalates to the webhook in 3 min 48 s",
            "unacknowledged",
        ),
        (SCENES["on_call_off"], "resolve", "You resolved it.", "resolved_by_hand"),
    ],
)
async def test_the_answer_says_what_was_done_and_until_when(
    subject: Incident, do: str, words: str, status: str
) -> None:
    answer = await press(FakeStore(subject), do)
    assert answer.status_code == 200
    assert words in said(answer)
    async with client_of(FakeStore(subject)) as client:
        machine = await client.post(path_of(subject) + "&format=json", data={"do": do})
    assert machine.json()["status"] == status


@pytest.mark.parametrize(
    ("subject", "do", "words", "status"),
    [
        (incident(), "unacknowledge", "nothing to take back", "not_acknowledged"),
        (incident(deadline=NOW + timedelta(hours=3)), "snooze_60", "later than that anyway", "later_already"),
        (SCENES["on_call_off"], "snooze_15", "On-call is off", "not_on_call"),
        (SCENES["on_call_off"], "escalate", "It does not escalate", "not_on_call"),
        (SCENES["acknowledged"], "snooze_15", "Ann Ng acknowledged at", "already_acknowledged"),
        (SCENES["acknowledged"], "escalate", "Ann Ng acknowledged at", "already_acknowledged"),
        (
            overdue(),
            "escalate",
            "being written right now, so your click changed nothing",
            "escalation_in_progress",
        ),
        (overdue(escalation=Effort(lease=LEASE)), "resolve", "You resolved it", "resolved_by_hand"),
        (escalated(), "unacknowledge", "nothing to take back", "not_acknowledged"),
        (escalated(), "snooze_15", "Already escalated as INC0010001", "already_escalated"),
        (SCENES["taken_late"], "escalate", "Ann Ng has it, since 14:29:17 UTC", "already_escalated"),
        (closed(State.RESOLVED), "resolve", "your click changed nothing", "resolved"),
    ],
)
async def test_a_refusal_says_why(subject: Incident, do: str, words: str, status: str) -> None:
    store = FakeStore(subject)
    answer = await press(store, do)
    assert answer.status_code == (200 if status == "resolved_by_hand" else 409)
    assert words in said(answer)
    async with client_of(FakeStore(subject)) as client:
        machine = await client.post(path_of(subject) + "&format=json", data={"do": do})
    assert (machine.json()["status"], machine.status_code) == (status, answer.status_code)


@pytest.mark.parametrize("do", ["acknowledge", "snooze_15", "escalate", "resolve"])
async def test_a_form_that_is_sent_twice_counts_once_and_is_answered_alike(do: str) -> None:
    store = FakeStore(incident())
    token = FORM.findall((await get(incident())).text)[0]
    first = await press(store, do, token=token)
    after = store.incident
    second = await press(store, do, token=token)
    assert (second.status_code, heading(second)) == (first.status_code, heading(first))
    assert store.incident == after


def heading(response: httpx.Response) -> str:
    return response.text.partition("<h1")[2].partition("</h1>")[0]


async def test_a_copy_that_comes_after_somebody_else_s_deed_undoes_nothing() -> None:
    store = FakeStore(incident())
    await press(store, "acknowledge", token="a" * 16)
    await press(store, "unacknowledge", token="b" * 16)
    late = await press(store, "acknowledge", token="a" * 16)
    assert heading(late) == heading(await get(incident()))
    assert store.incident
    assert store.incident.acknowledgement is None


async def test_each_form_has_a_token_of_its_own_and_an_odd_one_counts_for_nothing() -> None:
    first, second = [FORM.findall((await get(incident())).text)[0] for _ in range(2)]
    assert first != second
    store = FakeStore(incident())
    await press(store, "snooze_15", token="x" * 2000)
    assert store.incident
    assert store.incident.deeds == ()


@pytest.mark.parametrize("do", ["", "Acknowledge", "drop table", "\x00", "snooze_15 "])
async def test_what_is_no_deed_does_nothing(do: str) -> None:
    store = FakeStore(incident())
    async with client_of(store) as client:
        answer = await client.post(
            path_of(incident()), content=httpx.QueryParams({"do": do or "?"}).__str__()
        )
    assert answer.status_code == 400
    assert "Nothing was done" in said(answer)
    assert store.incident == incident()


@pytest.mark.parametrize(
    ("subject", "do"),
    [(SCENES["acknowledged"], "unacknowledge"), (escalated(), "resolve"), (incident(), "resolve")],
)
async def test_an_expired_link_does_nothing(subject: Incident, do: str) -> None:
    store = FakeStore(subject)
    async with client_of(store) as client:
        answer = await client.post(path_of(subject, LONG_AGO), data={"do": do})
    assert answer.status_code == 403
    assert "too old" in said(answer)
    assert ("nobody has this incident yet" in said(answer)) == subject.can_acknowledge
    assert store.incident == subject


async def test_a_press_that_redis_could_not_keep_is_repeated_as_what_it_was() -> None:
    store = FakeStore(incident())
    store.away = True
    answer = await press(store, "resolve", token="c" * 16)
    assert answer.status_code == 503
    assert "Perhaps not done" in said(answer)
    assert BUTTON.findall(answer.text) == ["resolve"]
    assert FORM.findall(answer.text) == ["c" * 16]


async def test_who_did_what_stands_on_the_page_afterwards() -> None:
    store = FakeStore(incident())
    await press(store, "snooze_15", name="Bo")
    assert store.incident
    assert re.search("Snoozed ?until 14:44:25 UTC by Bo", said(await get(store.incident)))
    await press(store, "resolve", name="Cy")
    assert "when Cy resolved it" in said(await get(store.incident))


async def test_names_are_text_on_every_page() -> None:
    evil = "<img src=x onerror=alert(1)>"
    scenes: list[dict[str, Any]] = [
        {"snooze": Snooze(at=NOW, by=evil, until=NOW + timedelta(minutes=2))},
        {"acknowledgement": Acknowledgement(at=ACK.at, by=evil, door="button")},
    ]
    for update in scenes:
        assert "<img" not in (await get(incident(**update))).text
    for do in ("snooze_15", "resolve", "escalate", "acknowledge"):
        assert "<img" not in (await press(FakeStore(incident()), do, name=evil)).text

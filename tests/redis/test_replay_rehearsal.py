"""`replay --dry-run`: what each stage would do, event by event, while nothing at all is touched."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ops.replay.rehearsal import rehearse
from ops.replay.replay import Answer, Replay
from shared.commands import (
    Acknowledge,
    BeginDelivery,
    Claim,
    Delivered,
    Digested,
    EscalationFailed,
    Flapping,
    MessageGone,
    Repost,
    Rules,
)
from shared.notification import Call
from shared.redis_client import Scripts
from shared.store import Store
from tests.episodes import MINUTE
from tests.redis.lives import Lives, alertmanager_body, received
from tests.redis.replaying import configured, everything_in, replay_of

LEASE, GRACE = timedelta(seconds=50), timedelta(seconds=65)


async def said(replay: Replay) -> list[str]:
    """As people get it, line by line."""
    found: list[str] = []
    answer = await rehearse(replay, found.append)
    assert answer.data["events"] == [], "they are not kept, too"
    return "\n".join([*found, answer.text]).splitlines()


def deeds(answer: Answer) -> list[tuple[str, str, str]]:
    events: Any = answer.data["events"]
    return [(event["type"], event["notifier"]["action"], event["escalator"]["action"]) for event in events]


async def fired(store: Store, call: Call | None = None, *, firing: bool = True) -> str:
    body = alertmanager_body("HighLatency", {"web-1": (firing, 0)})
    step = await store.receive(received(body, call or Call(wait=3 * MINUTE)))
    assert step.incident
    return step.incident.id


async def test_an_incident_s_life_is_told_stage_by_stage(scripts: Scripts, store: Store) -> None:
    incident = await fired(store)
    await fired(store)
    await fired(store, Call(wait=MINUTE))
    await store.apply(incident, Acknowledge("Ada", "link"))
    await fired(store, firing=False)
    answer = await rehearse(await replay_of(scripts))
    assert deeds(answer) == [
        ("opened", "post", "arm"),
        ("updated", "nothing", "nothing"),
        ("updated", "edit", "move"),
        ("acknowledged", "edit", "clear"),
        ("resolved", "edit", "nothing"),
    ]
    first, *_, last = answer.data["events"]
    assert first["notifier"]["channel"] == "C0TEST"
    assert first["notifier"]["message"]["text"].startswith("[FIRING:1] HighLatency (critical)")
    assert last["notifier"]["message"]["text"].startswith("[RESOLVED] HighLatency")
    lines = await said(await replay_of(scripts))
    assert any(line.startswith("    notifier   posts in C0TEST") for line in lines)
    assert "        │ [FIRING:1] HighLatency (critical) — HighLatency is broken" in lines
    assert any(line.startswith("    escalator  sets the deadline to 20") for line in lines)
    assert any(
        re.fullmatch(r"        │ Escalates to ServiceNow 20\S+ \S+ UTC unless acknowledged", line)
        for line in lines
    )
    assert lines[-1].startswith(
        "5 events: 1 posts, 3 edits, 1 deadlines set, 1 deadlines moved, 1 deadlines cleared."
    )
    assert "Nothing was sent, nothing was written." in lines[-1]


async def test_a_claim_shows_the_request_that_would_be_made(scripts: Scripts, store: Store) -> None:
    incident = await fired(store, Call(wait=timedelta(0), instance="infra"))
    await store.apply(incident, Claim("w", LEASE, GRACE))
    await store.apply(incident, EscalationFailed("w", "lost", timedelta(0), doubt=GRACE))
    await store.apply(incident, Claim("v", LEASE, GRACE))
    answer = await rehearse(await replay_of(scripts))
    events: Any = answer.data["events"]
    assert events[1]["escalator"] == {
        "action": "attempt",
        "request": {
            "instance": "infra",
            "method": "POST",
            "url": "http://127.0.0.1:9/infra/api/now/table/incident",
            "body": {"short_description": f"Incident {incident}", "correlation_id": incident},
        },
    }
    assert events[3]["escalator"]["action"] == "look", "while the first attempt is in doubt"


async def test_a_claim_shows_the_fields_that_are_configured(scripts: Scripts, store: Store) -> None:
    incident = await fired(store, Call(wait=timedelta(0), instance="infra"))
    await store.apply(incident, Claim("w", LEASE, GRACE))
    config = configured()
    servicenow = config.oncall.servicenow.model_copy(
        update={
            "fields": {"short_description": "{{ title }}", "work_notes": "{{ ack_url }}"},
            "table_by_instance": {"Infra": "problem"},
        }
    )
    oncall = config.oncall.model_copy(update={"servicenow": servicenow})
    answer = await rehearse(await replay_of(scripts, config=config.model_copy(update={"oncall": oncall})))
    events: Any = answer.data["events"]
    request = events[1]["escalator"]["request"]
    assert request["url"].endswith("/infra/api/now/table/problem")
    assert request["body"] == {
        "short_description": "HighLatency",
        "work_notes": f"https://ack.example.com/api/ack/{incident}",
        "correlation_id": incident,
    }


async def test_links_in_previews_are_not_signed(scripts: Scripts, store: Store) -> None:
    incident = await fired(store)
    for told in (
        json.dumps((await rehearse(await replay_of(scripts))).data, default=str),
        "".join(await said(await replay_of(scripts))),
    ):
        assert f"https://ack.example.com/api/ack/{incident}" in told
        assert "sig=" not in told
        assert "exp=" not in told


async def test_nothing_is_written(scripts: Scripts, store: Store) -> None:
    lives = Lives(store, 1)
    for _ in range(120):
        await lives.step()
    before = await everything_in(scripts)
    answer = await rehearse(await replay_of(scripts))
    assert len(answer.data["events"]) > 30
    assert await everything_in(scripts) == before


async def delivered(store: Store, incident: str, ts: str = "1.0") -> None:
    begun = await store.apply(incident, BeginDelivery("n", LEASE))
    assert begun.incident
    await store.apply(incident, Delivered("n", "C0TEST", ts, begun.incident.revision))


@pytest.mark.parametrize(("was_posted", "deed"), [(True, "edit"), (False, "post")])
async def test_a_range_begins_with_what_was_shown_before_it(
    scripts: Scripts, store: Store, was_posted: bool, deed: str
) -> None:
    incident = await fired(store)
    if was_posted:
        await delivered(store, incident)
    await store.apply(incident, Acknowledge("Ada", "link"))
    entries = await scripts.execute("XRANGE", "{ackstream:0}:events", "-", "+")
    answer = await rehearse(await replay_of(scripts, entries[-1][0].decode()))
    assert deeds(answer) == [("acknowledged", deed, "clear")]


async def test_a_message_that_somebody_wants_back_is_edited_then_posted(
    scripts: Scripts, store: Store
) -> None:
    incident = await fired(store)
    await delivered(store, incident)
    await store.apply(incident, Repost("1.0"))
    await store.apply(incident, BeginDelivery("m", LEASE))
    await store.apply(incident, MessageGone("m", "1.0"))
    await delivered(store, incident, "2.0")
    answer = await rehearse(await replay_of(scripts))
    assert [(kind, deed) for kind, deed, _ in deeds(answer)] == [
        ("opened", "post"),
        ("notified", "nothing"),
        ("repost_asked", "edit"),
        ("message_gone", "post"),
        ("notified", "nothing"),
    ]


async def test_what_a_digest_tells_of_has_no_message_to_edit(scripts: Scripts, store: Store) -> None:
    incident = await fired(store)
    await store.apply(incident, Digested("ab12", "C0TEST"))
    await fired(store)
    await store.apply(incident, Acknowledge("Ada", "link"))
    told = [one[:2] for one in deeds(await rehearse(await replay_of(scripts)))]
    assert told == [
        ("opened", "post"),
        ("digested", "join"),
        ("updated", "nothing"),
        ("acknowledged", "count"),
    ]
    lines = await said(await replay_of(scripts))
    assert "    notifier   leaves it to the digest of storm ab12 in C0TEST" in lines


async def test_a_group_that_flaps_keeps_to_its_message(scripts: Scripts) -> None:
    store = Store(scripts, Rules(flapping=Flapping(count=2, window=60 * MINUTE, loud=frozenset())))
    first = await fired(store)
    await delivered(store, first)
    await fired(store, firing=False)
    await delivered(store, first)
    body = alertmanager_body("HighLatency", {"web-1": (True, 120)})
    await store.receive(received(body, Call(wait=3 * MINUTE)))
    told = [one[:2] for one in deeds(await rehearse(await replay_of(scripts)))]
    assert told == [
        ("opened", "post"),
        ("notified", "nothing"),
        ("resolved", "edit"),
        ("notified", "nothing"),
        ("handed_over", "nothing"),
        ("opened", "edit"),
    ]


async def test_what_is_not_there_any_more_is_told_and_not_guessed(scripts: Scripts, store: Store) -> None:
    incident = await fired(store)
    await store.apply(incident, Acknowledge("Ada", "link"))
    await scripts.execute("XTRIM", "{ackstream:0}:events", "MAXLEN", 1)
    await scripts.execute("XADD", "{ackstream:0}:events", "*", "incident", incident, "type", "opened")
    answer = await rehearse(await replay_of(scripts))
    assert (answer.data["events"], answer.data["incomplete"], answer.data["unreadable"]) == (
        [],
        [incident],
        1,
    )
    assert incident in answer.text.splitlines()[-2]


async def test_the_template_of_the_configuration_is_used(
    scripts: Scripts, store: Store, tmp_path: Path
) -> None:
    template = tmp_path / "message.tmpl"
    template.write_text("*{{ incident.facts.title }}* for {{ receiver }}", encoding="utf-8")
    await fired(store)
    lines = await said(await replay_of(scripts, config=configured(template)))
    assert "        │ *HighLatency* for ackstream" in lines

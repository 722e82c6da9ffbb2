"""Acknowledging at the very moment when an incident is due, while no two processes agree on the time."""

import asyncio
import json
import subprocess
import time
from collections import Counter
from datetime import UTC, datetime

import httpx
import pytest
from redis.asyncio import Redis

from ops.explain import as_text, story_of
from shared.incident import Incident
from shared.keys import Keys
from shared.links import AckLinks, expiry
from shared.redis_client import Scripts
from tests.conftest import need
from tests.e2e.conftest import StackFactory
from tests.faults.conftest import many
from tests.faults.traffic import DICE, incident_of, no_deadline_left, pour, recorded
from tests.stack import Stack

SECRET = "a secret of six escalators"
OFFSETS = (-300, -180, -60, 60, 180, 300)
"""Seconds by which the escalators' clocks are wrong."""

ACKNOWLEDGERS = 6
WAIT = 4.0
"""Seconds to acknowledge."""

AROUND = 0.03
"""Seconds before and after the deadline in which every other one is acknowledged …"""

BEFORE = 1.0
"""… and seconds before it in which the rest is: on a busy machine most of the others come too late."""


@pytest.fixture
def faketime() -> str:
    """The library that a process needs to be wrong about the time."""
    command = [need("faketime"), "-m", "-f", "+0", "printenv", "LD_PRELOAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def wrong_by(seconds: int, faketime: str) -> dict[str, str]:
    return {"LD_PRELOAD": faketime, "FAKETIME": f"{seconds:+d}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


async def start(stack: Stack, faketime: str) -> None:
    """Two ingests and six escalators. Without a notifier: Slack has nothing to do with it."""
    clocks = {"ingest": 300, "ingest2": -300} | {f"escalator{offset:+d}": offset for offset in OFFSETS}
    for name, offset in clocks.items():
        command = "ingest" if name.startswith("ingest") else "escalator"
        stack.start(name, command=command, environment=wrong_by(offset, faketime))
    for name in clocks:
        await stack.ready(name)
    for name, offset in clocks.items():
        told = datetime.fromisoformat(json.loads(stack.log(name).splitlines()[0])["timestamp"])
        assert abs(told.timestamp() - time.time() - offset) < 30, "its clock is not wrong"


class Crowd:
    """People who acknowledge each incident as it comes due; `answers` by incident."""

    def __init__(self, stack: Stack, client: Redis, http: httpx.AsyncClient) -> None:
        self.answers: dict[str, int] = {}
        self._doors = [AckLinks(stack.address(name), (SECRET,)) for name in ("ingest", "ingest2")]
        self._client = client
        self._http = http
        self._turns = asyncio.Semaphore(ACKNOWLEDGERS)

    async def acknowledge(self, id_: str) -> None:
        incident = await incident_of(self._client, id_)
        url = DICE.choice(self._doors).url(id_, expiry(incident))
        around = DICE.uniform(-DICE.choice((AROUND, BEFORE)), AROUND)
        await asyncio.sleep(incident.deadline.timestamp() + around - time.time())
        async with self._turns:
            self.answers[id_] = (
                await self._http.post(f"{url}&format=json", data={"name": "Ada"})
            ).status_code


async def test_each_incident_is_acknowledged_or_escalated_whatever_the_clocks_say(
    new_stack: StackFactory, client: Redis, faketime: str
) -> None:
    incidents = many(300, 10_000)
    stack = new_stack(extra=f"gateway_secret: {SECRET}\n", wait_minutes=WAIT / 60, timeout=20)
    await start(stack, faketime)
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        crowd = Crowd(stack, client, http)
        names = [f"c{number}" for number in range(incidents)]
        doors = ("ingest", "ingest2")
        ids = await pour(stack, names, doors=doors, per_second=many(40, 30), then=crowd.acknowledge)
    await no_deadline_left(client, seconds=60)
    rows, states, early = (
        recorded(stack),
        [await incident_of(client, id_) for id_ in ids],
        await too_early(client),
    )
    taken = {incident.id for incident in states if incident.acknowledgement}
    late = {incident.id for incident in states if is_late(incident)}
    acknowledged = taken - late
    both, neither = acknowledged & rows.keys(), set(ids) - acknowledged - rows.keys()
    again = [id_ for id_ in ids if rows[id_] > 1]
    print(
        f"\n{incidents} incidents, {len(OFFSETS)} escalators, {ACKNOWLEDGERS} acknowledgers, clocks up to 5 minutes wrong: "
        f"{len(acknowledged)} acknowledged in time, {len(rows)} escalated ({len(late)} taken afterwards), {len(both)} both, {len(neither)} neither, {len(again)} twice, "
        f"{early} claimed before the deadline"
    )
    odd = [as_text(id_, await story_of(Scripts(client), id_), datetime.now(UTC)) for id_ in both | neither]
    assert (both, neither, again, early) == (set(), set(), [], 0), "\n\n".join(odd)
    assert {id_ for id_, status in crowd.answers.items() if status == 200} == taken
    assert Counter(crowd.answers.values()).keys() <= {200, 409}
    assert min(len(acknowledged), len(rows)) > incidents / 20, "too one-sided to be a race"


def is_late(incident: Incident) -> bool:
    """Somebody took it when there was a record already."""
    ack, record = incident.acknowledgement, incident.record
    return ack is not None and record is not None and ack.at > record.at


async def too_early(client: Redis) -> int:
    """Claims that stand in the stream, under Redis' own time, from before the deadline."""
    early, after = 0, "-"
    while entries := await client.xrange(Keys().events, min=after, count=1000):
        for entry, fields in entries:
            if fields[b"type"] == b"escalation_claimed":
                deadline = (await incident_of(client, fields[b"incident"].decode())).deadline
                early += int(entry.partition(b"-")[0]) < round(deadline.timestamp() * 1000)
        after = f"({entries[-1][0].decode()}"
    return early

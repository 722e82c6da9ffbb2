"""Incidents for the bench of deadlines, through ingest's door: many that are due together, and a trickle of new ones beside them."""

import asyncio
import time
from dataclasses import dataclass

import httpx

from bench.load import alertmanager_body
from bench.servers import told
from tests.waiting import wait_until

ARRAY = 250
"""Notifications of one request: they share a wait, so that the shorter it takes the closer together their deadlines are."""

TRICKLE_EVERY = 0.05


@dataclass(frozen=True)
class Spread:
    """In seconds."""

    p50: float
    p99: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        ordered = sorted(values)
        return cls(ordered[len(ordered) // 2], ordered[round(0.99 * (len(ordered) - 1))])


class Fill:
    """Brings incidents to ingest that are due together. `due`: Unix seconds by incident."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.due: dict[str, float] = {}

    async def send(self, prefix: str, count: int, at: float, **query: str) -> None:
        """Fails when filling takes until they are due: then they would not be due together."""
        names = [f"{prefix}{number}" for number in range(count)]
        async with httpx.AsyncClient(base_url=self._url, trust_env=False, timeout=30) as client:
            for begin in range(0, count, ARRAY):
                wait = at - time.time()
                assert wait > 0, f"only {begin} of {count} were taken before they were due"
                body = (
                    b"[" + b",".join(alertmanager_body(name) for name in names[begin : begin + ARRAY]) + b"]"
                )
                params = {"oncall_wait_minutes": repr(wait / 60), **query}
                answer = (await client.post("/api/incidents", params=params, content=body)).json()
                for taken in answer["incidents"]:
                    self.due[taken["incident_id"]] = _opened(taken["incident_id"]) + wait


def _opened(incident_id: str) -> float:
    """Its id begins with when that was."""
    return int(incident_id[:12], 16) / 1000


class Trickle:
    """New incidents at a steady pace, in a channel of their own, whatever else happens; none of them is due soon."""

    def __init__(self, url: str, prefix: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=30)
        self._prefix = prefix
        self._sent: dict[str, float] = {}

    async def run(self, until: asyncio.Event) -> None:
        tasks: list[asyncio.Task[None]] = []
        next_at = time.time()
        while not until.is_set():
            tasks.append(asyncio.create_task(self._send(f"{self._prefix}{len(tasks)}")))
            next_at += TRICKLE_EVERY
            await asyncio.sleep(max(0.0, next_at - time.time()))
        await asyncio.gather(*tasks)
        await self._client.aclose()

    async def _send(self, name: str) -> None:
        started = time.time()
        params = {"oncall_wait_minutes": "600", "slack_channel_id": "C0TRICKLE"}
        answer = await self._client.post("/api/incidents", params=params, content=alertmanager_body(name))
        self._sent[answer.json()["incident_id"]] = started

    async def on_the_way(self, slack: str) -> Spread:
        """From the notification to the call to Slack, once all have arrived."""

        async def arrived() -> dict[str, float] | None:
            posts: dict[str, float] = await told(slack, "posts")
            return posts if posts.keys() >= self._sent.keys() else None

        posts = await wait_until(arrived, "the trickle's posts", seconds=60, every=0.5)
        return Spread.of([posts[id_] - at for id_, at in self._sent.items()])

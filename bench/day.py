"""A day on call, played in two minutes: how many calls to Slack an incident costs, on a quiet day, in a flapping group, in a storm.

All spans of the configuration are scaled alike, the pace of the channel too: it is the day's proportions that count. Run it as
`python -m bench.day`; the same seed makes the same day.
"""

import argparse
import asyncio
import heapq
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import httpx

from bench.servers import own_redis
from sandbox.calls import Call
from sandbox.server import Running, running
from tests.servers import RedisServer
from tests.stack import Stack, ack_link, acknowledge

MINUTES = 24 * 60
SPEED = 720
"""A day in two minutes."""

ORDINARY, FLAPPING, STORM = "ordinary", "flapping", "storm"
REPEAT_EVERY = 240
"""Minutes: Alertmanager's default repeat_interval."""

Act = Callable[[], Coroutine[Any, Any, None]]


@dataclass
class Group:
    """One group of alerts as Alertmanager sees it. `firing`: instance → when it began."""

    name: str
    kind: str
    severity: str
    firing: dict[str, str] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)
    incidents: set[str] = field(default_factory=set)

    def body(self) -> dict[str, Any]:
        labels = {"alertname": self.name.split("-")[0], "service": self.name, "severity": self.severity}
        alerts = [
            {
                "status": "firing" if instance in self.firing else "resolved",
                "labels": {**labels, "instance": instance},
                "annotations": {"summary": f"{instance} is in trouble"},
                "startsAt": began,
                "fingerprint": f"{self.name}/{instance}",
            }
            for instance, began in self.known.items()
        ]
        self.known = dict(self.firing)  # what is resolved is told once
        return {
            "version": "4",
            "receiver": "ackstream",
            "groupKey": self.name,
            "status": "firing" if self.firing else "resolved",
            "groupLabels": {"service": self.name},
            "commonLabels": labels,
            "commonAnnotations": {},
            "externalURL": "http://alertmanager.example",
            "alerts": alerts,
        }


class Day:
    def __init__(self, stack: Stack, sandbox: Running, seed: int) -> None:
        self._stack, self._sandbox = stack, sandbox
        self._dice = Random(seed)
        self._agenda: list[tuple[float, int, Act]] = []
        self._number = 0
        self._client = httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=30)
        self.kinds: dict[str, str] = {}
        """By incident."""

    def at(self, minute: float, act: Act) -> None:
        self._number += 1
        heapq.heappush(self._agenda, (minute, self._number, act))

    def plan(self, ordinary: int, flapping: int, storm: int) -> None:
        for number in range(ordinary):
            severity = self._dice.choices(["critical", "warning", "info"], [15, 60, 25])[0]
            self._live(
                Group(f"Service{number % 20}-{number}", ORDINARY, severity),
                self._dice.uniform(0, MINUTES - 120),
            )
        for number in range(flapping):
            group = Group(f"Flapper-{number}", FLAPPING, "warning")
            for turn in range(10):
                begin = 200 + 300 * number + 8 * turn
                self.at(begin, lambda group=group: self.fire(group, "a"))  # type: ignore[misc]
                self.at(begin + 4, lambda group=group: self.resolve(group))  # type: ignore[misc]
        for number in range(storm):
            severity = "critical" if number % 13 == 0 else "warning"
            self._live(Group(f"Rack{number % 7}-{number}", STORM, severity), 840 + self._dice.random())

    def _live(self, group: Group, begin: float) -> None:
        """Fires, perhaps grows, is perhaps acknowledged, repeats itself, and ends."""
        dice = self._dice
        end = begin + min(600, dice.lognormvariate(3.5, 0.9))
        self.at(begin, lambda: self.fire(group, "a"))
        if dice.random() < 0.3:
            self.at(begin + (end - begin) / 2, lambda: self.fire(group, "b"))
        if dice.random() < 0.7:
            self.at(begin + min(2, (end - begin) / 3), lambda: self.acknowledge(group))
        repeat = begin + REPEAT_EVERY
        while repeat < end:
            self.at(repeat, lambda: self.send(group))
            repeat += REPEAT_EVERY
        self.at(end, lambda: self.resolve(group))

    async def play(self) -> None:
        """Everything at its minute; what takes longer does not hold up the day."""
        loop = asyncio.get_running_loop()
        begun, tasks = loop.time(), []
        while self._agenda:
            minute, _, act = heapq.heappop(self._agenda)
            await asyncio.sleep(max(0.0, begun + minute * 60 / SPEED - loop.time()))
            tasks.append(asyncio.create_task(act()))
        await asyncio.gather(*tasks)
        await self._client.aclose()

    async def fire(self, group: Group, instance: str) -> None:
        began = datetime.now(UTC).isoformat()
        group.firing[instance] = began
        group.known[instance] = began
        await self.send(group)

    async def resolve(self, group: Group) -> None:
        group.known |= group.firing
        group.firing.clear()
        await self.send(group)

    async def send(self, group: Group) -> None:
        answer = (await self._client.post("/api/incidents", json=group.body())).json()
        group.incidents.add(answer["incident_id"])
        self.kinds[answer["incident_id"]] = group.kind

    async def acknowledge(self, group: Group) -> None:
        """Who looks at Slack finds its message, if there is one, and its link, if it is still there."""
        for message in self._stack.messages():
            payload = message.get("metadata", {}).get("event_payload", {})
            if (
                payload.get("incident_id") in group.incidents
                and message.get("attachments")
                and ack_link(message)
            ):
                await acknowledge(str(ack_link(message)), "Kim")
                return


def count(calls: list[Call], kinds: dict[str, str]) -> dict[str, Counter[str]]:
    """Calls by kind of incident and by what they do; those for a digest belong to the storm."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for call in calls:
        payload = _payload(call)
        if "storm_id" in payload:
            found[STORM][f"digest {call.name}"] += 1
            continue
        incident = payload.get("incident_id") or payload.get("notes_of")
        what = "reply" if "thread_ts" in call.arguments else call.name
        found[kinds.get(incident, "other")][what] += 1
    return found


def _payload(call: Call) -> dict[str, Any]:
    metadata = call.arguments.get("metadata") or {}
    metadata = json.loads(metadata) if isinstance(metadata, str) else metadata
    payload: dict[str, Any] = metadata.get("event_payload", {})
    return payload


def scaled(text: str) -> str:
    """The configuration with the window of flapping groups as fast as the day."""
    flap = f"    flap: {{window_minutes: {60 / SPEED}}}\n    pace:"
    return text.replace("    pace:", flap)


async def day(
    home: Path, redis: RedisServer, seed: int, sizes: tuple[int, int, int]
) -> dict[str, Counter[str]]:
    """What Slack was called for; and under `incidents`, how many of each kind there were."""
    constants = (f"shared.notes.REMIND_AFTER={1800 / SPEED}",)
    with running() as sandbox:
        stack = Stack(
            home,
            sandbox,
            redis.url,
            wait_minutes=3 / SPEED,
            per_second=SPEED,
            constants=constants,
            storm=f"{{quiet_seconds: {120 / SPEED}, bypass_per_minute: {10 * SPEED}}}",
            extra="log: {level: warning}\n",
        )
        stack.config_path.write_text(scaled(stack.config_path.read_text()))
        try:
            await stack.start_all()
            played = Day(stack, sandbox, seed)
            played.plan(*sizes)
            await played.play()
            await _quiet(sandbox)
        finally:
            stack.stop()
        found = count(list(sandbox.world.slack.calls.entries), played.kinds)
        found["incidents"] = Counter(played.kinds.values())
        found["messages"] = Counter({"in the channel": len(stack.messages())})
        return found


async def _quiet(sandbox: Running) -> None:
    """Until Slack has not been called for two seconds."""
    calls, same = -1, 0
    while same < 4:
        await asyncio.sleep(0.5)
        now = len(list(sandbox.world.slack.calls.entries))
        same = same + 1 if now == calls else 0
        calls = now


def report(found: dict[str, Counter[str]]) -> None:
    print(f"\na day at {SPEED} times its speed: calls to Slack\n")
    for kind in (ORDINARY, FLAPPING, STORM):
        incidents, calls = found["incidents"][kind], found[kind]
        details = ", ".join(f"{number} {what}" for what, number in sorted(calls.items()))
        print(
            f"  {kind:<9} {incidents:>5} incidents  {calls.total():>5} calls  {calls.total() / max(1, incidents):>5.2f} each   ({details})"
        )
    print(f"  messages in the channel at the end: {found['messages'].total()}")


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--ordinary", type=int, default=120)
    parser.add_argument("--flapping", type=int, default=3, help="groups, each of which fires ten times")
    parser.add_argument("--storm", type=int, default=400)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    given = parser.parse_args()
    sizes = (given.ordinary, given.flapping, given.storm)
    with (
        tempfile.TemporaryDirectory(prefix="ackstream-day-") as name,
        own_redis(Path(name) / "redis") as redis,
    ):
        found = await day(Path(name), redis, given.seed, sizes)
    report(found)
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())

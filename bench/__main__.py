"""`make bench`: what ingest takes with and without the commit, and how long an alert is on its way to Slack.

Everything runs on this machine at one time, so absolute figures say little about another one; the ratios inside one run do.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench import deadlines
from bench.drain import measure_drain, measure_mere_calls
from bench.load import alertmanager_body
from bench.servers import made, own_redis
from sandbox.server import running
from tests.servers import RedisServer
from tests.stack import ROOT, Stack, clean_environment
from tests.waiting import wait_until

CONNECTIONS = 64
BEGUN = "chat.postMessage"


@dataclass(frozen=True)
class Figures:
    """Latencies in milliseconds."""

    rate: float
    p50: float
    p99: float

    def __str__(self) -> str:
        return f"{self.rate:>9,.0f}/s   p50 {self.p50:>6.2f} ms   p99 {self.p99:>6.2f} ms"


def figures(seconds: float, latencies: list[float]) -> Figures:
    ordered = sorted(latencies)
    return Figures(
        len(ordered) / seconds,
        1000 * ordered[len(ordered) // 2],
        1000 * ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))],
    )


def drive(port: int, *, connections: int, requests: int, prefix: str, groups: int = 0) -> Figures:
    """Load from a process of its own."""
    arguments = {
        "port": port,
        "connections": connections,
        "requests": requests,
        "prefix": prefix,
        "groups": groups,
    }
    command = [
        sys.executable,
        "-m",
        "bench.load",
        *(f"--{name}={value}" for name, value in arguments.items()),
    ]
    answer = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    if answer["wrong"]:
        raise SystemExit(f"{answer['wrong']} of {requests} requests were not answered with 201")
    return figures(answer["seconds"], answer["latencies"])


@contextmanager
def uncommitted(stack: Stack) -> Iterator[int]:
    """Ingest without the commit, on the port of `stack`."""
    command = [sys.executable, "-m", "bench.uncommitted", str(stack.config_path)]
    process = subprocess.Popen(command, cwd=ROOT, env=clean_environment(), stderr=subprocess.DEVNULL)
    try:
        yield stack.port
    finally:
        process.terminate()
        process.wait(30)


async def measure_ingest(
    home: Path, redis: RedisServer, rounds: int, requests: int
) -> dict[str, list[Figures]]:
    """All cases in turn, `rounds` times, so that what else this machine does hits all of them alike."""
    found: dict[str, list[Figures]] = {
        "without commit": [],
        "new incidents": [],
        "repeats": [],
        "one connection": [],
    }
    quiet = "log: {level: warning}\n"
    with running() as sandbox:
        bare, real = (Stack(made(home / name), sandbox, redis.url, extra=quiet) for name in ("bare", "real"))
        real.start("ingest")
        try:
            with uncommitted(bare) as bare_port:
                await real.ready("ingest")
                await wait_until(lambda: _listens(bare_port), "the bare ingest", seconds=20)
                for number in range(rounds):
                    many = {"connections": CONNECTIONS, "requests": requests, "prefix": f"r{number}-"}
                    found["without commit"].append(drive(bare_port, **many))
                    found["new incidents"].append(drive(real.port, **many))
                    found["repeats"].append(drive(real.port, **many, groups=min(1000, requests)))
                    one = {"connections": 1, "requests": requests // 20, "prefix": f"o{number}-"}
                    found["one connection"].append(drive(real.port, **one))
        finally:
            real.stop()
    return found


async def measure_way_to_slack(home: Path, redis: RedisServer, alerts: int) -> list[float]:
    """Seconds from the first byte of a notification to the beginning of the call to Slack, one alert at a time, nothing else to do."""
    delays = []
    with running() as sandbox:
        stack = Stack(made(home / "slack"), sandbox, redis.url, extra="log: {level: warning}\n")
        try:
            await stack.start_all()
            calls = sandbox.world.slack.calls
            async with httpx.AsyncClient(base_url=stack.url, trust_env=False) as client:
                for number in range(alerts):
                    body = alertmanager_body(f"slack-{number}")
                    before, sent = len(calls.named(BEGUN)), time.time()
                    await client.post("/api/incidents", content=body)
                    await wait_until(
                        lambda before=before: len(calls.named(BEGUN)) > before, "the call to Slack"
                    )
                    delays.append(calls.named(BEGUN)[-1].at - sent)
        finally:
            stack.stop()
    return delays


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def measure_notifier(home: Path, redis: RedisServer, rounds: int, incidents: int) -> dict[str, float]:
    """Posts a second with the pace off, and the calls a second that slack-sdk alone makes; medians."""
    drains, mere = [], []
    for number in range(rounds):
        mere.append(await measure_mere_calls(incidents))
        drains.append(await measure_drain(made(home / f"drain{number}"), redis, incidents, f"d{number}-"))
    return {"mere calls": statistics.median(mere), "notifier": statistics.median(drains)}


def report(
    found: dict[str, list[Figures]], delays: list[float], notifier: dict[str, float]
) -> dict[str, object]:
    """Print a table; the same as JSON values."""
    middle = {name: _median(rounds) for name, rounds in found.items()}
    bare = middle["without commit"].rate
    print(
        f"\ningest, {CONNECTIONS} connections, 1.2 kB Alertmanager bodies, AOF everysec; median of {len(found['repeats'])} rounds\n"
    )
    for name, value in middle.items():
        ratio = "" if name == "one connection" else f"   {value.rate / bare:>5.2f} x without commit"
        print(f"  {name:<16} {value}{ratio}")
    p50, p99 = (
        1000 * value for value in (statistics.median(delays), sorted(delays)[round(0.99 * (len(delays) - 1))])
    )
    print(
        f"\nalert → Slack call begun, idle system, {len(delays)} alerts: p50 {p50:.1f} ms, p99 {p99:.1f} ms"
    )
    ratio = notifier["notifier"] / notifier["mere calls"]
    print(
        f"one notifier, pace off: {notifier['notifier']:,.0f} posts/s, {ratio:.2f} x slack-sdk's calls without Redis ({notifier['mere calls']:,.0f}/s)"
    )
    return {
        "notifier_posts_per_second": notifier,
        "ratio_notifier": ratio,
        "ingest": {name: vars(value) for name, value in middle.items()},
        "ratio_new": middle["new incidents"].rate / bare,
        "ratio_repeats": middle["repeats"].rate / bare,
        "alert_to_slack_ms": {"p50": p50, "p99": p99},
    }


def _median(rounds: list[Figures]) -> Figures:
    return Figures(
        *(statistics.median(getattr(one, name) for one in rounds) for name in ("rate", "p50", "p99"))
    )


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=20_000, help="per round and case")
    parser.add_argument("--alerts", type=int, default=100, help="on their way to Slack, one by one")
    parser.add_argument("--posts", type=int, default=5_000, help="incidents that wait for one notifier")
    parser.add_argument(
        "--deadlines", type=int, default=10_000, help="at the same second; 0: not measured (three minutes)"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ackstream-bench-") as directory:
        home = Path(directory)
        with own_redis(home / "first") as redis:
            found = await measure_ingest(home, redis, given.rounds, given.requests)
        with own_redis(home / "second") as redis:  # what waits in the first one would be told to Slack
            delays = await measure_way_to_slack(home, redis, given.alerts)
            notifier = await measure_notifier(home, redis, given.rounds, given.posts)
        result = report(found, delays, notifier)
        if given.deadlines:
            many = given.deadlines
            due = await deadlines.measure(
                made(home / "deadlines"), few=many // 25, many=many, neighbours=many // 50
            )
            result["deadlines"] = deadlines.report(due)
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())

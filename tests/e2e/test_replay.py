"""`ackstream replay` as somebody types it, beside real processes."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from ops.sample_alert import alert_body
from shared.keys import Keys
from shared.notification import Call
from shared.redis_client import Scripts
from shared.store import Store
from tests.e2e.conftest import StackFactory
from tests.redis.lives import received
from tests.redis.replaying import everything_in
from tests.stack import ROOT, Stack, ack_link, acknowledge, clean_environment, color, pause_for_a_moment
from tests.waiting import wait_until

KEYS = Keys()
Typed = subprocess.CompletedProcess[str]
Replay = Callable[..., Typed]


def command_line(stack: Stack, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "ops.command", "replay", *arguments, "--config", str(stack.config_path)]


def typed(stack: Stack, *arguments: str, code: int = 0, **environment: str) -> Typed:
    """What `ackstream replay` printed, with the stack's configuration."""
    done = subprocess.run(
        command_line(stack, *arguments),
        cwd=ROOT,
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr + done.stdout
    return done


@pytest.fixture
def replay(stack: Stack) -> Replay:
    """From `replay("--dry-run")`."""

    def replay(*arguments: str, **more: Any) -> Typed:
        return typed(stack, *arguments, **more)

    return replay


async def sent(stack: Stack, name: str, query: str = "", *, resolved: bool = False) -> str:
    body = alert_body(name, "critical", f"{name} is broken", resolved=resolved)
    incident: str = (await stack.send(body, query)).json()["incident_id"]
    return incident


async def a_night(stack: Stack) -> None:
    """One alert that waits, one acknowledged, one escalated, one over; all shown as they are."""
    await sent(stack, "Waiting")
    await sent(stack, "Taken")
    taken = await stack.message(lambda one: "Taken" in one["text"] and ack_link(one), "a button")
    await acknowledge(ack_link(taken), "Ada")
    await sent(stack, "Escalated", "?oncall_wait_minutes=0")
    await sent(stack, "Over")
    await stack.message(lambda one: "Over" in one["text"], "its message")
    await sent(stack, "Over", resolved=True)
    for mark in (
        "[FIRING:1] Waiting",
        "[ACKNOWLEDGED by Ada] Taken",
        "[ESCALATED INC0010001]",
        "[RESOLVED] Over",
    ):
        await stack.message(lambda one, mark=mark: one["text"].startswith(mark), mark)


def outside(stack: Stack) -> tuple[int, int, int]:
    """Slack messages, calls to Slack, records."""
    slack, servicenow = stack.sandbox.world.slack.calls, stack.sandbox.world.servicenow.calls
    return len(slack.named("chat.postMessage")), len(slack.entries), len(servicenow.named("POST"))


async def settled(client: Redis) -> bool:
    """Nothing is left to read or to do for any stage."""
    groups = await client.xinfo_groups(KEYS.events)
    return not await client.zcard(KEYS.deliveries) and not any(group["pending"] for group in groups)


async def test_the_whole_past_twice_posts_nothing_and_writes_nothing(
    stack: Stack, replay: Replay, client: Redis
) -> None:
    await a_night(stack)
    await wait_until(lambda: settled(client), "everybody to be done")
    before, events = outside(stack), await client.xlen(KEYS.events)
    for _ in range(2):
        for group in ("notifier", "escalator"):
            done = replay("--group", group)
            assert done.stdout.splitlines()[0] == f"{group}: 4 of 4 incidents looked at"
    await pause_for_a_moment()
    await wait_until(lambda: settled(client), "everybody to be done")
    assert outside(stack) == before
    assert await client.xlen(KEYS.events) == events


async def test_a_lost_deadline_escalates_after_all(stack: Stack, replay: Replay, client: Redis) -> None:
    stack.kill("escalator", signal.SIGTERM)
    incident = await sent(stack, "HighLatency", "?oncall_wait_minutes=0")
    stack.start("escalator")
    await stack.ready("escalator")
    await wait_until(stack.records, "its record")
    waiting = await sent(stack, "DiskFull", "?oncall_wait_minutes=0.05")
    await client.delete(KEYS.deadlines)
    done = json.loads(replay("--group", "escalator", "--from", "-1h", "--output", "json").stdout)
    assert done["incidents"] == 2
    await wait_until(lambda: len(stack.records()) == 2, "the other record")
    assert {record["correlation_id"] for record in stack.records()} == {incident, waiting}


async def test_a_deleted_message_is_posted_again_once(stack: Stack, replay: Replay, client: Redis) -> None:
    incident = await sent(stack, "HighLatency")
    await sent(stack, "DiskFull")
    message = await stack.message(lambda one: "HighLatency" in one["text"], "its message")
    await stack.message(lambda one: "DiskFull" in one["text"], "the other one")
    await wait_until(lambda: settled(client), "everybody to be done")
    del stack.sandbox.world.slack.channel("C0TEST").messages[message["ts"]]
    for _ in range(2):
        done = json.loads(
            replay("--group", "notifier", "--force", "--incident", incident, "--output", "json").stdout
        )
        assert done["asked"] == 1
        again = await stack.message(lambda one: "HighLatency" in one["text"], "a new message")
        await wait_until(lambda: settled(client), "everybody to be done")
    assert again["ts"] != message["ts"]
    assert ack_link(again)
    assert len(stack.messages()) == 2
    assert outside(stack)[0] == 3
    # It is edited as ever.
    await acknowledge(ack_link(again), "Ada")
    await stack.message(lambda one: color(one) == "F2A900", "an amber message")


async def test_a_dry_run_touches_nothing(stack: Stack, replay: Replay, client: Redis) -> None:
    await a_night(stack)
    await wait_until(lambda: settled(client), "everybody to be done")
    for service in ("ingest", "notifier", "escalator"):
        stack.kill(service, signal.SIGTERM)
    before, keys = outside(stack), await everything_in(Scripts(client))
    told = replay("--dry-run").stdout
    assert "posts in C0TEST" in told
    assert f"POST {stack.sandbox.servicenow_url('main')}/api/now/table/incident" in told
    assert "Nothing was sent, nothing was written." in told
    after = await everything_in(Scripts(client))
    assert {key: value for key, value in after.items() if "probe" not in key} == {
        key: value for key, value in keys.items() if "probe" not in key
    }
    assert outside(stack) == before


async def test_who_reads_only_the_beginning_has_seen_enough(new_stack: StackFactory, store: Store) -> None:
    stack = new_stack()
    for number in range(300):
        body = alert_body(f"Alert{number}", "critical", "x" * 300)
        await store.receive(received(body, Call(wait=None)))
    process = await asyncio.create_subprocess_exec(
        *command_line(stack, "--dry-run"),
        cwd=ROOT,
        env=clean_environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    assert b"opened" in await process.stdout.readline()
    process.stdout._transport.close()  # noqa: SLF001  as `head` does
    assert await process.stderr.read() == b""
    assert await process.wait() == 0


async def test_the_past_in_a_test_channel(stack: Stack, replay: Replay, client: Redis) -> None:
    await sent(stack, "HighLatency")
    message = await stack.message(ack_link, "a message with a button")
    await acknowledge(ack_link(message), "Ada")
    await stack.message(lambda one: color(one) == "F2A900", "an amber message")
    await wait_until(lambda: settled(client), "everybody to be done")
    original, records = stack.messages(), outside(stack)[2]
    assert replay("--channel", "C9", "--from", "-1h").stdout == "1 messages posted and 1 edits made in C9.\n"
    (shown,) = stack.messages("C9")
    assert shown["text"].startswith("[REPLAY] [ACKNOWLEDGED by Ada] HighLatency")
    assert ack_link(shown) is None
    assert stack.messages() == original
    assert outside(stack)[2] == records
    post, edit = (
        call for call in stack.sandbox.world.slack.calls.entries if call.arguments.get("channel") == "C9"
    )
    assert edit.at - post.at >= 0.95, "Slack takes about one a second"
    refused = replay("--channel", "C0TEST", code=1)
    assert (
        refused.stderr
        == "Error: C0TEST is alert.slack.channel_id, where real alerts go; name a test channel\n"
    )


async def test_who_stops_it_is_told_what_was_done(stack: Stack, client: Redis) -> None:
    for number in range(5):
        await sent(stack, f"Alert{number}")
    process = await asyncio.create_subprocess_exec(
        *command_line(stack, "--channel", "C9"),
        cwd=ROOT,
        env=clean_environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await wait_until(lambda: stack.messages("C9"), "its first message")
    process.send_signal(signal.SIGINT)
    said, _ = await process.communicate()
    shown = len(stack.messages("C9"))
    assert shown < 5
    assert process.returncode == 130
    assert said.decode() == f"Stopped: {shown} messages posted and 0 edits made in C9, of 5 steps in all.\n"


async def test_production_on_a_laptop(stack: Stack, replay: Replay, client: Redis) -> None:
    incident = await sent(stack, "SecretName", "?oncall_wait_minutes=0")
    await wait_until(stack.records, "its record")
    elsewhere = stack.config.redis.connection_url.replace("/0", "/1")
    assert "incidents copied" in replay("--into", elsewhere, "--redact").stdout
    told = replay("--dry-run", "--incident", incident, ACKSTREAM_REDIS_URL=elsewhere).stdout
    assert "opened" in told
    assert "SecretName" not in told
    assert "has events already" in replay("--into", elsewhere, code=1).stderr


async def test_what_if(stack: Stack, replay: Replay, tmp_path: Path) -> None:
    await sent(stack, "HighLatency")
    proposed = tmp_path / "proposed.yaml"
    text = stack.config_path.read_text(encoding="utf-8")
    proposed.write_text(text, encoding="utf-8")
    assert replay("--what-if", str(proposed)).stdout.startswith("No difference: 1 incidents")
    proposed.write_text(text.replace("C0TEST", "C0OTHER"), encoding="utf-8")
    told = replay("--what-if", str(proposed)).stdout
    assert "channel   - C0TEST" in told
    assert "          + C0OTHER" in told
    proposed.write_text(text.replace("wait_minutes", "wait_minuts"), encoding="utf-8")
    assert "did you mean wait_minutes?" in replay("--what-if", str(proposed), code=2).stderr


async def test_the_past_as_new_in_a_world_of_its_own(stack: Stack, replay: Replay, client: Redis) -> None:
    await a_night(stack)
    await wait_until(lambda: settled(client), "everybody to be done")
    before, events = outside(stack), await client.xlen(KEYS.events)
    # Variables of the real installation win over files; not over the world's.
    real = {"ACKSTREAM_REDIS_URL": stack.config.redis.connection_url, "PORT": str(stack.port)}
    done = replay("--as-new", "--exit", "--output", "json", **real)
    told: dict[str, Any] = json.loads(done.stdout)
    assert (told["notifications"], told["incidents"], told["refused"]) == (5, 4, [])
    assert told["outcomes"] == {"opened": 4, "resolved": 1}
    shown = sorted(text.split("]")[0] for text in told["messages"]["C0TEST"])
    assert shown == ["[ESCALATED INC0010001", "[FIRING:1", "[FIRING:1", "[RESOLVED"]
    assert told["records"] == 1
    assert "Slack and ServiceNow, as stand-ins: http://127.0.0.1:" in done.stderr
    assert outside(stack) == before
    assert await client.xlen(KEYS.events) == events


async def test_the_world_stays_until_somebody_ends_it(new_stack: StackFactory, store: Store) -> None:
    await store.receive(received(alert_body("HighLatency", "critical", "it is slow"), Call(wait=None)))
    process = await asyncio.create_subprocess_exec(
        *command_line(new_stack(), "--as-new"),
        cwd=ROOT,
        env=clean_environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    said = ""
    while "notifications sent" not in said:
        said += (await asyncio.wait_for(process.stderr.readline(), 30)).decode()
    board = re.findall(r"as stand-ins: (\S+)", said)[-1]

    async def is_shown() -> bool:
        async with httpx.AsyncClient(trust_env=False) as browser:
            return "HighLatency" in (await browser.get(f"{board}_sandbox/board")).text

    await wait_until(is_shown, "the alert on the board")
    process.send_signal(signal.SIGINT)
    out, _ = await asyncio.wait_for(process.communicate(), 40)
    assert process.returncode == 0
    assert out.decode() == "1 of 1 notifications sent again: 1 opened.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say what to do with the past: one of --group, "),
        (("--dry-run", "--as-new"), "--dry-run and --as-new do not go together; run one after the other"),
        (("--dry-run", "--from", "yesterday"), "'yesterday' is no moment: say 2026-01-31T03:00 (UTC), "),
        (("--dry-run", "--from", "-1h", "--to", "-2h"), "--to lies before --from; exchange them"),
        (("--dry-run", "--incident", "INC1"), "'INC1' is not an incident id; "),
    ],
)
def test_what_cannot_be_done_is_one_line(
    new_stack: StackFactory, arguments: tuple[str, ...], said: str
) -> None:
    done = typed(new_stack(), *arguments, code=1)
    assert done.stderr.startswith(f"Error: {said}")
    assert len(done.stderr.splitlines()) == 1

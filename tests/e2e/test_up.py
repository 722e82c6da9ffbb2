"""`ackstream up`: everything in one process tree, with a server of its own, whatever happens to it."""

import os
import signal
import socket
from pathlib import Path

import httpx
import pytest

from ops.sample_alert import alert_body
from tests.e2e.conftest import StackFactory
from tests.stack import Stack, ack_link, acknowledge, color
from tests.waiting import wait_until

INCIDENTS = 20
ACKNOWLEDGED = 3
PURPLE = "7B1FA2"
READY = "Ackstream is ready"


@pytest.fixture
def up(new_stack: StackFactory) -> Stack:
    """Not started yet; `up.start("up", "--data-dir", …)` starts it."""
    return new_stack(None, wait_minutes=0.2)


def data_dir(up: Stack) -> tuple[str, str]:
    return "--data-dir", str(up.directory / "data")


async def start(up: Stack) -> None:
    """Until it says that everything is ready, once more than before."""
    up.start("up", *data_dir(up))
    before = up.log("up").count(READY)
    await wait_until(
        lambda: up.log("up").count(READY) > before, "everything to be ready", seconds=30, every=0.05
    )


def descendants(pid: int) -> list[int]:
    """Every process below `pid`, children first."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, waiting = [], [pid]
    while waiting:
        waiting += (below := children.get(waiting.pop(), []))
        found += below
    return found


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


async def test_killed_while_incidents_wait_it_brings_each_to_servicenow_once(up: Stack) -> None:
    await start(up)
    for number in range(INCIDENTS + ACKNOWLEDGED):
        answer = await up.send(alert_body(f"Disk{number:02}", "critical", "full"))
        assert answer.status_code == 201
    await wait_until(lambda: len(up.messages()) == INCIDENTS + ACKNOWLEDGED, "all messages")
    for message in up.messages()[-ACKNOWLEDGED:]:
        await acknowledge(ack_link(message))

    tree = [up.pid("up"), *descendants(up.pid("up"))]
    assert len(tree) >= 5, "up, a server and three services"
    for pid in tree:
        os.kill(pid, signal.SIGKILL)
    up.kill("up")
    await wait_until(lambda: all(map(is_gone, tree)), "the whole tree to be gone")
    assert up.records() == []

    await start(up)
    await wait_until(lambda: len(up.records()) >= INCIDENTS, "a record for each", seconds=40)
    await wait_until(
        lambda: [color(message) for message in up.messages()].count(PURPLE) == INCIDENTS, "Slack to tell"
    )
    wanted = {message["metadata"]["event_payload"]["incident_id"] for message in up.messages()[:INCIDENTS]}
    assert sorted(record["correlation_id"] for record in up.records()) == sorted(wanted)
    assert len(up.sandbox.world.servicenow.calls.named("POST")) == INCIDENTS
    assert len(up.messages()) == INCIDENTS + ACKNOWLEDGED


async def test_a_signal_ends_everything_in_order(up: Stack) -> None:
    await start(up)
    tree = [up.pid("up"), *descendants(up.pid("up"))]
    assert up.kill("up", signal.SIGTERM) == 0
    assert all(map(is_gone, tree))
    assert "Traceback" not in up.log("up")


async def test_its_children_do_not_outlive_it(up: Stack) -> None:
    await start(up)
    tree = descendants(up.pid("up"))
    up.kill("up", signal.SIGKILL)
    await wait_until(lambda: all(map(is_gone, tree)), "its children to end", seconds=30)


async def test_what_dies_is_started_again(up: Stack) -> None:
    await start(up)
    before = set(descendants(up.pid("up")))
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    await wait_until(
        lambda: len(set(descendants(up.pid("up"))) - before) == len(before), "all of it again", seconds=20
    )
    answer = await wait_until(lambda: taken(up), "an alert to be taken", seconds=20, every=0.2)
    assert answer["outcome"] == "opened"
    await wait_until(up.messages, "a message", seconds=20)


async def taken(up: Stack) -> dict[str, str] | None:
    try:
        answer = await up.send(alert_body("HighLatency", "critical", "slow"))
    except httpx.HTTPError:
        return None
    return answer.json() if answer.status_code == 201 else None


async def test_two_on_one_directory_are_one_too_many(up: Stack) -> None:
    await start(up)
    up.start("second", *data_dir(up), command="up")
    assert up.wait("second") == 1
    assert "is in use by another `ackstream up`" in up.log("second")


async def test_ready_means_its_own_services_not_those_that_were_there_before(up: Stack) -> None:
    await start(up)
    up.start("second", "--data-dir", str(up.directory / "elsewhere"), command="up")
    assert up.wait("second") == 1
    assert READY not in up.log("second")
    assert "cannot listen on" in up.log("second")


async def test_a_server_that_does_not_start_is_told_with_the_place_that_says_why(up: Stack) -> None:
    await start(up)
    up.kill("up", signal.SIGTERM)
    (increments,) = (up.directory / "data" / "appendonlydir").glob("*.incr.aof")
    increments.write_bytes(b"*3\r\n$3\r\nSET\r\nnonsense\r\n" * 3)
    before = up.log("up")
    up.start("up", *data_dir(up))
    assert up.wait("up") == 1
    said = up.log("up").removeprefix(before)
    assert f"{up.directory / 'data' / 'server.log'} says why" in said


async def test_a_taken_port_is_one_clear_line(up: Stack) -> None:
    with socket.socket() as taken_port:
        taken_port.bind(("127.0.0.1", up.port))
        taken_port.listen()
        up.start("up", *data_dir(up))
        assert up.wait("up") == 1
    assert f"ackstream ingest: cannot listen on 127.0.0.1:{up.port}" in up.log("up")
    assert "Traceback" not in up.log("up")

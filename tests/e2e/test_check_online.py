"""`ackstream check-config --online` as somebody types it, with a Slack that has its scopes, members and archives."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.faults import Fault
from sandbox.server import Running, running
from sandbox.slack import SlackWorkspace
from sandbox.slack_settings import ALL_SCOPES
from sandbox.world import World
from tests.servers import free_port
from tests.stack import ROOT, clean_environment

CONFIG = """\
alert:
  slack:
    enable: true
    token: {token}
    api_url: {url}
    channel_id: C1
    fallback_channel_id: C9
    template_path: {root}/config/slack_message.tmpl
    routes:
      - {{match: team=db, channel_id: C2}}
      - {{match: team=web, channel_id: G3}}
"""


@pytest.fixture
def sandbox() -> Iterator[Running]:
    names = {"C1": "ops", "C2": "databases", "C9": "trouble", "G3": "secret"}
    with running(World(slack=SlackWorkspace(names))) as started:
        yield started


def check(
    url: str,
    directory: Path,
    token: str = "xoxb-1",
    options: tuple[str, ...] = ("--online",),
    more: str = "",
) -> tuple[int, list[str]]:
    """Exit code and lines."""
    file = directory / "config.yaml"
    file.write_text(CONFIG.format(token=token, url=url, root=ROOT) + more)
    done = subprocess.run(
        [sys.executable, "-m", "ops.command", "check-config", str(file), *options],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_all_is_well(sandbox: Running, tmp_path: Path) -> None:
    code, lines = check(sandbox.slack_url, tmp_path)
    assert code == 0
    assert lines == [
        "OK  token   is @ackstream's, of Sandbox",
        f"OK  scopes  {', '.join(sorted(ALL_SCOPES))}",
        "OK  C1      #ops",
        "OK  C2      #databases",
        "OK  G3      #secret",
        "OK  C9      #trouble",
        "SUCCESS",
    ]
    assert {call.name for call in sandbox.world.slack.calls.entries} == {"auth.test", "conversations.info"}


def test_every_channel_that_would_refuse_is_named_with_its_mend(sandbox: Running, tmp_path: Path) -> None:
    sandbox.world.slack.rules.change(member_of=frozenset({"C2", "C9"}), archived=frozenset({"C9"}))
    code, lines = check(sandbox.slack_url, tmp_path)
    assert code == 1
    assert [line.split(maxsplit=2) for line in lines[2:-1]] == [
        ["WRONG", "C1", "the bot is not in #ops: invite the bot: /invite @ackstream in #ops"],
        ["OK", "C2", "#databases"],
        [
            "WRONG",
            "G3",
            "channel_not_found: check the id; if the channel is private, invite the bot there: /invite @ackstream",
        ],
        ["WRONG", "C9", "#trouble is archived: unarchive the channel, or configure another one"],
    ]
    assert lines[-1] == "FAILED: Slack would not take messages as configured"


def test_what_cannot_be_seen_is_no_failure(sandbox: Running, tmp_path: Path) -> None:
    sandbox.world.slack.rules.change(scopes=frozenset({"chat:write"}))
    code, lines = check(sandbox.slack_url, tmp_path)
    assert code == 0
    assert lines[1].startswith("ADVICE   scopes  channels:history is missing")
    assert "the scope channels:read would show it" in lines[2]
    assert "the scope groups:read would show it" in lines[4]


@pytest.mark.parametrize("token", ["xoxp-1", "nonsense"])
def test_a_wrong_token(sandbox: Running, tmp_path: Path, token: str) -> None:
    code, lines = check(sandbox.slack_url, tmp_path, token)
    assert code == 1
    assert lines[0].startswith("WRONG    token  invalid_auth: the token is not valid")
    assert token not in "".join(lines)


def test_nobody_answers(tmp_path: Path) -> None:
    code, lines = check(f"http://127.0.0.1:{free_port()}/", tmp_path)
    assert code == 1
    assert lines[0] == "UNKNOWN  token  cannot connect to Slack"
    assert lines[-1] == "FAILED: Slack could not be asked", "nothing is known to be wrong"


SOCKET = "    interactivity: socket\n    app_token: {token}\n"


def test_the_token_for_socket_mode_is_tried_too(sandbox: Running, tmp_path: Path) -> None:
    code, lines = check(sandbox.slack_url, tmp_path, more=SOCKET.format(token="xapp-1-A0ACKSTREAM-1-secret"))
    assert (code, lines[-2]) == (0, "OK  app_token  opens connections for Socket Mode")


def test_a_wrong_token_for_socket_mode(sandbox: Running, tmp_path: Path) -> None:
    refused = Fault(
        target="slack", kind="slack_error", error="missing_scope", match="apps.connections.open", count=1
    )
    sandbox.world.faults.add(refused)
    code, lines = check(sandbox.slack_url, tmp_path, more=SOCKET.format(token="xapp-1-A0ACKSTREAM-1-secret"))
    assert code == 1
    assert lines[-2].startswith(
        "WRONG  app_token  missing_scope: put a token (xapp-…) with the scope connections:write"
    )
    assert lines[-1] == "FAILED: Slack would not tell of presses on buttons as configured"


def test_without_online_nobody_is_asked(sandbox: Running, tmp_path: Path) -> None:
    code, lines = check(sandbox.slack_url, tmp_path, options=())
    assert (code, lines) == (0, ["SUCCESS"])
    assert list(sandbox.world.slack.calls.entries) == []

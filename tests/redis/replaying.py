"""`ackstream replay` without its command line."""

from pathlib import Path
from typing import Any

from ops.replay.progress import Patience, Progress
from ops.replay.reading import redis_now
from ops.replay.replay import Replay
from ops.replay.selection import Selection
from shared.config import Config
from shared.redis_client import Scripts
from tests.stack import ROOT

TEMPLATE = ROOT / "config" / "slack_message.tmpl"


def configured(template: Path = TEMPLATE, *, oncall: dict[str, Any] | None = None, **slack: Any) -> Config:
    """A configuration with everything on; nothing of it is reachable."""
    return Config.model_validate(
        {
            "public_host": "https://ack.example.com",
            "alert": {
                "slack": {
                    "enable": True,
                    "token": "xoxb-test",
                    "channel_id": "C0TEST",
                    "template_path": str(template),
                    "api_url": "http://127.0.0.1:9/",
                    **slack,
                }
            },
            "oncall": {
                "enable": True,
                "servicenow": {
                    "instance_url": "http://127.0.0.1:9/main",
                    "username": "ackstream",
                    "password": "sandbox",
                    "other_instance_urls": {"infra": "http://127.0.0.1:9/infra"},
                },
                **(oncall or {}),
            },
        }
    )


async def replay_of(
    scripts: Scripts,
    start: str | None = None,
    end: str | None = None,
    *incidents: str,
    config: Config | None = None,
) -> Replay:
    now = await redis_now(scripts)
    range_ = Selection.parse(start, end, incidents).at(now)
    return Replay(config or configured(), scripts, range_, now, Patience(), Progress())


_CONTENT = {
    b"string": lambda key: ("GET", key),
    b"hash": lambda key: ("HGETALL", key),
    b"list": lambda key: ("LRANGE", key, 0, -1),
    b"zset": lambda key: ("ZRANGE", key, 0, -1, "WITHSCORES"),
    b"stream": lambda key: ("XRANGE", key, "-", "+"),
}


async def everything_in(scripts: Scripts) -> dict[str, object]:
    """Every key with its content: the same before and after means that nothing was written. (DUMP would not do: the order of a
    hash's fields in it changes by itself.)"""
    found = {}
    for key in await scripts.execute("KEYS", "*"):
        kind = await scripts.execute("TYPE", key)
        content = await scripts.execute(*_CONTENT[kind](key))
        groups = await scripts.execute("XINFO", "GROUPS", key) if kind == b"stream" else None
        found[key.decode()] = (content, groups)
    return found

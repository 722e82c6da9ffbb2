"""Whose turn it is in a channel: a bucket of tokens and a queue in Redis, shared by all replicas (decision 013)."""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from services.notifier.hold import ChannelHold
from services.notifier.urgency import REFRESH, kind
from shared import metrics
from shared.identity import new_incident_id
from shared.keys import (
    SLACK_STORMS,
    SLACK_TURNS,
    STORM_LIFETIME,
    WAITING_LIFETIME,
    StormKeys,
    slack_bucket,
    slack_bypass,
    slack_hold,
    slack_queue,
    slack_storm_of,
)
from shared.redis_client import Script, Scripts
from shared.storms import Storms

_ADMIT = Script.named("bucket", "storm", "admit")
_TAKE = Script.named("bucket", "storm", "take")
_DONE = Script.named("bucket", "done")
_SPEND = Script.named("bucket", "spend")

SPAN = 10**13
"""What an urgency counts for in the score of a queue's member, as in bucket.lua."""


@dataclass(frozen=True)
class Pace:
    """`interval`: between two calls of one channel, once `burst` of them came at once; zero: as many as come."""

    interval: timedelta
    burst: int


@dataclass(frozen=True)
class StormRules:
    """When a storm begins (more first posts wait than `threshold`; 0: never), how many posts are let past it, and when it is over."""

    threshold: int = 0
    loud: frozenset[str] = frozenset()
    """Severities, in lower case, that may be let past it."""
    bypass_per_minute: int = 0
    quiet: timedelta = timedelta(minutes=2)


@dataclass(frozen=True)
class Admission:
    """`go`: make the call. `storm`: join it instead; `overflow`: too many of its kind were let past it. Neither: it waits."""

    go: bool = False
    storm: str = ""
    overflow: bool = False


@dataclass(frozen=True)
class Turn:
    """What was handed out: with a token, or to join `storm`. `score`: its place in the queue until it is done."""

    member: str
    score: str
    storm: str = ""
    overflow: bool = False


class Pacing:
    def __init__(self, scripts: Scripts, pace: Pace, rules: StormRules = StormRules()) -> None:
        self._scripts = scripts
        self._rate: list[str | int] = [_milliseconds(pace.interval), pace.burst]
        self._rules = rules
        self._threshold = rules.threshold if pace.interval else 0  # only a hold makes anybody wait then
        self.loud = rules.loud
        self.hold = ChannelHold(scripts)
        self.storms = Storms(scripts)
        self.woken = asyncio.Event()
        """Set when something began to wait, or was handed out: the next turn may be near."""
        self._log = structlog.get_logger()

    async def admit(self, channel: str, member: str, urgency: int) -> Admission:
        """Whether the call may be made now; its token is taken then. What waits, waits in Redis for `take`."""
        candidate = new_incident_id(datetime.now(UTC), 0, secrets.token_bytes(9))
        keys = [*_keys(channel), SLACK_STORMS, StormKeys(candidate).facts]
        waiting: list[str | int] = [*self._rate, channel, member, urgency, _milliseconds(WAITING_LIFETIME, 0)]
        rules, lifetime = self._rules, _milliseconds(STORM_LIFETIME, 0)
        storm: list[str | int] = [
            self._threshold,
            rules.bypass_per_minute,
            _milliseconds(rules.quiet, 0),
            candidate,
            lifetime,
        ]
        answer, rages = await self._scripts.run(_ADMIT, keys, [*waiting, *storm])
        verdict = answer.decode()
        metrics.SLACK_ADMISSIONS.labels(kind(urgency), verdict).inc()
        if verdict == "begun":
            metrics.STORMS.inc()
            self._log.warning("storm_begun", channel=channel, storm=candidate)
        if verdict in ("wait", "begun"):
            self.woken.set()
            return Admission()
        return Admission(verdict == "go", rages.decode(), verdict == "overflow")

    async def take(self, channel: str, lease: timedelta) -> Turn | None:
        """The most urgent of what waits, if there is a token. Who dies with it has it handed out again after `lease`."""
        more: list[str | int] = [_milliseconds(lease, 0), self._rules.bypass_per_minute, StormKeys("").facts]
        found = await self._scripts.run(_TAKE, _keys(channel), [*self._rate, channel, *more])
        if not found:
            return None
        self.woken.set()  # the next one may have its turn already
        member, score, deed, storm = (part.decode() for part in found)
        joins = deed in ("join", "overflow")
        return Turn(member, score, storm if joins else "", deed == "overflow")

    async def done(self, channel: str, turn: Turn, *, called: bool) -> None:
        """`turn` is dealt with. Not `called`: Slack was not asked for anything, and the token goes back."""
        keys = [slack_bucket(channel), slack_queue(channel), SLACK_TURNS]
        args: list[str | int] = [
            self._rate[0],
            channel,
            turn.member,
            turn.score,
            int(not called and not turn.storm),
        ]
        await self._scripts.run(_DONE, keys, args)

    async def give_back(self, channel: str) -> None:
        """The token of an admission that came to no call."""
        await self._spend(channel, -1)

    async def charge(self, channel: str) -> None:
        """For a call that could not wait: the next ones wait for it."""
        await self._spend(channel, 1)

    async def tell_waiting(self) -> None:
        """For metrics: how many calls wait, over all channels. Every replica tells the same."""
        first_edit, waiting = REFRESH * SPAN, {"post": 0, "edit": 0}
        ranges: dict[str, tuple[str | int, str | int]] = {
            "post": ("-inf", f"({first_edit}"),
            "edit": (first_edit, "+inf"),
        }
        for channel in await self._scripts.execute("ZRANGE", SLACK_TURNS, 0, -1):
            for name, scores in ranges.items():
                waiting[name] += await self._scripts.execute("ZCOUNT", slack_queue(channel.decode()), *scores)
        for name, count in waiting.items():
            metrics.SLACK_WAITING.labels(name).set(count)

    async def _spend(self, channel: str, count: int) -> None:
        await self._scripts.run(_SPEND, [slack_bucket(channel)], [self._rate[0], count])


def _keys(channel: str) -> list[str]:
    return [
        *(slack_bucket(channel), slack_hold(channel), slack_queue(channel), SLACK_TURNS),
        *(slack_storm_of(channel), slack_bypass(channel)),
    ]


def _milliseconds(duration: timedelta, digits: int = 3) -> str:
    return f"{duration / timedelta(milliseconds=1):.{digits}f}"

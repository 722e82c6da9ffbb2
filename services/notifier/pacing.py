"""Whose turn it is in a channel: a bucket of tokens and a queue in Redis, shared by all replicas (decision 013)."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from services.notifier.hold import ChannelHold
from services.notifier.urgency import EDIT, kind
from shared import metrics
from shared.keys import SLACK_TURNS, WAITING_LIFETIME, slack_bucket, slack_hold, slack_queue
from shared.redis_client import Script, Scripts

_ADMIT = Script.named("bucket", "admit")
_TAKE = Script.named("bucket", "take")
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
class Turn:
    """What was handed out, with a token. `score`: its place in the queue until it is done."""

    member: str
    score: str


class Pacing:
    def __init__(self, scripts: Scripts, pace: Pace) -> None:
        self._scripts = scripts
        self._rate: list[str | int] = [_milliseconds(pace.interval), pace.burst]
        self.hold = ChannelHold(scripts)
        self.woken = asyncio.Event()
        """Set when something began to wait: its turn may be near."""

    async def admit(self, channel: str, member: str, urgency: int) -> bool:
        """Whether the call may be made now; its token is taken then. Else `member` waits in Redis for `take`."""
        keys = [slack_bucket(channel), slack_hold(channel), slack_queue(channel), SLACK_TURNS]
        args: list[str | int] = [*self._rate, channel, member, urgency, _milliseconds(WAITING_LIFETIME)]
        admitted = bool(await self._scripts.run(_ADMIT, keys, args))
        metrics.SLACK_ADMISSIONS.labels(kind(urgency), "at_once" if admitted else "waits").inc()
        if not admitted:
            self.woken.set()
        return admitted

    async def take(self, channel: str, lease: timedelta) -> Turn | None:
        """The most urgent of what waits, if there is a token. Who dies with it has it handed out again after `lease`."""
        keys = [slack_bucket(channel), slack_hold(channel), slack_queue(channel), SLACK_TURNS]
        found = await self._scripts.run(_TAKE, keys, [*self._rate, channel, _milliseconds(lease)])
        return Turn(found[0].decode(), found[1].decode()) if found else None

    async def done(self, channel: str, turn: Turn, *, called: bool) -> None:
        """`turn` is dealt with. Not `called`: Slack was not asked for anything, and the token goes back."""
        keys = [slack_bucket(channel), slack_queue(channel), SLACK_TURNS]
        args: list[str | int] = [self._rate[0], channel, turn.member, turn.score, int(not called)]
        await self._scripts.run(_DONE, keys, args)

    async def give_back(self, channel: str) -> None:
        """The token of an admission that came to no call."""
        await self._spend(channel, -1)

    async def charge(self, channel: str) -> None:
        """For a call that could not wait: the next ones wait for it."""
        await self._spend(channel, 1)

    async def tell_waiting(self) -> None:
        """For metrics: how many calls wait, over all channels. Every replica tells the same."""
        first_edit, waiting = EDIT * SPAN, {"post": 0, "edit": 0}
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


def _milliseconds(duration: timedelta) -> str:
    return f"{duration / timedelta(milliseconds=1):.3f}".rstrip("0").rstrip(".")

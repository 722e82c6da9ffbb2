"""Slack's Retry-After, obeyed by every replica: while a channel, or a method, is on hold nobody calls Slack for it."""

from datetime import timedelta

from shared.keys import slack_hold
from shared.redis_client import Scripts


class ChannelHold:
    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def set(self, channel: str, duration: timedelta) -> None:
        milliseconds = max(1, round(duration.total_seconds() * 1000))
        await self._scripts.execute("SET", slack_hold(channel), "1", "PX", milliseconds)

    async def remaining(self, channel: str) -> timedelta | None:
        """None when the channel may be used."""
        milliseconds = int(await self._scripts.execute("PTTL", slack_hold(channel)))
        return timedelta(milliseconds=milliseconds) if milliseconds > 0 else None

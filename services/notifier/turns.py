"""Whose turn it is in a channel is dealt with: an incident's message, a storm's digest, or an incident that joins a storm."""

from services.notifier.digests import MEMBER, Digests
from services.notifier.notifier import Notifier
from services.notifier.pacing import Pacing


class Turns:
    def __init__(self, pacing: Pacing, notifier: Notifier, digests: Digests) -> None:
        self._pacing = pacing
        self._notifier = notifier
        self._digests = digests

    async def take(self, channel: str) -> None:
        """Whatever waits for `channel` most urgently: make Slack show it as it is now."""
        turn = await self._pacing.take(channel, self._notifier.lease)
        if turn is None:
            return
        if turn.storm:
            await self._notifier.join(turn.member, channel, turn.storm, overflow=turn.overflow)
            await self._pacing.done(channel, turn, called=False)
            await self._notifier.show(turn.member)  # it may have a message by now
        elif turn.member.startswith(MEMBER):
            called = await self._digests.attempt(turn.member.removeprefix(MEMBER))
            await self._pacing.done(channel, turn, called=called)
        else:
            attempt = await self._notifier.attempt(turn.member)
            await self._pacing.done(channel, turn, called=attempt.called)
            if attempt.overtaken:
                await self._notifier.show(turn.member)

"""A post whose answer was lost may stand in the channel: it is looked for before another one is made (decision 008)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from services.notifier.hold import ChannelHold
from services.notifier.slack import HISTORY, Failure, Found, Slack, SlackCallError
from shared.backoff import backoff
from shared.commands import Command, Delivered, DeliveryFailed, NotesTold
from shared.incident import Incident, Lease

SLACK_GRACE = timedelta(seconds=20)
"""How long a post whose answer was lost may still appear in the channel."""

LOOK_AGAIN = timedelta(seconds=5)
"""How often to look for it meanwhile."""

PATIENCE = timedelta(minutes=2)
"""How long looks may fail before we post all the same: a message that may be a second one is better than none."""

CLOCKS_APART = timedelta(minutes=5)
"""Slack's clock names the messages, Redis' names the incident's opening."""

LOOKING = "; looking for it: "


@dataclass(frozen=True)
class Sight:
    """What a look came to. `command`: the attempt ends with it; None: post. `blind`: not because nothing is there, but because
    we cannot see."""

    command: Command | None = None
    blind: bool = False


class LostPost:
    def __init__(self, slack: Slack, hold: ChannelHold) -> None:
        self._slack = slack
        self._hold = hold
        self._log = structlog.get_logger()

    async def look(self, incident: Incident, channel: str, token: str) -> Sight:
        """Find the message, or wait until it can no longer arrive. `incident`: in doubt, and leased to us."""
        begun, doubt_until = _lease_of(incident).at, incident.delivery.doubt_until or incident.opened_at
        found, blind = list[Found](), False
        try:
            found = await self.find(channel, incident.id, incident.opened_at)
        except SlackCallError as error:
            if outcome := self._look_later(incident, token, error):
                return Sight(outcome, blind=True)
            self._log.warning(
                "cannot_look_for_message", incident=incident.id, channel=channel, error=str(error)
            )
            blind = True
        if found:
            for second in found[1:]:
                await self.take_away(incident.id, channel, second.ts)
            return Sight(Delivered(token, channel, found[0].ts, found[0].revision))
        if begun < doubt_until:
            wait = min(LOOK_AGAIN, doubt_until - begun)
            return Sight(DeliveryFailed(token, incident.delivery.error, wait, put_off=True), blind=blind)
        return Sight(blind=blind)

    async def look_for_reply(self, incident: Incident, token: str) -> Sight:
        """The same for a reply in the thread. Where nobody lets us look it is posted: a reply twice is better than a lost one."""
        message, effort = incident.message, incident.delivery
        assert message is not None  # noqa: S101  for the type checker: there is a thread
        try:
            since = incident.notes[0].at - CLOCKS_APART
            upto = await self._slack.told_up_to(message.channel, message.ts, incident.id, since)
        except SlackCallError as error:
            self._log.warning("cannot_look_for_reply", incident=incident.id, error=str(error))
            return Sight(blind=True)
        if upto >= incident.notes[0].seq:
            return Sight(NotesTold(token, upto, message.ts))
        begun, doubt_until = _lease_of(incident).at, effort.doubt_until or incident.opened_at
        if begun < doubt_until:
            wait = min(LOOK_AGAIN, doubt_until - begun)
            return Sight(DeliveryFailed(token, effort.error, wait, put_off=True))
        return Sight()

    def _look_later(self, incident: Incident, token: str, error: SlackCallError) -> Command | None:
        """None: nobody will let us look, or none has for too long."""
        begun, effort = _lease_of(incident).at, incident.delivery
        patience = max(effort.blind_since or begun, effort.doubt_until or begun) + PATIENCE - begun
        if error.failure is Failure.NEEDS_PERSON or patience <= timedelta(0):
            return None
        wait = backoff(effort.attempts, retry_after=error.retry_after)
        longest = patience if error.retry_after else LOOK_AGAIN
        # The first error alone, not a list that grows with each look.
        why = f"{effort.error.partition(LOOKING)[0]}{LOOKING}{error}"
        return DeliveryFailed(token, why, min(wait, longest), put_off=True, blind=True)

    async def find(self, channel: str, id_: str, since: datetime, field: str = "incident_id") -> list[Found]:
        """What Slack has of it. Slack's own Retry-After for looking is obeyed by every replica, too. Raises SlackCallError."""
        if held := await self._hold.remaining(HISTORY):
            raise SlackCallError(Failure.TRANSIENT, "ratelimited", held)
        try:
            return await self._slack.find(channel, id_, since - CLOCKS_APART, field)
        except SlackCallError as error:
            if error.retry_after:
                await self._hold.set(HISTORY, error.retry_after)
            raise

    async def take_away(self, incident_id: str, channel: str, ts: str) -> None:
        """A second message of one incident: its post was in doubt, or its poster had been stalled and taken over from."""
        details = {"incident": incident_id, "channel": channel, "ts": ts}
        try:
            await self._slack.delete(channel, ts)
        except SlackCallError as error:
            self._log.error("second_message_stays", error=str(error), **details)
        else:
            self._log.warning("second_message_deleted", **details)


def _lease_of(incident: Incident) -> Lease:
    assert incident.delivery.lease is not None  # noqa: S101  for the type checker: it was just taken
    return incident.delivery.lease

"""One attempt to bring Slack up to date about an incident: look for what may be there, post, edit, or reply in the thread."""

import time
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import structlog

from services.notifier.appearance import Appearance
from services.notifier.lost_post import SLACK_GRACE, LostPost, Sight
from services.notifier.pacing import Pacing
from services.notifier.slack import Failure, Posted, Slack, SlackCallError
from services.notifier.thread import reply
from shared.backoff import backoff
from shared.commands import Command, Delivered, DeliveryFailed, MessageGone, NotesTold
from shared.incident import NOT_TRUSTED, Incident

TIME_TO_COMMIT = timedelta(seconds=10)
"""What a lease allows beyond the calls themselves."""


@dataclass(frozen=True)
class Errand:
    """`token`: of the lease that the incident was given to us under. `started`: monotonic time before that."""

    incident: Incident
    body: str
    token: str
    started: float


@dataclass(frozen=True)
class Outcome:
    """`called`: Slack was asked to post or to edit, which costs a token of the channel's pace."""

    command: Command
    called: bool


class Courier:
    def __init__(self, slack: Slack, pacing: Pacing, appearance: Appearance, timeout: timedelta) -> None:
        self._slack = slack
        self._pacing = pacing
        self._appearance = appearance
        self._timeout = timeout
        self._lost_post = LostPost(slack, pacing.hold)
        self._log = structlog.get_logger()
        # A look, the message as it should be, and once more as plain text: three calls, and time to commit.
        self.lease = 3 * timeout + TIME_TO_COMMIT

    async def carry(self, errand: Errand) -> Outcome:
        sight = await self._look(errand)
        if sight.command:
            return Outcome(sight.command, called=False)
        if time.monotonic() - errand.started > (self.lease - 2 * self._timeout).total_seconds():
            # We were stalled; somebody else may have taken over by the time that a request of ours arrives.
            stalled = DeliveryFailed(errand.token, "stalled before the request", timedelta(0), put_off=True)
            return Outcome(stalled, called=False)
        if _has_only_notes(errand.incident):
            return Outcome(await self._tell(errand), called=True)
        return Outcome(await self._show(errand, blind=sight.blind), called=True)

    async def take_away(self, incident_id: str, channel: str, ts: str) -> None:
        """A second message of one incident."""
        await self._lost_post.take_away(incident_id, channel, ts)

    async def _look(self, errand: Errand) -> Sight:
        """What became of an earlier attempt, where we are in doubt. To edit a message once more does no harm."""
        incident = errand.incident
        if incident.delivery.doubt_until is None:
            return Sight()
        if incident.message is None:
            channel = self._appearance.channel_of(incident)
            return await self._lost_post.look(incident, channel, errand.token)
        if _has_only_notes(incident):
            return await self._lost_post.look_for_reply(incident, errand.token)
        return Sight()

    async def _show(self, errand: Errand, *, blind: bool) -> Command:
        incident = errand.incident
        try:
            posted = await self._send(incident, self._appearance.message(incident, errand.body))
        except SlackCallError as error:
            return await self._failed(errand, error, blind=blind)
        return Delivered(errand.token, posted.channel, posted.ts, incident.revision)

    async def _tell(self, errand: Errand) -> Command:
        """Reply in the thread of the message, which shows the present already."""
        incident, message = errand.incident, errand.incident.message
        assert message is not None  # noqa: S101  for the type checker: there is a thread
        told = NotesTold(errand.token, incident.notes[-1].seq, message.ts)
        try:
            posted = await self._slack.reply(message.channel, message.ts, reply(incident))
        except SlackCallError as error:
            if error.failure not in (Failure.MESSAGE_GONE, Failure.CONTENT):
                return await self._failed(errand, error, blind=False)
            self._log.error("notes_not_told", incident=incident.id, error=str(error))
            return told
        return replace(told, ts=posted.ts)

    async def _send(self, incident: Incident, message: dict[str, Any]) -> Posted:
        """Send `message`; should Slack refuse what it says, once more as short plain text."""
        channel = self._appearance.channel_of(incident)
        try:
            return await self._post_or_edit(incident, channel, message)
        except SlackCallError as error:
            if error.failure is not Failure.CONTENT:
                raise
            self._log.error("content_refused", incident=incident.id, error=str(error))
            plain = self._appearance.plain(incident, f"Slack refused the full message: {error}")
            await self._pacing.charge(channel)
            return await self._post_or_edit(incident, channel, plain)

    async def _post_or_edit(self, incident: Incident, channel: str, message: dict[str, Any]) -> Posted:
        if incident.message is None:
            return await self._slack.post(channel, message)
        await self._slack.update(channel, incident.message.ts, message)
        return Posted(channel, incident.message.ts)

    async def _failed(self, errand: Errand, error: SlackCallError, *, blind: bool) -> Command:
        """`blind`: an earlier post may be there all the same, as before."""
        incident, token = errand.incident, errand.token
        if error.failure is Failure.MESSAGE_GONE and incident.message:
            if incident.message.shown == NOT_TRUSTED:
                return MessageGone(token, incident.message.ts)
            # Somebody deleted it. That is their word; the state is kept, and nothing is posted behind their back.
            return Delivered(token, incident.message.channel, incident.message.ts, incident.revision)
        if error.retry_after:
            await self._pacing.hold.set(self._appearance.channel_of(incident), error.retry_after)
        needs_person = error.failure in (Failure.NEEDS_PERSON, Failure.CONTENT)
        wait = backoff(incident.delivery.attempts, retry_after=error.retry_after, needs_person=needs_person)
        doubt = timedelta(0) if blind else None
        if error.failure is Failure.AMBIGUOUS and (incident.message is None or _has_only_notes(incident)):
            doubt = SLACK_GRACE
        return DeliveryFailed(token, str(error), wait, doubt=doubt, blind=blind, needs_person=needs_person)


def _has_only_notes(incident: Incident) -> bool:
    """Its message is as it should be; its thread is not."""
    message = incident.message
    return message is not None and message.shown == incident.revision and bool(incident.notes)

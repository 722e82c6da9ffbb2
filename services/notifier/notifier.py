"""Level-triggered: whatever the event, make the incident's Slack message show its current state. Being called twice, late, or
at two places at once changes nothing: the incident's lease and the revision that its message shows decide."""

import secrets
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import structlog

from services.notifier.alarm import Alarm
from services.notifier.hold import ChannelHold
from services.notifier.lost_post import SLACK_GRACE, LostPost, Sight
from services.notifier.message import Look, plain_message
from services.notifier.rendering import may_be_acknowledged_in_time, render
from services.notifier.routing import Routing, calling
from services.notifier.slack import Failure, Posted, Slack, SlackCallError
from services.notifier.template import MessageTemplate
from services.notifier.thread import reply
from shared.backoff import backoff
from shared.commands import (
    BeginDelivery,
    Command,
    Delivered,
    DeliveryFailed,
    EventType,
    MessageGone,
    NotesTold,
    Reason,
)
from shared.failures import tell_failure
from shared.identity import is_incident_id
from shared.incident import NOT_TRUSTED, Incident
from shared.links import AckLinks, expiry
from shared.store import Store
from shared.stream import Entry, UndecodableError

INVISIBLE = {
    EventType.NOTIFIED,
    EventType.NOTIFICATION_FAILED,
    EventType.ESCALATION_CLAIMED,
    EventType.MESSAGE_GONE,
    EventType.NOTED,
    EventType.DIGESTED,
    EventType.HANDED_OVER,
    EventType.DEED_REFUSED,
}
"""Events that change nothing which a message shows."""


TIME_TO_COMMIT = timedelta(seconds=10)
"""What a lease allows beyond the calls themselves."""


@dataclass(frozen=True)
class Appearance:
    """How messages look and where they go."""

    channel: str
    template: MessageTemplate
    look: Look
    links: AckLinks
    routing: Routing = field(default_factory=Routing)


class Notifier:
    def __init__(
        self,
        store: Store,
        slack: Slack,
        hold: ChannelHold,
        appearance: Appearance,
        timeout: timedelta,
        alarm: Alarm | None = None,
    ) -> None:
        self._store = store
        self._slack = slack
        self._hold = hold
        self._lost_post = LostPost(slack, hold)
        self._appearance = appearance
        self._alarm = alarm
        # A look, the message as it should be, and once more as plain text: three calls, and time to commit.
        self._timeout = timeout
        self._lease = 3 * timeout + TIME_TO_COMMIT
        self._log = structlog.get_logger()

    async def handle(self, entry: Entry) -> None:
        if entry.type in INVISIBLE:
            return
        if not is_incident_id(entry.incident_id):
            raise UndecodableError(f"entry {entry.id}: {entry.incident_id[:80]!r} is not an incident id")
        await self.show(entry.incident_id)

    async def show_due(self, incident_id: str) -> None:
        """`show`, for who found the incident among the due times: it leaves them also when there was nothing to do."""
        if not await self.show(incident_id):
            await self._store.settle_delivery(incident_id)

    async def show(self, incident_id: str) -> bool:
        """Post, edit or leave alone, until the message shows the present or an attempt has failed and a later one is due.
        Whether there was anything to do for us."""
        begun_once = False
        while True:
            token, started = secrets.token_hex(8), time.monotonic()
            begun = await self._store.apply(incident_id, BeginDelivery(token, self._lease))
            if begun.reason not in (Reason.DELIVERY_BEGUN, Reason.DELIVERY_TAKEN_OVER):
                self._log.debug("not_delivered", incident=incident_id, reason=begun.reason)
                return begun_once
            begun_once = True
            outcome = await self._deliver(incident_id, token, started)
            if outcome is None:
                return False
            done = await self._store.apply(incident_id, outcome)
            if done.reason is Reason.DUPLICATE_MESSAGE and isinstance(outcome, Delivered):
                await self._lost_post.take_away(incident_id, outcome.channel, outcome.ts)
            self._log_outcome(incident_id, outcome, done.reason)
            if self._alarm and done.incident:
                await self._alarm.heed(done.incident, self._channel_of(done.incident), outcome)
            if isinstance(outcome, DeliveryFailed) or done.incident is None or done.incident.is_shown:
                return True

    async def _deliver(self, incident_id: str, token: str, started: float) -> Command | None:
        """What came of one attempt. `started`: monotonic time before the lease was taken."""
        loaded = await self._store.load(incident_id)
        incident = loaded.incident
        if incident is None:
            return None
        channel = self._channel_of(incident)
        if held := await self._hold.remaining(channel):
            return DeliveryFailed(token, "ratelimited", backoff(0, retry_after=held), put_off=True)
        sight = await self._look(incident, channel, token)
        if sight.command:
            return sight.command
        if time.monotonic() - started > (self._lease - 2 * self._timeout).total_seconds():
            # We were stalled; somebody else may have taken over by the time that a request of ours arrives.
            return DeliveryFailed(token, "stalled before the request", timedelta(0), put_off=True)
        if _has_only_notes(incident):
            return await self._tell(incident, token)
        return await self._show(incident, loaded.body, channel, token, blind=sight.blind)

    async def _look(self, incident: Incident, channel: str, token: str) -> Sight:
        """What became of an earlier attempt, where we are in doubt. To edit a message once more does no harm."""
        if incident.delivery.doubt_until is None:
            return Sight()
        if incident.message is None:
            return await self._lost_post.look(incident, channel, token)
        return await self._lost_post.look_for_reply(incident, token) if _has_only_notes(incident) else Sight()

    async def _show(self, incident: Incident, body: str, channel: str, token: str, *, blind: bool) -> Command:
        try:
            posted = await self._send(incident, channel, self._render(incident, body))
        except SlackCallError as error:
            return await self._failed(incident, channel, token, error, blind=blind)
        return Delivered(token, posted.channel, posted.ts, incident.revision)

    async def _tell(self, incident: Incident, token: str) -> Command:
        """Reply in the thread of the message, which shows the present already."""
        message = incident.message
        assert message is not None  # noqa: S101  for the type checker: there is a thread
        told = NotesTold(token, incident.notes[-1].seq, message.ts)
        try:
            posted = await self._slack.reply(message.channel, message.ts, reply(incident))
        except SlackCallError as error:
            if error.failure not in (Failure.MESSAGE_GONE, Failure.CONTENT):
                return await self._failed(incident, message.channel, token, error, blind=False)
            self._log.error("notes_not_told", incident=incident.id, error=str(error))
            return told
        return replace(told, ts=posted.ts)

    def _channel_of(self, incident: Incident) -> str:
        if incident.message:
            return incident.message.channel
        return self._appearance.routing.route(incident).channel or self._appearance.channel

    def _render(self, incident: Incident, body: str) -> dict[str, Any]:
        appearance = self._appearance
        rendering = render(appearance.template, appearance.look, incident, body, self._ack_url(incident))
        if rendering.error:
            self._log.error("template_failed", incident=incident.id, error=rendering.error)
        return self._calling(incident, rendering.message)

    def _calling(self, incident: Incident, message: dict[str, Any]) -> dict[str, Any]:
        return calling(message, self._appearance.routing.route(incident).mentions)

    def _ack_url(self, incident: Incident) -> str | None:
        if not may_be_acknowledged_in_time(incident):
            return None
        return self._appearance.links.url(incident.id, expiry(incident))

    async def _send(self, incident: Incident, channel: str, message: dict[str, Any]) -> Posted:
        """Send `message`; should Slack refuse what it says, once more as short plain text."""
        try:
            return await self._post_or_edit(incident, channel, message)
        except SlackCallError as error:
            if error.failure is not Failure.CONTENT:
                raise
            self._log.error("content_refused", incident=incident.id, error=str(error))
            plain = plain_message(
                incident, f"Slack refused the full message: {error}", self._ack_url(incident)
            )
            return await self._post_or_edit(incident, channel, self._calling(incident, plain))

    async def _post_or_edit(self, incident: Incident, channel: str, message: dict[str, Any]) -> Posted:
        if incident.message is None:
            return await self._slack.post(channel, message)
        await self._slack.update(channel, incident.message.ts, message)
        return Posted(channel, incident.message.ts)

    async def _failed(
        self, incident: Incident, channel: str, token: str, error: SlackCallError, *, blind: bool
    ) -> Command:
        """`blind`: an earlier post may be there all the same, as before."""
        if error.failure is Failure.MESSAGE_GONE and incident.message:
            if incident.message.shown == NOT_TRUSTED:
                return MessageGone(token, incident.message.ts)
            # Somebody deleted it. That is their word; the state is kept, and nothing is posted behind their back.
            return Delivered(token, incident.message.channel, incident.message.ts, incident.revision)
        if error.retry_after:
            await self._hold.set(channel, error.retry_after)
        needs_person = error.failure in (Failure.NEEDS_PERSON, Failure.CONTENT)
        wait = backoff(incident.delivery.attempts, retry_after=error.retry_after, needs_person=needs_person)
        doubt = timedelta(0) if blind else None
        if error.failure is Failure.AMBIGUOUS and (incident.message is None or _has_only_notes(incident)):
            doubt = SLACK_GRACE
        return DeliveryFailed(token, str(error), wait, doubt=doubt, blind=blind, needs_person=needs_person)

    def _log_outcome(self, incident_id: str, outcome: Command, reason: Reason) -> None:
        if isinstance(outcome, DeliveryFailed):
            tell_failure("not_delivered", "slack", incident_id, outcome, reason)
        else:
            self._log.info("delivered", incident=incident_id, reason=reason)


def _has_only_notes(incident: Incident) -> bool:
    """Its message is as it should be; its thread is not."""
    return (
        incident.message is not None and incident.message.shown == incident.revision and bool(incident.notes)
    )

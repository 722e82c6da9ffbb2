"""Level-triggered: whatever the event, make the incident's Slack message show its current state. Being called twice, late, or
at two places at once changes nothing: the incident's lease and the revision that its message shows decide."""

import secrets
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import structlog

from services.notifier.alarm import Alarm
from services.notifier.look import Look
from services.notifier.lost_post import SLACK_GRACE, LostPost, Sight
from services.notifier.message import plain_message
from services.notifier.pacing import Pacing
from services.notifier.rendering import may_be_acknowledged_in_time, render
from services.notifier.routing import Routing, calling
from services.notifier.slack import Failure, Posted, Slack, SlackCallError
from services.notifier.template import MessageTemplate
from services.notifier.thread import reply
from services.notifier.urgency import urgency
from shared.backoff import backoff
from shared.commands import (
    BeginDelivery,
    Command,
    Delivered,
    DeliveryFailed,
    Digested,
    EventType,
    MessageGone,
    NotesTold,
    Reason,
)
from shared.failures import tell_failure
from shared.identity import is_incident_id
from shared.incident import NOT_TRUSTED, Incident
from shared.links import AckLinks, expiry
from shared.store import Loaded, Store
from shared.stream import Entry, UndecodableError
from shared.transitions import advance

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

SAFETY_NET = timedelta(minutes=1)
"""How often to see to it that who waits for a turn still stands in the queue, should Redis have lost that."""

BEGUN = (Reason.DELIVERY_BEGUN, Reason.DELIVERY_TAKEN_OVER)


@dataclass(frozen=True)
class Attempt:
    """`begun`: it was for us to make. `called`: Slack was asked to post or to edit. `overtaken`: something has happened meanwhile
    that the message does not show."""

    begun: bool
    called: bool = False
    overtaken: bool = False


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
        pacing: Pacing,
        appearance: Appearance,
        timeout: timedelta,
        alarm: Alarm | None = None,
    ) -> None:
        self._store = store
        self._slack = slack
        self._pacing = pacing
        self._storms = pacing.storms
        self._lost_post = LostPost(slack, pacing.hold)
        self._appearance = appearance
        self._alarm = alarm
        # A look, the message as it should be, and once more as plain text: three calls, and time to commit.
        self._timeout = timeout
        self.lease = 3 * timeout + TIME_TO_COMMIT
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
        """Post, edit or leave alone, until the message shows the present, or waits for its channel's turn, or an attempt has
        failed and a later one is due. Whether there was anything to do for us."""
        concerned = False
        while True:
            loaded = await self._store.load(incident_id)
            incident = loaded.incident
            if incident and incident.digest:
                await self._storms.note(incident)
            if incident is None or not self._is_owed(incident, loaded):
                return concerned
            channel = self._channel_of(incident)
            admission = await self._pacing.admit(channel, incident_id, urgency(incident, self._pacing.loud))
            if admission.storm:
                await self.join(incident_id, channel, admission.storm, overflow=admission.overflow)
                continue
            if not admission.go:
                await self._store.look_again(incident, loaded.now + SAFETY_NET)
                return True
            attempt = await self.attempt(incident_id)
            if not attempt.called:
                await self._pacing.give_back(channel)
            concerned = concerned or attempt.begun
            if not attempt.overtaken:
                return concerned

    async def join(self, incident_id: str, channel: str, storm: str, *, overflow: bool) -> None:
        """Let the digest of `storm` tell of the incident, unless it has a message, or may have one."""
        step = await self._store.apply(incident_id, Digested(storm, channel))
        if step.incident and step.incident.digest:
            await self._storms.note(step.incident, overflow=overflow)

    def _is_owed(self, incident: Incident, loaded: Loaded) -> bool:
        """Whether an attempt would begin now."""
        reason = advance(incident, BeginDelivery("", self.lease), loaded.now).reason
        if reason not in BEGUN:
            self._log.debug("not_delivered", incident=incident.id, reason=reason)
        return reason in BEGUN

    async def attempt(self, incident_id: str) -> Attempt:
        """One, by who has a token of the channel."""
        token, started = secrets.token_hex(8), time.monotonic()
        begun = await self._store.apply(incident_id, BeginDelivery(token, self.lease))
        if begun.reason not in BEGUN:
            self._log.debug("not_delivered", incident=incident_id, reason=begun.reason)
            return Attempt(begun=False)
        outcome, called = await self._deliver(incident_id, token, started)
        if outcome is None:
            return Attempt(begun=False)
        done = await self._store.apply(incident_id, outcome)
        if done.reason is Reason.DUPLICATE_MESSAGE and isinstance(outcome, Delivered):
            await self._lost_post.take_away(incident_id, outcome.channel, outcome.ts)
        self._log_outcome(incident_id, outcome, done.reason)
        if self._alarm and done.incident:
            await self._alarm.heed(done.incident, self._channel_of(done.incident), outcome)
        is_over = isinstance(outcome, DeliveryFailed) or done.incident is None or done.incident.is_shown
        return Attempt(begun=True, called=called, overtaken=not is_over)

    async def _deliver(self, incident_id: str, token: str, started: float) -> tuple[Command | None, bool]:
        """What came of one attempt, and whether Slack was asked to post or to edit. `started`: monotonic time before the lease was
        taken."""
        loaded = await self._store.load(incident_id)
        incident = loaded.incident
        if incident is None:
            return None, False
        channel = self._channel_of(incident)
        sight = await self._look(incident, channel, token)
        if sight.command:
            return sight.command, False
        if time.monotonic() - started > (self.lease - 2 * self._timeout).total_seconds():
            # We were stalled; somebody else may have taken over by the time that a request of ours arrives.
            return DeliveryFailed(token, "stalled before the request", timedelta(0), put_off=True), False
        if _has_only_notes(incident):
            return await self._tell(incident, token), True
        return await self._show(incident, loaded.body, channel, token, blind=sight.blind), True

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
            await self._pacing.charge(channel)
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
            await self._pacing.hold.set(channel, error.retry_after)
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

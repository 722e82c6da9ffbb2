"""Level-triggered: whatever the event, make the incident's Slack message show its current state. Being called twice, late, or
at two places at once changes nothing: the incident's lease and the revision that its message shows decide."""

import secrets
import time
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from services.notifier.lost_post import SLACK_GRACE, LostPost, Sight
from services.notifier.message import Look, plain_message
from services.notifier.pacing import Pacing
from services.notifier.rendering import may_be_acknowledged_in_time, render
from services.notifier.slack import Failure, Posted, Slack, SlackCallError
from services.notifier.template import MessageTemplate
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
    Reason,
)
from shared.failures import tell_failure
from shared.identity import is_incident_id
from shared.incident import NOT_TRUSTED, Incident
from shared.links import AckLinks, expiry
from shared.store import Loaded, Store
from shared.storms import Storms
from shared.stream import Entry, UndecodableError
from shared.transitions import advance

INVISIBLE = {
    EventType.NOTIFIED,
    EventType.NOTIFICATION_FAILED,
    EventType.ESCALATION_CLAIMED,
    EventType.MESSAGE_GONE,
    EventType.NOTED,
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


class Notifier:
    def __init__(
        self,
        store: Store,
        slack: Slack,
        pacing: Pacing,
        storms: Storms,
        appearance: Appearance,
        timeout: timedelta,
        *,
        loud: AbstractSet[str] = frozenset(),
    ) -> None:
        """`loud`: severities, in lower case, that may be let past a storm."""
        self._store = store
        self._slack = slack
        self._pacing = pacing
        self._storms = storms
        self._loud = loud
        self._lost_post = LostPost(slack, pacing.hold)
        self._appearance = appearance
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
            admission = await self._pacing.admit(channel, incident_id, urgency(incident, self._loud))
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
        is_over = isinstance(outcome, DeliveryFailed) or done.incident is None or done.incident.is_shown
        return Attempt(begun=True, called=called, overtaken=not is_over)

    async def _deliver(self, incident_id: str, token: str, started: float) -> tuple[Command | None, bool]:
        """What came of one attempt, and whether Slack was asked to post or to edit. `started`: monotonic time before the lease was
        taken."""
        loaded = await self._store.load(incident_id)
        incident = loaded.incident
        if incident is None:
            return None, False
        channel, sight = self._channel_of(incident), Sight()
        if incident.message is None and incident.delivery.doubt_until:
            sight = await self._lost_post.look(incident, channel, token)
        if sight.command:
            return sight.command, False
        if time.monotonic() - started > (self.lease - 2 * self._timeout).total_seconds():
            # We were stalled; somebody else may have taken over by the time that a request of ours arrives.
            return DeliveryFailed(token, "stalled before the request", timedelta(0), put_off=True), False
        try:
            posted = await self._send(incident, channel, self._render(incident, loaded.body))
        except SlackCallError as error:
            return await self._failed(incident, channel, token, error, blind=sight.blind), True
        return Delivered(token, posted.channel, posted.ts, incident.revision), True

    def _channel_of(self, incident: Incident) -> str:
        if incident.message:
            return incident.message.channel
        return incident.call.channel or self._appearance.channel

    def _render(self, incident: Incident, body: str) -> dict[str, Any]:
        appearance = self._appearance
        rendering = render(appearance.template, appearance.look, incident, body, self._ack_url(incident))
        if rendering.error:
            self._log.error("template_failed", incident=incident.id, error=rendering.error)
        return rendering.message

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
            return await self._post_or_edit(incident, channel, plain)

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
        if error.failure is Failure.AMBIGUOUS and incident.message is None:
            doubt = SLACK_GRACE
        return DeliveryFailed(token, str(error), wait, doubt=doubt, blind=blind, needs_person=needs_person)

    def _log_outcome(self, incident_id: str, outcome: Command, reason: Reason) -> None:
        if isinstance(outcome, DeliveryFailed):
            tell_failure("not_delivered", "slack", incident_id, outcome, reason)
        else:
            self._log.info("delivered", incident=incident_id, reason=reason)

"""Level-triggered: whatever the event, make the incident's Slack message show its current state. Being called twice, late, or
at two places at once changes nothing: the incident's lease and the revision that its message shows decide."""

import secrets
import time
from dataclasses import dataclass
from datetime import timedelta

import structlog

from services.notifier.alarm import Alarm
from services.notifier.appearance import Appearance
from services.notifier.courier import Courier, Errand
from services.notifier.pacing import Pacing
from services.notifier.urgency import urgency
from shared.commands import BeginDelivery, Command, Delivered, DeliveryFailed, Digested, EventType, Reason
from shared.failures import tell_failure
from shared.identity import is_incident_id
from shared.incident import Incident
from shared.store import Loaded, Store
from shared.stream import Entry, UndecodableError
from shared.transitions import advance

INVISIBLE = {
    EventType.NOTIFIED,
    EventType.NOTIFICATION_FAILED,
    EventType.ESCALATION_CLAIMED,
    EventType.MESSAGE_GONE,
    EventType.NOTED,
    EventType.HANDED_OVER,
    EventType.DEED_REFUSED,
    EventType.RECORD_UPDATED,
    EventType.RECORD_UPDATE_FAILED,
}
"""Events that change nothing which a message shows, or a digest counts."""

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


class Notifier:
    def __init__(
        self,
        store: Store,
        pacing: Pacing,
        courier: Courier,
        appearance: Appearance,
        alarm: Alarm | None = None,
    ) -> None:
        self._store = store
        self._pacing = pacing
        self._storms = pacing.storms
        self._courier = courier
        self._appearance = appearance
        self._alarm = alarm
        self.lease = courier.lease
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
            channel = self._appearance.channel_of(incident)
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
        step = await self._store.apply(incident_id, Digested(storm, channel, overflow))
        if step.incident and step.incident.digest:  # who dies here leaves the event, which is noted, too
            await self._storms.note(step.incident)

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
        loaded = await self._store.load(incident_id)
        if loaded.incident is None:
            return Attempt(begun=False)
        outcome = await self._courier.carry(Errand(loaded.incident, loaded.body, token, started))
        overtaken = await self._settle(incident_id, outcome.command)
        return Attempt(begun=True, called=outcome.called, overtaken=overtaken)

    async def _settle(self, incident_id: str, command: Command) -> bool:
        """Commit what came of an attempt. Whether something has happened meanwhile that Slack does not show."""
        done = await self._store.apply(incident_id, command)
        if done.reason is Reason.DUPLICATE_MESSAGE and isinstance(command, Delivered):
            await self._courier.take_away(incident_id, command.channel, command.ts)
        self._log_outcome(incident_id, command, done.reason)
        if self._alarm and done.incident:
            await self._alarm.heed(done.incident, self._appearance.channel_of(done.incident), command)
        return not (isinstance(command, DeliveryFailed) or done.incident is None or done.incident.is_shown)

    def _log_outcome(self, incident_id: str, outcome: Command, reason: Reason) -> None:
        if isinstance(outcome, DeliveryFailed):
            tell_failure("not_delivered", "slack", incident_id, outcome, reason)
        else:
            self._log.info("delivered", incident=incident_id, reason=reason)

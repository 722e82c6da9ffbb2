"""Makes the digest of a storm show the present: posts it, edits it, and says in its thread when it is over.

One worker at a time holds the digest's lease. That a post is under way is written down before it is made, so that whoever comes next
looks for it (as decision 008 has it for incidents): a storm has one digest.
"""

import secrets
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog

from services.notifier.alarm import Alarm
from services.notifier.appearance import Appearance
from services.notifier.courier import TIME_TO_COMMIT
from services.notifier.digest import Worst, closing_line, digest_message, plain_digest, reopened_line
from services.notifier.lost_post import LOOK_AGAIN, PATIENCE, SLACK_GRACE, LostPost
from services.notifier.pacing import Pacing
from services.notifier.routing import calling
from services.notifier.slack import Failure, Slack, SlackCallError
from services.notifier.urgency import DIGEST, REFRESH, REPLY
from shared import metrics
from shared.backoff import backoff
from shared.commands import DeliveryFailed
from shared.incident import State
from shared.links import LINK_GRACE, StormLinks, expiry
from shared.outlook import may_be_acknowledged_in_time
from shared.store import Store
from shared.storms import Crowd, Storm, Storms

MEMBER = "storm:"
"""What names of storms begin with in a queue, where all other members are incidents."""

CLOSING_TRIES = 5
"""It is not worth more."""

MAX_ERROR = 300

Settled = Mapping[str, str | int]
"""Fields as `Storms.settle` takes them."""


class Digests:
    def __init__(
        self,
        storms: Storms,
        store: Store,
        slack: Slack,
        pacing: Pacing,
        appearance: Appearance,
        storm_links: StormLinks,
        timeout: timedelta,
        alarm: Alarm | None = None,
    ) -> None:
        self._storms = storms
        self._store = store
        self._slack = slack
        self._pacing = pacing
        self._appearance = appearance
        self._alarm = alarm
        self._storm_links = storm_links
        self._lost_post = LostPost(slack, pacing.hold)
        self._timeout = timeout
        self._lease = 3 * timeout + TIME_TO_COMMIT
        self._log = structlog.get_logger()

    async def show(self, storm: Storm) -> None:
        """Make one call to Slack, now or when it is the channel's turn, for what `storm` still has to tell."""
        urgency = REFRESH if storm.ts else DIGEST
        if storm.tells_the_present:
            urgency = REPLY
        admission = await self._pacing.admit(storm.channel, f"{MEMBER}{storm.id}", urgency)
        if admission.go and not await self.attempt(storm.id):
            await self._pacing.give_back(storm.channel)

    async def attempt(self, storm_id: str) -> bool:
        """One, by who has a token of the channel. Whether Slack was asked to post or to edit."""
        token, started = secrets.token_hex(8), time.monotonic()
        if not await self._storms.lease(storm_id, token, self._lease):
            return False
        storm = await self._storms.load(storm_id)
        fields, called = await self._tell(storm, started) if storm and storm.is_owed else ({}, False)
        kept = await self._storms.settle(storm_id, token, fields)
        if storm and not kept:
            await self._lost_post.take_away(storm_id, storm.place, str(fields["ts"]))
        return called

    async def _tell(self, storm: Storm, started: float) -> tuple[Settled, bool]:
        if storm.tells_the_present:
            telling = self._tell_reopened if storm.owes_reopened else self._close
            return await telling(storm), True
        blind = False
        if not storm.ts and storm.look:
            found, blind = await self._look(storm)
            if found:
                return found, False
        message, crowd = await self._message(storm)
        if time.monotonic() - started > (self._lease - 2 * self._timeout).total_seconds():
            return {"retry_in": 0}, False  # we were stalled; somebody else may be at it by now
        try:
            return await self._post_or_edit(storm, message), True
        except SlackCallError as error:
            if error.failure is not Failure.CONTENT:
                return await self._failed(storm, error, blind=blind), True
            self._log.error("content_refused", storm=storm.id, error=str(error))
            return await self._plainly(storm, crowd, error), True

    async def _plainly(self, storm: Storm, crowd: Crowd, why: SlackCallError) -> Settled:
        await self._pacing.charge(storm.channel)
        try:
            return await self._post_or_edit(storm, plain_digest(storm, crowd, str(why), self._url(storm)))
        except SlackCallError as error:
            return await self._failed(storm, error, blind=False)

    async def _post_or_edit(self, storm: Storm, message: dict[str, Any]) -> Settled:
        done: dict[str, str | int] = {
            "shown": storm.changes,
            "shown_at": "now",
            "look": "",
            "retry_at": "",
            "attempts": "",
            "error": "",
            "parked": "",
            "wanted": "",
        }
        if storm.ts:
            await self._slack.update(storm.place, storm.ts, message)
            return done
        await self._storms.settle(storm.id, "", {"look": "now"})
        posted = await self._slack.post(storm.channel, message)
        self._log.info("digest_posted", storm=storm.id, channel=posted.channel)
        return {"ts": posted.ts, "place": posted.channel, **done}

    async def _look(self, storm: Storm) -> tuple[Settled, bool]:
        """What is to be kept when the digest was found, or may still arrive; and whether we could not look. Neither: post."""
        since = storm.look or storm.now
        try:
            found = await self._lost_post.find(storm.channel, storm.id, storm.begun, "storm_id")
        except SlackCallError as error:
            self._log.warning("cannot_look_for_digest", storm=storm.id, error=str(error))
            nobody_lets_us = error.failure is Failure.NEEDS_PERSON
            if storm.now - since > (SLACK_GRACE if nobody_lets_us else SLACK_GRACE + PATIENCE):
                return {}, True
            return _again(max(error.retry_after, LOOK_AGAIN)), True
        if found:
            for second in found[1:]:
                await self._lost_post.take_away(storm.id, storm.channel, second.ts)
            return {"ts": found[0].ts, "shown": found[0].revision, "look": ""}, False
        return (_again(LOOK_AGAIN) if storm.now - since < SLACK_GRACE else {}), False

    async def _failed(self, storm: Storm, error: SlackCallError, *, blind: bool) -> Settled:
        """`blind`: an earlier post may be there all the same, as before."""
        if error.failure is Failure.MESSAGE_GONE:
            return _deleted(storm)
        if error.retry_after:
            await self._pacing.hold.set(storm.channel, error.retry_after)
        needs_person = error.failure in (Failure.NEEDS_PERSON, Failure.CONTENT)
        wait = backoff(storm.attempts, retry_after=error.retry_after, needs_person=needs_person)
        if needs_person:
            metrics.PARKED.labels("slack").inc()
            await self._sound_alarm(storm, str(error), wait)
        self._log.log(
            40 if needs_person else 30,
            "digest_not_shown",
            storm=storm.id,
            error=str(error),
            retry_in=round(wait.total_seconds(), 1),
        )
        surely_not_there = error.failure is not Failure.AMBIGUOUS and not blind
        return {
            **_again(wait),
            "attempts": storm.attempts + 1,
            "error": str(error)[:MAX_ERROR],
            "parked": int(needs_person),
            **({"look": ""} if surely_not_there and not storm.ts else {}),
        }

    async def _sound_alarm(self, storm: Storm, error: str, wait: timedelta) -> None:
        for incident_id in (await self._storms.crowd(storm.id)).worst[:1] if self._alarm else ():
            if self._alarm and (incident := (await self._store.load(incident_id)).incident):
                failed = DeliveryFailed("", error, wait, needs_person=True)
                await self._alarm.heed(incident, storm.channel, failed)

    async def _tell_reopened(self, storm: Storm) -> Settled:
        """Its incidents have no threads of their own. Told twice is better than not at all."""
        told: dict[str, str | int] = {
            "reopened_told": storm.reopened,
            "attempts": "",
            "error": "",
            "parked": "",
        }
        try:
            await self._slack.post(storm.place, {"thread_ts": storm.ts, **reopened_line(storm)})
        except SlackCallError as error:
            if error.failure not in (Failure.MESSAGE_GONE, Failure.CONTENT):
                return await self._failed(storm, error, blind=False)
        return told

    async def _close(self, storm: Storm) -> Settled:
        """A lost answer counts as told: the digest says the same, and a second closing line would be worse than none. Where the digest
        was deleted there is no thread."""
        try:
            await self._slack.post(storm.place, {"thread_ts": storm.ts, **closing_line(storm)})
        except SlackCallError as error:
            for_nobody = error.failure in (Failure.AMBIGUOUS, Failure.MESSAGE_GONE)
            if not for_nobody and storm.attempts < CLOSING_TRIES:
                return await self._failed(storm, error, blind=False)
        return {"closed": 1, "attempts": "", "error": "", "parked": ""}

    async def _message(self, storm: Storm) -> tuple[dict[str, Any], Crowd]:
        crowd, worst = await self._storms.crowd(storm.id), []
        for incident_id in crowd.worst:
            incident = (await self._store.load(incident_id)).incident
            if incident and incident.state is State.OPEN:
                on_call = may_be_acknowledged_in_time(incident)
                url = self._appearance.links.url(incident.id, expiry(incident)) if on_call else None
                worst.append(Worst(incident, url))
        url = None if self._appearance.look.interactive else self._url(storm)
        message = digest_message(storm, crowd, worst, url)
        # Edits call nobody in Slack; the first one calls whom the worst of them would have called.
        mentions = self._appearance.routing.route(worst[0].incident).mentions if worst else ()
        return calling(message, mentions), crowd

    def _url(self, storm: Storm) -> str:
        return self._storm_links.url(storm.id, max(storm.last, storm.now) + LINK_GRACE)


def _deleted(storm: Storm) -> Settled:
    """Somebody deleted the digest. While more incidents join, nothing else would tell of them: it is posted anew. After that it is
    their word; nothing is posted behind their back, unless somebody asks for it."""
    if storm.over and not storm.wanted:
        return {"shown": storm.changes, "shown_at": "now"}
    return {"ts": "", "place": "", "look": ""}


def _again(wait: timedelta) -> dict[str, str | int]:
    return {"retry_in": round(wait.total_seconds() * 1000)}

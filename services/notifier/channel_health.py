"""Whether Slack would take messages, asked before the first alert finds out: the token, its scopes, and every channel."""

import asyncio
import contextlib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import structlog

from services.notifier.mends import mend_of
from services.notifier.slack import Conversation, Failure, Identity, Slack, SlackCallError
from shared import metrics

EVERY = timedelta(minutes=10)
WHILE_WRONG = timedelta(minutes=2)
"""So that whoever mends it sees soon that it is."""

AFTER_TROUBLE = timedelta(seconds=15)
"""How soon to look again when a delivery was refused; at most so often, too."""

ADD_SCOPE = "add it on the app's page OAuth & Permissions, and install the app again"
HISTORY_LOST = (
    "is missing: a post whose answer was lost cannot be looked for, and may then stand in the channel twice"
)

_ID = re.compile("[CDG][A-Z0-9]+")


class Grade(StrEnum):
    OK = "ok"
    ADVICE = "advice"
    """It works; something would work better."""
    UNKNOWN = "unknown"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """`about`: `token`, `scopes`, or a channel as it is configured. `told`: one line, with the mend."""

    about: str
    grade: Grade
    told: str


async def inspect(slack: Slack, channels: Sequence[str]) -> list[Finding]:
    """Never raises SlackCallError: what Slack does not say is a finding, too. The token's comes first."""
    try:
        identity = await slack.identity()
    except SlackCallError as error:
        grade = Grade.WRONG if error.failure is Failure.NEEDS_PERSON else Grade.UNKNOWN
        unasked = [Finding(channel, Grade.UNKNOWN, "not asked, because of the token") for channel in channels]
        return [Finding("token", grade, _told(error)), *unasked]
    token = Finding("token", Grade.OK, f"is @{identity.name}'s, of {identity.team}")
    asked = [await _look(slack, channel, identity) for channel in channels]
    private = {seen.is_private for _, seen in asked if seen} or {False}
    return [token, *_scopes(identity, private), *(finding for finding, _ in asked)]


def _scopes(identity: Identity, private: set[bool]) -> list[Finding]:
    """`private`: of which kinds the channels are."""
    if identity.scopes is None:
        return []
    if "chat:write" not in identity.scopes:
        return [
            Finding("scopes", Grade.WRONG, f"chat:write is missing, without which nothing works: {ADD_SCOPE}")
        ]
    wanted = {"groups:history" if kind else "channels:history" for kind in private} - identity.scopes
    return [
        Finding("scopes", Grade.ADVICE, f"{scope} {HISTORY_LOST}: {ADD_SCOPE}") for scope in sorted(wanted)
    ] or [Finding("scopes", Grade.OK, ", ".join(sorted(identity.scopes)))]


async def _look(slack: Slack, channel: str, identity: Identity) -> tuple[Finding, Conversation | None]:
    if not _ID.fullmatch(channel):
        return Finding(channel, Grade.UNKNOWN, "is no channel's id (C…), so it cannot be looked up"), None
    try:
        seen = await slack.conversation(channel)
    except SlackCallError as error:
        return _unseen(channel, error, identity), None
    return _seen(channel, seen, identity), seen


def _unseen(channel: str, error: SlackCallError, identity: Identity) -> Finding:
    if error.needed:
        return Finding(
            channel,
            Grade.UNKNOWN,
            f"whether the bot is in it cannot be seen; the scope {error.needed} would show it",
        )
    hidden = str(error) == "channel_not_found" and "groups:read" not in (identity.scopes or ())
    if hidden:
        told = (
            "Slack does not show it: a wrong id, or a private channel, which the scope groups:read would show"
        )
        return Finding(channel, Grade.UNKNOWN, told)
    grade = Grade.WRONG if error.failure is Failure.NEEDS_PERSON else Grade.UNKNOWN
    return Finding(channel, grade, _told(error, channel, identity.name))


def _seen(channel: str, seen: Conversation, identity: Identity) -> Finding:
    name = f"#{seen.name}" if seen.name else "direct messages"
    invited = seen.is_member or (not seen.is_private and "chat:write.public" in (identity.scopes or ()))
    if seen.is_archived:
        return Finding(channel, Grade.WRONG, f"{name} is archived: {mend_of('is_archived')}")
    if not invited:
        mend = mend_of("not_in_channel", name, identity.name)
        return Finding(channel, Grade.WRONG, f"the bot is not in {name}: {mend}")
    return Finding(channel, Grade.OK, name)


def _told(error: SlackCallError, channel: str = "", bot: str = "") -> str:
    mend = mend_of(str(error), channel, bot)
    return f"{error}: {mend}" if mend else str(error)


class ChannelHealth:
    """Looks at the start, now and then, and soon after a delivery was refused; tells log and metrics. Holds nobody up."""

    def __init__(self, slack: Slack, channels: Sequence[str], stopping: asyncio.Event) -> None:
        self._slack = slack
        self._channels = channels
        self._stopping = stopping
        self._troubled = asyncio.Event()
        self._known: dict[str, Finding] = {}
        self._log = structlog.get_logger()

    def look_soon(self) -> None:
        self._troubled.set()

    async def run(self) -> None:
        """Until `stopping`, whatever Slack is at."""
        looking = asyncio.create_task(self._look_again_and_again())
        await self._stopping.wait()
        looking.cancel()
        await asyncio.wait([looking])

    async def _look_again_and_again(self) -> None:
        while True:
            self._troubled.clear()
            try:
                self.tell(await inspect(self._slack, self._channels))
            except Exception:  # whatever it is, messages matter more
                self._log.exception("slack_not_inspected")
            await asyncio.sleep(AFTER_TROUBLE.total_seconds())
            wrong = any(finding.grade is Grade.WRONG for finding in self._known.values())
            pause = (WHILE_WRONG if wrong else EVERY).total_seconds()
            with contextlib.suppress(TimeoutError):  # replicas not all at once
                await asyncio.wait_for(self._troubled.wait(), pause * random.uniform(0.8, 1.2))

    def tell(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            if finding.about in self._channels:
                _measure(finding)
            if finding.grade is Grade.WRONG:
                self._log.error("slack_health", about=finding.about, told=finding.told)
            elif self._known.get(finding.about) != finding:
                self._log.info("slack_health", about=finding.about, grade=finding.grade, told=finding.told)
        self._known = {finding.about: finding for finding in findings}


def _measure(finding: Finding) -> None:
    """A channel of which nothing is known has no value."""
    if finding.grade in (Grade.OK, Grade.WRONG):
        metrics.SLACK_CHANNEL_OK.labels(finding.about).set(finding.grade is Grade.OK)
    else:
        metrics.forget(metrics.SLACK_CHANNEL_OK, finding.about)

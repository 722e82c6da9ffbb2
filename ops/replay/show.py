"""`--channel`: shows a part of the past in a test channel, one message per incident, edited as its events go."""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from ops.replay.history import Moment
from ops.replay.marking import as_replay
from ops.replay.preview import Preview
from ops.replay.progress import StoppedError
from ops.replay.reading import Past
from ops.replay.rehearsal import gaps, shortcomings
from ops.replay.replay import Answer, Replay, ReplayError
from services.notifier.message import plain_message
from services.notifier.slack import Failure, Slack, SlackCallError
from shared.backoff import backoff

T = TypeVar("T")

PACE = timedelta(seconds=1)
"""Slack takes about one message per second and channel."""

TRIES = 8
"""Of one call. Each waits longer, or as long as Slack says."""


@dataclass
class Shown:
    """What came of it so far."""

    posted: int = 0
    edited: int = 0
    messages: dict[str, str] = field(default_factory=dict)
    """By incident: the ts of its message."""


async def show(replay: Replay, channel: str, speed: float | None) -> Answer:
    """`speed`: how many times as fast as it was; None: as fast as Slack takes it. Raises ReplayError."""
    token = replay.config.alert.slack.token
    if token is None:
        raise ReplayError("alert.slack.token is not configured; nobody could post")
    _refuse_own_channel(replay, channel)
    preview, past = Preview(replay.config), replay.past()
    moments = [moment async for moment in past.moments()]
    _refuse_channels_of(moments, channel)
    scenes = visible(moments)
    settings = replay.config.alert.slack
    slack = Slack(token.get_secret_value(), settings.api_url, settings.timeout)
    stage = _Stage(replay, slack, preview, channel)
    try:
        await stage.play(scenes, speed)
    except StoppedError:
        return _answer(past, stage.shown, channel, len(scenes), stopped=True)
    finally:
        await slack.close()
    return _answer(past, stage.shown, channel, len(scenes), stopped=False)


def visible(moments: list[Moment]) -> list[Moment]:
    """Those after which a message looks different, in the order of time."""
    shown: dict[str, int] = {}
    scenes = []
    for moment in sorted(moments, key=lambda one: one.event.at):
        incident = moment.after
        if shown.get(incident.id) == incident.revision:
            continue
        if incident.closure and incident.closure.never_fired:
            continue
        shown[incident.id] = incident.revision
        scenes.append(moment)
    return scenes


class _Stage:
    def __init__(self, replay: Replay, slack: Slack, preview: Preview, channel: str) -> None:
        self._replay = replay
        self._slack = slack
        self._preview = preview
        self._channel = channel
        self._called_at = float("-inf")
        self.shown = Shown()

    async def play(self, scenes: list[Moment], speed: float | None) -> None:
        """Raises StoppedError between two calls."""
        begun = time.monotonic()
        for number, scene in enumerate(scenes):
            if speed:
                due = begun + (scene.event.at - scenes[0].event.at).total_seconds() / speed
                await self._replay.patience.sleep(due - time.monotonic())
            await self._show(scene)
            self._replay.progress.tell(f"{number + 1} of {len(scenes)} steps shown", number / len(scenes))

    async def _show(self, scene: Moment) -> None:
        incident = scene.after
        message = as_replay(
            self._preview.message(incident, scene.body, with_link=False), incident, scene.event.at
        )
        try:
            await self._post_or_edit(incident.id, message)
        except SlackCallError as error:
            why = f"Slack refused the full message: {error}"
            await self._post_or_edit(
                incident.id, as_replay(plain_message(incident, why, None), incident, scene.event.at)
            )

    async def _post_or_edit(self, incident_id: str, message: dict[str, object]) -> None:
        """Raises SlackCallError when Slack does not like what it says."""
        ts, shown = self.shown.messages.get(incident_id), self.shown
        if ts is None:
            posted = await self._call(lambda: self._slack.post(self._channel, message))
            shown.messages[incident_id] = posted.ts
            shown.posted += 1
        else:
            await self._call(lambda: self._slack.update(self._channel, ts, message))
            shown.edited += 1

    async def _call(self, call: Callable[[], Awaitable[T]]) -> T:
        """At Slack's pace. An answer that was lost may lead to a second message: this is a test channel."""
        patience = self._replay.patience
        for attempt in range(TRIES):
            await patience.sleep(self._called_at + PACE.total_seconds() - time.monotonic())
            self._called_at = time.monotonic()
            try:
                return await call()
            except SlackCallError as error:
                if error.failure is Failure.CONTENT:
                    raise
                if error.failure in (Failure.NEEDS_PERSON, Failure.MESSAGE_GONE):
                    raise ReplayError(f"Slack refuses {self._channel}: {error}") from error
                await patience.sleep(backoff(attempt, retry_after=error.retry_after).total_seconds())
                last = error
        raise ReplayError(f"Slack does not take it after {TRIES} attempts: {last}")


def _refuse_own_channel(replay: Replay, channel: str) -> None:
    if not re.fullmatch("[CDG][A-Z0-9_]+", channel):
        raise ReplayError(
            f"{channel!r} is not the id of a channel; a name could turn out to be a real one: say C…"
        )
    slack = replay.config.alert.slack
    if channel == _plain(slack.channel_id or ""):
        raise ReplayError(f"{channel} is alert.slack.channel_id, where real alerts go; name a test channel")
    if channel in map(_plain, slack.channels):
        raise ReplayError(f"{channel} is configured for real alerts; name a test channel")


def _refuse_channels_of(moments: list[Moment], channel: str) -> None:
    for incident in (moment.after for moment in moments):
        used = {incident.call.channel or "", incident.message.channel if incident.message else ""}
        if channel in {_plain(one) for one in used}:
            raise ReplayError(
                f"{channel} is where incident {incident.id} was shown in earnest; name a test channel"
            )


def _plain(channel: str) -> str:
    return channel.strip().lstrip("#@")


def _answer(past: Past, shown: Shown, channel: str, steps: int, *, stopped: bool) -> Answer:
    done = f"{shown.posted} messages posted and {shown.edited} edits made in {channel}"
    lines = [f"Stopped: {done}, of {steps} steps in all." if stopped else f"{done}.", *gaps(past)]
    data = {
        "channel": channel,
        "posted": shown.posted,
        "edited": shown.edited,
        "messages": shown.messages,
        **shortcomings(past),
    }
    return Answer("\n".join(lines), data, stopped=stopped)

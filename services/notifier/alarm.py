"""When a channel does not take messages, another one is told: once per hour, by one of all replicas, and once that it works again.

What is wrong with the token is wrong everywhere, so nobody can be told in Slack: log and metrics say it.
"""

from collections.abc import Callable
from datetime import timedelta

import structlog

from services.notifier.hold import ChannelHold
from services.notifier.mends import OF_CHANNEL, mend_of
from services.notifier.mrkdwn import escape
from services.notifier.slack import Failure, Slack, SlackCallError
from services.notifier.status import headline
from shared.commands import Command, Delivered, DeliveryFailed, NotesTold
from shared.incident import Incident
from shared.keys import ALARM_CLAIM, ALARM_LIFETIME, TROUBLE_LIFETIME, slack_alarm, slack_trouble
from shared.redis_client import Scripts


def _nothing() -> None:
    pass


class Alarm:
    """`fallback`: the channel that is told; without one nobody is. `on_refusal` is called whenever Slack wants a person."""

    def __init__(
        self, slack: Slack, scripts: Scripts, fallback: str | None, on_refusal: Callable[[], None] = _nothing
    ) -> None:
        self._slack = slack
        self._scripts = scripts
        self._hold = ChannelHold(scripts)
        self._fallback = fallback
        self._on_refusal = on_refusal
        self._log = structlog.get_logger()

    async def heed(self, incident: Incident, channel: str, outcome: Command) -> None:
        """After an attempt to deliver `incident` to `channel`. Raises nothing but what Redis raises."""
        refused = isinstance(outcome, DeliveryFailed) and outcome.needs_person
        if refused:
            self._on_refusal()
        if self._fallback in (None, channel):  # whose own trouble nobody can be told
            return
        if isinstance(outcome, DeliveryFailed) and refused and outcome.error in OF_CHANNEL:
            await self._tell_trouble(incident, channel, outcome.error)
        elif isinstance(outcome, Delivered | NotesTold):
            await self._tell_recovery(channel)

    async def _tell_trouble(self, incident: Incident, channel: str, error: str) -> None:
        key = slack_alarm(channel)
        if not await self._scripts.execute("SET", key, error, "NX", "PX", _milliseconds(ALARM_CLAIM)):
            return
        text = _trouble(incident, channel, error, await self._bot())
        if await self._tell(text) is Failure.TRANSIENT:
            await self._scripts.execute("DEL", key)  # the next attempt tells
            return
        await self._scripts.execute("SET", key, error, "PX", _milliseconds(ALARM_LIFETIME))
        await self._scripts.execute(
            "SET", slack_trouble(channel), error, "PX", _milliseconds(TROUBLE_LIFETIME)
        )

    async def _bot(self) -> str:
        try:
            return (await self._slack.identity()).name
        except SlackCallError:
            return ""

    async def _tell_recovery(self, channel: str) -> None:
        if await self._scripts.execute("DEL", slack_trouble(channel)):
            await self._tell(f"✅ Messages reach {_name(channel)} again.")

    async def _tell(self, text: str) -> Failure | None:
        """What became of it; None: it was told. Its own failure is for the log alone."""
        fallback = self._fallback or ""
        if await self._hold.remaining(fallback):
            return Failure.TRANSIENT
        try:
            await self._slack.post(fallback, {"text": text})
        except SlackCallError as error:
            self._log.error("alarm_not_told", channel=fallback, error=str(error), text=text)
            if error.retry_after:
                await self._hold.set(fallback, error.retry_after)
            return error.failure
        self._log.warning("alarm_told", channel=fallback, text=text)
        return None


def _trouble(incident: Incident, channel: str, error: str, bot: str) -> str:
    return "\n".join(
        (
            f"🚧 *Messages do not reach {_name(channel)}*: `{error}`",
            f"To mend it: {escape(mend_of(error, 'that channel', bot))}",
            f"Waiting there, perhaps with others: {headline(incident)}",
            "They are tried again every minute or two; `ackstream parked` lists them, "
            "`ackstream parked retry --all` tries at once.",
        )
    )


def _name(channel: str) -> str:
    """With its id, for who may not see the channel."""
    return f"<#{channel}> ({channel})" if channel[:1] in ("C", "G") else str(escape(channel))


def _milliseconds(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)

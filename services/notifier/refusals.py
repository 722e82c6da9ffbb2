"""Who pressed a button in Slack in vain is told why, where only they see it: once, and only while they still wonder."""

import json
from datetime import UTC, datetime, timedelta

import structlog

from services.notifier.mrkdwn import Mrkdwn, cut, date, escape, link
from services.notifier.slack import Slack, SlackCallError
from shared.commands import EventType, Reason
from shared.consumer import Handler
from shared.identity import is_incident_id
from shared.incident import Closure, Incident, Record, State
from shared.keys import REFUSAL_LIFETIME, slack_refusal
from shared.outlook import target_name
from shared.plain_text import one_line, shortened
from shared.redis_client import Scripts
from shared.store import Store
from shared.stream import Entry, UndecodableError

WHILE_THEY_WONDER = timedelta(minutes=5)
MAX_NAME = 80
MAX_TITLE = 150


class Refusals:
    def __init__(self, store: Store, slack: Slack, scripts: Scripts) -> None:
        self._store = store
        self._slack = slack
        self._scripts = scripts
        self._log = structlog.get_logger()

    def before(self, handle: Handler) -> Handler:
        """What handles refusals itself and leaves everything else to `handle`."""

        async def either(entry: Entry) -> None:
            if entry.type == EventType.DEED_REFUSED:
                await self.tell(entry)
            else:
                await handle(entry)

        return either

    async def tell(self, entry: Entry) -> None:
        """Raises what Redis raises, and UndecodableError. What Slack does not take is logged, and not tried again."""
        incident_id, user = entry.incident_id, _user(entry)
        if not is_incident_id(incident_id):
            raise UndecodableError(f"entry {entry.id}: {incident_id[:80]!r} is not an incident id")
        loaded = await self._store.load(incident_id)
        incident = loaded.incident
        if incident is None or not user or loaded.now - _at(entry) > WHILE_THEY_WONDER:
            return
        channel = await self._channel(incident)
        if not channel or not await self._is_mine(incident_id, entry.text("version")):
            return
        try:
            await self._slack.whisper(channel, user, explanation(incident, entry.text("reason"), user))
        except SlackCallError as error:
            self._log.warning("refusal_not_told", incident=incident_id, error=str(error))

    async def _channel(self, incident: Incident) -> str:
        """A message that was handed on stays where it is, under its heir."""
        while incident.heir and not channel_of(incident):
            heir = (await self._store.load(incident.heir)).incident
            if heir is None:
                break
            incident = heir
        return channel_of(incident)

    async def _is_mine(self, incident_id: str, version: str) -> bool:
        """Whoever dies between this and the call has not told it, and nobody does: better than telling it again and again."""
        milliseconds = round(REFUSAL_LIFETIME / timedelta(milliseconds=1))
        key = slack_refusal(incident_id, version)
        return bool(await self._scripts.execute("SET", key, 1, "NX", "PX", milliseconds))


def channel_of(incident: Incident) -> str:
    """Where they saw the button."""
    place = incident.message or incident.digest
    return place.channel if place else ""


def explanation(incident: Incident, reason: str, user: str) -> str:
    """Mrkdwn. `reason`: why nothing was done. What has happened since is told as it is now."""
    title = cut(escape(one_line(shortened(incident.facts.title, MAX_TITLE))), MAX_TITLE)
    return f"*{title}*: nothing was changed. {_why(incident, reason, user)}"


def _why(incident: Incident, reason: str, user: str) -> str:  # noqa: PLR0911  one line per reason
    acknowledgement, records, deadline = incident.acknowledgement, incident.records, incident.deadline
    match reason:
        case Reason.ALREADY_ACKNOWLEDGED if acknowledgement:
            who = "You" if acknowledgement.user == user else _name(acknowledgement.by)
            return f"{who} acknowledged it, {date(acknowledgement.at)}."
        case Reason.ALREADY_ESCALATED if records:
            return f"It was escalated {_as(records[0])}, {date(records[0].at)}."
        case Reason.ALREADY_CLOSED if incident.closure:
            return _closed(incident.closure)
        case Reason.ESCALATION_IN_PROGRESS:
            return "The escalation is under way."
        case Reason.NOT_ACKNOWLEDGED:
            return "Nobody has acknowledged it."
        case Reason.NOT_ON_CALL:
            return "It does not escalate: on-call is off for it."
        case Reason.LATER_ALREADY if deadline:
            return f"It escalates later than that anyway, {date(deadline)}."
        case _:
            return "It had changed meanwhile."


def _as(record: Record) -> str:
    if record.number:
        return f"as {link(record.url, shortened(record.number, MAX_NAME))}"
    return f"to {escape(shortened(target_name(record.target, record.instance), MAX_NAME))}"


def _closed(closure: Closure) -> str:
    at = date(closure.at)
    if closure.state is State.SUPERSEDED:
        return f"A newer incident of its group took its place, {at}."
    if closure.state is State.EXPIRED:
        return f"It was closed, {at}, because nothing was heard of it any more."
    return f"{_name(closure.by)} resolved it, {at}." if closure.by else f"It was resolved, {at}."


def _name(name: str) -> Mrkdwn:
    return escape(shortened(one_line(name), MAX_NAME)) or Mrkdwn("Somebody")


def _user(entry: Entry) -> str:
    """Raises UndecodableError."""
    try:
        return str(json.loads(entry.text("data")).get("user") or "")
    except (ValueError, AttributeError) as error:
        raise UndecodableError(f"entry {entry.id}: its data is not an object") from error


def _at(entry: Entry) -> datetime:
    """Raises UndecodableError."""
    try:
        return datetime.fromtimestamp(int(entry.text("at")) / 1000, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise UndecodableError(f"entry {entry.id}: its time is no number") from error

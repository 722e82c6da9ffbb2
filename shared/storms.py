"""Storms: so many incidents at once that one digest in the channel tells of all of them (decision 014).

Each stays an incident with its own deadline, record and timeline; here they are counted, and people's wish about all of them is kept.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared import metrics
from shared.incident import Incident, State
from shared.keys import SLACK_STORMS, STORM_LIFETIME, StormKeys, slack_storm_of
from shared.notification import SERVICENOW
from shared.redis_client import Script, Scripts
from shared.severities import rank

ACKNOWLEDGE_ALL = "acknowledge_all"
"""As log lines and metrics name this deed."""

REFRESH_EVERY = timedelta(seconds=3)
"""How often a digest is edited at most."""

TOP_NAMES = 10
WORST = 10
MAX_NAME = 120

_LOAD = Script.named("storm_load")
_CROWD = Script.named("storm_crowd")
_NOTE = Script.named("storm_note")
_WISH = Script.named("storm_wish")
_CARRIED = Script.named("storm_carried")
_TEND = Script.named("storm_tend")
_AGAIN = Script.named("storm_again")
_SETTLE = Script.named("storm_settle")

_STATES = {
    State.OPEN: "open",
    State.ESCALATING: "open",
    State.ACKNOWLEDGED: "acknowledged",
    State.ESCALATED: "escalated",
    State.RESOLVED: "resolved",
    State.SUPERSEDED: "resolved",
    State.EXPIRED: "resolved",
}
"""As a digest counts them."""


def _has_record(incident: Incident) -> bool:
    return any(record.target == SERVICENOW for record in incident.records)


@dataclass(frozen=True)
class Wish:
    """Somebody wants everything acknowledged. `token`: the same for all that is done about it."""

    by: str
    door: str
    user: str
    token: str
    at: datetime


@dataclass(frozen=True)
class Storm:
    """What is known about a storm. The counts are of incidents by their present state; `recorded`: those with a record."""

    id: str
    channel: str
    begun: datetime
    members: int
    open: int
    acknowledged: int
    escalated: int
    resolved: int
    recorded: int
    overflow: int
    """Open ones that are as bad as those that were posted singly, but too many."""
    singly: int
    last: datetime
    """When the latest incident joined."""
    over: datetime | None
    wish: Wish | None
    carried: int
    """How many the wish acknowledged."""
    reopened: int
    """How many acknowledgements were taken back, or lapsed, so far."""
    reopened_told: int
    """Of these the thread was told."""
    changes: int
    """Grows with all that the digest tells."""
    shown: int
    """What it was when the digest was made."""
    place: str
    """The channel of the digest, as Slack names it."""
    ts: str
    """The digest's; "": there is none yet."""
    look: datetime | None
    """Since then a digest may be in the channel that we do not know of."""
    retry_at: datetime | None
    attempts: int
    """Failed ones in a row."""
    error: str
    """The last one's."""
    parked: bool
    """It does not heal by itself."""
    wanted: bool
    """Somebody asked for the digest again: should it be gone from Slack, it is posted anew."""
    closed: bool
    """The thread was told that it is over."""
    now: datetime
    """When this was read, by Redis' clock."""

    @property
    def tells_the_present(self) -> bool:
        return self.changes == self.shown

    @property
    def is_owed(self) -> bool:
        """Something about it is to be told in Slack, and not only later."""
        backing_off = self.retry_at is not None and self.retry_at > self.now
        owes_any = not self.tells_the_present or self.owes_reopened or self.owes_closing
        return not backing_off and owes_any

    @property
    def owes_reopened(self) -> bool:
        return bool(self.ts) and self.reopened > self.reopened_told

    @property
    def owes_closing(self) -> bool:
        return self.over is not None and bool(self.ts) and not self.closed


@dataclass(frozen=True)
class Named:
    """How many incidents have this name and severity."""

    name: str
    severity: str
    open: int
    total: int


@dataclass(frozen=True)
class Crowd:
    """A storm's members, as far as a digest names them."""

    names: tuple[Named, ...]
    names_in_all: int
    worst: tuple[str, ...]
    """Ids of open incidents, those that were too many to be posted singly first."""


class Storms:
    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def note(self, incident: Incident) -> None:
        """Count a member as it is. Nothing for an incident that no digest tells of; being told twice, or late, changes nothing."""
        if incident.digest is None:
            return
        storm, keys = incident.digest.storm, StormKeys(incident.digest.storm)
        facts = incident.facts
        name = json.dumps([facts.title[:MAX_NAME], facts.severity[:MAX_NAME]], ensure_ascii=False)
        opened = round(incident.opened_at.timestamp() * 1000)
        new, _ = await self._scripts.run(
            _NOTE,
            [keys.facts, keys.members, keys.names, keys.open_names, keys.open, SLACK_STORMS],
            [
                *(storm, incident.digest.channel, incident.id, incident.version),
                *(_STATES[incident.state], int(_has_record(incident))),
                *(int(incident.digest.overflow), name),
                rank(facts.severity) * 10**13 + opened,
                *(_milliseconds(STORM_LIFETIME), _milliseconds(REFRESH_EVERY)),
            ],
        )
        if new:
            metrics.STORM_MEMBERS.inc()

    async def load(self, storm: str) -> Storm | None:
        """None: there is no such storm (any more)."""
        now, *flat = await self._scripts.run(_LOAD, [StormKeys(storm).facts], [])
        parts = [part.decode() for part in flat]
        fields = dict(zip(parts[::2], parts[1::2], strict=True))
        return _storm(storm, fields, _moment(now)) if "begun" in fields else None

    async def crowd(self, storm: str) -> Crowd:
        keys = StormKeys(storm)
        in_all, flat, worst = await self._scripts.run(
            _CROWD, [keys.names, keys.open_names, keys.open], [TOP_NAMES, WORST]
        )
        names = (_named(*parts) for parts in zip(flat[::3], flat[1::3], flat[2::3], strict=True))
        return Crowd(tuple(names), in_all, tuple(id_.decode() for id_ in worst))

    async def wish_all_acknowledged(
        self, storm: str, by: str, door: str, user: str = "", token: str = ""
    ) -> int | None:
        """The notifier will acknowledge everything that is open now. How much that is; None: there is no such storm. `token`: the same for
        all copies of one request."""
        keys = StormKeys(storm)
        wish = {"by": by, "door": door, "user": user, "token": token or secrets.token_hex(8)}
        answer = int(
            await self._scripts.run(
                _WISH,
                [keys.facts, keys.open, keys.wished, SLACK_STORMS],
                [storm, json.dumps(wish), _milliseconds(STORM_LIFETIME)],
            )
        )
        return None if answer < 0 else answer

    async def wished(self, storm: str, limit: int) -> Sequence[str]:
        """Ids of incidents that wait to be acknowledged."""
        found = await self._scripts.execute("ZRANGE", StormKeys(storm).wished, 0, limit - 1)
        return [id_.decode() for id_ in found]

    async def carried(self, storm: str, incident_id: str, *, done: bool) -> None:
        """The wish about this incident is dealt with. `done`: by acknowledging it."""
        keys = StormKeys(storm)
        await self._scripts.run(_CARRIED, [keys.facts, keys.wished], [incident_id, int(done)])

    async def tend(self, storm: Storm | str, channel: str, quiet: timedelta, few: int) -> bool:
        """End the storm if nothing joined it for `quiet`, or no more than `few` within such a span, and set when it is looked after next.
        Whether it has just ended."""
        id_ = storm if isinstance(storm, str) else storm.id
        keys = StormKeys(id_)
        return bool(
            await self._scripts.run(
                _TEND,
                [keys.facts, keys.wished, SLACK_STORMS, slack_storm_of(channel)],
                [id_, _milliseconds(quiet), _milliseconds(REFRESH_EVERY), few],
            )
        )

    async def tended(self) -> Sequence[str]:
        """Ids of all that something is still to be done about."""
        return [id_.decode() for id_ in await self._scripts.execute("ZRANGE", SLACK_STORMS, 0, -1)]

    async def retry(self, storm: str) -> bool:
        """What failed to be told of it is due now. False: nothing waits for its next try."""
        if not await self._scripts.execute("HDEL", StormKeys(storm).facts, "retry_at"):
            return False
        await self._scripts.execute("ZADD", SLACK_STORMS, "XX", "LT", 0, storm)
        return True

    async def want(self, storm: str) -> bool:
        """Have the digest shown once more, and posted anew if it is gone from Slack. False: there is no such storm (any more)."""
        keys = [StormKeys(storm).facts, SLACK_STORMS]
        return bool(await self._scripts.run(_AGAIN, keys, [storm, _milliseconds(STORM_LIFETIME)]))

    async def lease(self, storm: str, token: str, lease: timedelta) -> bool:
        """Whether we may post or edit the digest now."""
        key = StormKeys(storm).lease
        return bool(await self._scripts.execute("SET", key, token, "NX", "PX", _milliseconds(lease)))

    async def settle(self, storm: str, token: str, fields: Mapping[str, str | int]) -> bool:
        """Keep `fields` (as shared/lua/storm_settle.lua reads them) and end the lease. False: another message is the digest."""
        keys = StormKeys(storm)
        given = [part for pair in fields.items() for part in pair]
        return bool(await self._scripts.run(_SETTLE, [keys.facts, keys.lease], [token, *given]))


def _storm(id_: str, fields: Mapping[str, str], now: datetime) -> Storm:
    def count(name: str) -> int:
        return int(fields.get(name, 0))

    return Storm(
        id=id_,
        channel=fields["channel"],
        begun=_moment(fields["begun"]),
        **{
            name: count(name)
            for name in (
                *("members", "open", "acknowledged", "escalated", "resolved", "recorded"),
                *("overflow", "singly", "carried", "changes", "shown", "attempts"),
                *("reopened", "reopened_told"),
            )
        },
        last=_moment(fields["last"]),
        over=_moment(fields["over"]) if "over" in fields else None,
        wish=_wish(fields) if "wish" in fields else None,
        place=fields.get("place", fields["channel"]),
        ts=fields.get("ts", ""),
        look=_moment(fields["look"]) if "look" in fields else None,
        retry_at=_moment(fields["retry_at"]) if "retry_at" in fields else None,
        error=fields.get("error", ""),
        parked=fields.get("parked") == "1",
        wanted="wanted" in fields,
        closed="closed" in fields,
        now=now,
    )


def _wish(fields: Mapping[str, str]) -> Wish:
    return Wish(**json.loads(fields["wish"]), at=_moment(fields["wished_at"]))


def _named(name: bytes, total: bytes, open_: bytes) -> Named:
    title, severity = json.loads(name)
    return Named(title, severity, int(open_), int(total))


def _moment(milliseconds: str | bytes) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def _milliseconds(duration: timedelta) -> int:
    return round(duration / timedelta(milliseconds=1))

"""Every Redis key that Ackstream uses, with its lifetime. No other module spells a key.

All keys of one partition share the hash tag `{ackstream:N}`, so that each script runs on one node of a Redis Cluster.
"""

from dataclasses import dataclass
from datetime import timedelta

OPEN_LIFETIME = timedelta(days=400)
"""An incident that is not closed lives this long after its last change (and after its deadline), with its ACK key. Long before,
whom nobody mentions any more is closed as expired (`redis.open_days`), unless something is still owed."""

RECENT_LIFETIME = timedelta(days=30)

CLOSED_LIFETIME = timedelta(days=7)
"""A closed incident stays readable this long: late copies, pages behind old links, people at the next day's review."""

DEAD_LETTER_LIFETIME = timedelta(days=30)

SIGNING_KEYS = "ackstream:signing-keys"
"""List of keys that sign acknowledge links, newest first. No lifetime: the installation owns it."""


PROBE = "ackstream:probe"
"""String that readiness checks write, to see whether Redis takes writes. Lives PROBE_LIFETIME milliseconds."""

PROBE_LIFETIME = 10_000


_SLACK = "{ackstream:slack}"
"""What concerns channels, and not one incident, lies together: a script needs several of these keys at once."""

WAITING_LIFETIME = timedelta(days=7)
"""Of the keys in which calls wait for their channel's or instance's turn, counted from the last one that began to wait."""

SLACK_TURNS = f"{_SLACK}:turns"
"""Sorted set: channel → Unix milliseconds at which its next call may be made. Lives WAITING_LIFETIME."""


def slack_hold(channel: str) -> str:
    """String: present while Slack's own Retry-After forbids calls for `channel`, or of a method; it lives just as long."""
    return f"{_SLACK}:hold:{channel}"


def slack_bucket(channel: str) -> str:
    """String: Unix milliseconds at which all tokens of `channel` are back; it lives until then."""
    return f"{_SLACK}:bucket:{channel}"


def slack_queue(channel: str) -> str:
    """Sorted set: what a call waits for (an incident's id) → its urgency, then since when. Lives WAITING_LIFETIME; what is lost
    with it comes back by the incidents' due times."""
    return f"{_SLACK}:queue:{channel}"


STORM_LIFETIME = timedelta(days=30)
"""Of everything that is known about a storm, counted from the last change."""

SLACK_STORMS = f"{_SLACK}:storms"
"""Sorted set: storm → Unix milliseconds at which the notifier must look after it. Lives STORM_LIFETIME."""


def slack_storm_of(channel: str) -> str:
    """String: id of the storm that rages in `channel`. Lives a little longer than the quiet that ends a storm."""
    return f"{_SLACK}:storm-of:{channel}"


def slack_bypass(channel: str) -> str:
    """String: how many posts were let past a storm since it was made. Lives a minute."""
    return f"{_SLACK}:bypass:{channel}"


@dataclass(frozen=True)
class StormKeys:
    """The keys of one storm. All of them live STORM_LIFETIME."""

    storm: str

    def _key(self, name: str) -> str:
        return f"{_SLACK}:storm-{name}:{self.storm}"

    @property
    def facts(self) -> str:
        """Hash: channel, when it began, counts by state, and where its digest stands."""
        return self._key("facts")

    @property
    def members(self) -> str:
        """Hash: incident id → what was last counted of it."""
        return self._key("members")

    @property
    def names(self) -> str:
        """Sorted set: alert name and severity (JSON) → how many incidents."""
        return self._key("names")

    @property
    def open_names(self) -> str:
        """Hash: the same → how many of them are open."""
        return self._key("open-names")

    @property
    def open(self) -> str:
        """Sorted set: id of an open incident → what severity counts for, then when it opened."""
        return self._key("open")

    @property
    def wished(self) -> str:
        """Sorted set: those that somebody wants acknowledged."""
        return self._key("wished")

    @property
    def lease(self) -> str:
        """String: somebody is about to post or edit the digest. Lives as long as that may take."""
        return self._key("lease")


ALARM_LIFETIME = timedelta(hours=1)
ALARM_CLAIM = timedelta(minutes=1)
TROUBLE_LIFETIME = timedelta(days=7)


def slack_alarm(channel: str) -> str:
    """String: Slack's error. Present while nobody needs to be told (again) that `channel` does not take messages: ALARM_LIFETIME;
    ALARM_CLAIM while somebody is about to tell, who may die over it."""
    return f"ackstream:slack-alarm:{channel}"


def slack_trouble(channel: str) -> str:
    """String: Slack's error. Present when people were told that `channel` does not take messages, and not yet that it does again.
    Lives TROUBLE_LIFETIME: after that nobody wonders."""
    return f"ackstream:slack-trouble:{channel}"


REFUSAL_LIFETIME = timedelta(hours=1)


def slack_refusal(incident_id: str, version: str) -> str:
    """String: present when somebody was told, or is being told, why what they asked of the incident was refused; `version` is that of
    the refusal. Lives REFUSAL_LIFETIME."""
    return f"ackstream:slack-refusal:{incident_id}:{version}"


_SERVICENOW = "{ackstream:servicenow}"
"""What concerns instances lies together, too."""


def servicenow_hold(instance: str) -> str:
    """String: present while the instance's own Retry-After forbids calls to it; it lives just as long."""
    return f"{_SERVICENOW}:hold:{instance}"


def servicenow_bucket(instance: str) -> str:
    """String: Unix milliseconds at which all tokens of the instance are back; it lives until then."""
    return f"{_SERVICENOW}:bucket:{instance}"


SILENCE_LIFETIME = timedelta(seconds=20)
"""Told again every few seconds (services/escalator/queues.py), it outlives whoever tells it by no more than this."""


def servicenow_silence(instance: str) -> str:
    """String: Unix milliseconds since when the instance does not answer. Present while some escalator leaves it alone for that.
    Lives SILENCE_LIFETIME."""
    return f"{_SERVICENOW}:silence:{instance}"


STORM_QUEUE = "storms:"
"""What the name of the queue begins with in which a storm's incidents wait for an instance, before the instance's own."""


@dataclass(frozen=True)
class ParentKeys:
    """Of a storm's record in one instance; `instance`: its name, empty for the default one."""

    storm: str
    instance: str

    def _key(self, name: str) -> str:
        return f"{{ackstream:parent:{self.storm}}}:{name}:{self.instance}"

    @property
    def record(self) -> str:
        """String: `opening` while somebody writes the record, or may have; then its sys_id, or why it is not shown to us. Lives as long
        as the former may take, or STORM_LIFETIME."""
        return self._key("record")

    @property
    def children(self) -> str:
        """Set: ids of the incidents that it lists and that are not over. Lives OPEN_LIFETIME, counted from the last one."""
        return self._key("children")

    @property
    def last(self) -> str:
        """String: id of the incident with whose end none of them was left. Lives OPEN_LIFETIME."""
        return self._key("last")


def has_owner(key: str) -> bool:
    """Whether `key` may be without a lifetime: somebody takes out of it what is over, or it belongs to the installation."""
    tag, _, name = key.partition("}:")
    return key == SIGNING_KEYS or (tag.startswith("{ackstream:") and name in _OWNED)


_OWNED = ("events", "deadlines", "deliveries", "mentions", "recent", "dead")


@dataclass(frozen=True)
class Keys:
    """The keys of one partition."""

    partition: int = 0

    @property
    def _tag(self) -> str:
        return f"{{ackstream:{self.partition}}}"

    @property
    def events(self) -> str:
        """Stream of events. Cut by age (`redis.events_days`), as far as all groups have read it, by shared/retention.py."""
        return f"{self._tag}:events"

    @property
    def deadlines(self) -> str:
        """Sorted set: incident id → Unix milliseconds at which the escalator must look. Entries leave with their outcome."""
        return f"{self._tag}:deadlines"

    def escalations(self, instance: str) -> str:
        """Sorted set: id of an incident that waits for its turn at the instance → Unix milliseconds since when it is due. Lives
        WAITING_LIFETIME; what is lost with it comes back by the deadlines."""
        return f"{self._tag}:escalations:{instance}"

    @property
    def deliveries(self) -> str:
        """Sorted set: incident id → Unix milliseconds at which the notifier must look again. Entries leave with their outcome."""
        return f"{self._tag}:deliveries"

    @property
    def mentions(self) -> str:
        """Sorted set: id of an incident that is not closed → Unix milliseconds of its last mention, or of its deadline where that
        is later. Entries leave when their incident is closed, which services/escalator/expiry.py sees to at last."""
        return f"{self._tag}:mentions"

    @property
    def recent(self) -> str:
        """Sorted set: incident id → Unix milliseconds of its opening, for people. Cut by age (RECENT_LIFETIME) at every commit."""
        return f"{self._tag}:recent"

    @property
    def dead(self) -> str:
        """Stream of dead letters. Cut by age (DEAD_LETTER_LIFETIME) at every addition."""
        return f"{self._tag}:dead"

    def incident(self, incident_id: str) -> str:
        """Hash: `version`, `commit`, `state` (JSON), `body` (JSON). Lifetime: OPEN_LIFETIME or CLOSED_LIFETIME."""
        return f"{self._tag}:incident:{incident_id}"

    def ack(self, incident_id: str) -> str:
        """String (JSON): who acknowledged. Present means acknowledged; absent means nothing. Lives as its incident does."""
        return f"{self._tag}:ack:{incident_id}"

    def open(self, dedup_key: str) -> str:
        """String: id of the latest incident of a dedup key, kept after it closed so that late copies are known. Same lifetime."""
        return f"{self._tag}:open:{dedup_key}"

    @property
    def incident_prefix(self) -> str:
        return self.incident("")

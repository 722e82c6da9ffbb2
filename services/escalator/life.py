"""How a record in ServiceNow lives with its incident: what it is told, in which words, and how much of it it knows. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from services.escalator.servicenow import Seen
from services.escalator.work_note import told, work_note
from shared.config_life import LifeConfig
from shared.incident import Incident, News, NewsKind, Record, State

ENDED = (State.RESOLVED, State.SUPERSEDED)
"""Nobody knows whether what has expired is over: its record is told, and left to people."""


@dataclass(frozen=True)
class Known:
    """`upto`: the latest news that the record knows, by `seq`. `guessed`: we are not shown its work notes, and rather leave one out than
    write it twice. `is_closed`: a person has closed it."""

    upto: int
    guessed: bool = False
    is_closed: bool = False


class Life:
    """`grace`: how long ServiceNow may go on with a request whose sender has given up."""

    def __init__(self, settings: LifeConfig, grace: timedelta) -> None:
        self._settings = settings
        self._grace = grace

    @property
    def wants(self) -> tuple[NewsKind, ...]:
        return tuple(
            kind
            for kind in (NewsKind.ACKNOWLEDGED, NewsKind.UPDATED, NewsKind.CLOSED)
            if self._how(kind) != "none"
        )

    def wanted(self, news: Sequence[News]) -> list[News]:
        """What of it is still wanted, should the configuration have changed since."""
        return [one for one in news if self._how(one.kind) != "none"]

    def change(
        self, incident: Incident, record: Record, news: Sequence[News], longest: int
    ) -> dict[str, str]:
        """What to set so that the record knows all of them. `longest`: characters that a work note takes."""
        values = {"work_notes": work_note(incident, news, longest)}
        if (state := self._state_after(incident, record, news)) is None:
            return values
        values["state"] = state
        if self.closes(incident, record, news) and self._settings.close_code:
            values["close_code"] = self._settings.close_code
        return values

    def closes(self, incident: Incident, record: Record, news: Sequence[News]) -> bool:
        """Whether the record is resolved with it, and close_notes are to say how."""
        last = news[-1]
        return last.kind is NewsKind.CLOSED and self._state_of(incident, record, last) is not None

    def known(self, seen: Seen, incident: Incident, record: Record) -> Known:
        news = record.news
        if seen.work_notes is not None:
            upto, guessed = told(seen.work_notes, incident), False
        else:
            upto = self._guessed(seen, incident, record)
            guessed = upto > 0
        closed = seen.active is False or seen.state in self._settings.closed_states
        return Known(upto, guessed, is_closed=closed and upto < news[-1].seq)

    def _guessed(self, seen: Seen, incident: Incident, record: Record) -> int:
        """One request brings note and state together: where the state is not there, the note is not either."""
        doubt_until = record.update.doubt_until
        if doubt_until is None:
            return 0
        tried = [one for one in record.news if one.at <= doubt_until - self._grace]
        if not tried:
            return 0
        state = self._state_after(incident, record, tried)
        if state and seen.state and seen.state != state:
            return 0
        return tried[-1].seq

    def _state_after(self, incident: Incident, record: Record, news: Sequence[News]) -> str | None:
        states = (self._state_of(incident, record, one) for one in reversed(news))
        return next((state for state in states if state), None)

    def _state_of(self, incident: Incident, record: Record, news: News) -> str | None:
        """The state that a record gets with this; None: it keeps the one that it has, as does one that stands for a whole storm."""
        if record.parent or self._how(news.kind) != "state":
            return None
        states = self._settings.states
        match news.kind:
            case NewsKind.ACKNOWLEDGED:
                return states.acknowledged
            case NewsKind.UNACKNOWLEDGED:
                return states.unacknowledged
            case NewsKind.UPDATED:
                return states.updated
            case NewsKind.CLOSED:
                return states.resolved if incident.state in ENDED else None

    def _how(self, kind: NewsKind) -> str:
        settings = self._settings
        if kind is NewsKind.UPDATED:
            return settings.on_update
        return settings.on_resolve if kind is NewsKind.CLOSED else settings.on_acknowledge

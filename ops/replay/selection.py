"""Which part of the past: `--from`, `--to`, `--incident`, as people type them, and as the stream counts. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.identity import is_incident_id

CLOCKS_APART = timedelta(minutes=1)
"""An incident's id may name a moment a little after its first event, where a failover changed the clock."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RELATIVE = re.compile(r"-(\d{1,9})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_ENTRY = re.compile(r"\d{1,19}(-\d{1,19})?")
_DATE_DIGITS = 8
"""`20260131` is a day, not an entry."""


class SelectionError(Exception):
    """What was typed cannot be understood; the message says what can."""


@dataclass(frozen=True)
class Bound:
    """One end of a range: an entry of the stream, or a time span before now."""

    entry: str | None = None
    before_now: timedelta = timedelta(0)

    @classmethod
    def parse(cls, text: str) -> "Bound":
        """Raises SelectionError."""
        given = text.strip()
        if given == "now":
            return cls()
        if relative := _RELATIVE.fullmatch(given):
            count, unit = relative.groups()
            return cls(before_now=_span(int(count), _UNITS[unit]))
        if _ENTRY.fullmatch(given) and len(given) > _DATE_DIGITS:
            return cls(given)
        try:
            at = datetime.fromisoformat(given)
            return cls(milliseconds(at if at.tzinfo else at.replace(tzinfo=UTC)))
        except (ValueError, OverflowError):
            raise SelectionError(
                f"{given!r} is no moment: say 2026-01-31T03:00 (UTC), a stream id such as 1700000000000-0, -1h, -30m, -2d or now"
            ) from None

    def at(self, now: datetime) -> str:
        """As XRANGE takes it."""
        return self.entry or milliseconds(now - min(self.before_now, now - _EPOCH))


@dataclass(frozen=True)
class Range:
    """Entries from `start` to `end`, both included, as XRANGE takes them. `incidents`: only these; empty: all."""

    start: str = "-"
    end: str = "+"
    incidents: frozenset[str] = frozenset()

    @property
    def is_everything(self) -> bool:
        return (self.start, self.end) == ("-", "+") and not self.incidents

    def ends_at(self, now: datetime) -> datetime:
        """The moment at which it ends; `now` where no end was given."""
        return now if self.end == "+" else min(now, datetime.fromtimestamp(order(self.end)[0] / 1000, UTC))

    def begins_after(self, entry: str) -> bool:
        """Whether the entry lies before the range."""
        return self.start != "-" and order(entry) < order(self.start)


@dataclass(frozen=True)
class Selection:
    """What was asked for, before anybody knows what time it is."""

    start: Bound | None = None
    end: Bound | None = None
    incidents: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, start: str | None, end: str | None, incidents: tuple[str, ...]) -> "Selection":
        """Raises SelectionError."""
        for incident in incidents:
            if not is_incident_id(incident):
                raise SelectionError(f"{incident!r} is not an incident id; those have 32 hex digits")
        bounds = [Bound.parse(text) if text else None for text in (start, end)]
        return cls(bounds[0], bounds[1], frozenset(incidents))

    def at(self, now: datetime) -> Range:
        """Raises SelectionError for a range that ends before it begins."""
        start = self.start.at(now) if self.start else "-"
        end = self.end.at(now) if self.end else "+"
        if start != "-" and end != "+" and order(end, last=True) < order(start):
            raise SelectionError("--to lies before --from; exchange them")
        return Range(start, end, self.incidents)


def opening(incidents: frozenset[str]) -> str:
    """Where in the stream to begin so as to see all of these from their beginning."""
    opened_at = min(int(incident[:12], 16) for incident in incidents)  # a UUIDv7 begins with its time
    return str(max(0, opened_at - round(CLOCKS_APART.total_seconds() * 1000)))


def order(entry: str, *, last: bool = False) -> tuple[float, float]:
    """By which entry ids compare. `last`: of a mere time, the last entry instead of the first."""
    ms, _, sequence = entry.partition("-")
    return int(ms), int(sequence) if sequence else (float("inf") if last else 0)


def milliseconds(at: datetime) -> str:
    return str(max(0, round(at.timestamp() * 1000)))


def _span(count: int, unit: str) -> timedelta:
    try:
        return timedelta(**{unit: count})
    except OverflowError:
        raise SelectionError(f"-{count}{unit[0]} is before all time; say a shorter span") from None

"""What the record of a whole storm says, and how we know again whom it lists. Pure."""

import re
from collections.abc import Callable, Iterable, Sequence

from services.escalator.field_template import finalize
from services.escalator.vocabulary import permalink
from shared.incident import NOT_TRUSTED, Incident, Message
from shared.plain_text import one_line, shortened
from shared.storms import Crowd, Storm

MOST = 2
"""Names that a title has room for."""

MAX_NAME = 60
MAX_SUMMARY = 100
SHORTEST_NOTE = 60
"""Room for an id, should a work note be said to take even less."""

ABOUT_ONE = ("short_description", "description", "work_notes", "comments")
"""Fields that speak of an incident, and not of a storm, whatever their templates say."""

OVER = "over"


def title(storm: Storm | None, names: Sequence[str], in_all: int) -> str:
    """As in `37 incidents at once: HighLatency, DiskFull and 3 more`. `names`: the most frequent first."""
    known = [shortened(one_line(name), MAX_NAME) or "alert" for name in names[:MOST]]
    rest = in_all - len(known)
    more = f" and {rest:,} more" if rest > 0 else ""
    many = f"{storm.members:,} incidents" if storm else "Incidents"
    return f"{many} at once: {', '.join(known)}{more}"


def description(storm: Storm | None, crowd: Crowd | None) -> str:
    lines = [
        "So many incidents came at once that one message in Slack tells of all of them.",
        "Those that nobody acknowledged in time are listed in the work notes, each once, with its id.",
    ]
    lines += [f"- {_named(one.name, one.severity)}: {one.total:,}" for one in (crowd.names if crowd else ())]
    if crowd and crowd.names_in_all > len(crowd.names):
        lines.append(f"- {crowd.names_in_all - len(crowd.names):,} more names")
    if storm and (url := permalink(Message(channel=storm.place, ts=storm.ts, shown=NOT_TRUSTED))):
        lines.append(f"Slack: {url}")
    return finalize("\n".join(lines))


def listing(incidents: Iterable[Incident], longest: int, page: Callable[[Incident], str]) -> tuple[str, int]:
    """A work note that lists the first of `incidents`, at least one, and how many. `longest`: characters that it takes. `page`: where
    people see one of them; empty: nowhere."""
    longest, lines, length = max(longest, SHORTEST_NOTE), list[str](), 0
    for incident in incidents:
        line = _line(incident, page(incident), longest)
        length += len(line) + 1
        if lines and length - 1 > longest:
            break
        lines.append(line)
    return "\n".join(lines), len(lines)


def listed(journal: str, ids: Iterable[str]) -> set[str]:
    """Those of `ids` that a record's work notes list. What an alert says never begins a line."""
    there = set(re.findall(r"(?m)^- ([0-9a-f]{32})\b", journal))
    return there.intersection(ids)


def over_note(storm: str) -> str:
    return f"All incidents that are listed here are over.\n{_over_mark(storm)}"


def tells_over(journal: str, storm: str) -> bool:
    return re.search(rf"(?m)^{re.escape(_over_mark(storm))}", journal) is not None


def _over_mark(storm: str) -> str:
    return f"[ackstream {storm}-{OVER}]"


def _line(incident: Incident, url: str, longest: int) -> str:
    facts = incident.facts
    summary = shortened(one_line(facts.summary), MAX_SUMMARY)
    said = _named(facts.title, facts.severity)
    if summary and facts.summary != facts.title:
        said += f": {summary}"
    begun = f"- {incident.id} "
    room = longest - len(begun) - (len(url) + 1 if url else 0)
    if room < MAX_NAME:
        url, room = "", longest - len(begun)
    return begun + shortened(finalize(said), room) + (f" {url}" if url else "")


def _named(name: str, severity: str) -> str:
    rank = shortened(one_line(severity), MAX_NAME)
    return (shortened(one_line(name), MAX_NAME) or "alert") + (f" ({rank})" if rank else "")

"""What a work note says of an incident's life, and how we know it again. Pure."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from services.escalator.course import clock, ending, who
from services.escalator.field_template import finalize
from services.escalator.vocabulary import permalink
from shared.incident import Incident, News, NewsKind
from shared.plain_text import one_line, shortened


def work_note(incident: Incident, news: Sequence[News], longest: int) -> str:
    """A line for each of `news`, and at its end, never cut off, the mark by which `told` finds it."""
    lines = [_line(incident, one) for one in news]
    if url := permalink(incident.message):
        lines.append(f"Slack: {url}")
    mark = f"[ackstream {incident.id}-{news[-1].seq}]"
    return f"{shortened(chr(10).join(lines), longest - len(mark) - 1)}\n{mark}"


def told(journal: str, incident: Incident) -> int:
    """Up to which news, by `seq`, a record's work notes tell; zero: of none."""
    found = re.findall(rf"\[ackstream {incident.id}-([0-9]{{1,9}})\]", journal)
    return max(map(int, found), default=0)


def _line(incident: Incident, news: News) -> str:
    return f"{clock(_moment(news))}  {finalize(one_line(_what(incident, news)))}"


def _moment(news: News) -> datetime:
    """When it happened, which can be before it became news."""
    return datetime.fromisoformat(news.data["at"]).astimezone(UTC) if news.data.get("at") else news.at


def _what(incident: Incident, news: News) -> str:
    by = news.data.get("by")
    match news.kind:
        case NewsKind.ACKNOWLEDGED:
            return f"acknowledged by {who(by or '')}"
        case NewsKind.UNACKNOWLEDGED:
            return "not acknowledged any more" + (f": taken back by {who(by)}" if by else "")
        case NewsKind.UPDATED:
            return "; ".join([*_moved(news.data), f"{news.data.get('firing', 0)} firing"])
        case NewsKind.CLOSED:
            return ending(incident)


def _moved(data: dict[str, Any]) -> Iterable[str]:
    for name, words in (("joined", "began to fire"), ("left", "ceased to fire")):
        if count := data.get(f"{name}_count"):
            names = ", ".join(data.get(name, ()))
            yield f"{count} alert{'s' * (count > 1)} {words}" + (f" ({names})" if names else "")

"""The digest of a storm as the arguments of chat.postMessage and chat.update: always within Slack's limits. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.notifier.message import COLORS
from services.notifier.mrkdwn import cut, date, escape, link, mention
from services.notifier.sections import split_sections
from services.notifier.status import status_lines
from shared.incident import Incident, State
from shared.interactions import ACK_STORM
from shared.plain_text import one_line, shortened
from shared.storms import Crowd, Named, Storm
from shared.wording import span

MOST = 2
"""Names that the header line has room for."""

MAX_NAME = 80
MAX_SUMMARY = 100
MAX_STATUS = 200
MAX_URL = 500
"""Ten of everything, escaped, stay below Slack's 13,000 characters."""


@dataclass(frozen=True)
class Worst:
    """One of those that are told by name. `url` acknowledges it; None: it is not on call."""

    incident: Incident
    url: str | None


def digest_message(storm: Storm, crowd: Crowd, worst: Sequence[Worst], url: str | None) -> dict[str, Any]:
    """Without channel and ts. `url` leads to the page that acknowledges all of them; None: the button itself does."""
    texts = [_counts(storm), _names(crowd), _worst(storm, worst)]
    blocks = [_section(piece) for text in texts if text for piece in split_sections(text)]
    blocks.append({"type": "context", "elements": [_mrkdwn(line) for line in _history(storm)]})
    if storm.open:
        blocks.append({"type": "actions", "block_id": "storm_actions", "elements": [_button(storm, url)]})
    line = headline(storm, crowd)
    attachment = {"color": _color(storm), "fallback": line, "blocks": blocks}
    return _arguments(storm, line, [attachment])


def plain_digest(storm: Storm, crowd: Crowd, why: str, url: str) -> dict[str, Any]:
    """When Slack refuses the full one."""
    names = ", ".join(_label(named) for named in crowd.names)
    all_of_them = link(url, "Acknowledge all") if storm.open else ""
    lines = [headline(storm, crowd), totals(storm), cut(names, 2000), all_of_them]
    lines.append(f"This message is plain because: {cut(escape(one_line(why)), 300)}")
    return _arguments(storm, "\n".join(line for line in lines if line), [])


def closing_line(storm: Storm) -> dict[str, Any]:
    """What the thread is told at the end."""
    text = (
        f"The storm is over: {_count(storm.members)} from {date(storm.begun)} to {date(storm.last)} "
        f"({span(storm.last - storm.begun)}), {storm.singly:,} more posted singly. {totals(storm)}. "
        "What is new gets messages of its own again."
    )
    return {"text": text}


def reopened_line(storm: Storm) -> dict[str, Any]:
    """What the thread is told of acknowledgements that were taken back, or lapsed. Who acknowledged all is mentioned, where Slack
    itself said who it was."""
    count = storm.reopened - storm.reopened_told
    user = mention(storm.wish.user) if storm.wish else ""
    who = f"{user} " if user else ""
    text = (
        f"⏰ {who}{_count(count)} that had been acknowledged {'are' if count != 1 else 'is'} open again: "
        f"the acknowledgement lapsed, or was taken back. {storm.open:,} open now"
    )
    return {"text": text}


def headline(storm: Storm, crowd: Crowd) -> str:
    """One escaped line for the lock screen."""
    if storm.over:
        return f"[STORM over] {_count(storm.members)}, {storm.open:,} still open"
    most = ", ".join(
        f"{_titled(named.name, named.severity, mark='')} {named.total:,}" for named in crowd.names[:MOST]
    )
    return f"[STORM] {storm.open:,} of {_count(storm.members)} open" + (f" — {most}" if most else "")


def totals(storm: Storm) -> str:
    """Each incident counts once, as what it is now."""
    parts = [
        f"{storm.open:,} open",
        f"{storm.acknowledged:,} acknowledged",
        f"{storm.escalated:,} escalated",
        f"{storm.resolved:,} resolved",
    ]
    if storm.recorded > storm.escalated:
        parts.append(f"{storm.recorded:,} got a record in ServiceNow")
    return " · ".join(parts)


def _count(members: int) -> str:
    return f"{members:,} incident" + "s" * (members != 1)


def _counts(storm: Storm) -> str:
    lines = [
        f"*{_count(storm.members)} came at once*; this message tells of all of them. Each keeps its own deadline.",
        f"*{totals(storm)}*",
    ]
    if storm.overflow:
        lines.append(
            f"⚠️ {storm.overflow:,} of the open ones are as bad as those that get a message of their own, and too many: they come first."
        )
    return "\n".join(lines)


def _names(crowd: Crowd) -> str:
    lines = [f"• {_label(named)}: {named.open:,} open of {named.total:,}" for named in crowd.names]
    if crowd.names_in_all > len(crowd.names):
        lines.append(f"… and {crowd.names_in_all - len(crowd.names):,} more names")
    return "\n".join(lines)


def _label(named: Named) -> str:
    return _titled(named.name, named.severity)


def _titled(title: str, severity: str, mark: str = "*") -> str:
    name = escape(shortened(one_line(title), MAX_NAME)) or "Alert"
    rank = escape(shortened(one_line(severity), MAX_NAME))
    return f"{mark}{cut(name, MAX_NAME)}{mark}" + (f" ({cut(rank, MAX_NAME)})" if rank else "")


def _worst(storm: Storm, worst: Sequence[Worst]) -> str:
    if not worst:
        return ""
    left = storm.open - len(worst)
    lines = ["*The worst of those that are open*", *map(_line, worst)]
    return "\n".join([*lines, f"… and {left:,} more"] if left > 0 else lines)


def _line(worst: Worst) -> str:
    facts = worst.incident.facts
    summary = cut(escape(shortened(one_line(facts.summary), MAX_SUMMARY)), MAX_SUMMARY)
    parts = [_titled(facts.title, facts.severity)]
    if summary and facts.summary != facts.title:
        parts.append(summary)
    parts += [cut(line, MAX_STATUS) for line in status_lines(worst.incident)[:1]]
    if worst.url:
        parts.append(link(worst.url, "Acknowledge", MAX_URL))
    return "• " + " — ".join(parts)


def _history(storm: Storm) -> list[str]:
    lines = [f"Since {date(storm.begun)}; the latest one joined {date(storm.last)}"]
    if storm.singly:
        lines.append(f"{storm.singly:,} more were posted singly")
    if storm.wish:
        by = escape(shortened(one_line(storm.wish.by), MAX_NAME)) or "somebody"
        lines.append(f"{by} acknowledged all that was open {date(storm.wish.at)}: {storm.carried:,}")
    if storm.over:
        lines.append(f"Over since {date(storm.over)}; what is new gets messages of its own again")
    return lines


def _color(storm: Storm) -> str:
    states = (
        (storm.open, State.OPEN),
        (storm.escalated, State.ESCALATED),
        (storm.acknowledged, State.ACKNOWLEDGED),
    )
    return COLORS[next((state for count, state in states if count), State.RESOLVED)]


def _button(storm: Storm, url: str | None) -> dict[str, Any]:
    button: dict[str, Any] = {
        "type": "button",
        "action_id": ACK_STORM,
        "text": {"type": "plain_text", "text": f"Acknowledge all ({storm.open:,})"},
        "value": storm.id,
        "style": "primary",
    }
    return {**button, "url": url} if url else {**button, "confirm": _confirmation(storm)}


def _confirmation(storm: Storm) -> dict[str, Any]:
    said = {
        "title": "Acknowledge all?",
        "text": f"{storm.open:,} incidents are open. None of them escalates then.",
        "confirm": "Acknowledge all",
        "deny": "Cancel",
    }
    return {name: {"type": "plain_text", "text": words} for name, words in said.items()}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _mrkdwn(text)}


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


def _arguments(storm: Storm, text: str, attachments: list[dict[str, Any]]) -> dict[str, Any]:
    payload = {"storm_id": storm.id, "revision": storm.changes}
    return {
        "text": text,
        "attachments": attachments,
        "metadata": {"event_type": "ackstream_storm", "event_payload": payload},
    }

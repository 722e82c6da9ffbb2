"""An incident as the arguments of chat.postMessage and chat.update, whatever its texts: always within Slack's limits."""

from typing import Any

from services.notifier.buttons import MAX_URL, actions, address
from services.notifier.look import Look
from services.notifier.mrkdwn import Mrkdwn, cut, escape, link
from services.notifier.sections import split_sections
from services.notifier.status import headline, status_lines
from shared.incident import Incident, State
from shared.offers import LABELS, Offer, offers
from shared.outlook import may_be_acknowledged_in_time
from shared.plain_text import one_line, shortened
from shared.wording import is_web

FIRING = "#C70039"
COLORS = {
    State.OPEN: FIRING,
    State.ESCALATING: FIRING,
    State.ACKNOWLEDGED: "#F2A900",
    State.ESCALATED: "#7B1FA2",
    State.RESOLVED: "#36A64F",
    State.SUPERSEDED: "#8D8D8D",
    State.EXPIRED: "#8D8D8D",
}

MAX_URL_IN_TEXT = 2500
"""A link in the text shares its section with its label."""

MAX_WARNING = 150
MAX_WARNINGS = 2
"""The thread has them at length."""

MAX_ELEMENTS = 10
"""Of a context block."""

MAX_REST = 2000

MAX_WHY = 300
MAX_PLAIN = 3900
"""chat.update takes 4,000 characters."""


def slack_message(incident: Incident, text: str, look: Look, ack_url: str | None) -> dict[str, Any]:
    """The message, without channel and ts. `text` is what the template made. Buttons, or a link, are there only while they are of
    use: `ack_url`, the incident's page, is given, it has a deadline, and there is something to do."""
    line = headline(incident)
    url = _usable(incident, ack_url)
    blocks = [_section(piece) for piece in split_sections(text) or [line]]
    if url and look.disable_button and escape(url) not in text:
        blocks += _links(incident, look, url)
    if elements := _context(incident, look):
        blocks.append({"type": "context", "elements": elements})
    if url and not look.disable_button:
        blocks += actions(incident, look, url)
    attachment = {"color": _color(incident), "fallback": line, "blocks": blocks}
    return _arguments(incident, line, [attachment])


def plain_message(incident: Incident, why: str, ack_url: str | None) -> dict[str, Any]:
    """The message when Slack refuses the full one, or the template failed: short, without blocks, and nobody misses the page.
    `why` is told to the reader."""
    lines: list[str] = [headline(incident), *status_lines(incident)]
    url = _usable(incident, ack_url)
    if url and incident.can_acknowledge:
        lines.append(link(url, "Acknowledge", MAX_URL_IN_TEXT))
    reason = cut(escape(one_line(shortened(why, MAX_WHY))), MAX_WHY)
    lines.append(f"This message is plain because: {reason}" if reason else "This message is plain.")
    # An empty list takes away the attachment that an edited message may have.
    return _arguments(incident, cut("\n".join(lines), MAX_PLAIN), [])


def _color(incident: Incident) -> str:
    """That somebody has it matters more than that it was escalated."""
    taken = incident.state is State.ESCALATED and incident.acknowledgement
    return COLORS[State.ACKNOWLEDGED if taken else incident.state]


def _arguments(incident: Incident, text: str, attachments: list[dict[str, Any]]) -> dict[str, Any]:
    payload = {"incident_id": incident.id, "revision": incident.revision}
    return {
        "text": text,
        "attachments": attachments,
        "metadata": {"event_type": "ackstream_incident", "event_payload": payload},
    }


def _usable(incident: Incident, ack_url: str | None) -> str | None:
    """`ack_url` where somebody has the time to use it."""
    if not (ack_url and may_be_acknowledged_in_time(incident)):
        return None
    return ack_url if is_web(ack_url) and len(ack_url) <= MAX_URL else None


def _links(incident: Incident, look: Look, url: str) -> list[dict[str, Any]]:
    """Instead of buttons: the likeliest deed. The page behind it has the others."""
    offered = offers(incident)
    if Offer.ACKNOWLEDGE in offered:
        return [_section(f"Acknowledge: {link(url, look.label, MAX_URL_IN_TEXT)}")]
    return [_section(link(address(url, offer), LABELS[offer], MAX_URL_IN_TEXT)) for offer in offered[:1]]


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _mrkdwn(text)}


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


def _context(incident: Incident, look: Look) -> list[dict[str, Any]]:
    warnings: list[str] = [_warning(text) for text in incident.warnings[:MAX_WARNINGS]]
    if len(incident.warnings) > MAX_WARNINGS:
        warnings.append(f"⚠️ … and {len(incident.warnings) - MAX_WARNINGS} more, in the thread")
    console = [link(f"{look.console_url}/incidents/{incident.id}", "Console")] if look.console_url else []
    lines = [*status_lines(incident), *console, *warnings]
    if len(lines) > MAX_ELEMENTS:
        lines[MAX_ELEMENTS - 1 :] = [cut("\n".join(lines[MAX_ELEMENTS - 1 :]), MAX_REST)]
    return [_mrkdwn(line) for line in lines]


def _warning(text: str) -> Mrkdwn:
    return cut(f"⚠️ {escape(one_line(shortened(text, MAX_WARNING)))}", MAX_WARNING)

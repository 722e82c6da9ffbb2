"""The buttons under a message: what people can do about its incident now. Pure."""

from collections.abc import Mapping
from typing import Any

from services.notifier.look import Look
from shared.incident import Incident
from shared.interactions import ACTIONS, BLOCK
from shared.offers import LABELS, Offer, offers
from shared.outlook import target_name
from shared.plain_text import one_line, shortened

MAX_URL = 3000
MAX_TARGET = 80
STYLES = ("primary", "danger")

_CONFIRMATIONS: Mapping[Offer, tuple[str, str]] = {
    Offer.ESCALATE: (
        "Escalate now?",
        "It goes to {target} at once; nobody is given any more time to acknowledge.",
    ),
    Offer.RESOLVE: (
        "Resolve it?",
        "It counts as over, and no longer escalates. Should it still be firing, it comes back as a new incident.",
    ),
}


def actions(incident: Incident, look: Look, page: str) -> list[dict[str, Any]]:
    """The block of buttons, or nothing. `page`: the incident's signed page; without interactivity the buttons lead there."""
    found = [_button(offer, incident, look) for offer in offers(incident)]
    if not look.interactive:
        found = [
            {**button, "url": url}
            for button, offer in zip(found, offers(incident), strict=True)
            if len(url := address(page, offer)) <= MAX_URL
        ]
    return [{"type": "actions", "block_id": BLOCK, "elements": found}] if found else []


def address(page: str, offer: Offer) -> str:
    """The page that offers `offer` first. Not signed: it only chooses what the page shows."""
    return page if offer is Offer.ACKNOWLEDGE else f"{page}&do={offer}"


def _button(offer: Offer, incident: Incident, look: Look) -> dict[str, Any]:
    label = look.label if offer is Offer.ACKNOWLEDGE else LABELS[offer]
    button: dict[str, Any] = {
        "type": "button",
        "action_id": ACTIONS[offer],
        "text": {"type": "plain_text", "text": label, "emoji": True},
        "value": incident.id,
    }
    if style := _style(offer, look):
        button["style"] = style
    if look.interactive and offer in _CONFIRMATIONS:
        button["confirm"] = _confirmation(offer, incident)
    return button


def _style(offer: Offer, look: Look) -> str:
    if offer is Offer.ACKNOWLEDGE:
        return look.button_style if look.button_style in STYLES else ""
    return "danger" if offer is Offer.ESCALATE and look.interactive else ""


def _confirmation(offer: Offer, incident: Incident) -> dict[str, Any]:
    """Slack asks before it tells us; a page asks by itself."""
    title, text = _CONFIRMATIONS[offer]
    target = target_name(incident.call.target, incident.call.instance)
    text = text.format(target=shortened(one_line(target), MAX_TARGET))
    said = {"title": title, "text": text, "confirm": LABELS[offer], "deny": "Cancel"}
    dialog: dict[str, Any] = {name: {"type": "plain_text", "text": words} for name, words in said.items()}
    return {**dialog, "style": "danger"} if offer is Offer.ESCALATE else dialog

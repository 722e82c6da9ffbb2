"""Answers to acknowledge links: one template and one status per page, as HTML for people and JSON for machines.

Everything comes in one response: no font, picture or script from anywhere, and a content policy that holds it to that.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from services.ingest.forms import Form, new_token
from services.ingest.wording import hints, moment, not_called, tone
from shared.incident import Incident
from shared.offers import LABELS, Offer
from shared.outlook import coming, is_in_doubt, is_told, target_name
from shared.wording import MAX_NAME, is_web, span

RETRY_AFTER_SECONDS = 5
ALLOWED_METHODS = "GET, HEAD, POST"
TEMPLATES = Path(__file__).parent / "templates" / "acknowledge"


class Page(StrEnum):
    """Named as the reasons of a decision are: template, `status` in JSON, log field and metric label."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    SNOOZED = "snoozed"
    ESCALATION_ASKED = "escalation_asked"
    RESOLVED_BY_HAND = "resolved_by_hand"
    NOT_ACKNOWLEDGED = "not_acknowledged"
    NOT_ON_CALL = "not_on_call"
    LATER_ALREADY = "later_already"
    ALREADY_ACKNOWLEDGED = "already_acknowledged"
    ESCALATION_IN_PROGRESS = "escalation_in_progress"
    ALREADY_ESCALATED = "already_escalated"
    RESOLVED = "resolved"
    SUPERSEDED = "superseded"
    INCIDENT_EXPIRED = "incident_expired"
    EXPIRED = "expired"
    """The link is."""
    FORGED = "forged"
    UNKNOWN_INCIDENT = "unknown_incident"
    UNKNOWN_DEED = "unknown_deed"
    UNAVAILABLE = "unavailable"
    FORM_TOO_LARGE = "form_too_large"
    FORM_TOO_SLOW = "form_too_slow"
    METHOD_NOT_ALLOWED = "method_not_allowed"


_REFUSALS = {
    Page.EXPIRED: HTTPStatus.FORBIDDEN,
    Page.FORGED: HTTPStatus.UNAUTHORIZED,
    Page.UNKNOWN_INCIDENT: HTTPStatus.GONE,
    Page.UNKNOWN_DEED: HTTPStatus.BAD_REQUEST,
    Page.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Page.FORM_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Page.FORM_TOO_SLOW: HTTPStatus.REQUEST_TIMEOUT,
    Page.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
}
_TOO_LATE = {
    *(Page.ALREADY_ACKNOWLEDGED, Page.ESCALATION_IN_PROGRESS, Page.ALREADY_ESCALATED),
    *(Page.RESOLVED, Page.SUPERSEDED, Page.INCIDENT_EXPIRED),
    *(Page.NOT_ACKNOWLEDGED, Page.NOT_ON_CALL, Page.LATER_ALREADY),
}
_HEADERS = {
    Page.UNAVAILABLE: {"Retry-After": str(RETRY_AFTER_SECONDS)},
    Page.METHOD_NOT_ALLOWED: {"Allow": ALLOWED_METHODS},
}


SURE = (Offer.ESCALATE, Offer.RESOLVE)
"""What the page asks about once more, where it can, because it cannot be taken back."""


@dataclass(frozen=True)
class Answer:
    """What to show. `pressed`: the request was a POST, with `form`; else `form` names what was chosen by the address, if anything.
    `now`: Redis' clock, wherever there is an incident. `offered`: what can be done next."""

    page: Page
    incident_id: str | None = None
    incident: Incident | None = None
    now: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    pressed: bool = False
    form: Form = field(default_factory=Form)
    offered: tuple[Offer, ...] = ()

    @property
    def chosen(self) -> Offer | None:
        """What the large button does: what the address names, or the likeliest; None where the page has something to say first."""
        wanted = None if self.pressed else self.form.offer
        first = self.offered[:1] if self._asks_to_take_it else ()
        return wanted if wanted in self.offered else next(iter(first), None)

    @property
    def _asks_to_take_it(self) -> bool:
        nobody_has_it = self.page is Page.ALREADY_ESCALATED and Offer.ACKNOWLEDGE in self.offered
        return self.page is Page.OPEN or nobody_has_it

    @property
    def status(self) -> HTTPStatus:
        """It is no error to look at what came too late, but it is one to press the button."""
        asked_twice = self.page is Page.ALREADY_ACKNOWLEDGED and self.form.offer is Offer.ACKNOWLEDGE
        if self.pressed and self.page in _TOO_LATE and not asked_twice:
            return HTTPStatus.CONFLICT
        return _REFUSALS.get(self.page, HTTPStatus.OK)


def respond(request: Request, answer: Answer) -> Response:
    """The response to `request`, with every header that a capability in an address asks for."""
    content: Response
    if prefers_json(request):
        content = JSONResponse(_as_json(answer), answer.status)
    else:
        content = HTMLResponse(_as_html(answer), answer.status)
    return secured(request, content, _HEADERS.get(answer.page, {}))


def secured(request: Request, content: Response, more: Mapping[str, str] | None = None) -> Response:
    """`content` with those headers, and `more`."""
    content.headers.update(_SECURITY | dict(more or {}))
    if request.url.scheme == "https":
        content.headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.method == "HEAD":
        content.body = b""  # its length stays announced, as HEAD wants it
    return content


def rendered(template: str, **values: object) -> str:
    """A page that is about no incident."""
    return _ENVIRONMENT.get_template(template).render(
        incident=None, max_name=MAX_NAME, style=_STYLE, script=_SCRIPT, **values
    )


def prefers_json(request: Request) -> bool:
    if "format" in request.query_params:
        return request.query_params["format"] == "json"
    accept = request.headers.get("accept", "")
    return _quality(accept, "application/json") > _quality(accept, "text/html")


def _quality(accept: str, kind: str) -> float:
    """How much `accept` asks for `kind` by name. A wildcard asks for nothing in particular."""
    for part in accept.lower().split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        if media == kind:
            weights = [text[2:] for text in parameters if text.startswith("q=")]
            return _number(weights[0]) if weights else 1.0
    return 0.0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _as_json(answer: Answer) -> dict[str, Any]:
    incident = answer.incident
    ack = incident.acknowledgement if incident else None
    record = next(iter(incident.records), None) if incident else None
    return {
        "status": answer.page.value,
        "incident_id": answer.incident_id,
        "acknowledged_by": ack.by if ack else None,
        "acknowledged_at": ack.at.isoformat() if ack else None,
        "deadline": incident.deadline.isoformat()
        if incident and incident.awaits_escalation and incident.deadline
        else None,
        "offers": [str(offer) for offer in answer.offered],
        "record": {"number": record.number, "url": record.url} if record else None,
    }


def _as_html(answer: Answer) -> str:
    return _ENVIRONMENT.get_template(f"{answer.page}.html").render(
        incident=answer.incident,
        now=answer.now,
        pressed=answer.pressed,
        name=answer.form.name,
        asked=answer.form.offer,
        offered=answer.offered,
        chosen=answer.chosen,
        coming=coming(answer.incident) if answer.incident else [],
        token=answer.form.token if answer.page is Page.UNAVAILABLE else new_token(),
        labels=LABELS,
        hints=hints(answer.incident),
        sure=SURE,
        max_name=MAX_NAME,
        style=_STYLE,
        script=_SCRIPT,
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"span": span, "moment": moment, "tone": tone}
    environment.filters |= {"not_called": not_called, "name": target_name}
    environment.tests |= {"web": is_web, "in_doubt": is_in_doubt, "told": is_told}
    return environment


def _inline(name: str) -> Markup:
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704  our own file


def _hash(source: str) -> str:
    """How a content policy names an inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


_ENVIRONMENT = _environment()
_STYLE = _inline("page.css")
_SCRIPT = _inline("page.js")
_POLICY = (
    f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_SECURITY = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",  # the address is the key to the incident
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Vary": "Accept",
}

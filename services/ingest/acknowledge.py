"""The page of an incident, behind its acknowledge link. GET and HEAD only look, for link expanders and mail scanners follow links;
POST acts."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services.ingest.body import BodyTooLargeError, BodyTooSlowError
from services.ingest.forms import Form, offer_of, read_form
from services.ingest.pages import Answer, Page, respond
from services.ingest.signatures import DEADLINE, ReadKeys, Signatures
from shared.commands import Reason
from shared.identity import is_incident_id
from shared.incident import Incident, State
from shared.links import AckLinks, Verdict
from shared.metrics import DEEDS
from shared.offers import Offer, deed, offers
from shared.redis_client import StoreUnavailableError
from shared.store import Store

DOOR = "link"
ANONYMOUS = "somebody with the link"
ROUTED_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""What the route should hand over: the refusal of the others has a page and headers too."""

_PAGES = {
    State.OPEN: Page.OPEN,
    State.ACKNOWLEDGED: Page.ALREADY_ACKNOWLEDGED,
    State.ESCALATING: Page.ESCALATION_IN_PROGRESS,
    State.ESCALATED: Page.ALREADY_ESCALATED,
    State.RESOLVED: Page.RESOLVED,
    State.SUPERSEDED: Page.SUPERSEDED,
    State.EXPIRED: Page.INCIDENT_EXPIRED,
}
# Every other page is named after its reason.
_REASONS = dict.fromkeys((Page.RESOLVED, Page.SUPERSEDED, Page.INCIDENT_EXPIRED), Reason.ALREADY_CLOSED)
_NAMES = {page.value: page for page in Page}


class AcknowledgePage:
    """Serves /api/ack/{incident_id}. Tells nothing about an incident to who has no link that we signed."""

    def __init__(self, store: Store, links: AckLinks, read_keys: ReadKeys | None = None) -> None:
        self._store = store
        self._signatures = Signatures(links, read_keys)
        self._log = structlog.get_logger()

    async def __call__(self, request: Request) -> Response:
        incident_id = request.path_params["incident_id"]
        if request.method in ("GET", "HEAD"):
            answer = await self._answer(request, incident_id, pressed=False)
        elif request.method == "POST":
            answer = await self._answer(request, incident_id, pressed=True)
            self._note(incident_id, answer)
        else:
            answer = Answer(Page.METHOD_NOT_ALLOWED)
        return respond(request, answer)

    async def _answer(self, request: Request, incident_id: str, *, pressed: bool) -> Answer:
        # The signature first, and alone: a stranger costs no look-up, and learns nothing from how long it took.
        if not await self._signatures.are_ours(request, incident_id):
            return Answer(Page.FORGED if self._signatures.are_known else Page.UNAVAILABLE, pressed=pressed)
        form = Form(offer_of(request.query_params))
        try:
            if pressed:
                form = await read_form(request)
            async with asyncio.timeout(DEADLINE):
                return await self._look_or_act(request, incident_id, form, pressed=pressed)
        except (StoreUnavailableError, TimeoutError):
            return Answer(Page.UNAVAILABLE, incident_id, pressed=pressed, form=form)
        except BodyTooLargeError:
            return Answer(Page.FORM_TOO_LARGE, incident_id, pressed=True)
        except (BodyTooSlowError, ClientDisconnect):
            return Answer(Page.FORM_TOO_SLOW, incident_id, pressed=True)

    async def _look_or_act(self, request: Request, incident_id: str, form: Form, *, pressed: bool) -> Answer:
        loaded = await self._store.load(incident_id)
        incident, page = loaded.incident, page_of(loaded.incident)
        expired = self._signatures.verdict(request, incident_id, loaded.now) is Verdict.EXPIRED
        if expired and (page is Page.OPEN or (pressed and incident and form.offer in offers(incident))):
            page = Page.EXPIRED
        offered = offers(incident) if incident and not expired else ()
        if pressed and form.offer is None:
            page = Page.UNKNOWN_DEED
        elif pressed and incident and not expired:
            return await self._act(incident_id, form, form.offer or Offer.ACKNOWLEDGE, loaded.now)
        return Answer(page, incident_id, incident, loaded.now, pressed=pressed, form=form, offered=offered)

    async def _act(self, incident_id: str, form: Form, offer: Offer, now: datetime) -> Answer:
        step = await self._store.apply(
            incident_id, deed(offer, form.name or ANONYMOUS, DOOR, token=form.token)
        )
        page, offered = (
            page_after(step.reason, offer, step.incident),
            offers(step.incident) if step.incident else (),
        )
        return Answer(page, incident_id, step.incident, now, pressed=True, form=form, offered=offered)

    def _note(self, incident_id: str, answer: Answer) -> None:
        reason, asked = str(_REASONS.get(answer.page, answer.page)), str(answer.form.offer or "unknown")
        known = incident_id if is_incident_id(incident_id) else "malformed"
        DEEDS.labels(deed=asked, door=DOOR, reason=reason).inc()
        self._log.info("deed", incident=known, deed=asked, reason=reason, door=DOOR)


def page_of(incident: Incident | None) -> Page:
    if incident is None:
        return Page.UNKNOWN_INCIDENT
    if incident.state is State.ESCALATED and incident.acknowledgement:
        return Page.ALREADY_ACKNOWLEDGED
    return _PAGES[incident.state]


def page_after(reason: Reason, offer: Offer, incident: Incident | None) -> Page:
    """What to answer to who pressed. A form that is sent once more gets the answer that it got, as long as that is true."""
    if reason is Reason.ALREADY_DONE and incident:
        reason = _STILL[offer](incident) or reason
    return _NAMES.get(reason) or page_of(incident)


def _still(reason: Reason, is_so: Callable[[Incident], bool]) -> Callable[[Incident], Reason | None]:
    return lambda incident: reason if is_so(incident) else None


def _is_taken(incident: Incident) -> bool:
    return incident.acknowledgement is not None and incident.closure is None


def _is_open(incident: Incident) -> bool:
    return incident.state is State.OPEN


_snoozed = _still(Reason.SNOOZED, lambda incident: _is_open(incident) and incident.snooze is not None)
_STILL = {
    Offer.ACKNOWLEDGE: _still(Reason.ACKNOWLEDGED, _is_taken),
    Offer.UNACKNOWLEDGE: _still(Reason.UNACKNOWLEDGED, lambda incident: incident.can_acknowledge),
    Offer.SNOOZE_15: _snoozed,
    Offer.SNOOZE_60: _snoozed,
    Offer.ESCALATE: _still(Reason.ESCALATION_ASKED, _is_open),
    Offer.RESOLVE: _still(Reason.RESOLVED_BY_HAND, lambda incident: incident.state is State.RESOLVED),
}

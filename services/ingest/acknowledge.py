"""The page behind an acknowledge link. GET and HEAD only look, for link expanders and mail scanners follow links; POST acts."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qs

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services.ingest.body import BodyTooLargeError, BodyTooSlowError, read_body
from services.ingest.pages import Answer, Page, respond
from shared.commands import Acknowledge, Reason
from shared.identity import is_incident_id
from shared.incident import Incident, State
from shared.links import AckLinks, Verdict
from shared.metrics import ACKNOWLEDGEMENTS
from shared.redis_client import StoreUnavailableError
from shared.store import Store
from shared.wording import clean_name

DOOR = "link"
ANONYMOUS = "somebody with the link"
KEYS_EVERY = 1.0
"""Seconds."""

DEADLINE = 1.5
"""Seconds for Redis to answer, as senders of notifications are given: somebody is looking at an empty page meanwhile."""

ReadKeys = Callable[[Sequence[str]], Awaitable[tuple[str, ...]]]
"""From the keys that we have to those that hold now."""

MAX_FORM_BYTES = 4096
MAX_FIELDS = 16
FORM_TIMEOUT = 5.0
"""Seconds that a browser may take to send those few bytes."""

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
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class AcknowledgePage:
    """Serves /api/ack/{incident_id}. Tells nothing about an incident to who has no link that we signed."""

    def __init__(self, store: Store, links: AckLinks, read_keys: ReadKeys | None = None) -> None:
        """`read_keys`: asked when a signature is not known. We may have started before Redis, or it lost its data and others sign
        with a new key."""
        self._store = store
        self._links = links
        self._read_keys = read_keys
        self._keys_read_at = -KEYS_EVERY
        self._knows_keys = read_keys is None
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
        if self._verdict(request, incident_id, _ANY_TIME) is Verdict.FORGED:
            await self._learn_keys()
            if self._verdict(request, incident_id, _ANY_TIME) is Verdict.FORGED:
                # Who has not read the keys cannot call anybody a forger.
                return Answer(Page.FORGED if self._knows_keys else Page.UNAVAILABLE, pressed=pressed)
        name = ""
        try:
            if pressed:
                name = await read_name(request)
            async with asyncio.timeout(DEADLINE):
                return await self._look_or_act(request, incident_id, name, pressed=pressed)
        except (StoreUnavailableError, TimeoutError):
            return Answer(Page.UNAVAILABLE, incident_id, pressed=pressed, name=name)
        except BodyTooLargeError:
            return Answer(Page.FORM_TOO_LARGE, incident_id, pressed=True)
        except (BodyTooSlowError, ClientDisconnect):
            return Answer(Page.FORM_TOO_SLOW, incident_id, pressed=True)

    async def _look_or_act(self, request: Request, incident_id: str, name: str, *, pressed: bool) -> Answer:
        loaded = await self._store.load(incident_id)
        page = page_of(loaded.incident)
        if page is Page.OPEN and self._verdict(request, incident_id, loaded.now) is Verdict.EXPIRED:
            page = Page.EXPIRED
        if not pressed or page is not Page.OPEN:
            return Answer(page, incident_id, loaded.incident, loaded.now, pressed=pressed)
        step = await self._store.apply(incident_id, Acknowledge(by=name or ANONYMOUS, door=DOOR))
        page = Page.ACKNOWLEDGED if step.reason is Reason.ACKNOWLEDGED else page_of(step.incident)
        return Answer(page, incident_id, step.incident, loaded.now, pressed=True)

    async def _learn_keys(self) -> None:
        """At most once in KEYS_EVERY: forgers must not make us ask."""
        if self._read_keys is None or time.monotonic() - self._keys_read_at < KEYS_EVERY:
            return
        self._keys_read_at = time.monotonic()
        try:
            async with asyncio.timeout(DEADLINE):
                self._links = self._links.accepting(await self._read_keys(self._links.keys))
            self._knows_keys = True
        except (StoreUnavailableError, TimeoutError) as error:
            self._log.warning("signing_keys_not_read", error=str(error) or "Redis took too long")

    def _verdict(self, request: Request, incident_id: str, now: datetime) -> Verdict:
        query = request.query_params
        return self._links.check(incident_id, query.get("exp"), query.get("sig"), now)

    def _note(self, incident_id: str, answer: Answer) -> None:
        reason = str(_REASONS.get(answer.page, answer.page))
        known = incident_id if is_incident_id(incident_id) else "malformed"
        ACKNOWLEDGEMENTS.labels(door=DOOR, reason=reason).inc()
        self._log.info("acknowledge", incident=known, reason=reason, door=DOOR)


def page_of(incident: Incident | None) -> Page:
    return _PAGES[incident.state] if incident else Page.UNKNOWN_INCIDENT


async def read_name(request: Request) -> str:
    """Who pressed the button, as the form says; "" when it does not, or not in a way that we can read: no reason to refuse.

    Raises what `read_body` raises.
    """
    body = await read_body(request, MAX_FORM_BYTES, FORM_TIMEOUT)
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=MAX_FIELDS)
    except ValueError:
        return ""
    return clean_name(fields.get("name", [""])[0])

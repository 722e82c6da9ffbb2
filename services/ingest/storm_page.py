"""The page behind "Acknowledge all" of a storm's digest. GET and HEAD only look and ask; POST writes the wish down, and the notifier
carries it out: it may be thousands."""

import asyncio
from enum import StrEnum
from http import HTTPStatus

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from services.ingest.acknowledge import ANONYMOUS
from services.ingest.body import BodyTooLargeError, BodyTooSlowError
from services.ingest.forms import Form, new_token, read_form
from services.ingest.pages import ALLOWED_METHODS, prefers_json, rendered, secured
from services.ingest.signatures import DEADLINE, ReadKeys, Signatures
from shared.links import StormLinks, Verdict
from shared.metrics import DEEDS
from shared.redis_client import StoreUnavailableError
from shared.storms import ACKNOWLEDGE_ALL, Storm, Storms

DOOR = "digest"


class Outcome(StrEnum):
    """What became of a request: the page to show, log field and metric label."""

    ASKS = "asks"
    WISHED = "wished"
    NOTHING_OPEN = "nothing_open"
    EXPIRED = "expired"
    FORGED = "forged"
    UNKNOWN_STORM = "unknown_storm"
    UNAVAILABLE = "unavailable"
    BAD_FORM = "bad_form"
    METHOD_NOT_ALLOWED = "method_not_allowed"


_STATUS = {
    Outcome.WISHED: HTTPStatus.ACCEPTED,
    Outcome.EXPIRED: HTTPStatus.FORBIDDEN,
    Outcome.FORGED: HTTPStatus.UNAUTHORIZED,
    Outcome.UNKNOWN_STORM: HTTPStatus.GONE,
    Outcome.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Outcome.BAD_FORM: HTTPStatus.BAD_REQUEST,
    Outcome.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
}
_HEADERS = {
    Outcome.UNAVAILABLE: {"Retry-After": "5"},
    Outcome.METHOD_NOT_ALLOWED: {"Allow": ALLOWED_METHODS},
}


class StormPage:
    """Serves /api/storm/{storm_id}. Tells nothing about a storm to who has no link that we signed."""

    def __init__(self, storms: Storms, links: StormLinks, read_keys: ReadKeys | None = None) -> None:
        self._storms = storms
        self._signatures = Signatures(links, read_keys)
        self._log = structlog.get_logger()

    async def __call__(self, request: Request) -> Response:
        id_, pressed, storm, count = request.path_params["storm_id"], request.method == "POST", None, 0
        if request.method not in ("GET", "HEAD", "POST"):
            return _answer(request, Outcome.METHOD_NOT_ALLOWED, None, 0)
        try:
            outcome, storm, count = await self._outcome(request, id_, pressed=pressed)
        except (StoreUnavailableError, TimeoutError):
            outcome = Outcome.UNAVAILABLE
        except (BodyTooLargeError, BodyTooSlowError, ClientDisconnect):
            outcome = Outcome.BAD_FORM
        if pressed:
            DEEDS.labels(deed=ACKNOWLEDGE_ALL, door=DOOR, reason=outcome).inc()
            self._log.info(
                "deed",
                deed=ACKNOWLEDGE_ALL,
                door=DOOR,
                storm=storm.id if storm else None,
                reason=outcome,
                open=count,
            )
        return _answer(request, outcome, storm, count)

    async def _outcome(
        self, request: Request, id_: str, *, pressed: bool
    ) -> tuple[Outcome, Storm | None, int]:
        # The signature first, and alone: a stranger costs no look-up.
        if not await self._signatures.are_ours(request, id_):
            return (Outcome.FORGED if self._signatures.are_known else Outcome.UNAVAILABLE), None, 0
        form = await read_form(request) if pressed else Form()
        async with asyncio.timeout(DEADLINE):
            storm = await self._storms.load(id_)
            if storm is None:
                return Outcome.UNKNOWN_STORM, None, 0
            if not storm.open:
                return Outcome.NOTHING_OPEN, storm, 0
            if self._signatures.verdict(request, id_, storm.now) is Verdict.EXPIRED:
                return Outcome.EXPIRED, storm, storm.open
            if not pressed:
                return Outcome.ASKS, storm, storm.open
            count = await self._storms.wish_all_acknowledged(
                id_, form.name or ANONYMOUS, DOOR, token=form.token
            )
            return (Outcome.WISHED if count else Outcome.NOTHING_OPEN), storm, count or 0


def _answer(request: Request, outcome: Outcome, storm: Storm | None, count: int) -> Response:
    status = _STATUS.get(outcome, HTTPStatus.OK)
    content: Response
    if prefers_json(request):
        content = JSONResponse(
            {"status": outcome.value, "storm_id": storm.id if storm else None, "open": count}, status
        )
    else:
        page = rendered("_storm.html", outcome=outcome.value, storm=storm, count=count, token=new_token())
        content = HTMLResponse(page, status)
    return secured(request, content, _HEADERS.get(outcome))

"""The routes of ingest. Nothing redirects: Alertmanager follows a redirect as GET and takes its 200 for a delivery."""

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.ingest.acknowledge import ROUTED_METHODS, AcknowledgePage
from services.ingest.incidents import Incidents
from services.ingest.interactions import Interactions
from services.ingest.storm_page import StormPage
from shared.health import Check, health_routes


def create_app(
    incidents: Incidents,
    acknowledge: AcknowledgePage,
    checks: Mapping[str, Check],
    storm: StormPage | None = None,
    interactions: Interactions | None = None,
) -> Starlette:
    """Without `interactions` there is no such address."""

    async def post_incidents(request: Request) -> Response:
        return await incidents(request)

    async def acknowledge_page(request: Request) -> Response:
        return await acknowledge(request)

    async def storm_page(request: Request) -> Response:
        return await storm(request) if storm else await _not_found(request, Exception())

    app = Starlette(
        routes=[
            Route("/api/incidents", post_incidents, methods=["POST"]),
            Route("/api/incidents/", post_incidents, methods=["POST"]),
            Route("/api/ack/{incident_id}", acknowledge_page, methods=list(ROUTED_METHODS)),
            Route("/api/storm/{storm_id}", storm_page, methods=list(ROUTED_METHODS)),
            *_slack_routes(interactions),
            *health_routes(checks),
        ],
        exception_handlers={404: _not_found, 405: _method_not_allowed, Exception: _failed},
    )
    app.router.redirect_slashes = False
    return app


def _slack_routes(interactions: Interactions | None) -> list[Route]:
    if interactions is None:
        return []

    async def post_interactions(request: Request) -> Response:
        return await interactions(request)

    return [Route("/slack/interactions", post_interactions, methods=["POST"])]


async def _not_found(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": "Not found; notifications go to POST /api/incidents"}, 404)


async def _method_not_allowed(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": "Method not allowed"}, 405, getattr(error, "headers", None))


async def _failed(_: Request, __: Exception) -> Response:
    """A mistake of ours. 500, so that Alertmanager sends again; starlette logs the traceback."""
    return JSONResponse({"error": "Internal error"}, 500)

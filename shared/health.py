"""/healthz, /readyz and /metrics, the same in every service."""

import os
from collections.abc import Awaitable, Callable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Check = Callable[[], Awaitable[str]]
"""Answers "ok", or in a few words what is wrong. After "ok: " come words that keep nothing from being ready."""


def health_routes(checks: Mapping[str, Check]) -> list[Route]:
    """`checks`: what must be "ok" for the service to be ready, by name. Liveness asks for nothing but an answer."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        found = {name: await check() for name, check in checks.items()}
        ready = all(word == "ok" or word.startswith("ok: ") for word in found.values())
        # The pid tells whoever started us from a stranger on the same port.
        body = {"ready": ready, "pid": os.getpid(), "checks": found}
        return JSONResponse(body, status_code=200 if ready else 503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]

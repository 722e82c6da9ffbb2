import base64
import binascii
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.calls import Call
from sandbox.conduct import Deed, treat
from sandbox.faults import Fault
from sandbox.servicenow import ServiceNowRefusal
from sandbox.servicenow_rows import Rows
from sandbox.world import World

KEPT_HEADERS = ("accept", "content-type", "user-agent")
NOT_AUTHENTICATED = ("User Not Authenticated", "Required to provide Auth information")
DETAILS = {401: NOT_AUTHENTICATED, 429: ("Rate limit exceeded", "Too many requests; see Retry-After")}


class ServiceNowApi:
    """`/servicenow/<instance>/api/now/table/<table>[/<sys_id>]`: the Table API, with HTTP Basic."""

    def __init__(self, world: World, now: Callable[[], float]) -> None:
        self._world = world
        self._now = now

    async def answer(self, request: Request) -> Response:
        where = request.path_params
        instance, table, sys_id = where["instance"], where["table"], where.get("sys_id", "")
        call = self._log(request, instance, "/".join(part for part in (instance, table, sys_id) if part))
        body = await request.body()
        call.arguments |= _object(body) or {}
        rows = Rows(self._world.servicenow, instance, table, f"{request.base_url}servicenow/{instance}")

        def commit(*, lie: bool = False) -> Response:
            try:
                self._authorize(call)
                given = _object(body) if request.method in ("POST", "PATCH") else {}
                return rows.perform(request.method, sys_id, given, request.query_params, lie=lie)
            except ServiceNowRefusal as refusal:
                return JSONResponse(refusal.body, status_code=refusal.status)

        words = frozenset((request.method, instance, table))
        deed = Deed("servicenow", words, commit=commit, refuse=_refuse, lie=lambda: commit(lie=True))
        return await treat(deed, call, self._world.faults, request)

    def _log(self, request: Request, instance: str, place: str) -> Call:
        headers = {name: value for name, value in request.headers.items() if name in KEPT_HEADERS}
        user, password = _credentials(request)
        known = self._world.servicenow.knows(instance, user, password)
        call = Call(
            self._now(), f"{request.method} {place}", dict(request.query_params), headers, user, known
        )
        return self._world.servicenow.calls.add(call)

    def _authorize(self, call: Call) -> None:
        if not call.authorized:
            raise ServiceNowRefusal(401, *NOT_AUTHENTICATED)


def _credentials(request: Request) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return user, password


def _object(body: bytes) -> Mapping[str, Any] | None:
    """The JSON object in a body; None where there is none."""
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _refuse(fault: Fault) -> Response:
    message, detail = DETAILS.get(
        fault.status, (HTTPStatus(fault.status).phrase, "The stand-in was told to refuse")
    )
    body = ServiceNowRefusal(fault.status, message, detail).body
    return JSONResponse(body, status_code=fault.status, headers=fault.headers)

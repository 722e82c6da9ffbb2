import base64
import binascii
import json
import uuid
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.calls import Call
from sandbox.conduct import Deed, treat
from sandbox.faults import Fault
from sandbox.servicenow import ServiceNowRefusal
from sandbox.servicenow_import import Imports
from sandbox.servicenow_rows import NO_RECORD, Rows
from sandbox.servicenow_tokens import CLIENT_ID, CLIENT_SECRET
from sandbox.world import World

SESSION = "JSESSIONID"
WRITES = ("POST", "PATCH", "PUT")
KEPT_HEADERS = ("accept", "content-type", "user-agent")
NOT_AUTHENTICATED = ("User Not Authenticated", "Required to provide Auth information")
DETAILS = {
    401: NOT_AUTHENTICATED,
    404: NO_RECORD,
    429: ("Rate limit exceeded", "Too many requests; see Retry-After"),
}

Given = Mapping[str, Any] | None


class ServiceNowApi:
    """`/servicenow/<instance>/api/now/table/<table>[/<sys_id>]`: the Table API, with HTTP Basic or a token of `oauth_token.do`."""

    def __init__(self, world: World, now: Callable[[], float]) -> None:
        self._world = world
        self._now = now

    async def answer(self, request: Request) -> Response:
        where = request.path_params
        instance, table, sys_id = where["instance"], where["table"], where.get("sys_id", "")

        def perform(call: Call, base: str, given: Given, *, lie: bool) -> Response:
            rows = Rows(self._world.servicenow, instance, table, base, call.user)
            return rows.perform(request.method, sys_id, given, request.query_params, lie=lie)

        return await self._serve(request, "/".join(part for part in (table, sys_id) if part), perform)

    async def take_in(self, request: Request) -> Response:
        """`/servicenow/<instance>/api/now/import/<staging table>`: the Import Set API."""
        instance, table = request.path_params["instance"], request.path_params["table"]

        def perform(call: Call, base: str, given: Given, *, lie: bool) -> Response:  # noqa: ARG001
            return Imports(self._world.servicenow, instance, table, base, call.user).perform(given)

        return await self._serve(request, f"import/{table}", perform)

    async def _serve(self, request: Request, place: str, perform: Callable[..., Response]) -> Response:
        where = request.path_params
        call = self._log(request, where["instance"], f"{where['instance']}/{place}")
        body = await request.body()
        call.arguments |= _object(body) or {}
        base = f"{request.base_url}servicenow/{where['instance']}"

        def commit(*, lie: bool = False) -> Response:
            try:
                self._authorize(call)
                _check_media_type(request)
                given = _object(body) if request.method in WRITES else {}
                return perform(call, base, given, lie=lie)
            except ServiceNowRefusal as refusal:
                return JSONResponse(refusal.body, status_code=refusal.status)

        words = frozenset((request.method, where["instance"], where["table"]))
        deed = Deed("servicenow", words, commit=commit, refuse=_refuse, lie=lambda: commit(lie=True))
        response = await treat(deed, call, self._world.faults, request)
        response.set_cookie(SESSION, call.session)
        return response

    async def token(self, request: Request) -> Response:
        """`/servicenow/<instance>/oauth_token.do`. What is secret in the form is not in the log of calls."""
        instance, form = request.path_params["instance"], dict(await request.form())
        grant = {name: str(form.get(name, "")) for name in ("grant_type", "client_id")}
        user = self._grantee(instance, {name: str(value) for name, value in form.items()})
        headers = {name: value for name, value in request.headers.items() if name in KEPT_HEADERS}
        name = f"POST {instance}/oauth_token.do"
        call = self._world.servicenow.calls.add(Call(self._now(), name, grant, headers, user, bool(user)))

        def commit() -> Response:
            if user:
                return JSONResponse(self._world.servicenow.tokens.grant(instance, user))
            return JSONResponse(
                {"error": "server_error", "error_description": "access_denied"}, status_code=401
            )

        deed = Deed("servicenow", frozenset(("TOKEN", instance)), commit=commit, refuse=_refuse, lie=commit)
        return await treat(deed, call, self._world.faults, request)

    def _grantee(self, instance: str, form: Mapping[str, str]) -> str:
        """Who gets a token; empty: nobody."""
        servicenow, user = self._world.servicenow, form.get("username", "")
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return ""
        if form.get("grant_type") == "client_credentials":
            return servicenow.user
        known = servicenow.knows(instance, user, form.get("password", ""))
        return user if known and form.get("grant_type") == "password" else ""

    def _log(self, request: Request, instance: str, place: str) -> Call:
        headers = {name: value for name, value in request.headers.items() if name in KEPT_HEADERS}
        user, known = self._caller(request, instance)
        name = f"{request.method} {place}"
        call = Call(self._now(), name, dict(request.query_params), headers, user, known)
        call.session = request.cookies.get(SESSION) or uuid.uuid4().hex
        return self._world.servicenow.calls.add(call)

    def _caller(self, request: Request, instance: str) -> tuple[str, bool]:
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            user = self._world.servicenow.tokens.user_of(instance, shown)
            return user, bool(user)
        user, password = _credentials(request)
        return user, self._world.servicenow.knows(instance, user, password)

    def _authorize(self, call: Call) -> None:
        if not call.authorized:
            raise ServiceNowRefusal(401, *NOT_AUTHENTICATED)


def _check_media_type(request: Request) -> None:
    given = request.headers.get("content-type", "")
    if request.method in WRITES and given and not given.partition(";")[0].endswith(("json", "xml")):
        raise ServiceNowRefusal(415, "Unsupported media type", f"{given} is not supported")


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

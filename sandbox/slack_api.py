import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.calls import Call
from sandbox.conduct import Deed, treat
from sandbox.faults import Fault
from sandbox.slack import APP, app_of
from sandbox.slack_content import SlackRefusal
from sandbox.world import World

Method = Callable[[str, dict[str, Any]], dict[str, Any]]
STATUS_ERRORS = {429: "ratelimited", 500: "internal_error", 503: "service_unavailable"}


class SlackApi:
    """`/slack/api/<method>`: Slack's Web API, by JSON, form or query, with a bearer token or a `token` argument."""

    def __init__(self, world: World, now: Callable[[], float]) -> None:
        self._world = world
        self._now = now

    async def answer(self, request: Request) -> Response:
        method = request.path_params["method"]
        arguments = await _arguments(request)
        token = str(arguments.pop("token", "")) or _bearer(request)
        headers = {
            name: value for name, value in request.headers.items() if name in ("content-type", "user-agent")
        }
        call = self._world.slack.calls.add(Call(self._now(), method, arguments, headers))

        def commit() -> Response:
            if method == "apps.connections.open":
                return self._open(call, token, request)
            return self._commit(call, token)

        deed = Deed(
            "slack",
            frozenset((method,)),
            commit=commit,
            refuse=_refuse,
            lie=commit,
        )
        return await treat(deed, call, self._world.faults, request)

    def _commit(self, call: Call, token: str) -> Response:
        scopes: dict[str, str] = {}
        try:
            app = app_of(token)
            call.authorized, call.user = True, app
            scopes = {"x-oauth-scopes": self._world.slack.rules.settings.granted()}
            return JSONResponse(self._perform(call.name, app, call.arguments), headers=scopes)
        except SlackRefusal as refusal:
            headers = refusal.headers | scopes
            return JSONResponse(refusal.as_json(), status_code=refusal.status, headers=headers)

    def _open(self, call: Call, token: str, request: Request) -> Response:
        """Where to connect for Socket Mode: the one method for an app's own token."""
        try:
            call.user = app_of(token, "xapp-")
        except SlackRefusal as refusal:
            return JSONResponse(refusal.as_json())
        call.authorized = True
        link = request.url.replace(scheme="ws", path="/slack/link", query="")
        ticket = self._world.slack.socket_mode.ticket()
        return JSONResponse({"ok": True, "url": str(link.include_query_params(ticket=ticket, app_id=APP))})

    def _perform(self, method: str, app: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if "" in arguments:
            raise SlackRefusal("invalid_json")
        slack = self._world.slack
        slack.rules.allow(method, str(arguments.get("channel", "")))
        perform = self._methods().get(method)
        if perform is None:
            raise SlackRefusal("unknown_method", details={"req_method": method})
        return perform(app, arguments)

    def _methods(self) -> dict[str, Method]:
        slack = self._world.slack
        return {
            "auth.test": lambda _, __: slack.auth_test(),
            "chat.postMessage": slack.post_message,
            "chat.postEphemeral": slack.post_ephemeral,
            "chat.update": slack.update_message,
            "chat.delete": slack.delete_message,
            "conversations.history": lambda _, arguments: slack.history(arguments),
            "conversations.replies": lambda _, arguments: slack.replies(arguments),
            "conversations.info": lambda _, arguments: slack.conversation(arguments),
            "users.info": lambda _, arguments: slack.user(arguments),
        }


async def _arguments(request: Request) -> dict[str, Any]:
    """Query and body as one; a body that is not a JSON object stands under the empty name."""
    arguments: dict[str, Any] = dict(request.query_params)
    if "json" not in request.headers.get("content-type", ""):
        return arguments | dict(await request.form())
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError:
        body = None
    return arguments | (body if isinstance(body, dict) else {"": "not a JSON object"})


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _refuse(fault: Fault) -> Response:
    if fault.kind == "slack_error":
        return JSONResponse({"ok": False, "error": fault.error})
    error = STATUS_ERRORS.get(fault.status, "fatal_error")
    return JSONResponse({"ok": False, "error": error}, status_code=fault.status, headers=fault.headers)

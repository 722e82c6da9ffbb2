import time
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from sandbox.board import PAGES, Board
from sandbox.control import Control
from sandbox.interactivity import Interactivity
from sandbox.response_urls import ResponseUrls
from sandbox.servicenow_api import ServiceNowApi
from sandbox.servicenow_control import ServiceNowControl
from sandbox.slack_api import SlackApi
from sandbox.slack_content import SlackRefusal
from sandbox.webhook import WebhookApi
from sandbox.world import World

VERBS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
TABLE = "/servicenow/{instance}/api/now/table/{table}"
IMPORT = "/servicenow/{instance}/api/now/import/{table}"
# Escaping keeps alert text from becoming HTML; this keeps a mistake in it from becoming a script.
CONTENT_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'"


def create_app(world: World, now: Callable[[], float] = time.time) -> Starlette:
    """The stand-ins, their controls and their page, over one world."""
    slack, servicenow = SlackApi(world, now), ServiceNowApi(world, now)
    webhook = WebhookApi(world.webhook, world.faults, now)
    responses = ResponseUrls(world.slack)
    control, board = Control(world, Interactivity(world.slack, responses, now)), Board(world)

    people = ServiceNowControl(world.servicenow)

    async def page(_: Request) -> Response:
        headers = {"Content-Security-Policy": CONTENT_POLICY, "Cache-Control": "no-store"}
        return HTMLResponse(board.page(), headers=headers)

    async def fragments(request: Request) -> Response:
        me = request.query_params.get("me", "")
        return JSONResponse(board.as_json(me), headers={"Cache-Control": "no-store"})

    async def respond(request: Request) -> Response:
        try:
            responses.use(request.path_params["name"], dict(await request.json()))
        except SlackRefusal as refusal:
            return JSONResponse(refusal.as_json(), status_code=max(refusal.status, 400))
        except ValueError:
            return JSONResponse({"ok": False, "error": "invalid_payload"}, status_code=400)
        return PlainTextResponse("ok")

    return Starlette(
        routes=[
            Route("/", page),
            Route("/slack/api/{method}", slack.answer, methods=["GET", "POST"]),
            Route("/slack/actions/{team}/{name}", respond, methods=["POST"]),
            WebSocketRoute("/slack/link", world.slack.socket_mode.serve),
            Route("/servicenow/{instance}/oauth_token.do", servicenow.token, methods=["POST"]),
            Route(TABLE, servicenow.answer, methods=VERBS),
            Route(TABLE + "/{sys_id}", servicenow.answer, methods=VERBS),
            Route(IMPORT, servicenow.take_in, methods=["POST"]),
            Route("/webhook/{name}", webhook.answer, methods=["POST"]),
            Route("/_sandbox/board", fragments),
            Route("/_sandbox/state", control.state, methods=["GET"]),
            Route("/_sandbox/state", control.reset, methods=["DELETE"]),
            Route("/_sandbox/click", control.click, methods=["POST"]),
            Route("/_sandbox/sockets/refresh", control.refresh, methods=["POST"]),
            Route("/_sandbox/sockets/drop", control.drop, methods=["POST"]),
            Route("/_sandbox/slack", control.change_slack, methods=["PATCH"]),
            Route("/_sandbox/servicenow", people.change, methods=["PATCH"]),
            Route("/_sandbox/servicenow/edit", people.edit, methods=["POST"]),
            Route("/_sandbox/servicenow/history", people.history, methods=["GET"]),
            Route("/_sandbox/faults", control.faults, methods=["GET"]),
            Route("/_sandbox/faults", control.add_faults, methods=["POST"]),
            Route("/_sandbox/faults", control.clear_faults, methods=["DELETE"]),
            Mount("/pages", StaticFiles(directory=PAGES)),
        ]
    )

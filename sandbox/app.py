import time
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from sandbox.board import PAGES, Board
from sandbox.control import Control
from sandbox.servicenow_api import ServiceNowApi
from sandbox.slack_api import SlackApi
from sandbox.world import World

TABLE = "/servicenow/{instance}/api/now/table/{table}"
# Escaping keeps alert text from becoming HTML; this keeps a mistake in it from becoming a script.
CONTENT_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'"


def create_app(world: World, now: Callable[[], float] = time.time) -> Starlette:
    """The stand-ins, their controls and their page, over one world."""
    slack, servicenow = SlackApi(world, now), ServiceNowApi(world, now)
    control, board = Control(world), Board(world)

    async def page(_: Request) -> Response:
        headers = {"Content-Security-Policy": CONTENT_POLICY, "Cache-Control": "no-store"}
        return HTMLResponse(board.page(), headers=headers)

    async def fragments(_: Request) -> Response:
        return JSONResponse(board.as_json(), headers={"Cache-Control": "no-store"})

    return Starlette(
        routes=[
            Route("/", page),
            Route("/slack/api/{method}", slack.answer, methods=["GET", "POST"]),
            Route(TABLE, servicenow.answer, methods=["GET", "POST"]),
            Route(TABLE + "/{sys_id}", servicenow.answer, methods=["GET", "PATCH"]),
            Route("/_sandbox/board", fragments),
            Route("/_sandbox/state", control.state, methods=["GET"]),
            Route("/_sandbox/state", control.reset, methods=["DELETE"]),
            Route("/_sandbox/slack", control.change_slack, methods=["PATCH"]),
            Route("/_sandbox/faults", control.faults, methods=["GET"]),
            Route("/_sandbox/faults", control.add_faults, methods=["POST"]),
            Route("/_sandbox/faults", control.clear_faults, methods=["DELETE"]),
            Mount("/pages", StaticFiles(directory=PAGES)),
        ]
    )

from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.faults import Fault
from sandbox.interactivity import Interactivity
from sandbox.slack_press import Click, NothingToPress
from sandbox.slack_settings import SlackSettings
from sandbox.world import World

RULES = TypeAdapter(list[Fault])


class Control:
    """`/_sandbox/…`: the strings behind the scene. `state` (read, forget), `faults` (what goes wrong), `slack` (what its
    administrators decide), `click` (a person presses), `sockets/refresh` and `sockets/drop` (Socket Mode)."""

    def __init__(self, world: World, interactivity: Interactivity) -> None:
        self._world = world
        self._interactivity = interactivity

    async def state(self, _: Request) -> Response:
        return JSONResponse(self._world.as_json())

    async def reset(self, _: Request) -> Response:
        self._world.reset()
        return Response(status_code=204)

    async def faults(self, _: Request) -> Response:
        return JSONResponse(self._world.faults.as_json())

    async def add_faults(self, request: Request) -> Response:
        """A JSON list of rules. They are added; one with the name of an earlier one replaces it."""
        try:
            rules = RULES.validate_json(await request.body())
        except ValidationError as error:
            return problems(error)
        self._world.faults.add(*rules)
        return JSONResponse(self._world.faults.as_json(), status_code=201)

    async def change_slack(self, request: Request) -> Response:
        """A JSON object of SlackSettings; what it does not name stays."""
        try:
            given = SlackSettings.model_validate_json(await request.body())
        except ValidationError as error:
            return problems(error)
        settings = self._world.slack.rules.change(**given.model_dump(exclude_unset=True))
        return JSONResponse(settings.model_dump(mode="json"))

    async def click(self, request: Request) -> Response:
        """A Click. Answers the Press when the app has answered, or when nobody waits any longer."""
        try:
            click = Click.model_validate_json(await request.body())
            press = await self._interactivity.press(click, str(request.base_url))
        except ValidationError as error:
            return problems(error)
        except NothingToPress as error:
            return JSONResponse({"error": str(error)}, status_code=404)
        return JSONResponse(asdict(press))

    async def refresh(self, request: Request) -> Response:
        """Ask `?count=` Socket Mode connections, or all, to reconnect."""
        return JSONResponse({"asked": await self._world.slack.socket_mode.refresh(_count(request))})

    async def drop(self, request: Request) -> Response:
        """Cut `?count=` Socket Mode connections, or all."""
        return JSONResponse({"dropped": self._world.slack.socket_mode.drop(_count(request))})

    async def clear_faults(self, request: Request) -> Response:
        """All, or the one that `?name=` says."""
        self._world.faults.clear(request.query_params.get("name", ""))
        return Response(status_code=204)


def problems(error: ValidationError) -> Response:
    """422, with what is wrong."""
    found: list[Any] = error.errors(include_url=False, include_context=False, include_input=False)
    return JSONResponse({"error": found}, status_code=422)


def _count(request: Request) -> int | None:
    count = request.query_params.get("count", "")
    return int(count) if count.isascii() and count.isdigit() else None

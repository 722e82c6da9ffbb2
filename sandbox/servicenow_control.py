from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from sandbox.control import problems
from sandbox.servicenow import ServiceNow, ServiceNowRefusal
from sandbox.servicenow_settings import ServiceNowSettings


class Edit(BaseModel):
    """What a person does in a record's form. `record`: its number or sys_id."""

    model_config = ConfigDict(extra="forbid")

    record: str
    values: dict[str, Any]
    user: str = "beth.anglin"
    instance: str = "main"
    table: str = "incident"


class ServiceNowControl:
    """`/_sandbox/servicenow…`: what the administrators decide, what people do, and what became of the records."""

    def __init__(self, servicenow: ServiceNow) -> None:
        self._servicenow = servicenow

    async def change(self, request: Request) -> Response:
        """A JSON object of ServiceNowSettings; what it does not name stays."""
        try:
            given = ServiceNowSettings.model_validate_json(await request.body())
        except ValidationError as error:
            return problems(error)
        settings = self._servicenow.change(**given.model_dump(exclude_unset=True))
        return JSONResponse(settings.model_dump(mode="json"))

    async def edit(self, request: Request) -> Response:
        """An Edit. Answers the row."""
        try:
            edit = Edit.model_validate_json(await request.body())
            row = self._servicenow.edit(
                edit.record, edit.values, edit.user, instance=edit.instance, table=edit.table
            )
        except ValidationError as error:
            return problems(error)
        except (LookupError, ServiceNowRefusal) as error:
            return JSONResponse({"error": str(error)}, status_code=404)
        return JSONResponse(row.fields)

    async def history(self, request: Request) -> Response:
        """Of `?instance=` and `?table=`, as text."""
        where = request.query_params
        try:
            told = self._servicenow.history(where.get("instance", "main"), where.get("table", "incident"))
        except ServiceNowRefusal as error:
            return JSONResponse({"error": str(error)}, status_code=404)
        return PlainTextResponse(told + "\n")

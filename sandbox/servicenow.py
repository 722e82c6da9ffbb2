import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.calls import CallLog
from sandbox.servicenow_settings import ServiceNowSettings
from sandbox.servicenow_table import Row, Table
from sandbox.servicenow_tokens import Tokens

# Tables, and how their numbers begin.
TABLES = {"incident": "INC", "problem": "PRB", "change_request": "CHG", "sc_task": "SCTASK", "task": "TASK"}


class ServiceNowRefusal(Exception):  # noqa: N818 - an answer, not an error of ours
    """`{"error": {"message": …, "detail": …}, "status": "failure"}` with an HTTP status."""

    def __init__(self, status: int, message: str, detail: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "detail": detail}, "status": "failure"}


class Instance:
    """One ServiceNow instance: its tables, and who may write to them."""

    def __init__(self, name: str, tables: Mapping[str, str]) -> None:
        self.name = name
        self.tables = {table: Table(table, prefix) for table, prefix in tables.items()}

    def table(self, name: str) -> Table:
        if name not in self.tables:
            raise ServiceNowRefusal(400, f"Invalid table {name}")
        return self.tables[name]

    def as_json(self) -> dict[str, Any]:
        return {
            name: [row.fields for row in list(table.rows.values())] for name, table in self.tables.items()
        }


class ServiceNow:
    """All instances; one comes to be when it is first named. `tables` adds custom tables: name to number prefix. `users`: user
    name and password by instance, where they are not those of all."""

    def __init__(
        self,
        *,
        user: str = "ackstream",
        password: str = "sandbox",
        tables: Mapping[str, str] | None = None,
        users: Mapping[str, tuple[str, str]] | None = None,
        settings: ServiceNowSettings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.user = user
        self.password = password
        self.users = dict(users or {})
        self._first = self.settings = settings or ServiceNowSettings()
        self.tokens = Tokens(clock)
        self._tables = TABLES | dict(tables or {})
        self._clock = clock
        self.calls = CallLog()
        self.instances: dict[str, Instance] = {}

    def reset(self) -> None:
        """Forget everything, also settings that were changed."""
        self.instances = {}
        self.settings = self._first
        self.tokens.revoke()
        self.calls.clear()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def instance(self, name: str) -> Instance:
        return self.instances.setdefault(name, Instance(name, self._tables))

    def knows(self, instance: str, user: str, password: str) -> bool:
        return (user, password) == self.users.get(instance, (self.user, self.password))

    def rows(self, instance: str = "main", table: str = "incident") -> list[dict[str, str]]:
        """A table's rows as plain values, oldest first: the short way for tests."""
        return [row.fields for row in list(self.instance(instance).table(table).rows.values())]

    def insert(self, fields: Mapping[str, Any], instance: str = "main", table: str = "incident") -> Row:
        """A row that somebody else wrote."""
        return self.instance(instance).table(table).insert(fields, self.user, self.now())

    def change(self, **settings: Any) -> ServiceNowSettings:
        """ServiceNowSettings; what is not named stays."""
        self.settings = ServiceNowSettings.model_validate(self.settings.model_dump() | settings)
        return self.settings

    def edit(
        self,
        record: str,
        values: Mapping[str, Any],
        user: str = "beth.anglin",
        *,
        instance: str = "main",
        table: str = "incident",
    ) -> Row:
        """A person changes a row, named by its number or sys_id, in its form: nothing is refused. Raises LookupError."""
        place = self.instance(instance).table(table)
        row = next(
            (row for row in place.rows.values() if record in (row.fields["number"], row.fields["sys_id"])),
            None,
        )
        if row is None:
            raise LookupError(f"no record {record} in {table} of {instance}")
        place.update(row, values, user, self.now())
        return row

    def history(self, instance: str = "main", table: str = "incident") -> str:
        """Of a table's rows, oldest first: who wrote what, to print."""
        rows = list(self.instance(instance).table(table).rows.values())
        return "\n".join(
            "\n".join([row.fields["number"], *(f"  {change}" for change in row.history)]) for row in rows
        )

    def as_json(self) -> dict[str, Any]:
        instances = {name: instance.as_json() for name, instance in list(self.instances.items())}
        settings = self.settings.model_dump(mode="json")
        return {"instances": instances, "settings": settings, "calls": self.calls.as_json()}

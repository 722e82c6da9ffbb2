import json
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from starlette.responses import Response

# A bench run sends more calls than anybody reads; the log must not become the machine's memory.
KEPT = 20_000


@dataclass
class Call:
    """One request that a stand-in received, and what became of it. Secrets are never in it.

    `name` is Slack's method (`chat.update`) or the verb and path of a row (`POST main/incident`). `status` is None while
    no answer was given, and stays None when the connection was dropped. `committed` says whether it had its effect.
    `session`: ServiceNow's, by its cookie.
    """

    at: float
    name: str
    arguments: dict[str, Any]
    headers: dict[str, str]
    user: str = ""
    authorized: bool = False
    committed: bool = False
    fault: str = ""
    status: int | None = None
    answer: Any = None
    session: str = ""

    def answered(self, response: Response) -> None:
        self.status = response.status_code
        self.answer = bytes(response.body).decode()
        with suppress(ValueError, RecursionError):
            self.answer = json.loads(self.answer)


@dataclass
class CallLog:
    entries: deque[Call] = field(default_factory=lambda: deque(maxlen=KEPT))

    def add(self, call: Call) -> Call:
        self.entries.append(call)
        return call

    def named(self, name: str) -> list[Call]:
        """Calls of one name, oldest first; for ServiceNow the verb alone will do."""
        return [call for call in list(self.entries) if name in (call.name, call.name.partition(" ")[0])]

    def clear(self) -> None:
        self.entries.clear()

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(call) for call in list(self.entries)]

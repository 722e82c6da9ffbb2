import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from sandbox.calls import Call, CallLog
from sandbox.conduct import Deed, treat
from sandbox.faults import Fault, Faults

SECRET = "whsec_c2FuZGJveC13ZWJob29rLXNlY3JldC0zMi1ieXRlcyE="  # noqa: S105  public by design
TOLERANCE = 300
"""Seconds that a signature is good for."""


@dataclass
class Delivery:
    """What came under one id, and how often."""

    id: str
    type: str
    data: Mapping[str, Any]
    at: float
    copies: int = 0


class Webhooks:
    """A pager that is called by webhooks as Standard Webhooks describes them, https://www.standardwebhooks.com: it keeps what came
    with a good signature, each id once."""

    def __init__(self, secret: str = SECRET, clock: Callable[[], float] = time.time) -> None:
        self.secret = secret
        self.calls = CallLog()
        self.deliveries: dict[str, Delivery] = {}
        self._clock = clock

    def reset(self) -> None:
        self.calls.clear()
        self.deliveries = {}

    def told(self, kind: str = "", incident: str = "") -> list[Delivery]:
        """Deliveries of one type and about one incident, in the order in which they came."""
        return [
            delivery
            for delivery in list(self.deliveries.values())
            if kind in ("", delivery.type) and incident in ("", delivery.data["incident"]["id"])
        ]

    def is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """By us, and not long ago."""
        stamp, given = headers.get("webhook-timestamp", ""), headers.get("webhook-signature", "")
        if not stamp.isdecimal() or abs(self._clock() - int(stamp)) > TOLERANCE:
            return False
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        signed = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
        ours = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return any(hmac.compare_digest(ours, one) for one in given.split(" "))

    def as_json(self) -> dict[str, Any]:
        kept = [
            {"id": one.id, "type": one.type, "data": one.data, "copies": one.copies} for one in self.told()
        ]
        return {"deliveries": kept, "calls": self.calls.as_json()}

    def keep(self, id_: str, body: Mapping[str, Any]) -> Delivery:
        made = Delivery(id_, str(body.get("type")), body.get("data") or {}, self._clock())
        kept = self.deliveries.setdefault(id_, made)
        kept.copies += 1
        return kept


class WebhookApi:
    """`POST /webhook/<anything>`."""

    def __init__(self, webhooks: Webhooks, faults: Faults, now: Callable[[], float]) -> None:
        self._webhooks = webhooks
        self._faults = faults
        self._now = now

    async def answer(self, request: Request) -> Response:
        raw = await request.body()
        body = _object(raw)
        headers = {name: value for name, value in request.headers.items() if name.startswith("webhook-")}
        signed, kind = self._webhooks.is_signed(headers, raw), str(body.get("type"))
        call = Call(self._now(), f"POST {kind}", body, headers, authorized=signed)
        self._webhooks.calls.add(call)

        def commit() -> Response:
            if not signed:
                return JSONResponse({"error": "bad signature"}, status_code=401)
            kept = self._webhooks.keep(headers["webhook-id"], body)
            number = list(self._webhooks.deliveries).index(kept.id) + 1
            return JSONResponse({"id": f"PAGE{number:04}", "url": f"https://pager.example/{number}"})

        deed = Deed("webhook", frozenset(("POST", kind)), commit=commit, refuse=_refuse, lie=_nonsense)
        return await treat(deed, call, self._faults, request)


def _refuse(fault: Fault) -> Response:
    return JSONResponse({"error": "told to refuse"}, status_code=fault.status, headers=fault.headers)


def _nonsense() -> Response:
    return HTMLResponse("<p>Welcome!</p>")


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}

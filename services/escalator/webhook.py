"""One call to the configured webhook, signed as Standard Webhooks says, and what its answer means.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: the headers `webhook-id`,
`webhook-timestamp`, `webhook-signature`; any 2xx is success. Nothing here repeats a call, follows a redirect, or tells the
URL, which may have a key in it.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from services.escalator.answer_length import bounded
from services.escalator.gate import Gate
from services.escalator.instances import A_CONNECTION_EACH
from services.escalator.signing_in import NotAskedError, retry_after
from services.escalator.target import EscalationError
from services.escalator.tls import trusting
from services.escalator.trouble import GATEWAY_LOST_IT, NOT_SENT, trouble_of
from services.escalator.webhook_body import Event
from shared import metrics
from shared.config_webhook import WebhookConfig, signing_key
from shared.plain_text import one_line, shortened
from shared.wording import is_web

BLOCK = "oncall.webhook"

MOST_BYTES = 65_536
"""Of an answer; a longer one is not read."""

MAX_NUMBER, MAX_URL = 64, 2000

TRY_AGAIN = (408, 425, 429)
"""All other 4xx need a person."""


@dataclass(frozen=True)
class Receipt:
    """How people find there what they were called for, as far as the answer says; empty: it does not."""

    number: str = ""
    url: str = ""


class Webhook:
    """`clock`: Unix seconds; the receiver refuses what is signed long ago. Raises CertificateError."""

    def __init__(self, settings: WebhookConfig, gate: Gate, clock: Callable[[], float] = time.time) -> None:
        if settings.url is None or settings.secret is None:
            raise ValueError("oncall.webhook is not configured")
        self.gate = gate
        self._url = settings.url.get_secret_value()
        self._key = signing_key(settings.secret)
        self._timeout = settings.timeout_seconds
        self._clock = clock
        self._client = httpx.AsyncClient(
            timeout=settings.timeout_seconds,
            verify=trusting(settings.ca_cert, BLOCK),
            proxy=settings.proxy.get_secret_value() if settings.proxy else None,
            follow_redirects=False,
            event_hooks={"response": [bounded]},
            limits=A_CONNECTION_EACH,
        )

    async def post(self, event: Event) -> Receipt:
        """Tell it. Raises EscalationError."""
        try:
            self.gate.check()
        except NotAskedError as error:
            raise EscalationError(str(error), put_off=True, retry_after=error.retry_after) from None
        started = time.monotonic()
        response, said, trouble = await self._call(event)
        metrics.WEBHOOK_SECONDS.labels(event.name).observe(time.monotonic() - started)
        result = "lost" if response is None else str(response.status_code)
        metrics.WEBHOOK_REQUESTS.labels(event.name, result).inc()
        await self.gate.heard("POST", response)
        if response is None:
            raise _lost(trouble or TimeoutError())
        if not response.is_success:
            raise _refusal(response)
        return _receipt(said)

    async def close(self) -> None:
        await self._client.aclose()

    async def _call(self, event: Event) -> tuple[httpx.Response | None, bytes, Exception | None]:
        """The answer as far as it came: its status counts, whatever becomes of the rest."""
        response: httpx.Response | None = None
        headers = self._signed(event) | {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        try:
            async with asyncio.timeout(self._timeout):
                sending = self._client.stream("POST", self._url, content=event.body, headers=headers)
                async with sending as response:
                    return response, await _beginning(response), None
        except (httpx.HTTPError, TimeoutError, ssl.SSLError) as error:
            return response, b"", error

    def _signed(self, event: Event) -> dict[str, str]:
        timestamp = str(int(self._clock()))
        signed = b".".join((event.id.encode(), timestamp.encode(), event.body))
        signature = base64.b64encode(hmac.new(self._key, signed, hashlib.sha256).digest()).decode()
        return {
            "webhook-id": event.id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{signature}",
        }


async def _beginning(response: httpx.Response) -> bytes:
    """What it says, undecoded; nothing when that is too much."""
    said = b""
    async for piece in response.aiter_raw():
        said += piece
        if len(said) > MOST_BYTES:
            return b""
    return said


def _lost(error: Exception) -> EscalationError:
    trouble = trouble_of(error, BLOCK)
    if isinstance(error, NOT_SENT):
        return EscalationError(trouble.words, needs_person=trouble.needs_person)
    words = f"answer lost: {trouble.words}"
    return EscalationError(words, in_doubt=True, needs_person=trouble.needs_person)


def _refusal(response: httpx.Response) -> EscalationError:
    status = response.status_code
    mend = ""
    if response.is_redirect:
        mend = " (a redirect, which is not followed): check oncall.webhook.url"
    elif response.is_client_error and status not in TRY_AGAIN:
        mend = ": check oncall.webhook.url and secret"
    return EscalationError(
        f"answered {status}{mend}",
        in_doubt=status in GATEWAY_LOST_IT,
        needs_person=bool(mend),
        retry_after=retry_after(response),
    )


def _receipt(said: bytes) -> Receipt:
    """`{"id": …, "url": …}`, both texts, or nothing: success does not hang on it."""
    try:
        answer = json.loads(said)
    except (ValueError, RecursionError):
        return Receipt()
    if not isinstance(answer, dict):
        return Receipt()
    number, url = answer.get("id"), answer.get("url")
    return Receipt(
        shortened(one_line(number), MAX_NUMBER) if isinstance(number, str) else "",
        url if isinstance(url, str) and _is_link(url) else "",
    )


def _is_link(url: str) -> bool:
    return len(url) <= MAX_URL and url.isprintable() and " " not in url and is_web(url)

"""`POST /slack/interactions`: presses on buttons, as Slack sends them over HTTPS
(docs.slack.dev/interactivity/handling-user-interaction). It only takes what Slack has signed, and never calls Slack."""

import json
from typing import Any
from urllib.parse import parse_qs

import structlog
from slack_sdk.signature import SignatureVerifier
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services.ingest.body import BodyTooLargeError, BodyTooSlowError, read_body
from shared import metrics
from shared.interactions import MalformedInteractionError
from shared.presses import NotHereError, Presses
from shared.redis_client import StoreUnavailableError

MAX_BYTES = 100_000
"""Slack tells the whole message with each press; ours stay well below half of it."""

BODY_TIMEOUT = 1.0
"""Seconds. With what Redis is given, it stays within the 3 s that Slack waits."""

MAX_FIELDS = 16
TIMESTAMP, SIGNATURE = "x-slack-request-timestamp", "x-slack-signature"


class Interactions:
    """Answers 200 once a deed is durable or refused, and to what asks nothing of us: else Slack would warn people of nothing.
    Of what we do not know it should: nobody could be told otherwise that nothing was done."""

    def __init__(self, presses: Presses, signing_secret: str) -> None:
        self._presses = presses
        self._verifier = SignatureVerifier(signing_secret)
        self._log = structlog.get_logger()

    async def __call__(self, request: Request) -> Response:
        try:
            body = await read_body(request, MAX_BYTES, BODY_TIMEOUT)
        except BodyTooLargeError:
            return self._refuse(413, f"larger than {MAX_BYTES} bytes")
        except BodyTooSlowError:
            return self._refuse(408, f"not received within {BODY_TIMEOUT:g} s")
        except ClientDisconnect:
            return self._refuse(400, "connection closed before the body was complete")
        return await self._take(request, body)

    async def _take(self, request: Request, body: bytes) -> Response:
        if not self._is_slacks(request, body):
            return self._refuse(
                401, "not signed by Slack with alert.slack.signing_secret in the last five minutes"
            )
        try:
            await self._presses.take(payload_of(body))
        except MalformedInteractionError as error:
            return self._refuse(400, str(error))
        except NotHereError as error:
            return self._refuse(410, str(error))
        except (StoreUnavailableError, TimeoutError) as error:
            return self._refuse(503, str(error) or "Redis took too long")
        return Response()

    def _is_slacks(self, request: Request, body: bytes) -> bool:
        try:
            return self._verifier.is_valid(
                body, request.headers.get(TIMESTAMP), request.headers.get(SIGNATURE)
            )
        except (
            ValueError,
            TypeError,
            OverflowError,
        ):  # slack-sdk's, about what is no number, not ASCII or not UTF-8
            return False

    def _refuse(self, status: int, why: str) -> Response:
        metrics.REFUSED.labels(str(status)).inc()
        self._log.warning("interaction_refused", status=status, why=why)
        # What is left of the body would be taken for the next request.
        return Response(status_code=status, headers={"Connection": "close"} if status in (408, 413) else {})


def payload_of(body: bytes) -> Any:
    """The JSON in the field `payload` of a form. Raises MalformedInteractionError."""
    try:
        fields = parse_qs(body.decode(), max_num_fields=MAX_FIELDS)
        return json.loads(fields["payload"][0])
    except (ValueError, KeyError, RecursionError):
        raise MalformedInteractionError("the body is no form with a payload in JSON") from None

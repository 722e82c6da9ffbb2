"""POST /api/incidents: parse, decide, commit, answer. 201 means that what was accepted is durable."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from services.ingest.authorization import Authorization
from services.ingest.body import BodyTooLargeError, BodyTooSlowError, read_body
from services.ingest.documents import Documents, RefusedBodyError, read_documents
from services.ingest.parameters import OnCallDefaults, weigh
from services.ingest.parsing import parse_document
from shared import metrics
from shared.commands import Reason, Step
from shared.dead_letters import DeadLetters
from shared.notification import Call, Notification
from shared.redis_client import StoreUnavailableError
from shared.store import Store

DEADLINE = 1.5
"""Seconds for Redis to take one notification. Then 503, while Alertmanager still waits for an answer and will send again.
A long array may take longer: it would otherwise be refused as often as it is sent."""

AT_ONCE = 50
"""Notifications of one request that wait for Redis at one time."""

MAX_ARRAY = 1000
"""Elements of one array; more are a mistake, and would keep everybody else waiting."""

OUTCOMES = {
    Reason.OPENED: "opened",
    Reason.REOPENED: "opened",
    Reason.NEW_EPISODE: "opened",
    Reason.JOINED: "joined",
    Reason.REPEATED: "joined",
    Reason.RESOLVED_IN_PART: "joined",
    Reason.RESOLVED: "resolved",
    Reason.ALREADY_RESOLVED: "resolved",
    Reason.RESOLVED_BEFORE_FIRING: "ignored",
    Reason.RESOLVED_OTHER_EPISODE: "ignored",
    Reason.LATE_AFTER_RESOLVE: "ignored",
    Reason.LATE_AFTER_SUPERSEDE: "ignored",
}


@dataclass(frozen=True)
class Limits:
    max_bytes: int
    body_timeout: float
    """Seconds."""


class Incidents:
    def __init__(
        self,
        store: Store,
        dead_letters: DeadLetters,
        oncall: OnCallDefaults,
        authorization: Authorization,
        limits: Limits,
        *,
        debug_body: bool,
    ) -> None:
        self._store = store
        self._dead_letters = dead_letters
        self._oncall = oncall
        self._authorization = authorization
        self._limits = limits
        self._debug_body = debug_body
        self._log = structlog.get_logger()

    async def __call__(self, request: Request) -> Response:
        if not self._authorization.allows(request.headers.get("authorization")):
            return self._refuse(401, "Unauthorized", {"WWW-Authenticate": self._authorization.challenge})
        try:
            raw = await read_body(request, self._limits.max_bytes, self._limits.body_timeout)
        except BodyTooLargeError:
            return self._refuse(413, f"Body larger than {self._limits.max_bytes} bytes")
        except BodyTooSlowError:
            return self._refuse(408, f"Body not received within {self._limits.body_timeout:g} s")
        except ClientDisconnect:
            return self._refuse(400, "Connection closed before the body was complete")
        try:
            return await self._accept(raw, request.query_params, request.headers.get("idempotency-key"))
        except (StoreUnavailableError, TimeoutError) as error:
            self._log.error("not_accepted", error=str(error) or f"Redis took longer than {DEADLINE:g} s")
            return self._refuse(503, "Redis cannot take it now; send again", {"Retry-After": "5"})

    def _refuse(self, status: int, why: str, headers: Mapping[str, str] | None = None) -> Response:
        metrics.REFUSED.labels(str(status)).inc()
        self._log.warning("refused", status=status, why=why)
        # What is left of the body would be taken for the next request.
        closing = {"Connection": "close"} if status in (408, 413) else {}
        return JSONResponse({"error": why}, status, {**closing, **(headers or {})})

    async def _accept(self, raw: bytes, query: Mapping[str, str], idempotency_key: str | None) -> Response:
        try:
            documents = read_documents(raw)
        except RefusedBodyError as error:
            await self._keep(raw, error.detail)
            return self._refuse(400, error.message)
        if self._debug_body:
            self._log.debug("body", body=raw[:4000].decode(errors="replace"))
        if len(documents.items) > MAX_ARRAY:
            await self._keep(raw, f"array of {len(documents.items)} elements")
            return self._refuse(413, f"More than {MAX_ARRAY} incidents in one array")
        answers = await self._take_all(documents, query, idempotency_key)
        return self._answer(documents, answers)

    async def _keep(self, payload: bytes, why: str) -> None:
        async with asyncio.timeout(DEADLINE):
            await self._dead_letters.add("ingest", payload, why)

    async def _take_all(
        self, documents: Documents, query: Mapping[str, str], idempotency_key: str | None
    ) -> list[dict[str, Any]]:
        """An answer per document, in order. Those of one dedup key are taken one after the other, as they were sent."""
        call, warnings = self._weigh(query)
        answers: list[dict[str, Any]] = [{} for _ in documents.items]
        queues: dict[str, list[tuple[int, Notification]]] = {}
        for index, document in enumerate(documents.items):
            if document.value is None:
                await self._keep(document.body.encode(), document.error or "")
                answers[index] = {"index": index, "error": document.error}
                continue
            key = f"{idempotency_key}#{index}" if idempotency_key and documents.is_array else idempotency_key
            notification = parse_document(document, call, warnings=warnings, query=query, idempotency_key=key)
            queues.setdefault(notification.dedup_key, []).append((index, notification))

        turns = asyncio.Semaphore(AT_ONCE)

        async def take(queue: list[tuple[int, Notification]]) -> None:
            async with turns:
                for index, notification in queue:
                    answers[index] = await self._take(notification)

        tasks = [asyncio.create_task(take(queue)) for queue in queues.values()]
        try:
            await asyncio.gather(*tasks)
        finally:  # one has failed: the request will come again, whole
            for task in tasks:
                task.cancel()
        return answers

    def _weigh(self, query: Mapping[str, str]) -> tuple[Call, tuple[str, ...]]:
        call, warnings = weigh(query, self._oncall)
        for warning in warnings:
            metrics.WARNINGS.labels(warning.parameter).inc()
        return call, tuple(warning.text for warning in warnings)

    async def _take(self, notification: Notification) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE):
            step = await self._store.receive(notification)
        metrics.NOTIFICATIONS.labels(notification.facts.source, step.reason).inc()
        self._log_step(notification, step)
        return {
            "incident_id": step.incident.id if step.incident else None,
            "outcome": OUTCOMES[step.reason],
            "warnings": list(notification.warnings),
        }

    def _log_step(self, notification: Notification, step: Step) -> None:
        self._log.info(
            "received",
            incident=step.incident.id if step.incident else None,
            reason=step.reason,
            title=notification.facts.title,
            source=notification.facts.source,
            **({"warnings": notification.warnings} if notification.warnings else {}),
        )

    def _answer(self, documents: Documents, answers: list[dict[str, Any]]) -> Response:
        if not documents.is_array:
            return JSONResponse({"status": "Incident created", **answers[0]}, 201)
        refused = [answer for answer in answers if "error" in answer]
        taken = [answer for answer in answers if "error" not in answer]
        if not taken:
            metrics.REFUSED.labels("400").inc()
            return JSONResponse({"error": "No incidents found in array", "refused": refused}, 400)
        body = {"status": "Incidents created", "count": len(taken), "incidents": taken, "refused": refused}
        return JSONResponse(body, 201)

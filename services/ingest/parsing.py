"""A document becomes a notification, whoever sent it."""

from collections.abc import Mapping

from services.ingest import alertmanager, generic
from services.ingest.documents import Document
from services.ingest.parameters import known
from shared.notification import Call, Notification


def parse_document(
    document: Document,
    call: Call,
    *,
    warnings: tuple[str, ...] = (),
    query: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
) -> Notification:
    """`document` must hold a value. Never raises, whatever that is: what a field does not say is left empty.

    `query`: the request's parameters, all of them; `call` and `warnings`: what they came to.
    """
    body = document.value or {}
    join_window = None
    if alertmanager.is_alertmanager(body):
        parsed = alertmanager.parse(body)
    else:
        parsed, join_window = generic.parse(body, idempotency_key)
    return Notification(
        dedup_key=parsed.dedup_key,
        firing=parsed.firing,
        facts=parsed.facts,
        alerts=parsed.alerts,
        call=call,
        body=document.body,
        warnings=warnings + document.warnings + parsed.warnings,
        query=known(query or {}),
        idempotency_key=idempotency_key,
        join_window=join_window,
    )

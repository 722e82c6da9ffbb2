"""Real bodies, and notifications made of them."""

import copy
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from services.ingest.documents import read_documents
from services.ingest.parsing import parse_document
from shared.notification import Call, Notification

SAMPLES = {
    path.stem: json.loads(path.read_bytes())
    for path in sorted((Path(__file__).resolve().parents[3] / "ops" / "samples").glob("*.json"))
}
CALL = Call(wait=timedelta(minutes=3))


def sample(name: str, **changes: Any) -> dict[str, Any]:
    """A copy of a sample body with `changes` at its top level."""
    return copy.deepcopy(SAMPLES[name]) | changes


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


def notify(body: Any, idempotency_key: str | None = None) -> Notification:
    """All the way from bytes; `body`: an object, or its JSON text."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    (document,) = read_documents(raw).items
    assert document.value is not None
    return parse_document(document, CALL, idempotency_key=idempotency_key)

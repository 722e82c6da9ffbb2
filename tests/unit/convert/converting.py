"""Converts, renders, and shows what a reader in Slack would see."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from ops.check_config import sample_incident, samples
from ops.convert.conversion import convert
from services.notifier.template import MessageTemplate

NOW = datetime(2026, 3, 1, 3, tzinfo=UTC)
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}


def converted(source: str, environ: Mapping[str, str] | None = None) -> str:
    """The Jinja2 template; nothing may be left."""
    conversion = convert(source, environ or {})
    assert conversion.left == ()
    return conversion.source


def printed(folder: Path, jinja: str, body: bytes | str) -> str:
    """What the template prints for a body, or for the sample of that name."""
    path = folder / "message.tmpl"
    path.write_text(jinja, encoding="utf-8")
    raw = samples()[body] if isinstance(body, str) else body
    incident, text = sample_incident(raw, NOW)
    shown = MessageTemplate.load(path).render(incident, json.loads(text), None)
    return re.sub("|".join(_ENTITIES), lambda match: _ENTITIES[match[0]], shown)

"""Alertmanager's page for a new silence, filled in with the labels of a group.

Its interface reads `#/silences/new?filter={name="value", …}`, percent-encoded, values as JSON strings; a filter that it cannot
read leaves the form empty (prometheus/alertmanager ui/app/src/Utils/Filter.elm and Views/SilenceForm/Parsing.elm).
"""

import json
import re
from typing import Any
from urllib.parse import quote

from services.ingest import texts

MAX_SILENCE = 1500
"""Longer URLs are no links in Slack."""

_NAME = re.compile(r"[^\s{}!=~,\\\"'`]+")


def silence_url(body: dict[str, Any]) -> str | None:
    """For the labels that all alerts of `body` share, or, where that is too long, those that make up its group. None rather than
    a page that would silence more than these."""
    base = body.get("externalURL")
    if not texts.is_web_address(base) or "?" in base or "#" in base:
        return None
    group, common = texts.mapping(body.get("groupLabels")), texts.mapping(body.get("commonLabels"))
    candidates = (_url(base, labels) for labels in ({**common, **group}, group) if labels)
    return next((url for url in candidates if url and len(url) <= MAX_SILENCE), None)


def _url(base: str, labels: dict[str, Any]) -> str | None:
    if not all(isinstance(value, str) and _NAME.fullmatch(name) for name, value in labels.items()):
        return None
    matchers = (f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in sorted(labels.items()))
    written = "{" + ", ".join(matchers) + "}"
    return f"{base.rstrip('/')}/#/silences/new?filter={quote(written, safe='', errors='replace')}"

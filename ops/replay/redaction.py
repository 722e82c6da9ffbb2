"""Masks what alerts and people said, and keeps what the machinery needs. Pure.

The same value gets the same mask, so that what belonged together still does. Masks cannot be turned back, nor guessed at: their
key is made anew for each copy and kept nowhere. What is not known to be harmless is masked.
"""

import hashlib
import hmac
import json
import re
from datetime import datetime
from typing import Any

from shared.commands import EventType
from shared.identity import is_incident_id
from shared.incident import Acknowledgement, Incident, Record
from shared.notification import Alert, Facts, Frozen, Link
from shared.wording import is_web

SEVERITIES = {"severity", "Severity", "level", "priority"}
"""Keys whose value says how bad it is."""

STATUSES = {"status", "state", "alertState", "action", "version", "Type", "NewStateValue", "OldStateValue"}
"""Keys whose value, when it is one word, tells firing from resolved, or one sender from another."""

_KEPT = {
    *("severity", "deadline", "call", "query", "after", "token", "until", "doubt_until", "retry_at", "error"),
    *("sys_id", "number", "instance", "at", "door", "channel", "ts"),
}
"""What an event says in words that are ours, ServiceNow's or Slack's."""

_WORD = re.compile(r"[A-Za-z0-9_]{1,20}")
_FINGERPRINT = re.compile("[0-9a-f]{16}")
"""Alertmanager's: a hash of the labels."""

REDACTED_SITE = "https://redacted.invalid/"


class Redactor:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def mask(self, text: str) -> str:
        """Empty stays empty, and an address stays one."""
        if not text:
            return ""
        digest = hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
        return f"{REDACTED_SITE if is_web(text) else 'x'}{digest[:10]}"

    def body(self, text: str) -> str:
        """A notification's body: all strings in it, at any depth, also in JSON inside JSON. Names of fields and numbers stay."""
        return json.dumps(self._value(json.loads(text)), ensure_ascii=False, separators=(",", ":"))

    def event(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        """An event's data; `kind`: its type."""
        return {name: self._told(kind, name, value) for name, value in data.items()}

    def incident(self, incident: Incident) -> Incident:
        said = {
            "facts": self._facts(incident.facts),
            "alerts": tuple(self._alert(alert) for alert in incident.alerts),
            "warnings": tuple(self.mask(warning) for warning in incident.warnings),
            "acknowledgement": incident.acknowledgement and self.acknowledgement(incident.acknowledgement),
            "record": incident.record and self._record(incident.record),
        }
        known: Incident = _known(incident.model_copy(update=said))
        return known

    def acknowledgement(self, one: Acknowledgement) -> Acknowledgement:
        known: Acknowledgement = _known(one.model_copy(update={"by": self.mask(one.by)}))
        return known

    def _record(self, record: Record) -> Record:
        return record.model_copy(update={"url": self.mask(record.url)})

    def _facts(self, facts: Facts) -> Facts:
        said: dict[str, Any] = {
            name: self.mask(getattr(facts, name)) for name in ("title", "summary", "resource")
        }
        said["labels"] = {name: self._text(name, value) for name, value in facts.labels.items()}
        said["annotations"] = {name: self._text(name, value) for name, value in facts.annotations.items()}
        said["links"] = tuple(Link(text=link.text, url=self.mask(link.url)) for link in facts.links)
        return facts.model_copy(update=said)

    def _alert(self, alert: Alert) -> Alert:
        said = {"name": self.mask(alert.name), "summary": self.mask(alert.summary)}
        return alert.model_copy(update=said)

    def _told(self, kind: str, name: str, value: Any) -> Any:
        if name == "body":
            return self.body(value)
        if name in _KEPT or (name == "by" and kind == EventType.SUPERSEDED and is_incident_id(str(value))):
            return value
        return self._value(value)

    def _value(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: self._value(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._value(inner, name) for inner in value]
        return self._text(name, value) if isinstance(value, str) else value

    def _text(self, name: str, text: str) -> str:
        if name in SEVERITIES or (name in STATUSES and _WORD.fullmatch(text)) or _is_moment(text):
            return text
        if name == "fingerprint" and _FINGERPRINT.fullmatch(text):
            return text
        return self._inner_json(text) or self.mask(text)

    def _inner_json(self, text: str) -> str | None:
        """Amazon SNS delivers JSON inside JSON."""
        if not text.startswith(("{", "[")):
            return None
        try:
            return json.dumps(self._value(json.loads(text)), ensure_ascii=False)
        except (ValueError, RecursionError):
            return None


def _known(value: Any) -> Any:
    """Without fields that a newer version has added: nobody here knows what they say."""
    if isinstance(value, Frozen):
        fields = {name: _known(getattr(value, name)) for name in type(value).model_fields}
        return type(value).model_construct(**fields)
    return tuple(_known(one) for one in value) if isinstance(value, tuple) else value


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return "T" in text

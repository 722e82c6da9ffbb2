"""Masks what alerts and people said, and keeps what the machinery needs. Pure.

The same value gets the same mask, so that what belonged together still does. Masks cannot be turned back, nor guessed at: their
key is made anew for each copy and kept nowhere. What is not known to be harmless is masked.
"""

import hashlib
import hmac
import json
import re
from datetime import datetime
from typing import Any, TypeVar

from shared.commands import EventType
from shared.identity import is_incident_id
from shared.incident import Acknowledgement, Closure, FurtherStep, Haste, Incident, News, Note, Record, Snooze
from shared.notification import Alert, Call, Facts, Frozen, Link
from shared.wording import is_web

SEVERITIES = {"severity", "Severity", "level", "priority"}
"""Keys whose value says how bad it is."""

STATUSES = {"status", "state", "alertState", "action", "version", "Type", "NewStateValue", "OldStateValue"}
"""Keys whose value, when it is one word, tells firing from resolved, or one sender from another."""

_KEPT = {
    *("severity", "deadline", "query", "after", "token", "until", "doubt_until", "retry_at", "error"),
    *("sys_id", "number", "instance", "at", "door", "channel", "ts", "target", "wants", "parent", "outcome"),
}
"""What an event says in words that are ours, ServiceNow's or Slack's."""

_WORD = re.compile(r"[A-Za-z0-9_]{1,20}")
_FINGERPRINT = re.compile("[0-9a-f]{16}")
"""Alertmanager's: a hash of the labels."""

Told = TypeVar("Told", Note, News)
Deed = TypeVar("Deed", Snooze, Haste, Closure)

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
            "call": self._call(incident.call),
            "record": incident.record and self._record(incident.record),
            "further": tuple(self._further(one) for one in incident.further),
            "notes": tuple(self._news(note) for note in incident.notes),
            **{name: self._by(getattr(incident, name)) for name in ("snooze", "haste", "closure")},
        }
        known: Incident = _known(incident.model_copy(update=said))
        return known

    def acknowledgement(self, one: Acknowledgement) -> Acknowledgement:
        said = {"by": self.mask(one.by), "user": self.mask(one.user)}
        known: Acknowledgement = _known(one.model_copy(update=said))
        return known

    def _record(self, record: Record) -> Record:
        news = tuple(self._news(one) for one in record.news)
        return record.model_copy(update={"url": self.mask(record.url), "news": news})

    def _further(self, one: FurtherStep) -> FurtherStep:
        return one.model_copy(update={"record": one.record and self._record(one.record)})

    def _call(self, call: Call) -> Call:
        steps = tuple(
            step.model_copy(update={"mention": tuple(map(self.mask, step.mention))}) for step in call.steps
        )
        return call.model_copy(update={"steps": steps})

    def _news(self, one: Told) -> Told:
        data = {name: self._told("", name, value) for name, value in one.data.items()}
        return one.model_copy(update={"data": data})

    def _by(self, deed: Deed | None) -> Deed | None:
        return deed and deed.model_copy(update={"by": self.mask(deed.by)})

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
        if name == "call":
            return self._call(Call.model_validate({"wait": None, **value})).model_dump(
                mode="json", exclude_defaults=True
            )
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

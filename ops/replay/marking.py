"""A message as a replay may show it: marked on the lock screen and in the text, without buttons, and it calls nobody. Pure."""

import re
from datetime import datetime
from typing import Any

from ops.timeline import moment
from shared.incident import Incident

MARK = "[REPLAY]"

_MENTION = re.compile(r"<(?:!(?!date\^)|@)([^<>|]*)(?:\|([^<>]*))?>")
"""People, groups and @channel, as Slack writes them; not dates, which begin with ! too."""

_CALLS_OUT = re.compile(r"(?<!\w)@(?=(?:channel|everyone|here)\b)", re.IGNORECASE)


def as_replay(message: dict[str, Any], incident: Incident, at: datetime) -> dict[str, Any]:
    """`message` of `incident` as it was at `at`. Its metadata is of another kind than a real message's, so that no notifier can
    ever take it for its own (decision 008)."""
    payload = {"replayed_incident": incident.id, "replayed_revision": incident.revision}
    return {
        **message,
        "text": f"{MARK} {without_mentions(message['text'])}",
        "attachments": [_attachment(attachment, at) for attachment in message["attachments"]],
        "metadata": {"event_type": "ackstream_replay", "event_payload": payload},
    }


def _attachment(attachment: dict[str, Any], at: datetime) -> dict[str, Any]:
    words = f"{MARK} This is the past, {moment(at)}: nobody is called, and nothing escalates."
    mark = {"type": "context", "elements": [{"type": "mrkdwn", "text": words}]}
    blocks = [_block(block) for block in attachment["blocks"] if block["type"] != "actions"]
    fallback = f"{MARK} {without_mentions(attachment['fallback'])}"
    return {**attachment, "fallback": fallback, "blocks": [mark, *blocks]}


def _block(block: dict[str, Any]) -> dict[str, Any]:
    if "text" in block:
        return {**block, "text": _text(block["text"])}
    return {**block, "elements": [_text(element) for element in block["elements"]]}


def _text(text: dict[str, Any]) -> dict[str, Any]:
    return {**text, "text": without_mentions(text["text"])}


def without_mentions(text: str) -> str:
    """What would call people becomes mere words, also where the template wrote it."""
    calm = _MENTION.sub(lambda found: f"@\u2060{found[2] or found[1]}", text)
    return _CALLS_OUT.sub("@\u2060", calm)

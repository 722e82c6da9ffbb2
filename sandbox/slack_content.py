"""What Slack accepts as a message, and the words in which it refuses the rest."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.slack_blocks import block_problems, text_length

MOST_BLOCKS = 50
MOST_ATTACHMENTS = 100
# Undocumented; measured by people: github.com/slackapi/bolt-js issue 2509.
ALL_BLOCKS_TEXT = 13_200
EVENT_TYPE = re.compile(r"[A-Za-z0-9_-]+")


class SlackRefusal(Exception):  # noqa: N818 - Slack answers 200: a refusal, not an error of ours
    """`{"ok": false, "error": …}`, with the reasons and the `details` where Slack gives them; only the rate limit has a
    status of its own."""

    def __init__(
        self,
        error: str,
        reasons: list[str] | None = None,
        *,
        details: Mapping[str, str] | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(error)
        self.error = error
        self.reasons = reasons or []
        self.details = dict(details or {})
        self.status = status
        self.headers = dict(headers or {})

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"ok": False, "error": self.error} | self.details
        if self.reasons:
            messages = [f"[ERROR] {reason}" for reason in self.reasons]
            body |= {"errors": self.reasons, "response_metadata": {"messages": messages}}
        return body


def structured(arguments: Mapping[str, Any], name: str) -> Any:
    """An argument's value; what a form sent as a JSON string is decoded."""
    value = arguments[name]
    if name == "text":
        return str(value)
    try:
        value = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise SlackRefusal(
            "invalid_metadata_format" if name == "metadata" else f"invalid_{name}_format"
        ) from None
    if name != "metadata" and not isinstance(value, list):
        raise SlackRefusal(f"invalid_{name}", [f"must be an array [json-pointer:/{name}]"])
    return value


def check_content(content: Mapping[str, Any], *, text_limit: int) -> None:
    """Raise SlackRefusal where Slack would. A wrong block inside an attachment is `invalid_attachments`, not
    `invalid_blocks` (github.com/slackapi/bolt-python issue 914).
    """
    blocks, attachments = content.get("blocks", []), content.get("attachments", [])
    if not (content.get("text") or blocks or attachments):
        raise SlackRefusal("no_text")
    if len(content.get("text", "")) > text_limit:
        raise SlackRefusal("msg_too_long")
    if reasons := list(_list_problems(blocks, "/blocks")):
        raise SlackRefusal("invalid_blocks", reasons)
    if len(attachments) > MOST_ATTACHMENTS:
        raise SlackRefusal("too_many_attachments")
    if reasons := list(_attachment_problems(attachments)):
        raise SlackRefusal("invalid_attachments", reasons)
    if text_length([blocks, [one.get("blocks", []) for one in attachments]]) > ALL_BLOCKS_TEXT:
        raise SlackRefusal("msg_blocks_too_long")


def checked_metadata(metadata: Any) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The metadata to keep, and the warnings to answer. Metadata of a wrong shape does **not** fail the call: Slack posts
    the message without it (docs.slack.dev/messaging/message-metadata).
    """
    if not isinstance(metadata, dict):
        raise SlackRefusal("invalid_metadata_format")
    if not metadata or (
        EVENT_TYPE.fullmatch(str(metadata.get("event_type", "")))
        and isinstance(metadata.get("event_payload"), dict)
    ):
        return metadata, {}
    warning = "invalid_metadata_schema"
    return None, {"warning": warning, "response_metadata": {"warnings": [warning]}}


def _list_problems(blocks: Any, pointer: str) -> Iterator[str]:
    if not isinstance(blocks, list):
        yield f"must be an array [json-pointer:{pointer}]"
        return
    if len(blocks) > MOST_BLOCKS:
        yield f"no more than {MOST_BLOCKS} items allowed [json-pointer:{pointer}]"
    for index, block in enumerate(blocks):
        yield from block_problems(block, f"{pointer}/{index}")


def _attachment_problems(attachments: list[Any]) -> Iterator[str]:
    for index, attachment in enumerate(attachments):
        if not isinstance(attachment, dict):
            yield f"must be an object [json-pointer:/attachments/{index}]"
        else:
            yield from _list_problems(attachment.get("blocks", []), f"/attachments/{index}/blocks")

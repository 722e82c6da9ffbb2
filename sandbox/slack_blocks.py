"""The rules of the blocks that an alert message is made of (docs.slack.dev/reference/block-kit)."""

from collections.abc import Iterator
from typing import Any

from sandbox.slack_elements import INTERACTIVE, element_problems, repeated_actions
from sandbox.slack_texts import text_problems, too_long

KNOWN_BLOCKS = ("section", "header", "context", "divider", "actions", "image", "rich_text", "markdown")


def block_problems(block: Any, at: str) -> Iterator[str]:
    """Slack's complaints about one block that stands at JSON pointer `at`."""
    if not isinstance(block, dict):
        yield f"must be an object [json-pointer:{at}]"
        return
    kind = block.get("type")
    if kind not in KNOWN_BLOCKS:
        yield f"unsupported type: {kind} [json-pointer:{at}/type]"
    yield from too_long(block.get("block_id", ""), 255, f"{at}/block_id")
    if kind == "section":
        yield from _section(block, at)
    elif kind == "header":
        yield from text_problems(block.get("text"), f"{at}/text", 150, plain=True)
    elif kind == "context":
        yield from _elements(block, at, most=10)
    elif kind == "actions":
        yield from _elements(block, at, most=25, only=INTERACTIVE)


def text_length(part: Any) -> int:
    """How many characters people would read in these blocks."""
    if isinstance(part, list):
        return sum(map(text_length, part))
    if not isinstance(part, dict):
        return 0
    text = part.get("text")
    own = len(text) if isinstance(text, str) else text_length(text)
    return own + sum(text_length(part.get(name)) for name in ("elements", "fields", "accessory"))


def _section(block: dict[str, Any], at: str) -> Iterator[str]:
    fields = block.get("fields", [])
    if "text" in block or not fields:
        yield from text_problems(block.get("text"), f"{at}/text", 3000)
    if len(fields) > 10:  # noqa: PLR2004 - Slack's number
        yield f"no more than 10 items allowed [json-pointer:{at}/fields]"
    for index, text in enumerate(fields):
        yield from text_problems(text, f"{at}/fields/{index}", 2000)
    if "accessory" in block:
        yield from element_problems(block["accessory"], f"{at}/accessory")


def _elements(block: dict[str, Any], at: str, *, most: int, only: tuple[str, ...] = ()) -> Iterator[str]:
    elements = block.get("elements")
    if not isinstance(elements, list) or not elements:
        yield f"missing required field: elements [json-pointer:{at}]"
        return
    if len(elements) > most:
        yield f"no more than {most} items allowed [json-pointer:{at}/elements]"
    for index, element in enumerate(elements):
        kind = element.get("type") if isinstance(element, dict) else None
        if only and kind is not None and kind not in only:
            yield f"unsupported type: {kind} [json-pointer:{at}/elements/{index}/type]"
        else:
            yield from element_problems(element, f"{at}/elements/{index}")
    yield from repeated_actions(elements, at)

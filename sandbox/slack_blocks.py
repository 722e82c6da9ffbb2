"""The rules of the blocks that an alert message is made of (docs.slack.dev/reference/block-kit)."""

from collections.abc import Iterator
from typing import Any

KNOWN_BLOCKS = ("section", "header", "context", "divider", "actions", "image", "rich_text", "markdown")
BUTTON_LIMITS = {"url": 3000, "value": 2000, "action_id": 255}
STYLES = ("primary", "danger")


def block_problems(block: Any, at: str) -> Iterator[str]:
    """Slack's complaints about one block that stands at JSON pointer `at`."""
    if not isinstance(block, dict):
        yield f"must be an object [json-pointer:{at}]"
        return
    kind = block.get("type")
    if kind not in KNOWN_BLOCKS:
        yield f"unsupported type: {kind} [json-pointer:{at}/type]"
    yield from _too_long(block.get("block_id", ""), 255, f"{at}/block_id")
    if kind == "section":
        yield from _section(block, at)
    elif kind == "header":
        yield from _text(block.get("text"), f"{at}/text", 150, plain=True)
    elif kind == "context":
        yield from _elements(block, at, most=10)
    elif kind == "actions":
        yield from _elements(block, at, most=25)


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
        yield from _text(block.get("text"), f"{at}/text", 3000)
    if len(fields) > 10:  # noqa: PLR2004 - Slack's number
        yield f"no more than 10 items allowed [json-pointer:{at}/fields]"
    for index, text in enumerate(fields):
        yield from _text(text, f"{at}/fields/{index}", 2000)
    if "accessory" in block:
        yield from _element(block["accessory"], f"{at}/accessory")


def _elements(block: dict[str, Any], at: str, *, most: int) -> Iterator[str]:
    elements = block.get("elements")
    if not isinstance(elements, list) or not elements:
        yield f"missing required field: elements [json-pointer:{at}]"
        return
    if len(elements) > most:
        yield f"no more than {most} items allowed [json-pointer:{at}/elements]"
    for index, element in enumerate(elements):
        yield from _element(element, f"{at}/elements/{index}")


def _element(element: Any, at: str) -> Iterator[str]:
    kind = element.get("type") if isinstance(element, dict) else None
    if kind == "button":
        yield from _text(element.get("text"), f"{at}/text", 75, plain=True)
        for name, most in BUTTON_LIMITS.items():
            yield from _too_long(element.get(name, ""), most, f"{at}/{name}")
        if element.get("style", "primary") not in STYLES:
            yield f"unsupported value [json-pointer:{at}/style]"
    elif kind in ("mrkdwn", "plain_text"):
        yield from _text(element, at, 3000)
    elif kind is None:
        yield f"missing required field: type [json-pointer:{at}]"


def _text(text: Any, at: str, most: int, *, plain: bool = False) -> Iterator[str]:
    if not isinstance(text, dict) or not isinstance(text.get("text"), str):
        yield f"missing required field: text [json-pointer:{at}]"
    elif text.get("type") not in (("plain_text",) if plain else ("plain_text", "mrkdwn")):
        yield f"unsupported type: {text.get('type')} [json-pointer:{at}/type]"
    elif not text["text"]:
        yield f"must be more than 0 characters [json-pointer:{at}/text]"
    else:
        yield from _too_long(text["text"], most, f"{at}/text")


def _too_long(value: Any, most: int, at: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"must be a string [json-pointer:{at}]"
    elif len(value) > most:
        yield f"must be less than {most + 1} characters [json-pointer:{at}]"

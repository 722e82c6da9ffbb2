"""What people press and choose in blocks, and Slack's complaints about it (docs.slack.dev/reference/block-kit)."""

from collections.abc import Iterator
from typing import Any

from sandbox.slack_texts import text_problems, too_long

BUTTON_LIMITS = {"url": 3000, "value": 2000}
STYLES = ("primary", "danger")
CONFIRM_LIMITS = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
# kind -> fewest and most options
MENUS = {"overflow": (1, 5), "static_select": (1, 100)}
INTERACTIVE = ("button", *MENUS)


def element_problems(element: Any, at: str) -> Iterator[str]:
    kind = element.get("type") if isinstance(element, dict) else None
    if kind in INTERACTIVE:
        yield from too_long(element.get("action_id", ""), 255, f"{at}/action_id")
        if "confirm" in element:
            yield from _confirm(element["confirm"], f"{at}/confirm")
    if kind == "button":
        yield from _button(element, at)
    elif kind in MENUS:
        yield from _menu(element, kind, at)
    elif kind in ("mrkdwn", "plain_text"):
        yield from text_problems(element, at, 3000)
    elif kind is None:
        yield f"missing required field: type [json-pointer:{at}]"


def repeated_actions(elements: list[Any], at: str) -> Iterator[str]:
    """An action is found by its id: within one block it must be the only one of that name."""
    seen = set()
    for index, element in enumerate(elements):
        action = element.get("action_id") if isinstance(element, dict) else None
        if action and action in seen:
            yield f'`action_id` "{action}" already exists for another element [json-pointer:{at}/elements/{index}/action_id]'
        seen.add(action)


def _button(element: dict[str, Any], at: str) -> Iterator[str]:
    yield from text_problems(element.get("text"), f"{at}/text", 75, plain=True)
    for name, most in BUTTON_LIMITS.items():
        yield from too_long(element.get(name, ""), most, f"{at}/{name}")
    yield from _style(element, at)


def _menu(element: dict[str, Any], kind: str, at: str) -> Iterator[str]:
    fewest, most = MENUS[kind]
    options = element.get("options")
    if not isinstance(options, list):
        yield f"missing required field: options [json-pointer:{at}]"
        return
    if len(options) < fewest:
        yield f"no fewer than {fewest} items allowed [json-pointer:{at}/options]"
    if len(options) > most:
        yield f"no more than {most} items allowed [json-pointer:{at}/options]"
    for index, option in enumerate(options):
        yield from _option(option, f"{at}/options/{index}")
    if "placeholder" in element:
        yield from text_problems(element["placeholder"], f"{at}/placeholder", 150, plain=True)


def _option(option: Any, at: str) -> Iterator[str]:
    if not isinstance(option, dict):
        yield f"must be an object [json-pointer:{at}]"
        return
    yield from text_problems(option.get("text"), f"{at}/text", 75, plain=True)
    if not option.get("value"):
        yield f"missing required field: value [json-pointer:{at}]"
    yield from too_long(option.get("value", ""), 150, f"{at}/value")


def _confirm(confirm: Any, at: str) -> Iterator[str]:
    if not isinstance(confirm, dict):
        yield f"must be an object [json-pointer:{at}]"
        return
    for name, most in CONFIRM_LIMITS.items():
        yield from text_problems(confirm.get(name), f"{at}/{name}", most, plain=name != "text")
    yield from _style(confirm, at)


def _style(part: dict[str, Any], at: str) -> Iterator[str]:
    if part.get("style", "primary") not in STYLES:
        yield f"unsupported value [json-pointer:{at}/style]"

"""The sandbox's page as responders see it: threads, buttons that act, whispers, warnings."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from slack_sdk import WebClient

from sandbox.server import Running, running
from tests.browser.conftest import PHONE, picture
from tests.unit.sandbox.pressing import CHANNEL, App, actions, button, listening_app, menu

WIDE = {"width": 1280, "height": 900}
SURE = {
    "title": {"type": "plain_text", "text": "Escalate now?"},
    "text": {"type": "mrkdwn", "text": "This opens a record in ServiceNow and pages the next level."},
    "confirm": {"type": "plain_text", "text": "Escalate"},
    "deny": {"type": "plain_text", "text": "Not yet"},
    "style": "danger",
}
STATES = {
    "firing": ("#C70039", ":red_circle: *HighLatency* · critical · checkout"),
    "acknowledged": (
        "#F2A900",
        ":large_orange_circle: *DiskFull* · acknowledged by <@U0ALEX> <!date^{now}^{{time}}|then>",
    ),
    "escalated": (
        "#7B1FA2",
        ":rotating_light: *NodeDown* · escalated as <https://x.example/INC1|INC0010001>",
    ),
    "resolved": ("#36A64F", ":white_check_mark: *CertExpiry* · resolved after 12 min"),
}


@pytest.fixture
def app() -> Iterator[App]:
    with listening_app() as app:
        yield app


@pytest.fixture
def sandbox(app: App) -> Iterator[Running]:
    with running(interactivity_url=app.url) as server:
        yield server


@pytest.fixture
def slack(sandbox: Running) -> WebClient:
    return WebClient("xoxb-1-2-secret", base_url=sandbox.slack_url, retry_handlers=[])


@pytest.fixture
def page(browser: Browser, sandbox: Running) -> Iterator[Page]:
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"the page's script failed: {error}"))
    page.goto(sandbox.url)
    yield page
    context.close()


def text(words: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": words}


def incident(state: str, *elements: dict[str, Any]) -> dict[str, Any]:
    colour, line = STATES[state]
    blocks: list[dict[str, Any]] = [
        {"type": "section", "fields": [text("*Service*\ncheckout"), text("*Alerts*\n3 firing, 1 resolved")]},
        {"type": "context", "elements": [text("<https://x.example|Runbook> · <https://x.example|Silence>")]},
    ]
    if elements:
        blocks.append(actions(*elements))
    words = line.format(now=int(time.time()))
    return {"channel": CHANNEL, "text": words, "attachments": [{"color": colour, "blocks": blocks}]}


def told(app: App) -> list[Any]:
    return [json.loads(parse_qs(body.decode())["payload"][0]) for _, body in app.requests]


def told_of(page: Page) -> Any:
    """A `with` that ends when the app has been told of the press in it."""
    return page.expect_response("**/_sandbox/click")


def message(page: Page, words: str) -> Locator:
    return page.locator(".slack .list > .message").filter(has_text=words)


def test_a_press_reaches_the_app_in_the_name_of_who_is_chosen(page: Page, slack: WebClient, app: App) -> None:
    slack.chat_postMessage(**incident("firing", button("ack", style="primary"), button("ack_other")))
    with told_of(page):
        page.get_by_role("button", name="Ack", exact=True).click()
    page.get_by_label("You are").select_option("Alex")
    with told_of(page):
        page.get_by_role("button", name="Ack_Other").click()
    assert [(one["user"]["id"], one["actions"][0]["action_id"]) for one in told(app)] == [
        ("U0HUMAN", "ack"),
        ("U0ALEX", "ack_other"),
    ]
    page.reload()
    expect(page.get_by_label("You are")).to_have_value("U0ALEX")


def test_what_must_be_confirmed_is_asked_first(page: Page, slack: WebClient, app: App) -> None:
    slack.chat_postMessage(**incident("firing", button("escalate", style="danger", confirm=SURE)))
    page.get_by_role("button", name="Escalate").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Escalate now?")
    expect(dialog).to_contain_text("This opens a record in ServiceNow")
    picture(page, "board-confirm")
    dialog.get_by_role("button", name="Not yet").click()
    expect(dialog).to_be_hidden()
    assert app.requests == []
    page.get_by_role("button", name="Escalate").click()
    with told_of(page):
        dialog.get_by_role("button", name="Escalate").click()
    expect(dialog).to_be_hidden()
    assert [one["actions"][0]["action_id"] for one in told(app)] == ["escalate"]


def test_menus_choose(page: Page, slack: WebClient, app: App) -> None:
    placeholder = {"placeholder": {"type": "plain_text", "text": "Snooze"}}
    elements = (
        menu("static_select", "snooze", "15 min", "1 h") | placeholder,
        menu("overflow", "more", "Resolve"),
    )
    slack.chat_postMessage(**incident("firing", *elements))
    with told_of(page):
        page.get_by_label("Snooze").select_option("1 h")
    page.get_by_label("More actions").click()
    picture(page, "board-overflow")
    with told_of(page):
        page.get_by_role("button", name="Resolve").click()
    expect(page.locator(".overflow[open]")).to_have_count(0)
    chosen = [one["actions"][0]["selected_option"]["value"] for one in told(app)]
    assert chosen == ["1 h", "Resolve"]


def test_a_link_button_opens_its_page_and_tells_the_app(
    page: Page, slack: WebClient, sandbox: Running, app: App
) -> None:
    slack.chat_postMessage(**incident("firing", button("ack", url=f"{sandbox.url}/pages/icon.svg")))
    with told_of(page), page.context.expect_page() as opened:
        page.get_by_role("link", name="Ack").click()
    assert opened.value.url.endswith("icon.svg")
    assert [one["actions"][0]["action_id"] for one in told(app)] == ["ack"]


def test_a_wrong_answer_shows_slacks_warning(page: Page, slack: WebClient, app: App) -> None:
    app.status = 500
    slack.chat_postMessage(**incident("firing", button("ack")))
    page.get_by_role("button", name="Ack", exact=True).click()
    expect(message(page, "HighLatency").get_by_role("status")).to_contain_text(
        "responded with status code 500"
    )
    app.status = 200
    page.get_by_role("button", name="Ack", exact=True).click()
    expect(message(page, "HighLatency").get_by_role("status")).to_have_count(0)


def test_a_whisper_is_seen_by_one_person(page: Page, slack: WebClient) -> None:
    root = slack.chat_postMessage(**incident("firing"))["ts"]
    slack.chat_postEphemeral(channel=CHANNEL, user="U0ALEX", text="Sam was faster")
    slack.chat_postEphemeral(channel=CHANNEL, user="U0HUMAN", text="in the thread", thread_ts=root)
    expect(message(page, "HighLatency").locator(".thread")).to_contain_text("Only visible to you")
    expect(message(page, "Sam was faster")).to_have_count(0)
    page.get_by_label("You are").select_option("Alex")
    expect(message(page, "Sam was faster")).to_contain_text("Only visible to you")
    expect(message(page, "HighLatency").locator(".thread")).to_have_count(0)


def test_a_long_thread_folds_and_stays_unfolded(page: Page, slack: WebClient) -> None:
    root = slack.chat_postMessage(**incident("firing"))["ts"]
    for number in range(10):
        slack.chat_postMessage(channel=CHANNEL, text=f"reply {number}", thread_ts=root)
    thread = message(page, "HighLatency").locator(".thread")
    expect(thread).to_contain_text("10 replies")
    expect(thread.get_by_text("reply 0")).to_be_hidden()
    page.get_by_text("Show 4 earlier").click()
    expect(thread.get_by_text("reply 0")).to_be_visible()
    slack.chat_postMessage(channel=CHANNEL, text="reply 10", thread_ts=root)
    expect(thread.get_by_text("reply 10")).to_be_visible()
    expect(thread.get_by_text("reply 0")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_state_can_be_read_on_a_phone_and_on_a_desk(
    page: Page, slack: WebClient, app: App, scheme: Any
) -> None:
    page.emulate_media(color_scheme=scheme)
    snooze = menu("static_select", "snooze", "15 min", "1 h") | {
        "placeholder": {"type": "plain_text", "text": "Snooze"}
    }
    slack.chat_postMessage(**incident("resolved"))
    slack.chat_postMessage(**incident("escalated", button("resolve")))
    slack.chat_postMessage(**incident("acknowledged", button("unacknowledge"), button("resolve")))
    elements = (
        button("acknowledge", style="primary"),
        button("escalate now", style="danger", confirm=SURE),
        snooze,
        menu("overflow", "more", "Resolve", "Open in console"),
    )
    root = slack.chat_postMessage(**incident("firing", *elements))["ts"]
    for words in (
        ":warning: `oncall_wait_minutes=soon` is no number; 15 min are used",
        "<@U0SAM> took a note: _looking_",
    ):
        slack.chat_postMessage(channel=CHANNEL, text=words, thread_ts=root)
    slack.chat_postEphemeral(channel=CHANNEL, user="U0HUMAN", text="Already acknowledged by <@U0ALEX>.")
    app.status = 500
    page.get_by_role("button", name="Acknowledge", exact=True).click()
    expect(message(page, "HighLatency").get_by_role("status")).to_contain_text(
        "responded with status code 500"
    )
    expect(message(page, "DiskFull")).to_contain_text(re.compile("acknowledged by @Alex"))
    picture(page, f"board-{scheme}")
    page.set_viewport_size(PHONE)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, "the page scrolls sideways on a phone"
    page.locator(".slack .scroller").evaluate("one => (one.scrollTop = one.scrollHeight)")
    picture(page, f"board-{scheme}-phone")

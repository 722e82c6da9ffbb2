"""The acknowledge page in a real browser: with and without scripts, on a phone, in the dark."""

import socket
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect

from shared.incident import Effort, Incident
from tests.browser.conftest import PHONE, picture
from tests.unit.acknowledge.stage import LEASE, NOW, SCENES, FakeStore, app_of, incident, overdue, path_of

# Contrast of every piece of text that can be seen against the nearest background behind it (WCAG 2, relative luminance).
FAINT_TEXT = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = parse(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    const [one, other] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) faint.push(`${contrast.toFixed(2)}: ${walker.currentNode.data.trim()}`);
  }
  return faint;
}"""


@pytest.fixture
def store() -> FakeStore:
    return FakeStore(incident())


@pytest.fixture
def address(store: FakeStore) -> Iterator[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # from here on the browser may come; it waits until the server looks
        server = uvicorn.Server(uvicorn.Config(app_of(store), log_level="error", ws="none", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser had to complain about. A status of 4xx or 5xx is an answer, and not among it."""
    return []


def opened(browser: Browser, complaints: list[str], **options: object) -> tuple[BrowserContext, Page]:
    context = browser.new_context(**{"timezone_id": "Asia/Kolkata", **options})  # type: ignore[arg-type]
    page = context.new_page()
    page.clock.install(time=NOW)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: "Failed to load resource" in message.text or complaints.append(message.text),
    )
    return context, page


@pytest.fixture(params=[True, False], ids=["with scripts", "without scripts"])
def page(request: pytest.FixtureRequest, browser: Browser, complaints: list[str]) -> Iterator[Page]:
    context, page = opened(browser, complaints, java_script_enabled=request.param, viewport=PHONE)
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def scripted(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    context, page = opened(browser, complaints, viewport=PHONE)
    yield page
    context.close()
    assert complaints == []


def acknowledged_by(store: FakeStore) -> str:
    assert store.incident
    assert store.incident.acknowledgement
    return store.incident.acknowledgement.by


def test_somebody_takes_the_incident(page: Page, store: FakeStore, address: str) -> None:
    page.goto(address + path_of(incident()))
    page.get_by_label("Your name").fill("Ann Ng")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("status")).to_contain_text("You have it. ServiceNow will not be called.")
    assert acknowledged_by(store) == "Ann Ng"


def test_somebody_who_comes_second_reads_who_was_first(page: Page, store: FakeStore, address: str) -> None:
    page.goto(address + path_of(incident()))
    store.incident = SCENES["acknowledged"]
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("status")).to_contain_text("Ann Ng acknowledged at")


def test_a_press_that_redis_could_not_keep_can_be_repeated(
    page: Page, store: FakeStore, address: str
) -> None:
    page.goto(address + path_of(incident()))
    page.get_by_label("Your name").fill("Ann")
    store.away = True
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Not acknowledged")
    store.away = False
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You have it.")
    assert acknowledged_by(store) == "Ann"


def test_the_clock_ticks_in_the_viewers_time(scripted: Page, store: FakeStore, address: str) -> None:
    scripted.goto(address + path_of(incident()))
    clock = scripted.locator("[data-left]")
    expect(clock).to_contain_text("20:02:05 GMT+5:30")  # 14:32:05 UTC
    scripted.clock.fast_forward(60_000)
    expect(clock).to_contain_text("1 min 3")


def test_a_wrong_clock_of_the_viewer_does_not_change_what_is_left(
    scripted: Page, store: FakeStore, address: str
) -> None:
    scripted.clock.set_system_time(NOW + timedelta(hours=5))
    scripted.goto(address + path_of(incident()))
    expect(scripted.locator("[data-ticks]")).to_contain_text("2 min")


def test_the_page_looks_again_once_the_time_is_up(scripted: Page, store: FakeStore, address: str) -> None:
    scripted.goto(address + path_of(incident()))
    scripted.clock.fast_forward(161_000)
    expect(scripted.get_by_text("Escalation is due now")).to_be_visible()
    store.incident = SCENES["escalated"]
    scripted.clock.fast_forward(4_000)
    expect(scripted.get_by_role("heading", level=1)).to_have_text("Already escalated as INC0010001")


def test_the_page_does_not_run_away_from_somebody_who_types(
    scripted: Page, store: FakeStore, address: str
) -> None:
    scripted.goto(address + path_of(incident()))
    scripted.get_by_label("Your name").fill("An")
    scripted.clock.fast_forward(161_000)
    scripted.clock.fast_forward(60_000)
    expect(scripted.get_by_label("Your name")).to_have_value("An")
    assert store.loads == 1


def test_who_waits_for_an_escalation_learns_how_it_went(
    scripted: Page, store: FakeStore, address: str
) -> None:
    scripted.goto(address + path_of(incident()))
    store.incident = overdue(escalation=Effort(lease=LEASE))
    scripted.get_by_role("button", name="Acknowledge").click()
    expect(scripted.get_by_role("heading", level=1)).to_have_text("Escalating this very moment")
    store.incident = overdue(escalation=Effort(attempts=1))
    scripted.clock.fast_forward(6_000)
    expect(scripted.get_by_role("button", name="Acknowledge")).to_be_visible()
    assert store.incident.acknowledgement is None


def test_a_reload_after_acknowledging_only_looks(scripted: Page, store: FakeStore, address: str) -> None:
    scripted.goto(address + path_of(incident()))
    scripted.get_by_role("button", name="Acknowledge").click()
    expect(scripted.get_by_role("heading", level=1)).to_have_text("You have it.")
    with scripted.expect_request("**/api/ack/**") as asked:
        scripted.reload()
    assert asked.value.method == "GET"


def test_the_browser_remembers_the_name(scripted: Page, store: FakeStore, address: str) -> None:
    scripted.goto(address + path_of(incident()))
    scripted.get_by_label("Your name").fill("Ann Ng")
    scripted.get_by_role("button", name="Acknowledge").click()
    expect(scripted.get_by_role("heading", level=1)).to_have_text("You have it.")
    store.incident = incident()
    scripted.goto(address + path_of(incident()))
    expect(scripted.get_by_label("Your name")).to_have_value("Ann Ng")


def test_the_keyboard_alone_is_enough(scripted: Page, store: FakeStore, address: str) -> None:
    scripted.goto(address + path_of(incident()))
    scripted.keyboard.press("Tab")
    scripted.keyboard.type("Ann")
    scripted.keyboard.press("Tab")
    expect(scripted.get_by_role("button", name="Acknowledge")).to_be_focused()
    scripted.keyboard.press("Enter")
    expect(scripted.get_by_role("heading", level=1)).to_have_text("You have it.")
    assert acknowledged_by(store) == "Ann"


DEEDS = {
    "Acknowledge": ("waiting", "You have it."),
    "Snooze 15 min": ("waiting", "Snoozed"),
    "Snooze 1 h": ("waiting", "Snoozed"),
    "Escalate now": ("waiting", "It escalates now"),
    "Resolve": ("escalated", "You resolved it."),
    "Un-acknowledge": ("acknowledged", "Nobody has it now"),
}


@pytest.mark.parametrize("label", DEEDS)
def test_every_button_does_what_it_says(label: str, page: Page, store: FakeStore, address: str) -> None:
    scene, verdict = DEEDS[label]
    store.incident = SCENES[scene]
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(address + path_of(SCENES[scene]))
    page.get_by_label("Your name").fill("Ann Ng")
    page.get_by_role("button", name=label, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(verdict)
    picture(page, f"done_{label.lower().replace(' ', '_')}")


def test_what_cannot_be_taken_back_is_asked_about(scripted: Page, store: FakeStore, address: str) -> None:
    asked: list[str] = []
    scripted.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    scripted.goto(address + path_of(incident()))
    scripted.get_by_role("button", name="Resolve").click()
    assert asked == [
        "Resolve? It counts as over. Should it still be firing, it comes back as a new incident."
    ]
    assert store.incident == incident()


def test_a_link_s_deed_comes_first_and_enter_does_it(scripted: Page, store: FakeStore, address: str) -> None:
    scripted.goto(f"{address}{path_of(incident())}&do=snooze_60")
    picture(scripted, "chosen_snooze")
    scripted.get_by_label("Your name").fill("Ann")
    scripted.keyboard.press("Enter")
    expect(scripted.get_by_role("status")).to_contain_text("Ann snoozed it until")


def test_enter_does_nothing_where_nothing_is_the_likeliest(
    page: Page, store: FakeStore, address: str
) -> None:
    store.incident = SCENES["acknowledged"]
    page.goto(address + path_of(SCENES["acknowledged"]))
    page.get_by_label("Your name").fill("Ann")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Un-acknowledge").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nobody has it now")
    assert store.incident.acknowledgement is None


def test_two_clicks_are_one_deed(scripted: Page, store: FakeStore, address: str) -> None:
    scripted.goto(address + path_of(incident()))
    scripted.get_by_role("button", name="Snooze 15 min").dblclick()
    expect(scripted.get_by_role("heading", level=1)).to_have_text("Snoozed")
    assert store.incident
    assert len(store.incident.deeds) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_read_on_a_phone(
    scheme: str, scripted: Page, store: FakeStore, address: str
) -> None:
    scripted.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for name, subject in SCENES.items():
        store.incident = subject
        scripted.goto(address + path_of(subject))
        scripted.evaluate("document.querySelectorAll('details').forEach((part) => part.open = true)")
        assert scripted.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], name
        assert scripted.evaluate(FAINT_TEXT) == [], name
        picture(scripted, f"page_{name}_{scheme}")


@pytest.mark.parametrize("subject", [incident(), SCENES["crowded"]], ids=["usual", "crowded"])
def test_the_button_is_large_and_in_sight_at_once(
    subject: Incident, scripted: Page, store: FakeStore, address: str
) -> None:
    store.incident = subject
    scripted.goto(address + path_of(subject))
    box = scripted.get_by_role("button", name="Acknowledge").bounding_box()
    assert box
    assert box["height"] >= 48
    assert box["width"] >= 280
    assert box["y"] + box["height"] <= PHONE["height"]


def test_what_an_alert_brings_runs_nothing(scripted: Page, store: FakeStore, address: str) -> None:
    store.incident = SCENES["hostile"]
    scripted.goto(address + path_of(SCENES["hostile"]))
    assert scripted.title().startswith("Acknowledge: <script>")
    assert scripted.evaluate("document.images.length") == 0


def test_the_policy_stops_a_script_that_got_in_all_the_same(
    browser: Browser, complaints: list[str], store: FakeStore, address: str
) -> None:
    context, page = opened(browser, complaints)
    page.goto(address + path_of(incident()))
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'owned = 1'}))"
    )
    assert page.evaluate("typeof owned") == "undefined"
    assert any("Content Security Policy" in complaint for complaint in complaints)
    context.close()

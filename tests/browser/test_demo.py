"""`make demo` as a stranger sees it: the page, the alert, the button, the record."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PHONE, picture
from tests.stack import ROOT, clean_environment


@dataclass
class Demo:
    process: subprocess.Popen[bytes]
    log: Path
    started: float

    def address(self) -> str:
        """Of the sandbox's page, as soon as it is printed."""
        while time.monotonic() < self.started + 30:
            if found := re.search(r"Stand-in Slack and ServiceNow: (\S+)", self.log.read_text()):
                return found[1]
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    log = tmp_path / "demo.log"
    environment = clean_environment() | {"TMPDIR": str(tmp_path)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ops.command", "demo"],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    yield Demo(process, log, time.monotonic())
    if process.poll() is None:
        process.kill()
        process.wait(10)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    context.close()


def test_an_alert_arrives_is_acknowledged_and_everything_ends_with_ctrl_c(
    demo: Demo, page: Page, tmp_path: Path
) -> None:
    page.goto(demo.address())
    message = page.locator("[data-colour]").first
    expect(message).to_contain_text("HighLatency", timeout=20_000)
    print(f"\nmake demo → first Slack message on the page: {time.monotonic() - demo.started:.1f} s")
    picture(page, "demo-firing")

    page.get_by_role("button", name="Acknowledge Alert").click()
    expect(page.locator('[data-colour="#F2A900"]')).to_contain_text("Acknowledged by kim")
    expect(page.get_by_role("button", name="Acknowledge Alert")).to_have_count(0)
    picture(page, "demo-acknowledged")
    page.set_viewport_size(PHONE)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, "the page scrolls sideways on a phone"
    picture(page, "demo-acknowledged-phone-board")

    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(30) == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("ackstream-demo-")] == []
    assert "Traceback" not in demo.log.read_text()


def test_nobody_clicks_and_the_record_appears(demo: Demo, page: Page) -> None:
    page.goto(demo.address())
    expect(page.locator("[data-colour]").first).to_contain_text("HighLatency", timeout=20_000)
    expect(page.locator('[data-colour="#7B1FA2"]')).to_contain_text("Escalated to ServiceNow", timeout=70_000)
    expect(page.locator("body")).to_contain_text(re.compile(r"INC\d{7}"))
    picture(page, "demo-escalated")
    demo.process.send_signal(signal.SIGTERM)
    assert demo.process.wait(30) == 0

"""A bar on long work at a terminal, and a Ctrl-C that waits for the step under way."""

import asyncio
import os
import signal
from io import StringIO

import pytest

from ops.replay import progress as progress_module
from ops.replay.progress import Patience, Progress, StoppedError


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "WORTH_TELLING", 0.0)
    monkeypatch.setattr(progress_module, "EVERY", 0.0)


def test_a_terminal_sees_how_far_it_has_come_and_nothing_of_it_stays() -> None:
    terminal = Terminal()
    progress = Progress(terminal)
    progress.tell("1,000 events read", 0.5)
    assert terminal.getvalue().endswith("███░░░░░░░░░░░░░░░  50%  1,000 events read")
    progress.tell("more than there was", 1.7)
    assert "100%  more" in terminal.getvalue()
    progress.clear()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_file_sees_nothing() -> None:
    file = StringIO()
    progress = Progress(file)
    progress.tell("1,000 events read", 0.5)
    progress.clear()
    assert file.getvalue() == ""


def test_short_work_needs_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "WORTH_TELLING", 60.0)
    terminal = Terminal()
    Progress(terminal).tell("1,000 events read", 0.5)
    assert terminal.getvalue() == ""


async def test_ctrl_c_stops_at_the_next_step_and_the_second_one_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Patience() as patience:
        patience.step()
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(StoppedError):
            await patience.sleep(5)
        with pytest.raises(StoppedError):
            patience.step()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, "the next one is Ctrl-C again"
    signal.signal(signal.SIGINT, before)


async def test_who_is_not_stopped_sleeps_on() -> None:
    started = asyncio.get_running_loop().time()
    await Patience().sleep(0.05)
    assert asyncio.get_running_loop().time() - started >= 0.05

"""What docs/oncall.md shows is true: its steps load, its receiver verifies what we send, and its example has our names."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.escalator.webhook_body import escalation
from shared.config_steps import StepConfig, planned
from tests.unit.escalator.receiver import Receiver
from tests.unit.escalator.test_webhook import EVENT, SECRET, calling, receiver
from tests.unit.escalator.test_webhook_body import TOLD, opened, said

PAGE = (Path(__file__).parents[3] / "docs/oncall.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    text: str = found
    return text


def test_the_steps_are_valid() -> None:
    steps = yaml.safe_load(block("yaml").replace("{…}", "{}"))["oncall"]["steps"]
    plan = planned([StepConfig.model_validate(step) for step in steps])
    assert plan
    assert (plan.wait.total_seconds(), plan.target) == (300, "servicenow")


@pytest.mark.parametrize("tampered", [False, True])
async def test_the_receiver_tells_ours_from_others(receiver: Receiver, tampered: bool) -> None:
    names: dict[str, Any] = {}
    exec(block("python"), names)
    async with calling(receiver.url) as webhook:
        await webhook.post(EVENT)
    (came,) = receiver.came
    body = came.body.replace(b"{", b"[") if tampered else came.body
    assert names["is_genuine"](came.headers, body, SECRET) is not tampered


def test_the_example_has_the_names_that_we_send() -> None:
    shown, sent = json.loads(block("json")), said(escalation(opened(), 0, TOLD))
    assert shown.keys() == sent.keys()
    assert shown["data"].keys() == sent["data"].keys()
    missing = sent["data"]["incident"].keys() ^ shown["data"]["incident"].keys()
    assert missing <= {"severity_rank"}
    assert shown["data"]["incident"]["alerts"][0].keys() == sent["data"]["incident"]["alerts"][0].keys()

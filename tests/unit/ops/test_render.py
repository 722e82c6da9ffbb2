"""`ackstream render`: what a template makes of a sample, without sending anything."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ops.check_config import samples
from ops.command import main
from ops.message_text import message_lines, readable


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "message.tmpl"
    path.write_text(
        "*{{ incident.facts.title }}* {{ incident.facts.source }}\n<{{ 'https://a.example/?x=1&y=2' }}|Graph>"
    )
    return path


def typed(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["render", *map(str, arguments)], env={"ACKSTREAM_CONFIG": ""})


def shown(done: Result) -> tuple[str, dict[str, Any]]:
    """The preview and the message."""
    text, _, rest = done.stdout.partition("\n\n{\n")
    return text, json.loads("{" + rest)


@pytest.mark.parametrize("sample", samples())
def test_every_sample_is_shown_with_its_lock_screen_text_its_blocks_and_its_buttons(
    template: Path, sample: str
) -> None:
    done = typed("--template", template, "--sample", sample)
    text, message = shown(done)
    assert done.exit_code == 0
    assert text.splitlines()[0] == readable(message["text"])
    assert "Graph (https://a.example/?x=1&y=2)" in text
    assert message["attachments"][0]["blocks"][0]["text"]["text"].endswith(
        "<https://a.example/?x=1&amp;y=2|Graph>"
    )
    has_ended = sample.endswith(("_ok", "_resolved"))
    assert ("[Acknowledge Alert]" in text) is not has_ended


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("open", "unless acknowledged"),
        ("acknowledged", "Acknowledged by Ada"),
        ("escalated", "INC0010001"),
        ("resolved", "Resolved"),
    ],
)
def test_the_message_is_shown_as_it_looks_in_a_state(template: Path, state: str, words: str) -> None:
    text, _ = shown(typed("--template", template, "--state", state))
    assert words in text


def test_json_is_the_message_and_nothing_else(template: Path) -> None:
    done = typed("--template", template, "--output", "json")
    assert json.loads(done.stdout)["metadata"]["event_type"] == "ackstream_incident"


def test_a_sample_can_be_a_file(template: Path, tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_text('[{"title": "Mine", "severity": "low"}]')
    text, _ = shown(typed("--template", template, "--sample", body))
    assert text.startswith("[FIRING:1] Mine (low)")


def test_button_and_template_come_from_the_configuration(template: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        f"alert:\n  slack:\n    template_path: {template}\n"
        "    message_properties:\n      button_text: Mine!\npublic_host: https://ack.example.com\n"
    )
    text, message = shown(typed("--config", config))
    assert "[Mine!]" in text
    assert "https://ack.example.com/api/ack/" in json.dumps(message)


def test_a_template_that_does_not_parse_is_named_with_line_and_mend(template: Path) -> None:
    template.write_text("a\n{{ b\n{% if %}")
    done = typed("--template", template)
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"{template}:3: " in done.stderr
    assert "correct the template" in done.stderr


def test_a_template_that_fails_shows_the_plain_message_that_goes_out_instead(template: Path) -> None:
    template.write_text("a\n{{ 1 / 0 }}")
    done = typed("--template", template)
    text, message = shown(done)
    assert done.exit_code == 1
    assert f"{template}:2: ZeroDivisionError" in done.stderr
    assert "This message is plain because: " in text
    assert message["attachments"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--sample", "nope"],
            "nope: cannot be read (No such file or directory); give a file, or one of alert",
        ),
        (["--sample", __file__], "Invalid input: not JSON"),
        (["--state", "lost"], "'lost' is not one of"),
        (["--config", "none.yaml"], "none.yaml"),
    ],
)
def test_a_wrong_use_is_told_with_exit_code_2(template: Path, arguments: list[str], words: str) -> None:
    done = typed("--template", template, *arguments)
    assert done.exit_code == 2
    assert words in done.stderr


def test_blocks_of_every_kind_are_drawn() -> None:
    option = {"text": {"type": "plain_text", "text": "15 m"}, "value": "15"}
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "Head"}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "a &amp; b"}], "accessory": {"type": "x"}},
        {"type": "divider"},
        {"type": "context", "elements": [{"type": "image", "alt_text": "a cat"}]},
        {
            "type": "actions",
            "elements": [
                {"type": "button", "text": {"text": "Resolve"}},
                {"type": "static_select", "placeholder": {"text": "Snooze"}, "options": [option]},
            ],
        },
        {"type": "video"},
    ]
    lines = message_lines({"text": "<https://a.example>", "blocks": blocks})
    drawn = ["Head", "a & b", "[…]", "─" * 20, "· a cat", "[Resolve]  [Snooze: 15 m]", "(video)"]
    assert lines == ["https://a.example", *drawn]

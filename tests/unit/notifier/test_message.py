"""The message of each state: colour, status line, button, fallback."""

from datetime import timedelta
from typing import Any

import pytest

from sandbox.slack_content import check_content
from services.notifier.message import Look, plain_message, slack_message
from shared.incident import (
    Acknowledgement,
    Closure,
    Effort,
    FurtherStep,
    Haste,
    Incident,
    Lease,
    Record,
    Snooze,
    State,
)
from shared.notification import SLACK, WEBHOOK, Alert, Call, Facts, PlannedStep
from tests.episodes import MINUTE, NOON
from tests.unit.notifier.sources import incident

ACK = "https://ack.example/api/ack/1?exp=1&sig=2"
LOOK = Look("Acknowledge Alert", "primary", disable_button=False)
LINKED = Look("Acknowledge Alert", "primary", disable_button=True)
FACTS = Facts(source="alertmanager", title="HighLatency", severity="critical", summary="api p99 above 2s")
TWO = (Alert(key="1", firing=True), Alert(key="2", firing=True))


def record(late: timedelta = timedelta(0), instance: str | None = None) -> Record:
    at = NOON + 3 * MINUTE + late
    return Record(
        sys_id="a" * 32, number="INC0010001", url="https://snow.example/x?a=1&b=2", instance=instance, at=at
    )


ACKNOWLEDGED = {"acknowledgement": Acknowledgement(at=NOON + MINUTE, by="anna", door="link")}
LAPSING = {
    "acknowledgement": Acknowledgement(at=NOON + MINUTE, by="anna", door="link", lapses_at=NOON + 31 * MINUTE)
}
LEASE = Lease(token="t", at=NOON, until=NOON + MINUTE)


TO_THE_WEBHOOK = {"call": Call(wait=3 * MINUTE, target=WEBHOOK)}
SNOOZED = {
    "snooze": Snooze(at=NOON, by="kim", until=NOON + 15 * MINUTE),
    "deadline": NOON + 15 * MINUTE,
}
ASKED = {"haste": Haste(at=NOON + MINUTE, by="kim"), "deadline": NOON + MINUTE}
LATER = NOON + 20 * MINUTE
CALLED = FurtherStep(called_at=NOON + MINUTE)
TAKEN_BY_WEBHOOK = Record(sys_id="", number="", url="", instance=None, target=WEBHOOK, at=NOON + 11 * MINUTE)
STEPPED = Call(
    wait=3 * MINUTE,
    steps=(
        PlannedStep(offset=-2 * MINUTE, target=SLACK, mention=("<!here>",)),
        PlannedStep(offset=8 * MINUTE, target=WEBHOOK),
    ),
)
THEN = "then escalates to ServiceNow unless acknowledged"


def firing(**update: Any) -> Incident:
    return incident(FACTS, *TWO, **update)


def message(
    made: Incident, look: Look = LOOK, ack_url: str | None = ACK, text: str = "text"
) -> dict[str, Any]:
    arguments = slack_message(made, text, look, ack_url)
    check_content(arguments, text_limit=4000)
    return arguments


def blocks(arguments: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [block for block in arguments["attachments"][0]["blocks"] if block["type"] == kind]


def status(made: Incident, look: Look = LOOK) -> list[str]:
    return [
        element["text"] for block in blocks(message(made, look), "context") for element in block["elements"]
    ]


def clock(time: str) -> str:
    """How a moment of that noon hour reads."""
    seconds = 1767268800 + 60 * (int(time[:2]) - 12) * 60 + 60 * int(time[3:])
    return f"<!date^{seconds}^{{date_short_pretty}} {{time}}|2026-01-01 {time} UTC>"


@pytest.mark.parametrize(
    ("update", "color", "line"),
    [
        ({}, "#C70039", "[FIRING:2] HighLatency (critical) — api p99 above 2s"),
        (
            {"escalation": Effort(lease=LEASE)},
            "#C70039",
            "[ESCALATING] HighLatency (critical) — api p99 above 2s",
        ),
        (ACKNOWLEDGED, "#F2A900", "[ACKNOWLEDGED by anna] HighLatency (critical) — api p99 above 2s"),
        (SNOOZED, "#C70039", "[SNOOZED by kim] HighLatency (critical) — api p99 above 2s"),
        (ASKED, "#C70039", "[FIRING:2] HighLatency (critical) — api p99 above 2s"),
        (
            SNOOZED | {"escalation": Effort(attempts=1, error="503", retry_at=LATER)},
            "#C70039",
            "[FIRING:2] HighLatency (critical) — api p99 above 2s",
        ),
        (
            {"closure": Closure(at=NOON, state=State.RESOLVED, by="kim <x>")},
            "#36A64F",
            "[RESOLVED by kim &lt;x&gt;] HighLatency (critical) — api p99 above 2s",
        ),
        ({"record": record()}, "#7B1FA2", "[ESCALATED INC0010001] HighLatency (critical) — api p99 above 2s"),
        (
            {"record": record(), **ACKNOWLEDGED},
            "#F2A900",
            "[ESCALATED INC0010001, ACKNOWLEDGED by anna] HighLatency (critical) — api p99 above 2s",
        ),
        (
            {"record": TAKEN_BY_WEBHOOK},
            "#7B1FA2",
            "[ESCALATED to the webhook] HighLatency (critical) — api p99 above 2s",
        ),
        (
            {"closure": Closure(at=NOON, state=State.RESOLVED)},
            "#36A64F",
            "[RESOLVED] HighLatency (critical) — api p99 above 2s",
        ),
        (
            {"closure": Closure(at=NOON, state=State.SUPERSEDED)},
            "#8D8D8D",
            "[SUPERSEDED] HighLatency (critical) — api p99 above 2s",
        ),
        (
            {"closure": Closure(at=NOON, state=State.EXPIRED)},
            "#8D8D8D",
            "[EXPIRED] HighLatency (critical) — api p99 above 2s",
        ),
    ],
)
def test_colour_and_lock_screen_tell_the_state(update: dict[str, Any], color: str, line: str) -> None:
    arguments = message(firing(**update))
    attachment = arguments["attachments"][0]
    assert (attachment["color"], arguments["text"], attachment["fallback"]) == (color, line, line)


def test_the_lock_screen_line_is_one_short_escaped_line() -> None:
    facts = Facts(source="generic", title="a\n<!channel>", summary="&" * 5000)
    line = message(incident(facts))["text"]
    assert line.startswith("[FIRING:1] a &lt;!channel&gt; — &amp;")
    assert len(line) <= 300
    assert line.endswith("&amp;…")


def test_a_number_that_the_sender_cut_is_a_lower_bound() -> None:
    facts = FACTS.model_copy(update={"truncated": 3})
    assert message(incident(facts, *TWO))["text"].startswith("[FIRING:2+] ")


# The status line


@pytest.mark.parametrize(
    ("update", "lines"),
    [
        ({}, [f"Escalates to ServiceNow {clock('12:03')} unless acknowledged"]),
        (
            {"call": Call(wait=3 * MINUTE, instance="infra")},
            [f"Escalates to ServiceNow (infra) {clock('12:03')} unless acknowledged"],
        ),
        ({"call": Call(wait=timedelta(0)), "deadline": NOON}, ["Escalates to ServiceNow at once"]),
        ({"call": Call(wait=None), "deadline": None}, []),
        ({"escalation": Effort(lease=LEASE)}, ["Escalating to ServiceNow now"]),
        ({"escalation": Effort(lease=LEASE, attempts=1)}, ["Escalating to ServiceNow now, attempt 2"]),
        (
            {"escalation": Effort(attempts=2, error="503 <busy>", retry_at=NOON + 5 * MINUTE)},
            [f"ServiceNow attempt 2 failed: 503 &lt;busy&gt;; next try {clock('12:05')}"],
        ),
        (
            {"escalation": Effort(attempts=1, error="timeout", doubt_until=NOON + 5 * MINUTE)},
            [f"ServiceNow may have taken an attempt that failed here: timeout; looking until {clock('12:05')}"],
        ),
        (
            TO_THE_WEBHOOK | {"escalation": Effort(attempts=1, error="lost", retry_at=LATER, doubt_until=NOON)},
            [f"The webhook may have taken an attempt that failed here: lost; next try {clock('12:20')}"],
        ),
        (
            TO_THE_WEBHOOK | ACKNOWLEDGED | {"escalation": Effort(attempts=1, error="lost", doubt_until=NOON)},
            [
                f"Acknowledged by anna, {clock('12:01')}",
                "The webhook may have taken an attempt that failed here: lost",
            ],
        ),
        (ACKNOWLEDGED, [f"Acknowledged by anna, {clock('12:01')}"]),
        (LAPSING, [f"Acknowledged by anna, {clock('12:01')}; open again {clock('12:31')} if it still fires"]),
        (
            LAPSING | {"closure": Closure(at=NOON + 12 * MINUTE, state=State.RESOLVED)},
            [f"Resolved {clock('12:12')}, after 12 min 0 s", f"Acknowledged by anna, {clock('12:01')}"],
        ),
        (SNOOZED, [f"Snoozed by kim until {clock('12:15')}, {THEN}"]),
        (
            SNOOZED | {"escalation": Effort(attempts=2, error="503")},
            [f"Snoozed by kim until {clock('12:15')}, {THEN}"],
        ),
        (
            SNOOZED | {"escalation": Effort(attempts=2, error="503", retry_at=LATER)},
            [f"ServiceNow attempt 2 failed: 503; next try {clock('12:20')}"],
        ),
        (
            SNOOZED | {"escalation": Effort(attempts=1, error="lost", retry_at=NOON, doubt_until=LATER)},
            [
                f"Snoozed by kim until {clock('12:15')}, {THEN}",
                f"ServiceNow may have taken an attempt that failed here: lost; looking until {clock('12:20')}",
            ],
        ),
        (SNOOZED | {"escalation": Effort(lease=LEASE)}, ["Escalating to ServiceNow now"]),
        (
            {"escalation": Effort(attempts=2, error="503")},  # acknowledged since, and taken back
            [f"Escalates to ServiceNow {clock('12:03')} unless acknowledged"],
        ),
        (ASKED, [f"Escalates to ServiceNow at once: kim asked for it, {clock('12:01')}"]),
        (
            ASKED | {"record": record()},
            [
                "Escalated to ServiceNow: <https://snow.example/x?a=1&amp;b=2|INC0010001>, "
                + clock("12:03")
                + ", asked by kim, 2 min 0 s late"
            ],
        ),
        (
            {"closure": Closure(at=NOON + 12 * MINUTE, state=State.RESOLVED, by="kim")},
            [f"Resolved by kim, {clock('12:12')}, after 12 min 0 s"],
        ),
        (
            {"openings": (NOON - 50 * MINUTE, NOON - 20 * MINUTE, NOON)},
            [
                f"Escalates to ServiceNow {clock('12:03')} unless acknowledged",
                f"Fired 3 times since {clock('11:10')}",
            ],
        ),
        (
            {"record": record()},
            [
                "Escalated to ServiceNow: <https://snow.example/x?a=1&amp;b=2|INC0010001>, "
                + clock("12:03")
            ],
        ),
        (
            {"record": record(29 * MINUTE, "infra")},
            [
                "Escalated to ServiceNow (infra): <https://snow.example/x?a=1&amp;b=2|INC0010001>, "
                + clock("12:32")
                + ", 29 min 0 s late"
            ],
        ),
        (
            {"closure": Closure(at=NOON + 12 * MINUTE, state=State.RESOLVED), **ACKNOWLEDGED},
            [f"Resolved {clock('12:12')}, after 12 min 0 s", f"Acknowledged by anna, {clock('12:01')}"],
        ),
        (
            {"closure": Closure(at=NOON + 5 * MINUTE, state=State.SUPERSEDED)},
            [f"Superseded by a newer incident, {clock('12:05')}"],
        ),
        (
            {"closure": Closure(at=NOON + 30 * MINUTE, state=State.EXPIRED)},
            [f"Expired {clock('12:30')}: nothing was heard of it for 30 min 0 s"],
        ),
    ],
)  # fmt: skip
def test_the_status_line_tells_what_happened_and_what_comes(update: dict[str, Any], lines: list[str]) -> None:
    assert status(firing(**update)) == lines


@pytest.mark.parametrize(
    ("update", "lines"),
    [
        (
            {},
            [
                f"Calls people again {clock('12:01')}, then escalates to ServiceNow {clock('12:03')}, "
                f"then to the webhook {clock('12:11')} unless acknowledged"
            ],
        ),
        (
            {"further": (CALLED, FurtherStep())},
            [
                f"Escalates to ServiceNow {clock('12:03')}, "
                f"then to the webhook {clock('12:11')} unless acknowledged"
            ],
        ),
        (
            {"further": (CALLED, FurtherStep()), "record": record()},
            [
                f"Escalated to ServiceNow: <https://snow.example/x?a=1&amp;b=2|INC0010001>, {clock('12:03')}",
                f"Escalates to the webhook {clock('12:11')} unless acknowledged",
            ],
        ),
        (
            {"further": (CALLED, FurtherStep()), "record": record(), **ACKNOWLEDGED},
            [
                f"Escalated to ServiceNow: <https://snow.example/x?a=1&amp;b=2|INC0010001>, {clock('12:03')}",
                f"Acknowledged by anna, {clock('12:01')}",
            ],
        ),
        (
            {
                "escalation": Effort(attempts=2, error="503", retry_at=NOON + 5 * MINUTE),
                "further": (CALLED, FurtherStep(record=TAKEN_BY_WEBHOOK)),
            },
            [
                f"Escalated to the webhook, {clock('12:11')}",
                f"ServiceNow attempt 2 failed: 503; next try {clock('12:05')}",
            ],
        ),
        (
            {
                "record": record(),
                "further": (CALLED, FurtherStep(effort=Effort(attempts=1, error="410", retry_at=LATER))),
            },
            [
                f"Escalated to ServiceNow: <https://snow.example/x?a=1&amp;b=2|INC0010001>, {clock('12:03')}",
                f"The webhook attempt 1 failed: 410; next try {clock('12:20')}",
            ],
        ),
        (
            SNOOZED | {"further": (FurtherStep(skipped=True), FurtherStep())},
            [
                f"Snoozed by kim until {clock('12:15')}, {THEN}",
                f"Escalates to the webhook {clock('12:23')} unless acknowledged",
            ],
        ),
        (
            ASKED | {"further": (FurtherStep(skipped=True), FurtherStep())},
            [
                f"Escalates to ServiceNow at once: kim asked for it, {clock('12:01')}",
                f"Escalates to the webhook {clock('12:09')} unless acknowledged",
            ],
        ),
    ],
)
def test_further_steps_have_their_place_in_it(update: dict[str, Any], lines: list[str]) -> None:
    assert status(firing(**({"call": STEPPED, "further": (FurtherStep(), FurtherStep())} | update))) == lines


def test_however_many_steps_there_are_the_message_has_room_for_them() -> None:
    steps = tuple(PlannedStep(offset=n * MINUTE, target=WEBHOOK) for n in range(1, 20))
    failed = FurtherStep(effort=Effort(attempts=1, error="e" * 400, retry_at=LATER))
    made = firing(call=STEPPED.model_copy(update={"steps": steps}), further=(failed,) * 19)
    arguments = message(made)
    check_content(arguments, text_limit=4000)
    (context,) = blocks(arguments, "context")
    assert len(context["elements"]) == 10


@pytest.mark.parametrize(
    ("late", "said"), [(30, ""), (45, ", 45 s late"), (7500, ", 2 h 5 min late"), (90000, ", 1 d 1 h late")]
)
def test_only_lateness_that_matters_is_told(late: int, said: str) -> None:
    (line,) = status(firing(record=record(timedelta(seconds=late))))
    assert line.partition("UTC>")[2] == said


def test_warnings_about_parameters_stand_below_the_status_in_short() -> None:
    warnings = ("oncall_wait_minutes=<abc> is not a number", "x" * 1000, "3", "4", "5", "6")
    lines = status(firing(warnings=warnings))
    assert lines[1] == "⚠️ oncall_wait_minutes=&lt;abc&gt; is not a number"
    assert lines[2].endswith("x…")
    assert len(lines[2]) <= 150
    assert lines[3:] == ["⚠️ … and 4 more, in the thread"]


# The button


def test_the_button_is_the_one_that_versus_has() -> None:
    arguments = message(firing())
    (actions,) = blocks(arguments, "actions")
    assert actions["block_id"] == "incident_actions"
    first, *others = actions["elements"]
    assert first == (
        {
            "type": "button",
            "action_id": "ack_incident",
            "text": {"type": "plain_text", "text": "Acknowledge Alert", "emoji": True},
            "style": "primary",
            "value": firing().id,
            "url": ACK,
        }
    )
    assert [button["url"] for button in others] == [
        f"{ACK}&do={deed}" for deed in ("snooze_15", "snooze_60", "escalate", "resolve")
    ]


@pytest.mark.parametrize(
    "update",
    [
        {"call": Call(wait=None), "deadline": None},
        {"call": Call(wait=timedelta(0)), "deadline": NOON},
        {"escalation": Effort(lease=LEASE)},
        {"closure": Closure(at=NOON, state=State.RESOLVED)},
    ],
)
def test_there_is_nothing_to_click_when_there_is_nothing_to_do(update: dict[str, Any]) -> None:
    for look in (LOOK, LINKED):
        arguments = message(firing(**update), look)
        assert not blocks(arguments, "actions")
        assert "ack.example" not in str(arguments)
    assert "ack.example" not in str(plain_message(firing(**update), "why", ACK))


@pytest.mark.parametrize(
    ("update", "deeds"),
    [
        (ACKNOWLEDGED, ["unacknowledge", "resolve"]),
        (ACKNOWLEDGED | {"record": record()}, ["unacknowledge", "resolve"]),
    ],
)
def test_later_the_buttons_are_others(update: dict[str, Any], deeds: list[str]) -> None:
    (actions,) = blocks(message(firing(**update)), "actions")
    assert [button["url"] for button in actions["elements"]] == [f"{ACK}&do={deed}" for deed in deeds]
    linked = message(firing(**update), LINKED)
    assert not blocks(linked, "actions")
    assert f"sig=2&amp;do={deeds[0]}|" in blocks(linked, "section")[-1]["text"]["text"]
    assert "ack.example" not in str(plain_message(firing(**update), "why", ACK))


def test_what_was_escalated_can_still_be_taken() -> None:
    escalated = firing(record=record())
    (actions,) = blocks(message(escalated), "actions")
    assert [button["url"] for button in actions["elements"]] == [ACK, f"{ACK}&do=resolve"]
    assert (
        f"<{ACK.replace('&', '&amp;')}|Ack"
        in blocks(message(escalated, LINKED), "section")[-1]["text"]["text"]
    )
    assert "|Acknowledge>" in plain_message(escalated, "why", ACK)["text"]


def test_a_button_whose_address_slack_would_not_take_is_left_out() -> None:
    url = f"https://ack.example/{'a' * 2975}"
    (actions,) = blocks(message(firing(), ack_url=url), "actions")
    assert [button["action_id"] for button in actions["elements"]] == ["ack_incident"]


def test_the_button_stays_while_failed_attempts_are_repeated() -> None:
    made = firing(escalation=Effort(attempts=2, error="503", retry_at=NOON + 5 * MINUTE))
    assert blocks(message(made), "actions")


@pytest.mark.parametrize("url", [None, "", "javascript:x", "/api/ack/1", "https://ack.example/" + "a" * 3000])
def test_only_a_web_address_that_slack_takes_gets_a_button(url: str | None) -> None:
    assert not blocks(message(firing(), ack_url=url), "actions")
    assert len(blocks(message(firing(), LINKED, url), "section")) == 1


def test_without_a_button_the_link_stands_in_the_text() -> None:
    arguments = message(firing(), LINKED)
    assert not blocks(arguments, "actions")
    assert blocks(arguments, "section")[-1]["text"]["text"] == (
        "Acknowledge: <https://ack.example/api/ack/1?exp=1&amp;sig=2|Acknowledge Alert>"
    )


def test_a_template_that_shows_the_link_itself_gets_no_second_one() -> None:
    text = f"<{ACK.replace('&', '&amp;')}|Click here>"
    assert len(blocks(message(firing(), LINKED, text=text), "section")) == 1


@pytest.mark.parametrize(("style", "shown"), [("danger", "danger"), ("default", None), ("", None)])
def test_a_style_that_slack_does_not_know_is_left_out(style: str, shown: str | None) -> None:
    (actions,) = blocks(message(firing(), Look("Ack", style, disable_button=False)), "actions")
    assert actions["elements"][0].get("style") == shown


@pytest.mark.parametrize(("text", "shown"), [("x" * 80, "x" * 74 + "…"), (" \n", "Acknowledge")])
def test_a_button_always_has_a_text_that_fits(text: str, shown: str) -> None:
    (actions,) = blocks(message(firing(), Look(text, "primary", disable_button=False)), "actions")
    assert actions["elements"][0]["text"]["text"] == shown


# The rest


def test_metadata_identifies_the_message() -> None:
    for arguments in (message(firing(revision=7)), plain_message(firing(revision=7), "why", ACK)):
        assert arguments["metadata"] == {
            "event_type": "ackstream_incident",
            "event_payload": {"incident_id": firing().id, "revision": 7},
        }


def test_a_template_that_printed_nothing_still_makes_a_message() -> None:
    (section,) = blocks(message(firing(), text=" \n"), "section")
    assert section["text"]["text"] == "[FIRING:2] HighLatency (critical) — api p99 above 2s"


def test_a_long_text_is_split_at_line_ends_and_says_what_is_missing() -> None:
    lines = [f"line {number:04} " + "x" * 80 for number in range(300)]
    sections = [
        block["text"]["text"] for block in blocks(message(firing(), text="\n".join(lines)), "section")
    ]
    assert len(sections) == 4
    *shown, note = "\n".join(sections).split("\n")
    assert shown == lines[: len(shown)]
    missing = len("\n".join(lines[len(shown) :]))
    assert note == f"… cut, {missing:,} characters more"


def test_a_code_block_that_is_split_is_closed_and_opened_again() -> None:
    text = "```\n" + "log line\n" * 500 + "```\nend"
    sections = [block["text"]["text"] for block in blocks(message(firing(), text=text), "section")]
    assert len(sections) == 2
    assert all(section.count("```") == 2 and section.startswith("```\n") for section in sections)
    assert "".join(sections).count("log line") == 500
    assert sections[-1].endswith("\n```\nend")


def test_blank_stretches_make_no_empty_section() -> None:
    message(firing(), text="a" + " " * 6000 + "b" + "\n" * 9000 + "c")


def test_the_plain_message_says_all_that_matters_and_why_it_is_plain() -> None:
    arguments = plain_message(firing(), "Slack refused the full message: invalid_blocks <x>", ACK)
    check_content(arguments, text_limit=4000)
    assert arguments["attachments"] == []
    assert arguments["text"] == (
        "[FIRING:2] HighLatency (critical) — api p99 above 2s\n"
        f"Escalates to ServiceNow {clock('12:03')} unless acknowledged\n"
        "<https://ack.example/api/ack/1?exp=1&amp;sig=2|Acknowledge>\n"
        "This message is plain because: Slack refused the full message: invalid_blocks &lt;x&gt;"
    )


def test_the_console_is_linked_beside_the_status() -> None:
    look = Look("Ack", "primary", disable_button=False, console_url="https://console.example/am")
    made = firing(deadline=NOON + MINUTE, warnings=("one",))
    assert status(made, look)[1:] == [f"<https://console.example/am/incidents/{made.id}|Console>", "⚠️ one"]
    assert "Console" not in str(message(made))

"""Whatever an incident says, Slack takes the message, and nothing in it becomes markup."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.slack_blocks import text_length
from sandbox.slack_content import check_content
from services.notifier.message import Look, plain_message, slack_message
from services.notifier.template import MessageTemplate
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
from shared.notification import SERVICENOW, SLACK, WEBHOOK, Alert, Call, Facts, Link, PlannedStep
from tests.episodes import incident_id

DEFAULT = MessageTemplate.load(Path(__file__).parents[3] / "config" / "slack_message.tmpl")
OURS = "https://ours.example/"

OUR_LINK = re.compile(r"<https://ours\.example/[^<>|\s]*\|[^<>\n]*>")
OUR_DATE = re.compile(r"<!date\^\d+\^\{date_short_pretty\} \{time\}\|[\d: -]+ UTC>")
ENTITY = re.compile(r"&(?:amp|lt|gt);")

FRAGMENTS = (
    *("<!channel>", "<@U123>", "<http://evil.example|x>", "<!date^1^{time}|x>", "<", ">", "&", "&amp;", "|"),
    *(
        "`",
        "```",
        "*",
        "_",
        "\n",
        "\n\n",
        " ",
        "\0",
        "\u202e",
        "\u2028",
        "@here",
        "!channel",
        "😀",
        "{{ x }}",
        "é",
    ),
    *("word", "x" * 400, "& " * 300, "<" * 700, "\n" * 300),
)
hostile = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=20), max_size=30).map("".join)
short = st.lists(st.sampled_from(FRAGMENTS[:24]) | st.text(max_size=8), max_size=6).map("".join)
urls = short.map(OURS.__add__) | hostile.map("http://[".__add__) | st.just(OURS + "a" * 4000)
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001  the zone is added
waits = st.none() | st.timedeltas(timedelta(0), timedelta(days=400))

facts = st.builds(
    Facts,
    source=short,
    title=hostile,
    severity=hostile,
    summary=hostile,
    resource=hostile,
    labels=st.dictionaries(short, hostile, max_size=12),
    links=st.lists(st.builds(Link, text=hostile, url=urls), max_size=8).map(tuple),
    truncated=st.integers(0, 10**6),
)
alerts = st.lists(
    st.builds(
        Alert, key=short, firing=st.booleans(), started_at=st.none() | moments, name=hostile, summary=hostile
    ),
    max_size=14,
).map(tuple)
efforts = st.builds(
    Effort,
    lease=st.none() | st.builds(Lease, token=short, at=moments, until=moments),
    attempts=st.integers(0, 10**6),
    retry_at=st.none() | moments,
    error=hostile,
    doubt_until=st.none() | moments,
)
records = st.builds(
    Record,
    sys_id=short,
    number=hostile | st.just(""),
    url=urls,
    instance=st.none() | hostile,
    target=st.sampled_from([SERVICENOW, WEBHOOK]),
    at=moments,
)
steps = st.lists(
    st.tuples(
        st.builds(
            PlannedStep,
            offset=st.timedeltas(-timedelta(hours=1), timedelta(hours=1)),
            target=st.sampled_from([SLACK, SERVICENOW, WEBHOOK]),
            instance=st.none() | hostile,
            mention=st.just(("<!here>",)),
        ),
        st.builds(
            FurtherStep,
            effort=efforts,
            record=st.none() | records,
            called_at=st.none() | moments,
            skipped=st.booleans(),
        ),
    ),
    max_size=4,
)


def stepped(of: Incident, pairs: list[tuple[PlannedStep, FurtherStep]]) -> Incident:
    call = of.call.model_copy(update={"steps": tuple(step for step, _ in pairs)})
    return of.model_copy(update={"call": call, "further": tuple(further for _, further in pairs)})


single = st.builds(
    Incident,
    id=st.just(incident_id()),
    dedup_key=short,
    opened_at=moments,
    seen_at=moments,
    facts=facts,
    alerts=alerts,
    call=st.builds(Call, wait=waits, instance=st.none() | hostile),
    warnings=st.lists(hostile, max_size=8).map(tuple),
    deadline=st.none() | moments,
    acknowledgement=st.none()
    | st.builds(Acknowledgement, at=moments, by=hostile, door=short, lapses_at=st.none() | moments),
    snooze=st.none() | st.builds(Snooze, at=moments, by=hostile, until=moments),
    haste=st.none() | st.builds(Haste, at=moments, by=hostile),
    openings=st.lists(moments, max_size=3).map(tuple),
    escalation=efforts,
    record=st.none() | records,
    closure=st.none()
    | st.builds(
        Closure,
        at=moments,
        state=st.sampled_from([State.RESOLVED, State.SUPERSEDED, State.EXPIRED]),
        by=hostile,
    ),
)
incidents = st.builds(stepped, single, steps)
looks = st.builds(
    Look, button_text=hostile, button_style=short | st.just("danger"), disable_button=st.booleans()
)


def texts(part: Any) -> list[str]:
    """All mrkdwn of a message."""
    if isinstance(part, list):
        return [text for one in part for text in texts(one)]
    if not isinstance(part, dict):
        return []
    own = [part["text"]] if part.get("type") == "mrkdwn" else []
    return own + [text for value in part.values() for text in texts(value)]


def assert_harmless(text: str) -> None:
    rest = ENTITY.sub("", OUR_DATE.sub("", OUR_LINK.sub("", text)))
    assert not re.search("[<>&\0]", rest)


def assert_within_limits(arguments: dict[str, Any]) -> None:
    check_content(arguments, text_limit=4000)
    for attachment in arguments["attachments"]:
        assert len(attachment["blocks"]) <= 50
        assert text_length(attachment["blocks"]) < 13_000
        assert sum(block["type"] == "section" for block in attachment["blocks"]) <= 5
        assert all(
            block["text"]["text"].strip() for block in attachment["blocks"] if block["type"] == "section"
        )
    for text in [arguments["text"], *texts(arguments["attachments"])]:
        assert len(text) <= 3000
        assert_harmless(text)


@settings(max_examples=100)
@given(incidents, looks, urls | st.none())
def test_a_message_is_within_slacks_limits_and_has_no_markup_but_ours(
    incident: Incident, look: Look, ack_url: str | None
) -> None:
    text = DEFAULT.render(incident, {}, ack_url)
    assert_harmless(text)
    arguments = slack_message(incident, text, look, ack_url)
    assert_within_limits(arguments)
    assert len(arguments["text"]) <= 300
    assert "\n" not in arguments["text"]


@settings(max_examples=50)
@given(incidents, hostile, urls | st.none())
def test_so_is_the_plain_message(incident: Incident, why: str, ack_url: str | None) -> None:
    assert_within_limits(plain_message(incident, why, ack_url))


@settings(max_examples=50)
@given(incidents, st.lists(hostile, max_size=40), looks)
def test_a_template_that_prints_everything_at_length_is_cut_without_breaking_anything(
    incident: Incident, values: list[str], look: Look
) -> None:
    template = MessageTemplate.load(Path(__file__).with_name("everything.tmpl"))
    text = template.render(incident, {"values": values, "ours": OURS}, OURS)
    assert_within_limits(slack_message(incident, text, look, OURS))

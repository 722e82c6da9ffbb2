"""Labels to channel and mentions, and where the mentions stand."""

from datetime import timedelta
from typing import Any

import pytest

from sandbox.slack_content import check_content
from services.notifier.message import Look, plain_message, slack_message
from services.notifier.routing import Route, Routing, calling
from shared.config import SlackConfig
from shared.incident import Acknowledgement, Closure, Effort, Incident, Lease, State
from shared.notification import Call, Facts
from tests.episodes import MINUTE, NOON
from tests.unit.notifier.sources import incident

SLACK = SlackConfig.model_validate(
    {
        "channel_id": "C1",
        "mention": "@here",
        "routes": [
            {"match": 'team="db"', "channel_id": "C2", "mention": {"critical": ["@channel", "S0DBA"]}},
            {"match": ["team=web"], "channel_id": "C3"},
            {"match": "severity=info", "mention": "none"},
            {"match": 'alertname=~"Disk.*"', "channel_id": "C4"},
            {"match": "team=web, alertname=Late", "channel_id": "C5"},
        ],
    }
)
LOOK = Look("Acknowledge Alert", "primary", disable_button=False)


def made(severity: str = "critical", title: str = "HighLatency", **more: Any) -> Incident:
    labels = more.pop("labels", {})
    return incident(Facts(source="alertmanager", title=title, severity=severity, labels=labels), **more)


def route(one: Incident) -> Route:
    return Routing(SLACK.routes, SLACK.mention).route(one)


@pytest.mark.parametrize(
    ("severity", "title", "labels", "expected"),
    [
        ("critical", "HighLatency", {"team": "db"}, Route("C2", ("<!channel>", "<!subteam^S0DBA>"))),
        ("warning", "HighLatency", {"team": "db"}, Route("C2", ())),
        ("critical", "HighLatency", {"team": "web"}, Route("C3", ("<!here>",))),
        ("critical", "Late", {"team": "web"}, Route("C3", ("<!here>",))),
        ("info", "HighLatency", {}, Route(None, ())),
        ("critical", "DiskFull", {}, Route("C4", ("<!here>",))),
        ("critical", "HighLatency", {"alertname": "DiskFull"}, Route("C4", ("<!here>",))),
        ("critical", "HighLatency", {"severity": "info"}, Route(None, ())),
        ("critical", "HighLatency", {}, Route(None, ("<!here>",))),
    ],
)
def test_the_first_route_that_fits_counts(
    severity: str, title: str, labels: dict[str, str], expected: Route
) -> None:
    assert route(made(severity, title, labels=labels)) == expected


def test_the_channel_of_the_request_wins_and_the_routes_mention_stays() -> None:
    call = Call(wait=3 * MINUTE, channel="C9")
    assert route(made(labels={"team": "db"}, call=call)) == Route("C9", ("<!channel>", "<!subteam^S0DBA>"))


def test_without_routes_nothing_is_said() -> None:
    assert Routing().route(made()) == Route()


LEASE = Lease(token="t", at=NOON, until=NOON + MINUTE)


@pytest.mark.parametrize(
    ("update", "state", "called"),
    [
        ({}, State.OPEN, True),
        ({"escalation": Effort(lease=LEASE)}, State.ESCALATING, True),
        ({"acknowledgement": Acknowledgement(at=NOON, by="Ada", door="link")}, State.ACKNOWLEDGED, False),
        ({"closure": Closure(at=NOON + timedelta(hours=1), state=State.RESOLVED)}, State.RESOLVED, False),
    ],
)
def test_only_who_waits_for_somebody_calls_somebody(
    update: dict[str, Any], state: State, called: bool
) -> None:
    one = made(**update)
    assert one.state is state
    assert bool(route(one).mentions) is called


MENTIONS = ("<!here>", "<!subteam^S0DBA>")


def test_mentions_stand_in_the_text_behind_the_headline() -> None:
    one = made()
    message = calling(slack_message(one, "text", LOOK, None), MENTIONS)
    assert message["text"] == "[FIRING:1] HighLatency (critical) <!here> <!subteam^S0DBA>"
    assert "<!here>" not in message["attachments"][0]["fallback"]
    plain = calling(plain_message(one, "why", None), MENTIONS)
    assert plain["text"].splitlines()[0].endswith("<!here> <!subteam^S0DBA>")
    assert plain["text"].splitlines()[-1] == "This message is plain because: why"


def test_nobody_to_call_changes_nothing() -> None:
    message = slack_message(made(), "text", LOOK, None)
    assert calling(message, ()) is message


def test_a_message_with_many_mentions_is_one_that_slack_takes() -> None:
    message = calling({"text": "x" * 3900}, ("<!subteam^S0123456789>",) * 20)
    check_content(message, text_limit=4000)
    assert message["text"].endswith("<!subteam^S0123456789>")


@pytest.mark.parametrize("said", ["<!channel>", "@channel", "<!subteam^S0DBA>", "<@U012AB3CD>"])
def test_labels_call_nobody(said: str) -> None:
    """What an alert says is told as it is, and is no mention."""
    one = made(severity=said, title=said, labels={"mention": said, "severity": said, "team": said})
    text = calling(slack_message(one, "text", LOOK, None), route(one).mentions)["text"]
    assert text.count("<!") == 1, "the configured one"
    assert text.endswith(" <!here>")
    assert "@channel" not in text
    assert "<@" not in text

"""`alert.slack.routes`, `mention` and the fallback channel, as people write them and as they get them wrong."""

import pytest

from shared.config import SlackConfig
from shared.matchers import match_all
from shared.slack_mentions import mentions_for
from tests.unit.config.conftest import Complaints, Load

ROUTES = """\
alert:
  slack:
    enable: true
    token: xoxb-1
    channel_id: C1
    fallback_channel_id: C9
    mention: "@here"
    routes:
      - match: severity="critical", team=~"db.*"
        channel_id: C2
        mention: {critical: ["@channel", S0DBA], default: none}
      -
      - match:
          - '{env!="prod"}'
          - team!~db.*
        mention: none
      - match: team=web
        channel_id: C2
"""


def slack(load: Load, text: str, **environ: str) -> SlackConfig:
    return load(text, **environ).config.alert.slack


def test_routes_are_read_in_their_order(load: Load) -> None:
    routes = slack(load, ROUTES).routes
    assert [route.channel_id for route in routes] == ["C2", None, "C2"]
    assert match_all(routes[0].matchers, {"severity": "critical", "team": "db-eu"})
    assert not match_all(routes[0].matchers, {"severity": "critical", "team": "web"})
    assert match_all(routes[1].matchers, {"env": "dev", "team": "web"})
    assert not match_all(routes[1].matchers, {"env": "dev", "team": "db"})


def test_every_channel_is_known_once(load: Load) -> None:
    assert slack(load, ROUTES).channels == ("C1", "C2", "C9")


@pytest.mark.parametrize(
    ("written", "severity", "expected"),
    [
        ('"@here"', "critical", ("<!here>",)),
        ('"@channel"', "", ("<!channel>",)),
        ('"@everyone"', "info", ("<!everyone>",)),
        ("S0604QSJC", "info", ("<!subteam^S0604QSJC>",)),
        ('"@S0604QSJC"', "info", ("<!subteam^S0604QSJC>",)),
        ('"<!subteam^S0604QSJC>"', "info", ("<!subteam^S0604QSJC>",)),
        ("U012AB3CD", "info", ("<@U012AB3CD>",)),
        ('"<@W012AB3CD>"', "info", ("<@W012AB3CD>",)),
        ('["@here", U012AB3CD, "<!here>"]', "info", ("<!here>", "<@U012AB3CD>")),
        ('{critical: "@channel", default: "@here"}', "CRITICAL", ("<!channel>",)),
        ('{Critical: "@channel", default: "@here"}', "critical", ("<!channel>",)),
        ('{critical: "@channel", default: "@here"}', "info", ("<!here>",)),
        ('{critical: "@channel"}', "info", ()),
        ('{critical: "@channel", info: none, default: "@here"}', "info", ()),
        ("none", "critical", ()),
        ("", "critical", ()),
    ],
)
def test_mentions(load: Load, written: str, severity: str, expected: tuple[str, ...]) -> None:
    configured = slack(load, f"alert: {{slack: {{mention: {written}}}}}\n").mention
    assert mentions_for(severity, configured) == expected


def test_a_route_without_a_mention_is_told_from_one_that_calls_nobody(load: Load) -> None:
    _, nobody, nothing_said = slack(load, ROUTES).routes
    assert nobody.mention
    assert not nothing_said.mention


def test_ids_may_come_from_variables(load: Load) -> None:
    assert slack(load, "alert: {slack: {mention: '${GROUP}'}}\n", GROUP="S012").mention == {
        "default": ("<!subteam^S012>",)
    }


def test_mistakes_are_told_at_their_line(complaints: Complaints) -> None:
    told = complaints(
        "alert:\n"
        "  slack:\n"
        "    mention: ops-team\n"
        "    routes:\n"
        "      - match: severity=\n"
        "      -\n"
        "      - match:\n"
        "          - team=db\n"
        "          - team=~(a+)+\n"
        "        chanel_id: C1\n"
        "      - channel_id: C1\n"
        "      - match: {severity: critical}\n"
        '        mention: {critical: "@dba", Critical: "@here"}\n'
        "      - match: []\n"
        "        mention:\n"
        "          critical:\n"
        '            - "@here"\n'
        "            - {a: b}\n"
        "      - just words\n"
        "      - match: '${UNSET}'\n"
        "    fallback_channel_id: [C1]\n"
    )
    assert [line.split(": ", 2)[:2] for line in told] == [
        ["config.yaml:3", "alert.slack.mention"],
        ["config.yaml:5", "alert.slack.routes.0.match"],
        ["config.yaml:9", "alert.slack.routes.1.match.1"],
        ["config.yaml:10", "alert.slack.routes.1.chanel_id"],
        ["config.yaml:11", "alert.slack.routes.2.match"],
        ["config.yaml:12", "alert.slack.routes.3.match"],
        ["config.yaml:13", "alert.slack.routes.3.mention.critical"],
        ["config.yaml:14", "alert.slack.routes.4.match"],
        ["config.yaml:16", "alert.slack.routes.4.mention.critical"],
        ["config.yaml:19", "alert.slack.routes.5"],
        ["config.yaml:20", "alert.slack.routes.6.match"],
        ["config.yaml:21", "alert.slack.fallback_channel_id"],
    ]
    mends = [line.split(": ", 2)[2] for line in told]
    assert "the id of a user group" in mends[0]
    assert mends[1] == 'has no value for severity; an empty one is severity=""'
    assert "could take too long" in mends[2]
    assert mends[3] == "is not a known key; did you mean channel_id?"
    assert mends[4] == "is required"
    assert "put one that begins with { in quotes" in mends[5]
    assert "has no matcher in it" in mends[7]
    assert mends[8] == "should be a mention or a list of them"
    assert mends[10] == "is required, and UNSET is not set (nor UNSET_FILE)"
    assert mends[9] == "should be a block of keys"


def test_severities_that_differ_only_in_case_are_refused(complaints: Complaints) -> None:
    told = complaints('alert: {slack: {mention: {critical: "@here", Critical: none}}}\n')
    assert told == [
        "config.yaml:1: alert.slack.mention: has two severities that differ only in upper and lower case"
    ]


def test_routes_that_are_no_list(complaints: Complaints) -> None:
    assert complaints("alert: {slack: {routes: {match: a=b}}}\n") == [
        "config.yaml:1: alert.slack.routes: should be a list"
    ]


def test_a_fallback_to_the_channel_itself_is_warned_of(load: Load) -> None:
    text = "alert: {slack: {enable: true, token: x, channel_id: C1, fallback_channel_id: C1}}\n"
    assert "whose own trouble cannot be told there" in "".join(load(text).warnings)


def test_what_a_missing_variable_was_to_say_is_warned_of(load: Load) -> None:
    text = (
        "alert:\n"
        "  slack:\n"
        "    enable: true\n"
        "    token: x\n"
        "    channel_id: C1\n"
        "    fallback_channel_id: ${NOBODY:-}\n"
        "    mention: {critical: '${GROUP}'}\n"
        "    routes: [{match: team=db, channel_id: '${DB}'}]\n"
    )
    assert load(text).warnings == (
        "alert.slack.mention.critical: has no value: GROUP is not set (nor GROUP_FILE); it counts as not given",
        "alert.slack.routes.0.channel_id: has no value: DB is not set (nor DB_FILE); it counts as not given",
    )
    assert load(text, GROUP="S012", DB="C2").warnings == ()
    assert load(text.replace("enable: true", "enable: false")).warnings == (
        "alert.slack.enable and oncall.enable are both false: alerts are taken, and nobody is told",
    )


def test_nobody_means_to_call_hundreds(complaints: Complaints) -> None:
    ids = ", ".join(f"U{number:05}" for number in range(21))
    (told,) = complaints(f"alert: {{slack: {{mention: [{ids}]}}}}\n")
    assert "at most 20 mentions" in told

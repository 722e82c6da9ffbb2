"""Query parameters: a wrong one costs a warning, never a page."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.parameters import KNOWN, MAX_WARNINGS, OnCallDefaults, weigh
from shared.notification import SERVICENOW, SLACK, WEBHOOK, Call, PlannedStep

INSTANCES = {"infra": "Infra", "emea": "emea"}
DEFAULT = timedelta(minutes=3)


def defaults(
    *, enable: bool = True, initialized_only: bool = False, configured: bool = True
) -> OnCallDefaults:
    return OnCallDefaults(enable, initialized_only, configured, DEFAULT, INSTANCES)


ON = defaults()
OFF = defaults(enable=False)
UPON_REQUEST = defaults(initialized_only=True)


def call(oncall: OnCallDefaults = ON, **query: str) -> Call:
    """What is asked for without any complaint."""
    asked, warnings = weigh(query, oncall)
    assert warnings == ()
    return asked


def warned(oncall: OnCallDefaults = ON, **query: str) -> tuple[Call, str]:
    asked, (warning,) = weigh(query, oncall)
    return asked, warning.text


@pytest.mark.parametrize("word", ["1", "t", "T", "TRUE", "true", "True"])
def test_go_s_words_for_true_turn_on_call_on(word: str) -> None:
    for oncall in (ON, OFF, UPON_REQUEST):
        assert call(oncall, oncall_enable=word).wait == DEFAULT


@pytest.mark.parametrize("word", ["0", "f", "F", "FALSE", "false", "False"])
def test_go_s_words_for_false_turn_on_call_off(word: str) -> None:
    for oncall in (ON, OFF, UPON_REQUEST):
        assert call(oncall, oncall_enable=word).wait is None


@pytest.mark.parametrize(
    "word", ["yes", "on", "tRUE", "TrUe", "2", "-1", " true", "tru\u0435", "null", "faLse", "1.0", "\x00"]
)
@pytest.mark.parametrize(
    ("oncall", "wait", "said"),
    [
        (ON, DEFAULT, "on-call is on as configured"),
        (OFF, None, "on-call is off as configured"),
        (UPON_REQUEST, None, "on-call is off as configured"),
    ],
)
def test_any_other_word_leaves_on_call_as_configured(
    word: str, oncall: OnCallDefaults, wait: timedelta | None, said: str
) -> None:
    asked, warning = warned(oncall, oncall_enable=word)
    assert asked.wait == wait
    assert warning.startswith("oncall_enable: ")
    assert "is neither true nor false" in warning
    assert said in warning


@pytest.mark.parametrize(
    ("oncall", "wait"), [(ON, DEFAULT), (OFF, None), (UPON_REQUEST, None), (defaults(configured=False), None)]
)
def test_a_request_that_says_nothing_gets_what_is_configured(
    oncall: OnCallDefaults, wait: timedelta | None
) -> None:
    assert call(oncall) == Call(wait=wait)


def test_asking_for_on_call_that_is_not_configured_is_told() -> None:
    asked, warning = warned(defaults(configured=False), oncall_enable="true")
    assert asked.wait is None
    assert "on-call is not configured" in warning


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("-0", 0),
        ("0.5", 30),
        (".25", 15),
        ("1", 60),
        ("+2", 120),
        ("1e1", 600),
        (" 7 ", 420),
        ("10080", 604_800),
        ("0.001", 0.06),
    ],
)
def test_minutes_to_wait_may_be_fractions(text: str, seconds: float) -> None:
    assert call(oncall_wait_minutes=text).wait == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "-0.5",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "Infinity",
        "1e999",
        "10080.1",
        "525600",
        "1_0",
        "0x10",
        "3m",
        "3,5",
        "٣",
        "³",
        "three",
        "3 4",
        "9" * 5_000,
    ],
)
def test_what_is_no_number_of_minutes_is_replaced_by_the_default(text: str) -> None:
    asked, warning = warned(oncall_wait_minutes=text)
    assert asked.wait == DEFAULT
    assert "is not a number of minutes from 0 to 10080; 3 is used" in warning


def test_a_wrong_wait_is_told_where_on_call_is_off_too() -> None:
    asked, warning = warned(OFF, oncall_wait_minutes="soon")
    assert asked.wait is None
    assert warning.startswith('oncall_wait_minutes: "soon"')


def test_a_wait_of_its_own_does_not_turn_on_call_on() -> None:
    assert call(OFF, oncall_wait_minutes="1").wait is None
    assert call(OFF, oncall_wait_minutes="1", oncall_enable="true").wait == timedelta(minutes=1)


@pytest.mark.parametrize(
    ("name", "found"), [("infra", "Infra"), ("INFRA", "Infra"), ("Infra", "Infra"), ("EMEA", "emea")]
)
def test_an_instance_is_found_ignoring_case(name: str, found: str) -> None:
    assert call(servicenow_other_instance=name).instance == found


@pytest.mark.parametrize("name", ["infrastructure", "infra ", "main", "../x", "\u0130nfra"])
def test_an_unknown_instance_means_the_default_one(name: str) -> None:
    asked, warning = warned(servicenow_other_instance=name)
    assert asked == Call(wait=DEFAULT)
    assert warning == f'servicenow_other_instance: "{name}" is not configured; the default instance is used'


@pytest.mark.parametrize("channel", ["C0123ABC", "#alerts", "@ann", "ops-2.night_shift", "späti", " C1 "])
def test_a_channel_replaces_the_configured_one(channel: str) -> None:
    assert call(slack_channel_id=channel).channel == channel.strip()


@pytest.mark.parametrize("channel", ["a b", "C1,C2", "<!channel>", "C1\nC2", "https://x.example", "C" * 99])
def test_what_is_no_channel_means_the_configured_one(channel: str) -> None:
    asked, warning = warned(slack_channel_id=channel)
    assert asked.channel is None
    assert "is not a channel; the configured one is used" in warning
    assert len(warning) < 200
    assert "\n" not in warning


@pytest.mark.parametrize("name", [*KNOWN, "telegram_chat_id", "anything"])
def test_an_empty_value_counts_as_not_given(name: str) -> None:
    assert call(**{name: ""}) == call()


def test_a_channel_of_blanks_counts_as_not_given() -> None:
    assert call(slack_channel_id="  ").channel is None


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("telegram_chat_id", "telegram"),
        ("viber_channel_id", "viber"),
        ("email_to", "email"),
        ("email_subject", "email"),
        ("msteams_other_power_url", "msteams"),
        ("lark_other_webhook_url", "lark"),
        ("googlechat_other_webhook_url", "googlechat"),
        ("awsim_other_response_plan", "awsim"),
        ("pagerduty_other_routing_key", "pagerduty"),
    ],
)
def test_parameters_of_versus_other_providers_are_accepted_and_told_of(name: str, parameter: str) -> None:
    asked, (warning,) = weigh({name: "x"}, ON)
    assert asked == Call(wait=DEFAULT)
    assert warning.parameter == parameter
    assert warning.text == f"{name}: Ackstream has no such provider; ignored"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("oncall_enabled", "oncall_enable"),
        ("on_call_enable", "oncall_enable"),
        ("oncall_wait_minute", "oncall_wait_minutes"),
        ("slack_chanel_id", "slack_channel_id"),
        ("Slack_Channel_Id", "slack_channel_id"),
        ("servicenow_instance", "servicenow_other_instance"),
    ],
)
def test_a_misspelt_parameter_is_told_the_nearest(name: str, meant: str) -> None:
    _, (warning,) = weigh({name: "true"}, ON)
    assert warning.parameter == "unknown"
    assert warning.text == f"{name}: is not a known parameter; ignored; did you mean {meant}?"


def test_a_parameter_like_none_of_ours_is_told_without_a_guess() -> None:
    assert warned(zzz="1")[1] == "zzz: is not a known parameter; ignored"


def test_each_wrong_parameter_has_its_own_warning_and_the_right_ones_count() -> None:
    query = {
        "oncall_enable": "maybe",
        "oncall_wait_minutes": "-1",
        "servicenow_other_instance": "nowhere",
        "slack_channel_id": "C0OPS",
        "telegram_chat_id": "1",
        "x": "1",
    }
    asked, warnings = weigh(query, ON)
    assert asked == Call(wait=DEFAULT, channel="C0OPS")
    assert [warning.parameter for warning in warnings] == [
        *("oncall_enable", "oncall_wait_minutes", "servicenow_other_instance", "telegram", "unknown")
    ]


def test_warnings_are_few_and_those_of_our_own_parameters_come_first() -> None:
    query = {f"unknown_{number}": "1" for number in range(5_000)} | {"oncall_enable": "maybe"}
    _, warnings = weigh(query, ON)
    assert len(warnings) == MAX_WARNINGS
    assert warnings[0].parameter == "oncall_enable"


@given(
    st.dictionaries(
        st.sampled_from(KNOWN) | st.text(st.characters(exclude_categories=())),
        st.text(st.characters(exclude_categories=())),
    )
)
def test_whatever_a_query_says_there_is_a_call_and_each_warning_is_one_short_line(
    query: dict[str, str],
) -> None:
    _, warnings = weigh(query, ON)
    assert all(warning.text.isprintable() and len(warning.text) < 250 for warning in warnings)


class TestSteps:
    """`mention` two minutes before the escalation, `late` one after it."""

    MENTION = PlannedStep(offset=timedelta(minutes=-2), target=SLACK, mention=("<!here>",))
    PAGER = PlannedStep(offset=timedelta(minutes=1), target=WEBHOOK)
    EMEA = PlannedStep(offset=timedelta(minutes=2), target=SERVICENOW, instance="emea")
    ANY = PlannedStep(offset=timedelta(minutes=3), target=SERVICENOW)

    def oncall(self, *steps: PlannedStep, target: str = SERVICENOW) -> OnCallDefaults:
        return replace(ON, steps=steps, target=target)

    def test_are_planned_as_configured(self) -> None:
        assert call(self.oncall(self.MENTION, self.PAGER)).steps == (self.MENTION, self.PAGER)

    def test_another_wait_moves_them_all(self) -> None:
        asked = call(self.oncall(self.MENTION, self.PAGER), oncall_wait_minutes="10")
        assert (asked.wait, asked.steps) == (timedelta(minutes=10), (self.MENTION, self.PAGER))

    @pytest.mark.parametrize("wait", ["0", "1.9"])
    def test_who_would_have_been_called_before_the_opening_is_left_out(self, wait: str) -> None:
        assert call(self.oncall(self.MENTION, self.PAGER), oncall_wait_minutes=wait).steps == (self.PAGER,)

    def test_without_on_call_there_are_none(self) -> None:
        assert call(self.oncall(self.MENTION, self.PAGER), oncall_enable="false").steps == ()

    def test_another_instance_goes_where_none_is_named(self) -> None:
        oncall = self.oncall(self.EMEA, self.ANY, target=WEBHOOK)
        asked = call(oncall, servicenow_other_instance="infra")
        assert [step.instance for step in asked.steps] == ["emea", "Infra"]

    def test_another_instance_gets_one_record_of_an_incident(self) -> None:
        asked = call(self.oncall(self.EMEA, self.PAGER, self.ANY), servicenow_other_instance="emea")
        assert (asked.instance, asked.steps) == ("emea", (self.PAGER,))

    def test_another_instance_takes_the_place_of_the_configured_one(self) -> None:
        oncall = replace(ON, instance="emea")
        assert call(oncall).instance == "emea"
        assert call(oncall, servicenow_other_instance="infra").instance == "Infra"
        asked, said = warned(oncall, servicenow_other_instance="nowhere")
        assert (asked.instance, "is not configured; emea is used" in said) == ("emea", True)

    def test_another_instance_is_of_no_use_to_a_webhook(self) -> None:
        asked, said = warned(self.oncall(target=WEBHOOK), servicenow_other_instance="infra")
        assert (asked.target, asked.instance) == (WEBHOOK, None)
        assert "has no effect: on-call does not lead to ServiceNow" in said

    def test_another_instance_is_of_use_to_what_comes_after_a_webhook(self) -> None:
        asked = call(self.oncall(self.ANY, target=WEBHOOK), servicenow_other_instance="infra")
        assert (asked.instance, [step.instance for step in asked.steps]) == (None, ["Infra"])

"""Steps of on-call and the webhook, as the file has them."""

import base64
from datetime import timedelta

import pytest

from services.ingest.__main__ import oncall_defaults
from shared.notification import SERVICENOW, SLACK, WEBHOOK, PlannedStep
from tests.unit.config.conftest import Complaints, Load

MINUTE = timedelta(minutes=1)
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()

FILE = """\
alert:
  slack: {enable: true, token: xoxb-1, channel_id: C1}
oncall:
  enable: true
  servicenow:
    instance_url: https://main.example
    username: ackstream
    password: s3cret
    other_instance_urls: {Infra: 'https://infra.example', app: 'https://app.example', db: '${DB_URL}'}
"""
HOOK = f"  webhook: {{url: 'https://pager.example/hook?key=abc', secret: '{SECRET}'}}\n"
THREE = """\
  steps:
    - {wait_minutes: 2, mention: '@here'}
    - {wait_minutes: 3, target: servicenow, instance: infra}
    - {wait_minutes: 0.5, target: webhook}
"""


class TestSteps:
    def test_the_first_that_leads_somewhere_is_the_escalation(self, load: Load) -> None:
        plan = load(FILE + HOOK + THREE).config.oncall.plan
        assert (plan.wait, plan.target, plan.instance) == (5 * MINUTE, SERVICENOW, "Infra")
        assert plan.steps == (
            PlannedStep(offset=-3 * MINUTE, target=SLACK, mention=("<!here>",)),
            PlannedStep(offset=MINUTE / 2, target=WEBHOOK),
        )

    def test_are_what_ingest_goes_by(self, load: Load) -> None:
        loaded = load(FILE + HOOK + THREE)
        defaults, plan = oncall_defaults(loaded.config), loaded.config.oncall.plan
        assert (defaults.wait, defaults.target, defaults.instance) == (plan.wait, plan.target, plan.instance)
        assert (defaults.steps, defaults.configured) == (plan.steps, True)

    def test_without_them_there_is_one_as_ever(self, load: Load) -> None:
        plan = load(FILE + "  wait_minutes: 7\n").config.oncall.plan
        assert (plan.wait, plan.target, plan.instance, plan.steps) == (7 * MINUTE, SERVICENOW, None, ())

    def test_a_provider_beside_them_that_they_do_not_lead_to_is_told_to_have_no_effect(
        self, load: Load
    ) -> None:
        words = "oncall.provider: has no effect, because oncall.steps say where to"
        one = "  steps: [{wait_minutes: 1, target: servicenow}]\n"
        assert words in load(FILE + one + "  provider: webhook\n").warnings
        assert words not in load(FILE + one + "  provider: servicenow\n").warnings

    def test_a_webhook_to_which_nothing_leads_is_told(self, load: Load) -> None:
        words = "oncall.webhook: is never called, because no step, and no oncall.provider, leads there"
        assert words in load(FILE + HOOK).warnings
        assert words in load(FILE + HOOK + "  steps: [{wait_minutes: 1, target: servicenow}]\n").warnings
        assert words not in load(FILE + HOOK + THREE).warnings
        assert words not in load(FILE + HOOK + "  provider: webhook\n").warnings

    def test_an_empty_list_is_none_at_all(self, load: Load) -> None:
        assert load(FILE + "  wait_minutes: 7\n  steps: []\n").config.oncall.plan.wait == 7 * MINUTE

    def test_wait_minutes_beside_them_is_told_to_have_no_effect(self, load: Load) -> None:
        loaded = load(FILE + HOOK + THREE + "  wait_minutes: 7\n")
        assert "oncall.wait_minutes: has no effect, because oncall.steps say when" in loaded.warnings
        assert loaded.config.oncall.plan.wait == 5 * MINUTE

    def test_an_instance_whose_variable_has_no_value_is_the_default_one_and_told(self, load: Load) -> None:
        step = "  steps: [{wait_minutes: 1, target: servicenow, instance: db}]\n"
        loaded = load(FILE + step)
        assert loaded.config.oncall.plan.instance is None
        assert any("other_instance_urls.db: has no value" in warning for warning in loaded.warnings)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("[{wait_minutes: 1, mention: '@here'}]", "config.yaml:10: oncall.steps: should have a step with target"),
        ("[{target: servicenow}]", "oncall.steps.0.wait_minutes: is required"),
        ("[{wait_minutes: 1}]", "oncall.steps.0: should have either mention, with somebody to call, or target"),
        ("[{wait_minutes: 1, mention: '@here', target: servicenow}]", "oncall.steps.0: should have either"),
        ("[{wait_minutes: 1, mention: none}, {wait_minutes: 1, target: servicenow}]", "steps.0: should have either"),
        ("[{wait_minutes: 1, mention: Ada}, {wait_minutes: 1, target: servicenow}]", "mention: should be"),
        ("[{wait_minutes: -1, target: servicenow}]", "oncall.steps.0.wait_minutes: should be at least 0"),
        ("[{wait_minutes: soon, target: servicenow}]", "should be a number"),
        ("[{wait_minutes: 1, target: pagerduty}]", "oncall.steps.0.target: should be 'servicenow' or 'webhook'"),
        ("[{wait_minutes: 1, target: servicenow, instance: ifra}]", "there: Infra, app, db"),
        ("[{wait_minutes: 1, target: webhook, instance: app}]", "oncall.steps.0: should have no instance"),
        ("[{wait_minutes: 1, target: webhook}]", "oncall.webhook.url: is required because oncall.steps.0 leads there"),
        (
            "[{wait_minutes: 1, target: servicenow}, {wait_minutes: 1, target: ServiceNow}]",
            "oncall.steps.1: leads where oncall.steps.0 does",
        ),
        ("[{wait_minuts: 1, target: servicenow}]", "oncall.steps.0.wait_minuts: is not a known key; did you mean"),
        ("{wait_minutes: 1}", "oncall.steps: should be a list"),
        ("[x]", "oncall.steps.0: should be a block of keys"),
        (f"[{'{wait_minutes: 1, target: webhook}, ' * 21}]", "oncall.steps: should have at most 20 steps"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_steps_is_told(complaints: Complaints, steps: str, said: str) -> None:
    assert said in "\n".join(complaints(f"{FILE}  steps: {steps}\n"))


def test_a_mention_without_slack_is_told_at_its_line(complaints: Complaints) -> None:
    text = FILE.replace("enable: true, token", "enable: false, token") + HOOK + THREE
    assert complaints(text) == [
        "config.yaml:12: oncall.steps.0.mention: calls nobody unless alert.slack.enable is true"
    ]


class TestWebhook:
    def test_can_be_all_that_there_is(self, load: Load) -> None:
        text = f"oncall:\n  enable: true\n  provider: webhook\n{HOOK}"
        oncall = load(text).config.oncall
        assert (oncall.configured, oncall.plan.target, oncall.plan.wait) == (True, WEBHOOK, 3 * MINUTE)

    def test_can_be_named_by_the_environment(self, load: Load) -> None:
        assert load(FILE + HOOK, ONCALL_PROVIDER="webhook").config.oncall.plan.target == WEBHOOK

    def test_is_no_reason_to_sign_in_at_servicenow(self, load: Load) -> None:
        loaded = load(f"oncall:\n  enable: true\n  steps: [{{wait_minutes: 0, target: webhook}}]\n{HOOK}")
        assert loaded.config.oncall.configured

    def test_is_not_configured_without_its_secret_so_on_call_is_not(self, load: Load) -> None:
        assert not load("oncall: {provider: webhook}\n").config.oncall.configured

    def test_shows_neither_its_address_nor_its_secret(self, load: Load) -> None:
        assert "abc" not in repr(load(FILE + HOOK).config)
        assert SECRET not in repr(load(FILE + HOOK).config)


@pytest.mark.parametrize(
    ("webhook", "said"),
    [
        ("{}", "oncall.webhook.url: is required because oncall.provider leads there"),
        ("{url: 'https://pager.example'}", "oncall.webhook.secret: is required because oncall.provider leads there"),
        ("{url: 'http://pager.example/key'}", "oncall.webhook.url: should be https://: alerts would travel unencrypted"),
        ("{url: 'ftp://pager.example/key'}", "should be a URL that begins with https:// or http://"),
        ("{url: 'https://pat:key@pager.example'}", "should be a URL without a user name"),
        ("{url: 'http://[key'}", "should be a URL whose host and port are valid"),
        ("{secret: key}", "should be base64 of 24 to 64 random bytes"),
        ("{secret: 'whsec_a2V5'}", "should be base64 of 24 to 64 random bytes"),
        ("{secret: '${HOOK_SECRET}'}", "oncall.webhook.secret: is required"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_webhook_is_told_and_not_shown(
    complaints: Complaints, webhook: str, said: str
) -> None:
    told = "\n".join(complaints(f"oncall:\n  enable: true\n  provider: webhook\n  webhook: {webhook}\n"))
    assert said in told
    assert "/key" not in told
    assert "a2V5" not in told


def test_a_secret_without_an_address_that_is_needed_is_no_problem_yet(load: Load) -> None:
    assert load(f"oncall: {{webhook: {{secret: '{SECRET}'}}}}\n").config.oncall.webhook.url is None


def test_unencrypted_is_permitted_by_name_and_on_this_machine(load: Load) -> None:
    for url, more in (("http://127.0.0.1:1/x", ""), ("http://pager.example", ", allow_http: true")):
        load(f"oncall: {{webhook: {{url: '{url}', secret: '{SECRET}'{more}}}}}\n")


def test_an_instance_must_not_have_the_webhook_s_name(complaints: Complaints) -> None:
    text = FILE.replace("app: ", "WebHook: ") + HOOK
    assert "other_instance_urls.WebHook: should have another name" in "\n".join(complaints(text))

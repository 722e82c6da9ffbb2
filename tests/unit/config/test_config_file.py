import json
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from shared.config import Config
from shared.config_errors import ConfigError
from shared.config_file import load_config
from shared.config_reference import page
from tests.unit.config.conftest import Complaints, Load
from tests.unit.config.seed import CONFIG, ENVIRONMENT

REPOSITORY = Path(__file__).parents[3]

ON = """\
alert:
  slack: {enable: true, token: xoxb-1, channel_id: C1}
oncall:
  enable: true
  servicenow: {instance_url: https://dev1.service-now.com, username: u, password: p}
"""


class TestTheSeedPage:
    def test_loads_unchanged(self, load: Load) -> None:
        loaded = load(CONFIG, **ENVIRONMENT)
        config = loaded.config
        assert (config.name, config.host, config.port) == ("versus", "0.0.0.0", 3000)
        assert config.ack_base_url == "https://your-ack-host.example"
        assert config.alert.slack.token.get_secret_value() == "your_slack_token"
        assert config.oncall.wait == timedelta(minutes=3)
        assert config.oncall.servicenow.instance(None) == (None, "https://dev12345.service-now.com")
        assert config.oncall.servicenow.password.get_secret_value() == "your_servicenow_password"
        assert config.redis.connection_url == "redis://:your_redis_password@redis:6379/0"

    def test_instances_without_a_url_are_left_out_and_told(self, load: Load) -> None:
        loaded = load(CONFIG, **ENVIRONMENT, SERVICENOW_OTHER_INSTANCE_URL_DB="https://db.service-now.com")
        assert dict(loaded.config.oncall.servicenow.other_instance_urls) == {
            "db": "https://db.service-now.com"
        }
        assert [warning.split(":")[0] for warning in loaded.warnings] == [
            "oncall.servicenow.other_instance_urls.infra",
            "oncall.servicenow.other_instance_urls.app",
        ]
        assert "SERVICENOW_OTHER_INSTANCE_URL_INFRA is not set" in loaded.warnings[0]

    def test_without_its_variables_names_each_that_is_needed(self, complaints: Complaints) -> None:
        told = complaints(CONFIG)
        assert told == [
            "config.yaml:11: alert.slack.token: is required because alert.slack.enable is true, and SLACK_TOKEN is not set "
            "(nor SLACK_TOKEN_FILE)",
            "config.yaml:12: alert.slack.channel_id: is required because alert.slack.enable is true, and SLACK_CHANNEL_ID is "
            "not set (nor SLACK_CHANNEL_ID_FILE)",
            "config.yaml:21: oncall.servicenow.instance_url: is required because oncall.enable is true, and "
            "SERVICENOW_INSTANCE_URL is not set (nor SERVICENOW_INSTANCE_URL_FILE)",
            "config.yaml:22: oncall.servicenow.username: is required because oncall.enable is true, and SERVICENOW_USERNAME "
            "is not set (nor SERVICENOW_USERNAME_FILE)",
            "config.yaml:23: oncall.servicenow.password: is required because oncall.enable is true, and SERVICENOW_PASSWORD "
            "is not set (nor SERVICENOW_PASSWORD_FILE)",
        ]


class TestDefaults:
    @pytest.mark.parametrize(
        "text", ["", "# nothing\n", "---\n", "null\n", "alert:\noncall:\n  servicenow:\n"]
    )
    def test_an_empty_file_is_all_defaults(self, load: Load, text: str) -> None:
        assert load(text).config == Config()

    def test_are_those_of_versus(self) -> None:
        config = Config()
        assert config.alert.debug_body
        assert not config.alert.slack.enable
        assert config.alert.slack.message_properties.button_text == "Acknowledge Alert"
        assert config.alert.slack.message_properties.button_style == "primary"
        assert not config.oncall.enable
        assert not config.oncall.initialized_only
        assert config.oncall.wait_minutes == 3
        assert config.oncall.servicenow.table == "incident"
        assert config.redis.is_embedded

    def test_the_shipped_file_loads_as_it_is(self, load: Load) -> None:
        loaded = load((REPOSITORY / "config" / "config.yaml").read_text())
        assert loaded.config == Config(name="ackstream", alert=loaded.config.alert)

    def test_the_reference_is_the_model(self) -> None:
        written = (REPOSITORY / "docs" / "configuration.md").read_text()
        assert written == page(), "run: python -m shared.config_reference > docs/configuration.md"


class TestMistakes:
    def test_are_told_all_at_once_with_line_key_and_mend(self, complaints: Complaints) -> None:
        told = complaints(
            "port: 70000\n"
            "alert:\n"
            "  slack:\n"
            "    chanel_id: C1\n"
            "    message_properties: {button_style: green}\n"
            "oncall:\n"
            "  enable: maybe\n"
            "  wait_minutes: soon\n"
            "  table: incident\n"
            "  servicenow:\n"
            "    instance_url: http://snow.example\n"
            "redis: localhost\n"
            "ingest: {auth: {username: am}}\n"
        )
        assert told == [
            "config.yaml:1: port: should be at most 65535",
            "config.yaml:4: alert.slack.chanel_id: is not a known key; did you mean channel_id?",
            "config.yaml:5: alert.slack.message_properties.button_style: should be 'primary', 'danger' or '', not \"green\"",
            'config.yaml:7: oncall.enable: should be true or false, not "maybe"',
            'config.yaml:8: oncall.wait_minutes: should be a number, not "soon"',
            "config.yaml:9: oncall.table: is not a known key here; it belongs to oncall.servicenow.table",
            "config.yaml:11: oncall.servicenow.instance_url: should be https://: the password would travel unencrypted; "
            "oncall.servicenow.allow_http: true permits it",
            "config.yaml:12: redis: should be a block of keys",
            "config.yaml:13: ingest.auth.password: is required because ingest.auth.username is given",
        ]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("name: a\nname: b\n", "config.yaml:2: name: is given twice; the first time in line 1"),
            ("name: [a\n", "opened and never closed"),
            ("alert:\n\tslack:\n", "config.yaml:2: is indented with a tab"),
            ("password: *secret\n", "config.yaml:1: put values that begin with"),
            ("- a\n", "config.yaml:1: should be a block of keys"),
            ("just words\n", "config.yaml:1: should be a block of keys"),
            ("name: a\n---\nname: b\n", "more than one document"),
            ("name: {a: b}\n", "config.yaml:1: name: should be a text"),
            (
                "alert: {slack: {enable: true, token: t, channel_id: C, interactivity: http}}\n",
                "alert.slack.signing_secret: is required because alert.slack.interactivity is http; it stands on the app's page",
            ),
            (
                "alert: {slack: {enable: true, token: t, channel_id: C, interactivity: Socket}}\n",
                "alert.slack.app_token: is required because alert.slack.interactivity is socket; it stands on the app's page",
            ),
            (
                "alert: {slack: {app_token: xoxb-1}}\n",
                "alert.slack.app_token: should be an app-level token, xapp-…",
            ),
            (
                "alert: {slack: {token: xapp-1}}\n",
                "alert.slack.token: should be the bot's token, xoxb-…",
            ),
            (
                "alert: {slack: {signing_secret: xoxb-1}}\n",
                "alert.slack.signing_secret: should be the app's Signing Secret, not a token",
            ),
            (
                "alert: {slack: {interactivity: yes}}\n",
                "alert.slack.interactivity: should be 'link', 'http' or 'socket'",
            ),
            ("xyzzy: 1\n", "config.yaml:1: xyzzy: is not a known key"),
            ("oncall: {wait_minutes: -1}\n", "should be at least 0"),
            ("oncall: {wait_minutes: .nan}\n", "oncall.wait_minutes: should be"),
            ("oncall: {provider: pagerduty, enable: true}\n", "cannot escalate to pagerduty"),
            ("oncall: {provider: opsgenie}\n", "oncall.provider: should be servicenow"),
            (
                "public_host: ack.example.com\n",
                "public_host: should be a URL that begins with https:// or http://",
            ),
            ("redis: {url: localhost:6379}\n", "redis.url: should be a URL that begins with redis://"),
            ("redis: {host: 'redis://h'}\n", "a whole URL belongs in redis.url"),
            ("alert: {slack: {token: 'xoxb 1'}}\n", "alert.slack.token: should have no spaces"),
            ("redis: {host: 'redis:6379'}\n", "the port belongs in redis.port"),
            ("port: 3001\n", "notifier.health_port: should be another port than port's, 3001"),
            ("name: ${A}-${B:-b}\n", "config.yaml:1: name: A is not set (nor A_FILE)"),
        ],
    )
    def test_say_what_to_mend(self, complaints: Complaints, text: str, said: str) -> None:
        assert said in "\n".join(complaints(text))

    @pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"name: \xe4\n"])
    def test_a_file_that_is_not_utf8(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "c.yaml").write_bytes(content)
        with pytest.raises(ConfigError, match="is not UTF-8"):
            load_config(tmp_path / "c.yaml", {})

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"none.yaml: does not exist; name another one with --config"):
            load_config(tmp_path / "none.yaml", {})

    def test_a_file_that_is_a_directory(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
            load_config(tmp_path, {})

    def test_aliases_that_multiply_end_in_an_error_not_in_a_hang(self, complaints: Complaints) -> None:
        levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
        assert "aliases included" in "\n".join(complaints("a0: &a0 [x, x]\n" + levels))


def test_an_ipv6_address_is_a_host(load: Load) -> None:
    for written in ("'::1'", "'[::1]'"):
        assert load(f"redis: {{host: {written}}}\n").config.redis.connection_url == "redis://[::1]:6379/0"


def test_a_configuration_that_tells_nobody_says_so(load: Load) -> None:
    assert "nobody is told" in "".join(load("name: x\n").warnings)
    assert load(ON).warnings == load(ON).warnings[-1:], "but for public_host"


class TestForeignBlocks:
    def test_are_ignored_with_one_warning_each(self, load: Load) -> None:
        loaded = load(
            "alert:\n  telegram: {enable: false, bot_token: x}\n  email:\n    enable: true\n    nested: {a: b}\n"
            "oncall:\n  pagerduty: {routing_key: k}\nagent:\n  enable: false\nqueue:\n"
        )
        assert loaded.config == Config()
        assert sorted(
            warning.split(":")[0] for warning in loaded.warnings if "block is ignored" in warning
        ) == [
            "agent",
            "alert.email",
            "alert.telegram",
            "oncall.pagerduty",
            "queue",
        ]
        assert next(warning for warning in loaded.warnings if "NOT go there" in warning).startswith(
            "alert.email"
        )


class TestVariables:
    def test_a_default_holds_for_unset_and_empty(self, load: Load) -> None:
        assert load("name: ${A:-fallback}\n").config.name == "fallback"
        assert load("name: ${A:-fallback}\n", A="").config.name == "fallback"
        assert load("name: ${A:-fallback}\n", A="set").config.name == "set"

    @pytest.mark.parametrize(
        "password", ["pa$$word", "$HOME", "a$", "$1", "${", "{}", "x${not-a-name}", "$(id)"]
    )
    def test_a_dollar_in_a_password_stays(self, load: Load, password: str) -> None:
        for loaded in (
            load(f"redis: {{password: {json.dumps(password)}}}\n"),
            load("redis: {password: '${P}'}", P=password),
        ):
            assert loaded.config.redis.password.get_secret_value() == password

    def test_what_looks_like_a_number_stays_a_text(self, load: Load) -> None:
        slack = load("alert: {slack: {channel_id: 0123}}\nredis: {password: 1e5}\nname: no\n").config
        assert (slack.alert.slack.channel_id, slack.redis.password.get_secret_value(), slack.name) == (
            "0123",
            "1e5",
            "no",
        )

    def test_a_secret_from_a_file(self, load: Load, complaints: Complaints, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("from-file\n")
        file = str(tmp_path / "secret")
        assert (
            load("redis: {password: '${P}'}\n", P_FILE=file).config.redis.password.get_secret_value()
            == "from-file"
        )
        assert (
            load("redis: {password: '${P}'}\n", P="own", P_FILE=file).config.redis.password.get_secret_value()
            == "own"
        )
        assert load("", GATEWAY_SECRET_FILE=file).config.gateway_secret.get_secret_value() == "from-file"
        assert (
            "P_FILE names /nowhere, which cannot be read"
            in complaints("redis: {password: '${P}'}\n", P_FILE="/nowhere")[0]
        )

    @pytest.mark.parametrize(
        ("name", "value", "seen"),
        [
            ("DEBUG_BODY", "false", lambda config: not config.alert.debug_body),
            ("SLACK_ENABLE", "false", lambda config: not config.alert.slack.enable),
            ("ONCALL_ENABLE", "false", lambda config: not config.oncall.enable),
            ("ONCALL_INITIALIZED_ONLY", "true", lambda config: config.oncall.initialized_only),
            ("ONCALL_WAIT_MINUTES", "0.5", lambda config: config.oncall.wait == timedelta(seconds=30)),
            ("ONCALL_PROVIDER", "servicenow", lambda config: config.oncall.provider == "servicenow"),
            ("GATEWAY_SECRET", "s", lambda config: config.gateway_secret.get_secret_value() == "s"),
            ("PORT", "8080", lambda config: config.port == 8080),
            ("REDIS_TLS", "true", lambda config: config.redis.tls),
            ("REDIS_DB", "7", lambda config: config.redis.db == 7),
            ("REDIS_CA_CERT", "/ca.pem", lambda config: config.redis.ca_cert == Path("/ca.pem")),
            ("ACKSTREAM_REDIS_URL", "redis://r", lambda config: config.redis.connection_url == "redis://r"),
        ],
    )
    def test_the_documented_ones_win_over_the_file(
        self, load: Load, name: str, value: str, seen: Callable[[Config], bool]
    ) -> None:
        assert seen(load(ON, **{name: value}).config)

    def test_a_wrong_one_is_named(self, complaints: Complaints) -> None:
        told = complaints("port: 1\n", PORT="http", ONCALL_ENABLE="maybe")
        assert sorted(told) == [
            "environment variable ONCALL_ENABLE: oncall.enable: should be true or false",
            "environment variable PORT: port: should be a whole number",
        ]


class TestSecrets:
    SECRET = "hunter2-very-secret"

    @pytest.mark.parametrize(
        "text",
        [
            "port: ${S}\n",
            "redis: {db: '${S}', password: '${S}'}\n",
            "redis: {url: 'http://u:${S}@h'}\n",
            "redis: {url: 'redis://u:${S}@h/x'}\n",
            "oncall: {enable: '${S}', wait_minutes: '${S}', servicenow: {instance_url: 'https://u:${S}@h'}}\n",
            "alert: {slack: {token: '${S} ${S}', enable: '${S}'}}\n",
            "redis: {pasword: '${S}'}\n",
            'alert: {slack: {token: ["${S}"]}}\n',
            "log: {level: '${S}'}\n",
        ],
    )
    def test_are_in_no_error(self, complaints: Complaints, text: str) -> None:
        assert self.SECRET not in "\n".join(complaints(text, S=self.SECRET))

    @pytest.mark.parametrize(
        "text",
        [
            "redis: {password: *SECRET }\n",
            "redis:\n  password: 'SECRET\n",
            "a: b: SECRET\n",
            "redis: {password: !SECRET x}\n",
        ],
    )
    def test_are_in_no_error_of_the_yaml_parser(self, complaints: Complaints, text: str) -> None:
        assert self.SECRET not in "\n".join(complaints(text.replace("SECRET", self.SECRET)))

    def test_are_in_no_repr_and_no_log(self, load: Load, caplog: pytest.LogCaptureFixture) -> None:
        config = load(
            f"gateway_secret: {self.SECRET}\ngateway_secret_previous: {self.SECRET}\nredis: {{password: {self.SECRET}}}\n"
            f"alert: {{slack: {{token: {self.SECRET}}}}}\noncall: {{servicenow: {{password: {self.SECRET}}}}}\n"
            f"ingest: {{auth: {{bearer_token: {self.SECRET}}}}}\n"
        ).config
        with caplog.at_level(logging.INFO):
            logging.getLogger().info("%s", config)
        for text in (repr(config), str(config), config.model_dump_json(), caplog.text):
            assert self.SECRET not in text
        assert [key.get_secret_value() for key in config.gateway_secret_previous] == [self.SECRET]


class TestTemplatePath:
    def test_is_found_beside_the_file_and_above_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "app" / "config").mkdir(parents=True)
        template = tmp_path / "app" / "config" / "slack_message.tmpl"
        template.write_text("")
        file = tmp_path / "app" / "config" / "config.yaml"
        for written in ("config/slack_message.tmpl", "slack_message.tmpl", str(template)):
            file.write_text(f"alert: {{slack: {{template_path: {written}}}}}\n")
            assert load_config(file, {}).config.alert.slack.template_path.samefile(template)

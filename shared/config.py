"""The configuration: every key, its default, and what it means. Read from a file by `shared.config_file`.

All values are valid by themselves; what must be given together is checked where a file is loaded. Secrets are SecretStr,
so that no log line, `repr` or traceback shows them. `docs/configuration.md` is made from the descriptions.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from shared.commands import Flapping, Rules
from shared.config_access import AccessConfig
from shared.config_life import LivesConfig
from shared.config_record import RecordConfig
from shared.config_routes import Match, Mention
from shared.config_section import Section, distinct, lower
from shared.config_steps import MOST_STEPS, Plan, StepConfig, planned
from shared.config_values import (
    BaseUrl,
    Concurrency,
    HostName,
    Port,
    RedisUrl,
    Seconds,
    Token,
    UrlWithSlash,
    Variable,
)
from shared.config_webhook import WebhookConfig
from shared.matchers import Matcher
from shared.notification import SERVICENOW, WEBHOOK

EVERYWHERE = "0.0.0.0"  # noqa: S104  in a container the port is reachable only where it is published
PROVIDERS = (SERVICENOW, WEBHOOK)
FOREIGN_PROVIDERS = ("aws_incident_manager", "pagerduty", "incident_io")
"""Versus' other on-call providers, known so that a file that names them can be explained."""


def _provider(name: str) -> str:
    if name not in PROVIDERS + FOREIGN_PROVIDERS:
        raise ValueError("should be servicenow or webhook")
    return name


def _few(steps: tuple[StepConfig, ...]) -> tuple[StepConfig, ...]:
    if len(steps) > MOST_STEPS:
        raise ValueError(f"should have at most {MOST_STEPS} steps")
    return steps


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class MessageProperties(Section):
    button_text: str = Field(
        "Acknowledge Alert",
        min_length=1,
        max_length=75,
        description="Text of the button. Slack takes 75 characters.",
    )
    button_style: Literal["primary", "danger", ""] = Field(
        "primary", description='`primary` (green), `danger` (red), or `""` (grey).'
    )
    disable_button: bool = Field(
        False, description="Put the acknowledge link into the text instead of a button."
    )


class RouteConfig(Section):
    match: Match = Field(
        description='Matchers as in Alertmanager, `severity="critical"`, `team=~"db.*"`: one text, or a list of them; all must '
        "fit. See [Slack](slack.md).",
    )
    channel_id: str | None = Field(
        None, description="Channel for these alerts. Without it: `alert.slack.channel_id`."
    )
    mention: Mention = Field(
        {}, description="Whom to call for these alerts. Without it: `alert.slack.mention`."
    )

    @property
    def matchers(self) -> tuple[Matcher, ...]:
        return tuple(matcher for together in self.match for matcher in together)


class FlapConfig(Section):
    count: int = Field(
        3,
        ge=0,
        le=50,
        description="A group that opens so often within the window keeps to one message, whose thread counts. 0: never; 1: always.",
    )
    window_minutes: float = Field(60, gt=0, le=10_080, allow_inf_nan=False, description="The window.")
    loud: tuple[str, ...] = Field(
        ("critical",), description="Severities that get a new message each time all the same."
    )

    @property
    def rule(self) -> Flapping | None:
        loud = frozenset(severity.strip().lower() for severity in self.loud)
        return Flapping(self.count, timedelta(minutes=self.window_minutes), loud) if self.count else None


class PaceConfig(Section):
    per_second: float = Field(
        1,
        ge=0,
        le=1000,
        allow_inf_nan=False,
        description="Calls a second that one channel gets, over all replicas. Slack takes about one. 0: no pace, only Slack's "
        "own Retry-After holds calls back.",
    )
    burst: int = Field(3, ge=1, le=100, description="Calls that may come at once after a pause in a channel.")

    @property
    def interval(self) -> timedelta:
        """Between two calls; zero: none."""
        return timedelta(seconds=1 / self.per_second) if self.per_second else timedelta(0)


class StormConfig(Section):
    threshold: int = Field(
        20,
        ge=0,
        le=10_000,
        description="When more first messages wait in a channel, one digest tells of all of them. 0: never.",
    )
    bypass: tuple[str, ...] = Field(
        ("critical",), description="Severities that get a message of their own all the same, worst first, …"
    )
    bypass_per_minute: int = Field(
        10,
        ge=0,
        le=10_000,
        description="… up to so many a minute; beyond that they stand at the digest's head.",
    )
    quiet_seconds: float = Field(
        120,
        gt=0,
        le=86_400,
        allow_inf_nan=False,
        description="A storm is over when no more than `threshold` came within this time.",
    )
    servicenow: Annotated[Literal["each", "parent"], BeforeValidator(lower)] = Field(
        "each",
        description="Where incidents escalate to that the digest tells of: `each` gets a record, or one record per storm and instance, "
        "the `parent`, lists them all. See [ServiceNow](servicenow.md#many-at-once).",
    )

    @property
    def quiet(self) -> timedelta:
        return timedelta(seconds=self.quiet_seconds)

    @property
    def loud(self) -> frozenset[str]:
        return frozenset(severity.strip().lower() for severity in self.bypass)


class SlackConfig(Section):
    enable: Annotated[bool, Variable("SLACK_ENABLE")] = Field(False, description="Tell people in Slack.")
    token: Token | None = Field(None, description="Bot token, `xoxb-…`. Required when Slack is enabled.")
    channel_id: str | None = Field(
        None, description="Channel that gets the messages, `C…`. Required when Slack is enabled."
    )
    mention: Mention = Field(
        {},
        description="Whom a message calls while its incident waits for somebody: `@here`, `@channel`, `@everyone`, a user group `S…`, "
        "a person `U…`, a list of these, or `none`. One for all, or by severity (`critical: ...`, `default: ...`).",
    )
    routes: tuple[RouteConfig, ...] = Field(
        (),
        description="Which alerts go to another channel or call somebody else. The first that fits counts.",
    )
    interactivity: Annotated[Literal["link", "http", "socket"], BeforeValidator(lower)] = Field(
        "link",
        description="What the buttons do: `link` leads to a page, and needs nothing; `http`: Slack posts presses to "
        "`/slack/interactions`; `socket`: Slack tells the notifier, and nothing need be reachable from outside. See [Slack](slack.md).",
    )
    signing_secret: Token | None = Field(
        None,
        description="Shows that a press comes from Slack: the app's page *Basic Information*, *App Credentials*. Required for `http`.",
    )
    app_token: Token | None = Field(
        None,
        description="`xapp-…` with the scope `connections:write`: the app's page *Basic Information*, *App-Level Tokens*. Required for "
        "`socket`.",
    )
    fallback_channel_id: str | None = Field(
        None, description="Channel that is told when another one does not take messages, and how to mend it."
    )
    template_path: Path = Field(
        Path("config/slack_message.tmpl"),
        description="Template of the message. Looked for in the working directory, beside the configuration file, "
        "and one directory above it.",
    )
    api_url: UrlWithSlash = Field(
        "https://slack.com/api/",
        description="Base URL of Slack's Web API; another one for tests and proxies.",
    )
    timeout_seconds: Seconds = Field(10, description="How long to wait for an answer of Slack.")
    message_properties: MessageProperties = MessageProperties()
    flap: FlapConfig = FlapConfig()
    pace: PaceConfig = PaceConfig()
    storm: StormConfig = StormConfig()

    @property
    def timeout(self) -> timedelta:
        return timedelta(seconds=self.timeout_seconds)

    @property
    def channels(self) -> tuple[str, ...]:
        """Every channel that is configured, each once."""
        named = (self.channel_id, *(route.channel_id for route in self.routes), self.fallback_channel_id)
        return tuple(dict.fromkeys(channel for channel in named if channel))


class AlertConfig(Section):
    debug_body: Annotated[bool, Variable("DEBUG_BODY")] = Field(
        True, description="Log the bodies that come in, their first 4,000 bytes, at level `debug`."
    )
    slack: SlackConfig = SlackConfig()


@dataclass(frozen=True)
class Patience:
    """Seconds to wait for a call as a whole, for its connection, and between two pieces of its answer."""

    whole: float
    connect: float
    read: float


class ServiceNowConfig(RecordConfig, LivesConfig, AccessConfig):
    instance_url: BaseUrl | None = Field(
        None,
        description="Base URL of the instance, `https://dev12345.service-now.com`. Required when on-call is enabled and leads there.",
    )
    other_instance_urls: Annotated[dict[str, BaseUrl], AfterValidator(distinct)] = Field(
        {},
        description="Further instances by name, for `?servicenow_other_instance=NAME`. They get the same user name and "
        "password, unless `access_by_instance` has others for them. Entries without a value are left out.",
    )
    access_by_instance: Annotated[dict[str, AccessConfig], AfterValidator(distinct)] = Field(
        {},
        description="By the name of a further instance: who we are there. Credentials given here replace all of those above.",
    )
    allow_http: bool = Field(
        False, description="Let the password travel unencrypted to `http://` instances of other machines."
    )
    timeout_seconds: Seconds = Field(
        20, description="How long a call to ServiceNow may take as a whole, signing in included."
    )
    connect_timeout_seconds: Seconds = Field(
        5, description="How long to wait for a connection; a call that got none leaves no doubt."
    )
    read_timeout_seconds: Seconds | None = Field(
        None,
        description="How long an instance may be silent within a call. Empty: as long as the whole may take.",
    )
    concurrency_per_instance: Annotated[int, Field(ge=1, le=100)] = Field(
        8,
        description="Calls that one instance gets at a time from each escalator; each has a session of its own there.",
    )
    rate_per_instance: float = Field(
        0,
        ge=0,
        le=1000,
        allow_inf_nan=False,
        description="Calls a second that one instance gets over all escalators, on the long run; a record takes two. After a pause 20 "
        "may come at once. 0: as many as `concurrency_per_instance` lets through.",
    )

    @property
    def timeout(self) -> timedelta:
        return timedelta(seconds=self.timeout_seconds)

    @property
    def patience(self) -> Patience:
        whole = self.timeout_seconds
        return Patience(whole, self.connect_timeout_seconds, self.read_timeout_seconds or whole)

    def find_instance(self, name: str) -> str | None:
        """The name as configured, found ignoring case."""
        wanted = name.lower()
        return next((known for known in self.other_instance_urls if known.lower() == wanted), None)

    def instance(self, name: str | None) -> tuple[str | None, str]:
        """Name and URL of the instance to write to; the default one's name is None, and it stands in for names that are not
        configured (any more). Raises LookupError when there is none."""
        known = self.find_instance(name) if name else None
        url = self.other_instance_urls[known] if known else self.instance_url
        if not url:
            raise LookupError("oncall.servicenow.instance_url is not configured")
        return known, url

    def access(self, name: str | None) -> AccessConfig:
        """How the instance of that name is reached; None: the default one."""
        wanted = name.lower() if name else None
        own = next((own for known, own in self.access_by_instance.items() if known.lower() == wanted), None)
        return own.over(self) if own else self


class OnCallConfig(Section):
    enable: Annotated[bool, Variable("ONCALL_ENABLE")] = Field(
        False, description="Escalate what nobody acknowledges."
    )
    initialized_only: Annotated[bool, Variable("ONCALL_INITIALIZED_ONLY")] = Field(
        False, description="On-call is ready, but off unless a request says `?oncall_enable=true`."
    )
    wait_minutes: Annotated[float, Variable("ONCALL_WAIT_MINUTES")] = Field(
        3,
        ge=0,
        le=525_600,
        allow_inf_nan=False,
        description="Minutes to wait for an acknowledgement; fractions count. 0 escalates at once. With `steps`, they say when.",
    )
    ack_timeout_minutes: float | None = Field(
        None,
        gt=0,
        le=525_600,
        allow_inf_nan=False,
        description="Still firing so long after its acknowledgement, an incident counts as forgotten: its thread says so, and its "
        "deadline is armed again. Empty: an acknowledgement holds.",
    )
    provider: Annotated[str, AfterValidator(_provider), Variable("ONCALL_PROVIDER")] = Field(
        SERVICENOW,
        description="Where to escalate to: `servicenow` or `webhook`. With `steps`, they say where to.",
    )
    steps: Annotated[tuple[StepConfig, ...], AfterValidator(_few)] = Field(
        (),
        description="What happens while nobody acknowledges, one after the other. At least one step leads to `servicenow` or `webhook`. "
        "Without steps there is one, as `provider` and `wait_minutes` say. See [On-call](oncall.md).",
    )
    servicenow: ServiceNowConfig = ServiceNowConfig()
    webhook: WebhookConfig = WebhookConfig()

    @property
    def wait(self) -> timedelta:
        return timedelta(minutes=self.wait_minutes)

    @property
    def ack_timeout(self) -> timedelta | None:
        return None if self.ack_timeout_minutes is None else timedelta(minutes=self.ack_timeout_minutes)

    @property
    def plan(self) -> Plan:
        """What happens while nobody acknowledges, with instances by their names as configured."""
        provider = self.provider if self.provider in PROVIDERS else SERVICENOW
        plan, find = planned(self.steps) or Plan(self.wait, provider), self.servicenow.find_instance
        steps = (
            step.model_copy(update={"instance": step.instance and find(step.instance)}) for step in plan.steps
        )
        return replace(plan, instance=plan.instance and find(plan.instance), steps=tuple(steps))

    @property
    def configured(self) -> bool:
        """Whether all that the plan leads to is known, with what it takes to sign in; and nobody else is meant."""
        servicenow = self.servicenow
        complete = {
            SERVICENOW: bool(servicenow.instance_url and servicenow.is_complete),
            WEBHOOK: self.webhook.is_complete,
        }
        return bool(self.steps or self.provider in PROVIDERS) and all(
            complete[target] for target in self.plan.targets
        )


class RedisConfig(Section):
    url: Annotated[RedisUrl | None, Variable("ACKSTREAM_REDIS_URL")] = Field(
        None,
        description="`redis://`, `rediss://` (TLS) or `unix://`; or Sentinels, "
        "`redis+sentinel://[user:password@]host1:26379,host2:26379,host3:26379/mymaster[/db]`, which say where the master is "
        "(`rediss+sentinel://`: TLS to the master). Replaces host, port, user name, password, db and tls.",
    )
    host: HostName = Field(
        "", description="Redis' host. Without it and without `url`, `ackstream up` brings its own server."
    )
    port: Port = Field(6379, description="Redis' port.")
    username: str | None = Field(None, description="User name, where Redis has an ACL.")
    password: SecretStr | None = Field(None, description="Password.")
    db: Annotated[int, Variable("REDIS_DB")] = Field(0, ge=0, description="Number of the database.")
    sentinel_username: str | None = Field(
        None, description="User name for the Sentinels themselves, where they have an ACL."
    )
    sentinel_password: SecretStr | None = Field(
        None, description="Password for the Sentinels themselves, where they ask for one."
    )
    tls: Annotated[bool, Variable("REDIS_TLS")] = Field(
        False, description="Speak TLS with Redis. (Versus: on by default.)"
    )
    events_days: float = Field(
        7,
        gt=0,
        le=3650,
        allow_inf_nan=False,
        description="How long events stay in the stream, for replay. What a stage has not read yet stays longer.",
    )
    open_days: float = Field(
        30,
        gt=0,
        le=365,
        allow_inf_nan=False,
        description="How long an incident stays open that no notification mentions any more. Then it is closed as expired, and its "
        "message says so. What is still to be escalated or told stays.",
    )
    insecure_skip_verify: bool = Field(
        False, description="With TLS: do not check who answers. For development only."
    )
    ca_cert: Annotated[Path | None, Variable("REDIS_CA_CERT")] = Field(
        None, description="With TLS: file with the CA certificates to trust instead of the system's."
    )

    @property
    def is_embedded(self) -> bool:
        """Nobody named a Redis: `ackstream up` brings one."""
        return not self.url and not self.host

    @property
    def events_age(self) -> timedelta:
        return timedelta(days=self.events_days)

    @property
    def open_age(self) -> timedelta:
        return timedelta(days=self.open_days)

    @property
    def uses_tls(self) -> bool:
        return self.url.get_secret_value().startswith("rediss") if self.url else self.tls

    @property
    def connection_options(self) -> dict[str, Any]:
        """What `redis_client.connect` must know beside the URL."""
        return {
            "verify_tls": not self.insecure_skip_verify,
            "ca_cert": str(self.ca_cert) if self.ca_cert else None,
            "sentinel_username": self.sentinel_username,
            "sentinel_password": self.sentinel_password.get_secret_value()
            if self.sentinel_password
            else None,
        }

    @property
    def connection_url(self) -> str:
        """`url`, or the URL that the other keys amount to. Contains the password: not for logs."""
        if self.url:
            return self.url.get_secret_value()
        password = self.password.get_secret_value() if self.password else ""
        user = quote(self.username or "", safe="")
        credentials = f"{user}:{quote(password, safe='')}@" if user or password else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{credentials}{host}:{self.port}/{self.db}"


class IngestAuthConfig(Section):
    bearer_token: Token | None = Field(
        None, description="Senders must show `Authorization: Bearer` with this token."
    )
    username: str | None = Field(None, description="Or this user name, with HTTP Basic …")
    password: SecretStr | None = Field(None, description="… and this password.")


class IngestConfig(Section):
    max_body_bytes: int = Field(
        1_048_576, ge=1024, le=104_857_600, description="Larger bodies are refused with 413."
    )
    body_timeout_seconds: Seconds = Field(10.0, description="How long a sender may take to send its body.")
    auth: IngestAuthConfig = IngestAuthConfig()


class NotifierConfig(Section):
    host: str = Field(EVERYWHERE, description="Address for health checks and metrics.")
    health_port: Port = Field(3001, description="Port for health checks and metrics.")
    concurrency: Concurrency = Field(16, description="Slack messages in the works at one time.")


class EscalatorConfig(Section):
    host: str = Field(EVERYWHERE, description="Address for health checks and metrics.")
    health_port: Port = Field(3002, description="Port for health checks and metrics.")
    concurrency: Concurrency = Field(
        16,
        description="Events and due incidents in the works at one time. How many calls ServiceNow gets: "
        "`oncall.servicenow.concurrency_per_instance`.",
    )


class LogConfig(Section):
    level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(lower)] = Field(
        "info", description="`debug`, `info`, `warning` or `error`."
    )
    format: Annotated[Literal["auto", "json", "console"], BeforeValidator(lower)] = Field(
        "auto", description="`json`, `console`, or `auto`: `console` at a terminal, else `json`."
    )


class Config(Section):
    name: str = Field("versus", description="Name of this installation.")
    host: str = Field(EVERYWHERE, description="Address on which ingest listens.")
    port: Annotated[Port, Variable("PORT")] = Field(3000, description="Port on which ingest listens.")
    public_host: BaseUrl = Field(
        "",
        description="Base URL under which people's browsers reach ingest; acknowledge links begin with it. "
        "Empty: `http://localhost:PORT`.",
    )
    console_url: BaseUrl = Field(
        "",
        description="Base URL under which people's browsers reach the console; Slack messages link to it. Empty: no link.",
    )
    gateway_secret: Annotated[SecretStr | None, Variable("GATEWAY_SECRET")] = Field(
        None, description="Signs the acknowledge links. Empty: a key is made once and kept in Redis."
    )
    gateway_secret_previous: Annotated[tuple[SecretStr, ...], BeforeValidator(_one_or_more)] = Field(
        (),
        description="One former `gateway_secret`, or a list: links signed with them are still accepted.",
    )
    alert: AlertConfig = AlertConfig()
    oncall: OnCallConfig = OnCallConfig()
    redis: RedisConfig = RedisConfig()
    ingest: IngestConfig = IngestConfig()
    notifier: NotifierConfig = NotifierConfig()
    escalator: EscalatorConfig = EscalatorConfig()
    log: LogConfig = LogConfig()

    @property
    def rules(self) -> Rules:
        """What decisions need to know of it."""
        return Rules(self.alert.slack.flap.rule, self.oncall.ack_timeout)

    @property
    def ack_base_url(self) -> str:
        """What acknowledge links begin with; no slash at its end."""
        return self.public_host or f"http://localhost:{self.port}"

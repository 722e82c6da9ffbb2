"""Reads the configuration: file, variables, overrides; all problems at once, each with its place and its mend."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shared import config_errors
from shared.config import FOREIGN_PROVIDERS, Config
from shared.config_access import CREDENTIALS, NEEDED
from shared.config_draft import Draft, draft
from shared.config_errors import ConfigError, Problem, dotted, in_line_order, shown
from shared.config_keys import KEYS, is_secret, told_unknown
from shared.config_oncall import (
    INSTANCES,
    SERVICENOW,
    STEPS,
    is_on_call,
    led_to,
    missing_webhook,
    oncall_advice,
    oncall_contradictions,
)
from shared.config_states import LIVES, state_problems
from shared.config_values import is_private_enough
from shared.config_variables import Variables

FOREIGN_BLOCKS = (
    *(("alert", name) for name in ("telegram", "viber", "email", "msteams", "lark", "googlechat")),
    *(("oncall", name) for name in ("aws_incident_manager", "pagerduty", "incident_io")),
    *(
        (name,)
        for name in ("queue", "proxy", "agent", "storage", "tools", "connectors", "admin", "rate_limit")
    ),
)
"""What a Versus configuration may have, for things that Ackstream does not do."""

SLACK = ("alert", "slack")
ADDRESSEES = (STEPS, *((*SLACK, key) for key in ("routes", "mention", "fallback_channel_id")))
ACCESS = (*SERVICENOW, "access_by_instance")
BY_INSTANCE = (
    *(ACCESS, LIVES),
    *((*SERVICENOW, f"{name}_by_instance") for name in ("fields", "table", "import_set")),
)

_SENTENCES = {
    "missing": "is required",
    "int_parsing": "should be a whole number",
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_parsing": "should be a number",
    "float_type": "should be a number",
    "finite_number": "should be a finite number",
    "bool_parsing": "should be true or false",
    "bool_type": "should be true or false",
    "string_type": "should be a text",
    "model_type": "should be a block of keys",
    "model_attributes_type": "should be a block of keys",
    "dict_type": "should be a block of keys",
    "tuple_type": "should be a list",
    "path_type": "should be a path",
}
_BOUNDS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}


@dataclass(frozen=True)
class LoadedConfig:
    """`warnings`: what is not as its writer may have meant it, and does not keep us from starting. `lines`: where each key stands."""

    config: Config
    warnings: tuple[str, ...]
    lines: dict[config_errors.Path, int]


def load_config(path: Path, environ: Mapping[str, str] = os.environ) -> LoadedConfig:
    """The configuration in `path`. Raises ConfigError, which names everything that is wrong at once."""
    variables = Variables(environ)
    written = draft(str(path), _read(path), variables)
    warnings = [
        *_foreign_blocks(written),
        *_absent_instances(written, variables),
        *_absent_addressees(written, variables),
        *oncall_advice(written),
    ]
    problems = [*written.problems, *_missing(written, variables), *_contradictions(written)]
    try:
        config = Config.model_validate(written.values)
    except ValidationError as error:
        raise ConfigError(in_line_order([*problems, *_told(written, variables, error)])) from None
    if problems:
        raise ConfigError(in_line_order(problems))
    lines = {key: place.line for key, place in written.places.items() if place.line is not None}
    return LoadedConfig(_with_template(config, path), (*warnings, *_advice(config)), lines)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        why = "does not exist; name another one with --config or ACKSTREAM_CONFIG"
    except OSError as error:
        why = f"cannot be read: {error.strerror or type(error).__name__}"
    except UnicodeDecodeError as error:
        why = f"is not UTF-8 text (byte {error.start})"
    except ValueError:
        why = "is not a file name"
    raise ConfigError([Problem(str(path), None, "", why)])


def _foreign_blocks(written: Draft) -> Iterator[str]:
    """Takes them out of the draft, with one warning each."""
    for path in FOREIGN_BLOCKS:
        if path in written.places:
            enabled = written.is_on((*path, "enable"))
            written.drop(path)
            yield f"{dotted(path)}: Ackstream has no such thing; the block is ignored" + (
                ". It is enabled here, but alerts will NOT go there" if enabled else ""
            )


def _absent_instances(written: Draft, variables: Variables) -> Iterator[str]:
    if not written.get((*SERVICENOW, "instance_url")):  # then nothing is escalated at all
        return
    for path, place in written.places.items():
        if path[:-1] == INSTANCES and place.unset and written.get(path) is None:
            why = variables.absence(place.unset[0])
            yield f"{dotted(path)}: has no value: {why}; requests that ask for {path[-1]} get the default instance"


def _absent_addressees(written: Draft, variables: Variables) -> Iterator[str]:
    """Alerts would quietly go elsewhere, or call nobody."""
    for path, place in written.places.items():
        addressee = any(path[: len(key)] == key for key in ADDRESSEES)
        lost = addressee and place.unset and written.get(path) is None
        if lost and written.is_on((*SLACK, "enable")):
            yield f"{dotted(path)}: has no value: {variables.absence(place.unset[0])}; it counts as not given"


def _missing(written: Draft, variables: Variables) -> Iterator[Problem]:
    """What must be there because of what is switched on."""
    needed: dict[config_errors.Path, str] = {}
    if written.is_on((*SLACK, "enable")):
        needed |= {(*SLACK, key): "alert.slack.enable is true" for key in ("token", "channel_id")}
        needed |= {(*SLACK, key): why for key, why in _for_buttons(written)}
    for switch in ("initialized_only", "enable"):
        if written.is_on(("oncall", switch)) and "servicenow" in led_to(written):
            keys = ("instance_url", *_to_sign_in(written, SERVICENOW))
            needed |= {(*SERVICENOW, key): f"oncall.{switch} is true" for key in keys}
    needed |= missing_webhook(written)
    for path in _own_credentials(written):
        why = f"the instance has credentials of its own in {dotted(path)}"
        needed |= {(*path, key): why for key in _to_sign_in(written, path)}
    for path, why in needed.items():
        if written.get(path) is None:
            yield written.problem(path, f"is required because {why}{_absence(written, variables, path)}")


def _to_sign_in(written: Draft, block: config_errors.Path) -> tuple[str, ...]:
    """The keys that the way of signing in needs, which a block names or leaves to the default."""
    way = written.text((*block, "auth")).lower()
    return NEEDED.get(way or "basic", ())


def _own_credentials(written: Draft) -> Iterator[config_errors.Path]:
    """The blocks that give credentials to an instance that is there, also those whose variables have no value."""
    for path in sorted({path[: len(ACCESS) + 1] for path in written.places if path[: len(ACCESS)] == ACCESS}):
        url = next((name for name in _instances(written) if name.lower() == path[-1].lower()), None)
        if url and any((*path, key) in written.places for key in CREDENTIALS):
            yield path


def _instances(written: Draft) -> Iterator[str]:
    """Names of the further instances that have a URL."""
    instances = written.get(INSTANCES)
    yield from instances if isinstance(instances, dict) else ()


def _keys_alone(written: Draft) -> Iterator[Problem]:
    """A key without its certificate. Which of them stand in the files is seen where they are read."""
    blocks = [
        SERVICENOW,
        *sorted({path[: len(ACCESS) + 1] for path in written.places if path[:-1] == ACCESS}),
    ]
    for block in blocks:
        if written.text((*block, "client_key")) and not written.text((*block, "client_cert")):
            yield written.problem(
                (*block, "client_cert"), f"is required because {dotted((*block, 'client_key'))} is given"
            )


def _strangers(written: Draft) -> Iterator[Problem]:
    """What is said of instances that nobody has named."""
    named = {path[-1].lower(): path[-1] for path in written.places if path[:-1] == INSTANCES}
    for path in written.places:
        if path[:-1] in BY_INSTANCE and path[-1].lower() not in named:
            known = ", ".join(named.values()) or "none"
            yield written.problem(
                path, f"is no instance of oncall.servicenow.other_instance_urls; there: {known}"
            )


def _for_buttons(written: Draft) -> Iterator[tuple[str, str]]:
    way = written.text((*SLACK, "interactivity")).lower()
    where = "it stands on the app's page Basic Information, under"
    if way == "http":
        yield "signing_secret", f"alert.slack.interactivity is http; {where} App Credentials"
    if way == "socket":
        yield "app_token", f"alert.slack.interactivity is socket; {where} App-Level Tokens"


def _absence(written: Draft, variables: Variables, path: config_errors.Path) -> str:
    """Of the variables that a value was to come from."""
    unset = written.places[path].unset if path in written.places else ()
    return "".join(f", and {variables.absence(name)}" for name in unset)


def _contradictions(written: Draft) -> Iterator[Problem]:
    yield from _strangers(written)
    yield from _keys_alone(written)
    yield from state_problems(written)
    urls: list[config_errors.Path] = [(*SERVICENOW, "instance_url")]
    urls += [(*INSTANCES, name) for name in _instances(written)]
    for path in urls:
        exposed = written.text(path).startswith("http://") and not is_private_enough(written.text(path))
        if exposed and not written.is_on((*SERVICENOW, "allow_http")):
            yield written.problem(
                path,
                "should be https://: the password would travel unencrypted; oncall.servicenow.allow_http: true permits it",
            )
    provider, active = written.text(("oncall", "provider")), is_on_call(written)
    if provider in FOREIGN_PROVIDERS and active:
        yield written.problem(
            ("oncall", "provider"),
            f"should be servicenow or webhook; Ackstream cannot escalate to {provider}",
        )
    yield from oncall_contradictions(written)
    yield from _unlisted_children(written)
    yield from _swapped_tokens(written)
    yield from _ports_in_use_twice(written)
    auth = ("ingest", "auth")
    for given, wanted in (("username", "password"), ("password", "username")):
        if written.text((*auth, given)) and not written.text((*auth, wanted)):
            yield written.problem((*auth, wanted), f"is required because ingest.auth.{given} is given")


def _unlisted_children(written: Draft) -> Iterator[Problem]:
    """A staging table passes on what its transform map knows, and might drop the note that lists a storm's incidents."""
    for path in ((*SERVICENOW, "import_set"), (*SERVICENOW, "import_set_by_instance")):
        if written.get(path) and written.text((*SLACK, "storm", "servicenow")) == "parent":
            yield written.problem(path, "cannot go with alert.slack.storm.servicenow: parent")


def _swapped_tokens(written: Draft) -> Iterator[Problem]:
    """Slack's pages show three secrets, and two of them tell what they are."""
    token, app_token, secret = ((*SLACK, key) for key in ("token", "app_token", "signing_secret"))
    if written.text(app_token) and not written.text(app_token).startswith("xapp-"):
        yield written.problem(app_token, "should be an app-level token, xapp-…, not the bot's")
    if written.text(token).startswith("xapp-"):
        yield written.problem(
            token, "should be the bot's token, xoxb-…; an app-level one belongs in app_token"
        )
    if written.text(secret).startswith(("xapp-", "xoxb-")):
        yield written.problem(secret, "should be the app's Signing Secret, not a token")


def _ports_in_use_twice(written: Draft) -> Iterator[Problem]:
    """The services may share a machine; whoever comes second would not start."""
    taken: dict[str, str] = {}
    for path in (("port",), ("notifier", "health_port"), ("escalator", "health_port")):
        port = written.text(path) or str(KEYS[path].default)
        if port in taken:
            yield written.problem(path, f"should be another port than {taken[port]}'s, {port}")
        taken.setdefault(port, dotted(path))


def _told(written: Draft, variables: Variables, error: ValidationError) -> Iterator[Problem]:
    """What pydantic found, in words for the person who has to mend it."""
    for detail in error.errors(include_url=False):
        path = tuple(str(part) for part in detail["loc"])
        if path in written.places or isinstance(written.get(path[:-1]), dict | list) or len(path) == 1:
            more = (
                _absence(written, variables, path)
                if detail["type"] == "missing"
                else _instead(written, detail, path)
            )
            yield written.problem(path, _sentence(detail, path) + more)
        else:
            yield written.problem(path[:-1], _sentence(detail, path))


def _sentence(detail: ErrorDetails, path: config_errors.Path) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return told_unknown(path)
    if kind == "literal_error":
        return f"should be {context['expected']}"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_too_long":
        return f"should be at most {context['max_length']} characters long"
    for bound, words in _BOUNDS.items():
        if bound in context:
            return f"should be {words} {context[bound]:g}"
    return _SENTENCES.get(kind, "has a value that is not possible here")


def _instead(written: Draft, detail: ErrorDetails, path: config_errors.Path) -> str:
    """What is there instead: only where it stands in the file itself, and cannot be a misplaced secret of a variable."""
    place, value = written.places.get(path), written.text(path)
    telling = detail["type"] in ("int_parsing", "float_parsing", "bool_parsing", "literal_error")
    if not telling or not value or place is None or place.expanded or is_secret(path):
        return ""
    return f', not "{shown(value)}"'


def _advice(config: Config) -> Iterator[str]:
    if not (config.alert.slack.enable or config.oncall.enable or config.oncall.initialized_only):
        yield "alert.slack.enable and oncall.enable are both false: alerts are taken, and nobody is told"
    slack = config.alert.slack
    if slack.fallback_channel_id and slack.fallback_channel_id == slack.channel_id:
        yield "alert.slack.fallback_channel_id: is alert.slack.channel_id, whose own trouble cannot be told there"
    if config.oncall.provider in FOREIGN_PROVIDERS and not config.oncall.steps:
        yield f"oncall.provider: Ackstream cannot escalate to {config.oncall.provider}; on-call is off"
    yield from _without_a_close_code(config)
    if config.redis.insecure_skip_verify and config.redis.uses_tls:
        yield "redis.insecure_skip_verify: nobody checks whether it is your Redis that answers"
    if config.oncall.configured and not config.public_host:
        yield f"public_host: has no value, so acknowledge links lead to {config.ack_base_url}, which works on this machine only"


def _without_a_close_code(config: Config) -> Iterator[str]:
    servicenow = config.oncall.servicenow
    for name in (None, *servicenow.other_instance_urls):
        life = servicenow.life_for(name)
        if life.on_resolve == "state" and not life.close_code:
            where = f" for the instance {name}" if name else ""
            yield (
                f"oncall.servicenow.close_code: has no value{where}, and on_resolve is state: as delivered, ServiceNow wants one to "
                "resolve an incident"
            )


def _with_template(config: Config, path: Path) -> Config:
    """With the template's path as it was found."""
    slack = config.alert.slack
    folders = (Path(), path.parent, path.resolve().parent.parent)
    found = next(
        (folder / slack.template_path for folder in folders if (folder / slack.template_path).is_file()), None
    )
    slack = slack.model_copy(update={"template_path": found or slack.template_path})
    return config.model_copy(update={"alert": config.alert.model_copy(update={"slack": slack})})

"""`ackstream check-config`: everything that can be known about a configuration without asking anybody outside."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import resources
from pathlib import Path

from ops.check_fields import field_problems
from services.escalator.tls import CertificateError, ssl_context, trusting
from services.escalator.webhook import BLOCK
from services.ingest.documents import read_documents
from services.ingest.parsing import parse_document
from services.notifier.__main__ import look
from services.notifier.message import slack_message
from services.notifier.template import MessageTemplate, TemplateError
from shared.commands import Acknowledge, Fire, RecordWritten
from shared.config import Config, OnCallConfig
from shared.config_errors import ConfigError
from shared.config_file import load_config
from shared.identity import new_incident_id
from shared.incident import Closure, Incident, Record, State
from shared.notification import Call
from shared.transitions import advance


@dataclass(frozen=True)
class Report:
    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def check(path: Path) -> Report:
    """Load `path` and render its templates with a sample alert of every source."""
    try:
        loaded = load_config(path)
    except ConfigError as error:
        return Report(tuple(str(problem) for problem in error.problems))
    incidents = {name: sample_incident(raw, datetime.now(UTC))[0] for name, raw in sorted(samples().items())}
    problems = [
        *_template_problems(loaded.config),
        *map(str, field_problems(loaded, str(path), incidents)),
        *_certificate_problems(loaded.config.oncall),
    ]
    return Report(tuple(problems), loaded.warnings)


def _certificate_problems(config: OnCallConfig) -> list[str]:
    """Of the files for TLS with each instance, and with the webhook."""
    problems: dict[str, None] = {}
    servicenow = config.servicenow
    accesses = [servicenow.access(name) for name in (None, *servicenow.other_instance_urls)]
    for read in (
        *(partial(ssl_context, access) for access in accesses),
        partial(trusting, config.webhook.ca_cert, BLOCK),
    ):
        try:
            read()
        except CertificateError as error:
            problems[str(error)] = None
    return list(problems)


def samples() -> dict[str, bytes]:
    """Sample bodies by name of their source."""
    folder = resources.files("ops").joinpath("samples")
    return {
        file.name.removesuffix(".json"): file.read_bytes()
        for file in folder.iterdir()
        if file.name.endswith(".json")
    }


def sample_incident(raw: bytes, now: datetime) -> tuple[Incident, str]:
    """The incident that a sample body would open, and its body."""
    document = read_documents(raw).items[0]
    notification = parse_document(document, Call(wait=timedelta(minutes=3)))
    step = advance(None, Fire(notification, new_incident_id(now, 0, bytes(9))), now)
    if step.incident is None:
        raise ValueError("a sample body opens no incident")
    return step.incident, notification.body


def lives(incident: Incident, now: datetime) -> list[Incident]:
    """A fresh incident as it may look in the course of its life, each state once."""
    record = Record(sys_id="0" * 32, number="INC0010001", url="https://example.com", instance=None, at=now)
    acknowledged = advance(incident, Acknowledge("Ada", "link"), now).incident
    escalated = advance(incident, RecordWritten("", record), now).incident
    resolved = incident.model_copy(update={"closure": Closure(at=now, state=State.RESOLVED)})
    return [incident, *(later for later in (acknowledged, escalated) if later), resolved]


def _template_problems(config: Config) -> list[str]:
    """Also with Slack switched off: whoever edits the template wants to know before it counts."""
    slack = config.alert.slack
    if not slack.enable and not slack.template_path.exists():
        return []
    try:
        template = MessageTemplate.load(slack.template_path)
    except TemplateError as error:
        return [str(error)]
    problems: dict[str, str] = {}
    for name, raw in sorted(samples().items()):
        incident, body = sample_incident(raw, datetime.now(UTC))
        url = f"{config.ack_base_url}/api/ack/{incident.id}"
        for life in lives(incident, datetime.now(UTC)):
            try:
                slack_message(life, template.render(life, json.loads(body), url), look(config), url)
            except TemplateError as error:
                problems.setdefault(str(error), f"the sample alert of {name}, {life.state}")
    return [f"{problem} (with {sample})" for problem, sample in problems.items()]

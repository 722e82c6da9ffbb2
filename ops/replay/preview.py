"""What a configuration would make of an incident: its Slack message, its channel, its record. Asks nobody, sends nothing."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ops.replay.replay import ReplayError
from services.escalator.mapping import Mappings
from services.notifier.__main__ import look
from services.notifier.message import plain_message
from services.notifier.rendering import render
from services.notifier.routing import Routing, calling
from services.notifier.template import MessageTemplate, TemplateError
from shared.config import Config
from shared.incident import Incident
from shared.notification import SERVICENOW
from shared.outlook import may_be_acknowledged_in_time

_DATE = re.compile(r"<!date\^[^|<>]*\|([^<>]*)>")
"""Slack shows it in each reader's own time; here it is what Slack would show without that."""


class Preview:
    """Raises ReplayError when Slack is on and its template cannot be used."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._look = look(config)
        self._mappings = Mappings(config.oncall.servicenow, self._page_url, config.console_url)
        self._template = _template(config)
        slack = config.alert.slack
        self._routing = Routing(slack.routes, slack.mention)

    @property
    def slack_is_on(self) -> bool:
        return self._config.alert.slack.enable

    def message(self, incident: Incident, body: str, *, with_link: bool = True) -> dict[str, Any]:
        """The message; its acknowledge link is not signed, and so leads to nothing."""
        url = self._link(incident) if with_link else None
        if self._template is None:
            return plain_message(incident, "there is no template", url)
        message = render(self._template, self._look, incident, body, url).message
        return calling(message, self._routing.route(incident).mentions)

    def channel(self, incident: Incident) -> str:
        return self._routing.route(incident).channel or self._config.alert.slack.channel_id or "no channel"

    def record(self, incident: Incident, at: datetime, step: int = 0) -> dict[str, Any] | None:
        """The request to ServiceNow that an escalation at `at`, by that step, would make; None when none is configured, or the step
        leads elsewhere."""
        settings, (target, instance) = self._config.oncall.servicenow, incident.target_of(step)
        if target != SERVICENOW:
            return None
        try:
            name, url = settings.instance(instance)
        except LookupError:
            return None
        return {
            "instance": name or "default",
            "method": "POST",
            "url": f"{url}/api/now/table/{settings.table_for(name)}",
            "body": {**self._mappings.render(incident, at, name, step).values, "correlation_id": incident.id},
        }

    def _link(self, incident: Incident) -> str | None:
        return self._page_url(incident) if may_be_acknowledged_in_time(incident) else None

    def _page_url(self, incident: Incident) -> str:
        return f"{self._config.ack_base_url}/api/ack/{incident.id}"


def _template(config: Config) -> MessageTemplate | None:
    slack = config.alert.slack
    if not slack.enable and not slack.template_path.exists():
        return None
    try:
        return MessageTemplate.load(slack.template_path)
    except TemplateError as error:
        raise ReplayError(str(error)) from error


def lines_of(message: dict[str, Any]) -> list[str]:
    """A message as plain lines, as a person would read it from top to bottom."""
    return [line for text in _texts(message) for line in _DATE.sub(r"\1", text).splitlines()]


def _texts(message: dict[str, Any]) -> Iterator[str]:
    yield message["text"]
    for attachment in message["attachments"]:
        yield f"({attachment['color']})"
        for block in attachment["blocks"]:
            if block["type"] == "section":
                yield block["text"]["text"]
            for element in block.get("elements", ()):
                text = element["text"]
                yield text if isinstance(text, str) else f"[{text['text']}] {element['url']}"

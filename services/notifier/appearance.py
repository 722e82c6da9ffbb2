"""How messages look and where they go, as the configuration has it."""

from dataclasses import dataclass, field
from typing import Any

import structlog

from services.notifier.look import Look
from services.notifier.message import plain_message
from services.notifier.rendering import render
from services.notifier.routing import Routing, calling
from services.notifier.template import MessageTemplate
from shared.incident import Incident
from shared.links import AckLinks, expiry
from shared.outlook import may_be_acknowledged_in_time


@dataclass(frozen=True)
class Appearance:
    """`channel`: where messages go that neither a request nor a route sends elsewhere."""

    channel: str
    template: MessageTemplate
    look: Look
    links: AckLinks
    routing: Routing = field(default_factory=Routing)

    def channel_of(self, incident: Incident) -> str:
        """Where its message is, or is to be."""
        if incident.message:
            return incident.message.channel
        return self.routing.route(incident).channel or self.channel

    def message(self, incident: Incident, body: str) -> dict[str, Any]:
        """The message as arguments of chat.postMessage, without channel. `body`: of the latest notification. Should the template
        fail, it is a plain one that says so."""
        rendering = render(self.template, self.look, incident, body, self._ack_url(incident))
        if rendering.error:
            structlog.get_logger().error("template_failed", incident=incident.id, error=rendering.error)
        return self._calling(incident, rendering.message)

    def plain(self, incident: Incident, why: str) -> dict[str, Any]:
        """The same, short and without blocks. `why` is told to the reader."""
        return self._calling(incident, plain_message(incident, why, self._ack_url(incident)))

    def _calling(self, incident: Incident, message: dict[str, Any]) -> dict[str, Any]:
        return calling(message, self.routing.route(incident).mentions)

    def _ack_url(self, incident: Incident) -> str | None:
        if not may_be_acknowledged_in_time(incident):
            return None
        return self.links.url(incident.id, expiry(incident))

"""From an incident to its message, whatever happens on the way: a template that fails must not cost the page."""

import json
from dataclasses import dataclass
from typing import Any

from services.notifier.look import Look
from services.notifier.message import plain_message, slack_message
from services.notifier.template import MessageTemplate, TemplateError
from shared.incident import Incident


@dataclass(frozen=True)
class Rendering:
    """`message`: without channel and ts. `error`: why it is a plain one; empty when it is as it should be."""

    message: dict[str, Any]
    error: str = ""


def render(
    template: MessageTemplate, look: Look, incident: Incident, body: str, ack_url: str | None
) -> Rendering:
    try:
        text = template.render(incident, json.loads(body), ack_url)
    except (TemplateError, ValueError) as error:
        return Rendering(plain_message(incident, str(error), ack_url), str(error))
    return Rendering(slack_message(incident, text, look, ack_url))

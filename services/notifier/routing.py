"""Where an incident's message goes and whom it calls. By configuration alone: what an alert says can call nobody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.notifier.mrkdwn import cut
from shared.config import RouteConfig
from shared.incident import Incident, State
from shared.matchers import match_all
from shared.slack_mentions import Mentions, mentions_for

WAITING = (State.OPEN, State.ESCALATING)
"""Somebody is wanted. Later edits of the message call nobody."""

MAX_TEXT = 4000
"""chat.update takes no more."""


@dataclass(frozen=True)
class Route:
    """`channel`: None is the configured one."""

    channel: str | None = None
    mentions: Mentions = ()


class Routing:
    """The first of `routes` that fits counts; `mention` is for what none fits, or one that says nothing about it."""

    def __init__(
        self, routes: Sequence[RouteConfig] = (), mention: Mapping[str, Mentions] | None = None
    ) -> None:
        self._routes = routes
        self._mention = mention or {}

    def route(self, incident: Incident) -> Route:
        labels = labels_of(incident)
        route = next((route for route in self._routes if match_all(route.matchers, labels)), None)
        mention = route.mention if route and route.mention else self._mention
        return Route(
            incident.call.channel or (route.channel_id if route else None),
            mentions_for(incident.facts.severity, mention) if incident.state in WAITING else (),
        )


def labels_of(incident: Incident) -> dict[str, str]:
    """What matchers see: the labels that all alerts share; the worst severity and the title where these two are not among them."""
    facts = incident.facts
    return {"alertname": facts.title, "severity": facts.severity, **facts.labels}


def calling(message: dict[str, Any], mentions: Mentions) -> dict[str, Any]:
    """`message` with `mentions` behind its headline. Slack notifies whom the text of a message names, and not always whom its
    attachments do; the headline comes first, for the lock screen."""
    if not mentions:
        return message
    words = " " + " ".join(mentions)
    head, line_end, rest = cut(message["text"], MAX_TEXT - len(words)).partition("\n")
    return {**message, "text": f"{head}{words}{line_end}{rest}"}

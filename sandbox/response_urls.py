"""What an app says to `response_url` after a press (docs.slack.dev/interactivity/handling-user-interaction)."""

import secrets
from dataclasses import dataclass
from typing import Any

from sandbox.slack import SlackWorkspace, content_of
from sandbox.slack_channel import Channel, Message
from sandbox.slack_content import SlackRefusal, check_content

MOST_USES = 5


@dataclass
class ResponseUrl:
    channel: Channel
    message: Message
    user: str
    uses: int = 0


class ResponseUrls:
    def __init__(self, slack: SlackWorkspace) -> None:
        self._slack = slack
        self._known: dict[str, ResponseUrl] = {}

    def new(self, channel: Channel, message: Message, user: str) -> str:
        """The last part of an address for one press."""
        name = secrets.token_urlsafe(18)
        self._known[name] = ResponseUrl(channel, message, user)
        return name

    def use(self, name: str, arguments: dict[str, Any]) -> None:
        """A new message for who pressed, or for all with `in_channel`; or the pressed message replaced or deleted."""
        known = self._known.get(name)
        if known is None or known.uses >= MOST_USES:
            raise SlackRefusal("used_url", status=404)
        known.uses += 1
        place = known.channel
        if arguments.get("delete_original"):
            place.remove(known.message.ts)
        elif arguments.get("replace_original"):
            content, _ = content_of(arguments)
            check_content(content, text_limit=40_000)
            known.message.replace(content)
        else:
            in_channel = arguments.get("response_type") == "in_channel"
            self._slack.respond(known.message.author, place, arguments, "" if in_channel else known.user)

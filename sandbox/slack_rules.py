from typing import Any

from sandbox.slack_channel import Channel
from sandbox.slack_content import SlackRefusal
from sandbox.slack_pace import Pace
from sandbox.slack_settings import SlackSettings


class Rules:
    """What the settings mean for a request: methods raise SlackRefusal where Slack would refuse."""

    def __init__(self, settings: SlackSettings) -> None:
        self._first = settings
        self.settings = settings
        self.pace = Pace()

    def reset(self) -> None:
        """As at the beginning, and nothing counted."""
        self.settings = self._first
        self.pace = Pace()

    def change(self, **changes: Any) -> SlackSettings:
        """Change some SlackSettings. Raises pydantic's ValidationError."""
        self.settings = SlackSettings.model_validate(self.settings.model_dump() | changes)
        return self.settings

    def allow(self, method: str, channel: str) -> None:
        """`missing_scope` where the bot's token does not reach."""
        if needed := self.settings.missing_scope(method, channel):
            details = {"needed": needed, "provided": self.settings.granted()}
            raise SlackRefusal("missing_scope", details=details)

    def visible(self, channel: Channel) -> Channel:
        """A private channel does not exist for who is no member."""
        if self.settings.is_private(channel.id) and not self.settings.is_member(channel.id):
            raise SlackRefusal("channel_not_found")
        return channel

    def readable(self, channel: Channel) -> Channel:
        self.visible(channel)
        if not self.settings.is_member(channel.id):
            raise SlackRefusal("not_in_channel")
        return channel

    def writable(self, channel: Channel, now: float, *, archived: str = "is_archived") -> Channel:
        """Where the bot may write at this moment; counts towards the rate limit. `archived`: how the method says that."""
        self.visible(channel)
        self.pace.take(channel.id, self.settings, now)
        if channel.id in self.settings.archived:
            raise SlackRefusal(archived)
        if not self.settings.is_member(channel.id) and "chat:write.public" not in self.settings.scopes:
            raise SlackRefusal("not_in_channel")
        return channel

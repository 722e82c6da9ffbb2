from pydantic import BaseModel, ConfigDict, Field

SIGNING_SECRET = "sandbox-signing-secret"  # noqa: S105 - public by design
ALL_SCOPES = frozenset(
    f"{conversations}:{right}"
    for conversations in ("channels", "groups", "im")
    for right in ("history", "read")
) | {"chat:write", "users:read"}
# `chat.update`, `conversations.history`: methods by the right that they need. The others need none.
RIGHTS = {
    "chat.postMessage": "chat:write",
    "chat.postEphemeral": "chat:write",
    "chat.update": "chat:write",
    "chat.delete": "chat:write",
    "conversations.history": "history",
    "conversations.replies": "history",
    "conversations.info": "read",
    "users.info": "users:read",
}


class SlackSettings(BaseModel):
    """What the workspace's administrators and the app's own pages decide. Channels are named by id.

    `scopes`: what the bot token may do. `member_of`: the channels that the bot was invited to, None for all; `private` ones
    do not exist for a bot that is no member. `posts_per_second`: an honest rate limit of posts and edits per channel after
    a `burst`, None for none. `interactivity_url`: where presses of buttons are posted, signed with `signing_secret`; while
    an app has Socket Mode connections they go there instead. `patience`: seconds that a press waits for its answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    scopes: frozenset[str] = ALL_SCOPES
    member_of: frozenset[str] | None = None
    private: frozenset[str] = frozenset()
    archived: frozenset[str] = frozenset()
    posts_per_second: float | None = Field(default=None, gt=0)
    burst: int = Field(default=3, ge=1)
    interactivity_url: str = ""
    signing_secret: str = SIGNING_SECRET
    patience: float = Field(default=3, gt=0)

    def is_private(self, channel: str) -> bool:
        return channel.startswith("G") or channel in self.private

    def is_member(self, channel: str) -> bool:
        return self.member_of is None or channel in self.member_of

    def missing_scope(self, method: str, channel: str) -> str:
        """The scope that the bot lacks for this method there; empty where it may."""
        right = RIGHTS.get(method, "")
        kind = "groups" if self.is_private(channel) else "im" if channel.startswith("D") else "channels"
        needed = f"{kind}:{right}" if right in ("history", "read") else right
        return "" if needed in self.scopes else needed

    def granted(self) -> str:
        """As in `x-oauth-scopes`, and in a refusal's `provided`."""
        return ",".join(sorted(self.scopes))

"""What a person can do about Slack's refusals. Slack's words come from its pages about auth.test, chat.postMessage, chat.update."""

from collections.abc import Mapping

CONFIGURE = "put the bot token (xoxb-…) from the app's page OAuth & Permissions into alert.slack.token"
AGAIN = "install the app in the workspace again and configure its new token"
ADMIN = "an administrator of the workspace must let the app in"
POSTING = "only some may post there: whoever manages the channel must let the app"
ARCHIVED = "unarchive the channel, or configure another one"

OF_TOKEN: Mapping[str, str] = {
    "invalid_auth": f"the token is not valid: {CONFIGURE}",
    "not_authed": f"there is no token: {CONFIGURE}",
    "not_allowed_token_type": f"that is not a bot's token: {CONFIGURE}",
    "token_revoked": f"the token was revoked: {AGAIN}",
    "token_expired": f"the token has expired: {AGAIN}",
    "account_inactive": f"the bot or its workspace was switched off: {AGAIN}",
    "missing_scope": "a scope is missing: add it on the app's page OAuth & Permissions, and install the app again",
    "org_login_required": ADMIN,
    "ekm_access_denied": ADMIN,
    "access_denied": ADMIN,
    "no_permission": ADMIN,
}
"""What is wrong everywhere: no channel could be told."""

OF_APP_TOKEN: Mapping[str, str] = dict.fromkeys(
    ("invalid_auth", "not_authed", "not_allowed_token_type", "token_revoked", "missing_scope"),
    "put a token (xapp-…) with the scope connections:write, from the app's page Basic Information, App-Level Tokens, into "
    "alert.slack.app_token",
)
"""What is wrong with the token for Socket Mode: messages go out, and buttons do nothing."""

OF_CHANNEL: Mapping[str, str] = {
    "not_in_channel": "invite the bot: /invite @{bot} in {channel}",
    "channel_not_found": "check the id; if the channel is private, invite the bot there: /invite @{bot}",
    "is_archived": ARCHIVED,
    "is_inactive": ARCHIVED,
    "restricted_action": POSTING,
    "restricted_action_read_only_channel": POSTING,
    "restricted_action_thread_only_channel": POSTING,
    "cant_update_message": "the message was posted by another app: was the token replaced by that of another one?",
    "edit_window_closed": "the workspace does not let messages be edited for long enough: an administrator can change that",
}
"""What is wrong in one place: another channel can be told."""


def told_of_app_token(error: str) -> str:
    """`error`, and what to do about it where that is known."""
    return f"{error}: {OF_APP_TOKEN[error]}" if error in OF_APP_TOKEN else error


def mend_of(error: str, channel: str = "", bot: str = "") -> str:
    """`error`: Slack's word. Empty where nothing is known."""
    sentence = OF_TOKEN.get(error) or OF_CHANNEL.get(error, "")
    return sentence.format(bot=bot or "NAME", channel=channel or "the channel")

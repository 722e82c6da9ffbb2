"""Whom a message calls, as people configure it, and as Slack wants it written. Never made from what an alert says."""

import re
from collections.abc import Mapping

Mentions = tuple[str, ...]
"""In Slack's markup: `<!here>`, `<!subteam^S…>`, `<@U…>`."""

NOBODY = "none"
DEFAULT = "default"
"""The key for severities that have none of their own."""

MOST = 20
"""Of one message."""

_SPECIAL = re.compile(r"@(here|channel|everyone)|<!(here|channel|everyone)>")
_GROUP = re.compile(r"@?(S[A-Z0-9]{2,})|<!subteam\^(S[A-Z0-9]{2,})>")
_USER = re.compile(r"@?([UW][A-Z0-9]{2,})|<@([UW][A-Z0-9]{2,})>")
_FORMS = ((_SPECIAL, "<!{}>"), (_GROUP, "<!subteam^{}>"), (_USER, "<@{}>"))


def parse_mentions(texts: list[str]) -> Mentions:
    """Raises ValueError, which says what to mend. `none` alone calls nobody."""
    if texts == [NOBODY]:
        return ()
    if len(texts) > MOST:
        raise ValueError(f"should have at most {MOST} mentions; a user group calls any number of people")
    return tuple(dict.fromkeys(_parse(text.strip()) for text in texts))


def _parse(text: str) -> str:
    for form, markup in _FORMS:
        if found := form.fullmatch(text):
            return markup.format(found[1] or found[2])
    raise ValueError(
        'should be "@here", "@channel", "@everyone", the id of a user group (S…) or of a person (U… or W…), a list of these, '
        f"or {NOBODY}; a name is no id (docs/slack.md says where to find it)"
    )


def mentions_for(severity: str, configured: Mapping[str, Mentions]) -> Mentions:
    """Those for `severity`, ignoring case; else the default ones."""
    by_severity = {name.lower(): mentions for name, mentions in configured.items()}
    return by_severity.get(severity.strip().lower(), by_severity.get(DEFAULT, ()))

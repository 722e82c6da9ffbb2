"""Slack's mrkdwn: escaping, cutting, and the few pieces of markup that we make ourselves. Total: any text will do."""

import re
from datetime import UTC, datetime
from urllib.parse import quote

from shared.wording import is_web

MAX_TARGET = 1500
"""Longest URL that becomes a link; with its label it must fit into one section."""

MAX_LABEL = 200

GRAVE = "\u02cb"
"""Stands in for a backtick where code must not end: Slack has no way to escape one."""

# Control characters, surrogates, and what turns the direction of text around; tab and line feed stay.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# Slack finds these in plain text too (docs.slack.dev/messaging/formatting-message-text, automatic parsing).
_CALLS_OUT = re.compile(r"(?<!\w)@(?=(?:channel|everyone|here)\b)", re.IGNORECASE)
_NOT_IN_TARGET = re.compile(r"[<>|\s]")
_TOKEN = re.compile(r"<[^<>\n]*>|&(?:amp|lt|gt);")
_USER = re.compile("[UW][A-Z0-9]{2,20}")


class Mrkdwn(str):
    """Text that is safe for Slack as it is: escaped, or markup of our own making."""

    __slots__ = ()


def clean(value: object) -> str:
    """`value` as plain text without control characters; line ends become line feeds."""
    return _UNSEEN.sub("", _LINE_ENDS.sub("\n", str.__str__(str(value))))


def one_line(value: object) -> str:
    return " ".join(clean(value).split())


def escape(value: object) -> Mrkdwn:
    """Text that shows as it is and calls nobody. Slack knows three entities and no more."""
    return Mrkdwn(_CALLS_OUT.sub("@\u2060", clean(value)).translate(_ESCAPES))


def mention(user: str) -> Mrkdwn:
    """Calls the person whose id `user` is; nobody where it is none."""
    return Mrkdwn(f"<@{user}>" if _USER.fullmatch(user) else "")


def cut(text: str, limit: int) -> Mrkdwn:
    """Mrkdwn of at most `limit` characters, ending in … when something is missing."""
    return Mrkdwn(text if len(text) <= limit else text[: boundary(text, limit - 1)] + "…")


def boundary(text: str, limit: int) -> int:
    """The largest place up to `limit` that is not inside an entity or a <link>. Zero when one begins and does not end there."""
    for sign, reach in (("<", limit), ("&", 4)):
        start = text.rfind(sign, max(0, limit - reach), limit)
        token = _TOKEN.match(text, start) if start >= 0 else None
        if token and token.end() > limit:
            return start
    return min(limit, len(text))


def link(url: object, label: object = "", limit: int = MAX_TARGET) -> Mrkdwn:
    """`<url|label>`; the mere label for what is no http(s) URL or is longer than `limit`."""
    address = clean(url).strip()
    shown = escape(_shortened(one_line(label) or one_line(address), MAX_LABEL))
    target = _NOT_IN_TARGET.sub(lambda match: quote(match[0]), address).translate(_ESCAPES)
    if not is_web(address) or len(target) > limit:
        return shown
    return Mrkdwn(f"<{target}|{shown}>")


def code(value: object) -> Mrkdwn:
    """Inline code on one line, whatever backticks are in it."""
    text = one_line(value).replace("`", GRAVE)
    return Mrkdwn(f"`{escape(text)}`" if text else "")


def codeblock(value: object) -> Mrkdwn:
    text = clean(value).strip("\n").replace("```", 3 * GRAVE)
    return Mrkdwn(f"```\n{escape(text)}\n```" if text.strip() else "")


def date(moment: datetime) -> Mrkdwn:
    """`moment` in each reader's own time zone; UTC where Slack cannot. Without an offset it is UTC already. Empty for moments
    before 1970: Alertmanager's year 1 means "not yet"."""
    try:
        utc = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return Mrkdwn()
    seconds = int(utc.timestamp())
    if seconds <= 0:
        return Mrkdwn()
    return Mrkdwn(f"<!date^{seconds}^{{date_short_pretty}} {{time}}|{utc:%Y-%m-%d %H:%M} UTC>")


def shortened(value: object, length: int) -> str:
    """Plain text of at most `length` characters, ending in … when something is missing. Before escaping."""
    return _shortened(clean(value), length)


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: max(0, length - 1)].rstrip() + "…"[: max(0, length)]

"""How the pages put things: spans of time, moments, severities, addresses."""

import unicodedata
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from markupsafe import Markup

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_TONES = {
    "bad": {
        "alert",
        "critical",
        "disaster",
        "emergency",
        "error",
        "fatal",
        "high",
        "major",
        "p1",
        "page",
        "sev1",
    },
    "warn": {"average", "medium", "minor", "p2", "sev2", "warn", "warning"},
    "note": {"debug", "info", "information", "informational", "low", "none", "notice", "ok", "p3", "sev3"},
}
MAX_NAME = 80
# Zero-width joiners shape Indic and Persian names and emoji; the other format characters only turn text around.
_JOINERS = "\u200c\u200d"


def span(duration: timedelta) -> str:
    """As in "2 min 40 s": whole seconds, rounded down, the two largest units that matter; never negative. The page's script
    says it the same way."""
    left = max(0, int(duration.total_seconds()))
    parts = []
    for unit, seconds in _UNITS:
        count, left = divmod(left, seconds)
        parts.append((count, unit))
    first = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count or unit == "s")


def moment(at: datetime, now: datetime) -> Markup:
    """A <time> that says `at` in UTC, with its date unless that is today's; the page's script makes it local."""
    at = at.astimezone(UTC)
    words = (
        f"{at:%H:%M:%S} UTC" if at.date() == now.astimezone(UTC).date() else f"{at:%d %b %Y, %H:%M:%S} UTC"
    )
    return Markup('<time datetime="{}">{}</time>').format(f"{at:%Y-%m-%dT%H:%M:%SZ}", words)


def tone(severity: str) -> str:
    """`bad`, `warn`, `note`, or `plain` for a severity that we do not know."""
    word = severity.strip().lower()
    return next((name for name, words in _TONES.items() if word in words), "plain")


def is_web(url: str) -> bool:
    """Whether a page may link there: not to javascript:, data: or whatever else an alert brings."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def clean_name(text: str) -> str:
    """One line of at most MAX_NAME characters, none of which is a control, a surrogate or turns the text around."""
    one_line = " ".join(text.split())
    kept = "".join(
        char for char in one_line if char in _JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs")
    )
    return " ".join(kept.split())[:MAX_NAME].rstrip()

"""How the pages put things: moments, severities, names."""

import unicodedata
from datetime import UTC, datetime

from markupsafe import Markup

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


def clean_name(text: str) -> str:
    """One line of at most MAX_NAME characters, none of which is a control, a surrogate or turns the text around."""
    one_line = " ".join(text.split())
    kept = "".join(
        char for char in one_line if char in _JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs")
    )
    return " ".join(kept.split())[:MAX_NAME].rstrip()

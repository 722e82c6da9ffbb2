"""How the pages put things: moments and severities."""

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

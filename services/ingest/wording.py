"""How the pages put things: moments and severities."""

from datetime import UTC, datetime

from markupsafe import Markup

from shared.incident import Incident
from shared.notification import SLACK
from shared.offers import Offer
from shared.outlook import spared, target_name

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


def not_called(incident: Incident) -> str:
    """Whom nobody calls any more, as in "ServiceNow and the webhook will not be called."; nothing where all have been."""
    names = spared(incident)
    if records := [name for name in names if name != target_name(SLACK)]:
        said = " and ".join(records)
        return f"{said[0].upper()}{said[1:]} will not be called."
    return "Nobody will be called again." if names else ""


def hints(incident: Incident | None) -> dict[Offer, str]:
    """What each button brings about."""
    escalated = incident is not None and bool(incident.records)
    target = target_name(incident.call.target, incident.call.instance) if incident else "ServiceNow"
    again = "what is left of on-call goes on" if escalated else "the time until it escalates begins anew"
    return {
        Offer.ACKNOWLEDGE: "",
        Offer.UNACKNOWLEDGE: f"Nobody has it then, and {again}.",
        Offer.SNOOZE_15: "Escalates in 15 minutes unless somebody acknowledges.",
        Offer.SNOOZE_60: "Escalates in an hour unless somebody acknowledges.",
        Offer.ESCALATE: f"It goes to {target} at once.",
        Offer.RESOLVE: "It counts as over. Should it still be firing, it comes back as a new incident.",
    }

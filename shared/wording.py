"""What is said to people the same way everywhere: spans of time, names, and which addresses they may be led to."""

import unicodedata
from datetime import timedelta
from urllib.parse import urlsplit

WORTH_SAYING_LATE = timedelta(seconds=30)

MAX_NAME = 80
# Zero-width joiners shape Indic and Persian names and emoji; the other format characters only turn text around.
_JOINERS = "\u200c\u200d"

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def span(duration: timedelta) -> str:
    """As in "2 min 40 s": whole seconds, rounded down, the two largest units that matter; never negative. The
    acknowledge page's script says it the same way."""
    left = max(0, int(duration.total_seconds()))
    parts = []
    for unit, seconds in _UNITS:
        count, left = divmod(left, seconds)
        parts.append((count, unit))
    first = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count or unit == "s")


def lateness(late: timedelta) -> str:
    """As in "2 min 40 s late"; nothing where it is not worth a word."""
    return f"{span(late)} late" if late > WORTH_SAYING_LATE else ""


def is_web(url: str) -> bool:
    """Whether people may be led there: not to javascript:, data: or whatever else an alert brings."""
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

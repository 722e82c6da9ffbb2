"""How bad a severity is, whatever its sender calls it. Pure."""

_WORDS = (
    ("critical", "crit", "page", "emergency", "fatal", "disaster", "alert", "panic", "sev1", "p1", "s1"),
    ("error", "err", "high", "major", "severe", "sev2", "p2", "s2"),
    (),
    ("warning", "warn", "medium", "average", "minor", "sev3", "p3", "s3"),
    ("info", "information", "informational", "notice", "low", "debug", "none", "ok", "sev4", "p4", "s4"),
)
_RANKS = {word: rank for rank, words in enumerate(_WORDS) for word in words}

UNKNOWN = _WORDS.index(())
"""In the middle: it may be anything."""

RANKS = len(_WORDS)


def rank(severity: str) -> int:
    """0 is the worst, below RANKS."""
    return _RANKS.get(severity.strip().lower(), UNKNOWN)

"""A long text as the few sections that Slack accepts (section text 3,000 characters; about 13,000 in all blocks)."""

import re

from services.notifier.mrkdwn import boundary

MAX_SECTIONS = 4
MAX_SECTION = 2600
"""Below Slack's 3,000: a code fence and the note about a cut come on top, and four sections leave room for the status."""

FENCE = "```"
# A link that no section could hold. Slack shows it as text anyway.
_OVERLONG = re.compile(rf"<[^<>\n]{{{MAX_SECTION - 1},}}>")


def split_sections(text: str) -> list[str]:
    """Mrkdwn in pieces, split at line ends where there are any, never inside an entity or a link. At most MAX_SECTIONS; the
    last one says how much was cut. A code block that is split is closed and opened again."""
    rest = _OVERLONG.sub("…", text).strip()
    pieces: list[str] = []
    while rest and len(pieces) < MAX_SECTIONS:
        piece, rest = _first_piece(rest)
        if piece:
            pieces.append(piece)
    if rest:
        pieces[-1] += f"\n… cut, {len(rest):,} characters more"
    return pieces


def _first_piece(text: str) -> tuple[str, str]:
    if len(text) <= MAX_SECTION:
        return text, ""
    end = boundary(text, MAX_SECTION)
    line_end = text.rfind("\n", MAX_SECTION // 2, end)
    end = line_end if line_end > 0 else end
    piece, rest = text[:end].rstrip(), text[end:].strip("\n")
    if piece.count(FENCE) % 2:
        return f"{piece}\n{FENCE}", f"{FENCE}\n{rest}"
    return piece, rest

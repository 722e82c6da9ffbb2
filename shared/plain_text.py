"""Plain text for people, whatever came in: without control characters, on one line, not too long. Total: any value will do."""

import re

# Control characters, surrogates, and what turns the direction of text around; tab and line feed stay.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029]")


def clean(value: object) -> str:
    """`value` as plain text without control characters; line ends become line feeds."""
    return _UNSEEN.sub("", _LINE_ENDS.sub("\n", str.__str__(str(value))))


def one_line(value: object) -> str:
    return " ".join(clean(value).split())


def shortened(value: object, length: int) -> str:
    """Plain text of at most `length` characters, ending in … when something is missing. Before escaping."""
    text = clean(value)
    return text if len(text) <= length else text[: max(0, length - 1)].rstrip() + "…"[: max(0, length)]

"""Jinja2 as message templates see it: what is printed is escaped for Slack."""

from services.notifier.filters import FILTERS, as_mrkdwn
from services.notifier.mrkdwn import Mrkdwn
from shared.template_environment import LenientEnvironment

GUARD = "\0"
"""Marks a printed value that would call people, were it to stand behind a < of the template. Values cannot contain it."""


class MessageEnvironment(LenientEnvironment):
    """What a macro or a `{% set %}` block captures was escaped on its way in; it is not escaped again when printed."""

    concat = staticmethod(lambda pieces: Mrkdwn("".join(pieces)))

    def __init__(self) -> None:
        super().__init__(FILTERS, finalize)


def finalize(value: object) -> str:
    """What `{{ value }}` prints."""
    if isinstance(value, Mrkdwn):
        return value
    text = as_mrkdwn(value)
    return GUARD + text if text.startswith(("!", "@", "#")) else text


def without_guards(text: str) -> str:
    """A value cannot become a mention by standing behind a < of the template, as in `<{{ url }}|Source>`."""
    return text.replace("<" + GUARD, "&lt;").replace(GUARD, "")

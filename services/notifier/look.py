"""How messages look, as the configuration wants it."""

from dataclasses import dataclass

from shared.plain_text import one_line, shortened

MAX_BUTTON = 75


@dataclass(frozen=True)
class Look:
    """`alert.slack.message_properties` of the configuration, and what goes with it."""

    button_text: str
    button_style: str
    disable_button: bool
    console_url: str = ""
    """`console_url` of the configuration; empty where there is no console."""
    interactive: bool = False
    """Slack tells us who pressed a button; else buttons are links to the incident's page."""

    @property
    def label(self) -> str:
        return shortened(one_line(self.button_text), MAX_BUTTON) or "Acknowledge"

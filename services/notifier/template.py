"""The operator's message template: loaded once, rendered for each incident. It can print nothing that Slack would obey."""

import re
from pathlib import Path
from typing import Any

from jinja2 import Template

from services.notifier.dialect import find_go
from services.notifier.environment import MessageEnvironment, without_guards
from services.notifier.mrkdwn import cut
from shared.incident import Incident
from shared.template_environment import UnusableTemplateError, failed_line, generated

MAX_RENDERED = 30_000
"""More than twice what a message can show. Rendering stops there, so that a template cannot fill the memory."""

MIGRATION = "docs/migrating-from-versus.md"

_BLANK_LINES = re.compile(r"[ \t]*\n(?:[ \t]*\n)+")


class TemplateError(Exception):
    """Names the file, the line, and what to do."""


class MessageTemplate:
    """Raises TemplateError, and nothing else, from both of its doors."""

    def __init__(self, template: Template, path: Path) -> None:
        self._template = template
        self._path = path

    @classmethod
    def load(cls, path: Path) -> "MessageTemplate":
        source = _read(path)
        if found := find_go(source):
            line, construct = found
            raise TemplateError(
                f"{path}:{line}: `{construct}` is Go template syntax; Ackstream's templates are Jinja2. "
                f"`ackstream convert-template {path}` rewrites it, and {MIGRATION} says how to do it by hand"
            )
        return cls(_compiled(source, path), path)

    def render(self, incident: Incident, body: dict[str, Any], ack_url: str | None) -> str:
        """The message's text as escaped mrkdwn, at most MAX_RENDERED characters; perhaps empty. `body` is the notification as
        it came. What is missing is empty and no error."""
        try:
            names = self._names(incident, body, ack_url)
            text = cut(generated(self._template, names, MAX_RENDERED), MAX_RENDERED)
        except Exception as error:
            where = f"{self._path}:{failed_line(error, str(self._path))}"
            raise TemplateError(f"{where}: {type(error).__name__}: {error}; correct the template") from error
        return _BLANK_LINES.sub("\n\n", without_guards(text)).strip()

    def _names(self, incident: Incident, body: dict[str, Any], ack_url: str | None) -> dict[str, Any]:
        # A body's `range` must not take the place of Jinja's; body["range"] still has it.
        names = {name: value for name, value in body.items() if name not in self._template.globals}
        url = ack_url if incident.can_acknowledge else None
        ours = {"incident": incident, "body": body, "ack_url": url, "AckURL": url}
        return {**names, **ours}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig").replace("\0", "")
    except FileNotFoundError:
        raise TemplateError(
            f"{path}: there is no such file; alert.slack.template_path must name one"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"{path}: cannot be read as UTF-8 text: {error}") from error


def _compiled(source: str, path: Path) -> Template:
    try:
        return MessageEnvironment().compiled(source, str(path))
    except UnusableTemplateError as error:
        place = path if error.line is None else f"{path}:{error.line}"
        raise TemplateError(f"{place}: {error}; correct the template") from error

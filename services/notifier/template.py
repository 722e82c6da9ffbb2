"""The operator's message template: loaded once, rendered for each incident. It can print nothing that Slack would obey."""

import re
from pathlib import Path
from typing import Any

from jinja2 import Template, TemplateSyntaxError, meta

from services.notifier.dialect import find_go
from services.notifier.environment import MAX_ROUNDS, ROUNDS, MessageEnvironment, without_guards
from services.notifier.mrkdwn import cut
from shared.incident import Incident

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
            text = self._generate(self._context(incident, body, ack_url))
        except Exception as error:
            where = f"{self._path}:{_line(error, self._path)}"
            raise TemplateError(f"{where}: {type(error).__name__}: {error}; correct the template") from error
        return _BLANK_LINES.sub("\n\n", without_guards(text)).strip()

    def _context(self, incident: Incident, body: dict[str, Any], ack_url: str | None) -> dict[str, Any]:
        # A body's `range` must not take the place of Jinja's; body["range"] still has it.
        names = {name: value for name, value in body.items() if name not in self._template.globals}
        url = ack_url if incident.can_acknowledge else None
        ours = {"incident": incident, "body": body, "ack_url": url, "AckURL": url}
        return {**names, **ours, ROUNDS: iter(range(MAX_ROUNDS))}

    def _generate(self, context: dict[str, Any]) -> str:
        pieces, room = [], MAX_RENDERED
        for piece in self._template.generate(context):
            pieces.append(piece)
            room -= len(piece)
            if room < 0:
                break
        return cut("".join(pieces), MAX_RENDERED)


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
    environment = MessageEnvironment()
    try:
        tree = environment.parse(source, filename=str(path))
        if any(meta.find_referenced_templates(tree)):
            raise TemplateError(f"{path}: include, import and extends are not there; put all into this file")
        environment.limit_loops(tree)
        code = environment.compile(tree, filename=str(path))
    except TemplateSyntaxError as error:
        raise TemplateError(f"{path}:{error.lineno}: {error.message}; correct the template") from error
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        # Python's own limits: 20 loops or 100 blocks in each other, 4,300 digits.
        message = f"cannot be compiled: {str(error) or 'nested too deeply'}; correct the template"
        raise TemplateError(f"{path}: {message}") from error
    return Template.from_code(environment, code, environment.globals)


def _line(error: BaseException, path: Path) -> int:
    """The template's line that raised: Jinja puts it into the traceback."""
    line, frame = 0, error.__traceback__
    while frame:
        if frame.tb_frame.f_code.co_filename == str(path):
            line = frame.tb_lineno
        frame = frame.tb_next
    return line

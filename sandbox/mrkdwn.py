"""Slack's mrkdwn as HTML: pure, and safe with any text.

Every character that is not markup of ours leaves through `escape`. Finished pieces (code, links, dates, emoji) wait
outside the text as numbered atoms while emphasis is found around them, so that nothing is ever parsed twice.
"""

import re
from datetime import UTC, datetime

from markupsafe import Markup, escape

from sandbox.emoji import EMOJI

PRE = re.compile(r"```\n?(.+?)\n?```", re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
ANGLE = re.compile(r"<([^<>\n]+)>")
BARE_URL = re.compile(r"https?://[^\s<>|\0]*[^\s<>|\0.,;:!?)\]'\"]")
SHORT_CODE = re.compile(r":([a-z0-9_+-]+):")
# A closing mark far away is no closing mark: without the bound, hostile text costs quadratic time.
EMPHASIS = r"(?<![\w*_~])([{}])(?!\s|\1)([^\n]{{1,500}}?)(?<!\s)\1(?!\w)"
QUOTE = re.compile(r"(?:^&gt; ?[^\n]*(?:\n|$))+", re.MULTILINE)
ATOM = re.compile(r"\0(\d+)\0")
DATE = re.compile(r"!date\^(-?\d{1,11})\^([^^]+)(?:\^([^^]*))?")
SAFE_LINK = re.compile(r"(?:https?://|mailto:)[^\0]+", re.IGNORECASE)
TAGS = {"*": "b", "_": "i", "~": "s"}
ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


def render_mrkdwn(text: str) -> Markup:
    """A mrkdwn text as people see it in Slack."""
    return _Pieces().render(text.replace("\0", ""))


def render_plain(text: str) -> Markup:
    """A plain_text: emoji, and nothing else."""
    shown = SHORT_CODE.sub(lambda match: EMOJI.get(match[1], match[0]), str(escape(_decoded(text))))
    return Markup(shown.replace("\n", "<br>"))  # noqa: S704 - escaped above


class _Pieces:
    def __init__(self) -> None:
        self._atoms: list[Markup] = []

    def render(self, text: str) -> Markup:
        text = PRE.sub(lambda match: self._keep(self._code("pre", match[1])), text)
        text = CODE.sub(lambda match: self._keep(self._code("code", match[1])), text)
        text = ANGLE.sub(lambda match: self._keep(self._reference(match[1])), text)
        text = BARE_URL.sub(
            lambda match: self._keep(_link(_decoded(match[0]), escape(_decoded(match[0])))), text
        )
        return self._restored(_lines(_emphasized(self._inline(text))))

    def _keep(self, atom: Markup) -> str:
        self._atoms.append(atom)
        return f"\0{len(self._atoms) - 1}\0"

    def _inline(self, text: str) -> str:
        # Emoji come before emphasis: `:rotating_light:` holds an underscore.
        return str(escape(_decoded(SHORT_CODE.sub(self._emoji, text))))

    def _emoji(self, match: re.Match[str]) -> str:
        return self._keep(Markup.escape(EMOJI[match[1]])) if match[1] in EMOJI else match[0]

    def _code(self, tag: str, text: str) -> Markup:
        return Markup("<{tag}>{text}</{tag}>").format(tag=Markup(tag), text=_decoded(text))  # noqa: S704 - our own tag

    def _reference(self, inner: str) -> Markup:
        target, _, label = inner.partition("|")
        shown = Markup(self._inline(label))  # noqa: S704 - _inline escapes
        if target.startswith("!date^"):
            return _date(target, shown)
        if target.startswith(("@", "#", "!")):
            return _mention(target, shown)
        if SAFE_LINK.fullmatch(target):
            return _link(_decoded(target), shown or escape(_decoded(target.removeprefix("mailto:"))))
        return Markup("&lt;{}&gt;").format(Markup(self._inline(inner)))  # noqa: S704 - _inline escapes

    def _restored(self, text: str) -> Markup:
        whole = ATOM.sub(lambda match: self._restored(self._atoms[int(match[1])]), text)
        # A block ends its line by itself.
        return Markup(whole.replace("</pre><br>", "</pre>"))  # noqa: S704 - escaped text, our tags, and atoms that were made so


def _link(target: str, label: Markup) -> Markup:
    if not SAFE_LINK.fullmatch(target):
        return label
    return Markup('<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>').format(target, label)


def _mention(target: str, label: Markup) -> Markup:
    sign = "#" if target[0] == "#" else "@"
    name = label or escape(target[1:].partition("^")[0])
    return Markup('<span class="mention">{}{}</span>').format(sign, Markup(str(name).removeprefix(sign)))  # noqa: S704


def _date(target: str, fallback: Markup) -> Markup:
    match = DATE.fullmatch(target)
    try:
        moment = datetime.fromtimestamp(int(match[1]), UTC) if match else None
    except (OverflowError, ValueError, OSError):
        moment = None
    if match is None or moment is None:
        return fallback
    words = Markup('<time datetime="{}" data-format="{}">{}</time>')
    shown = words.format(moment.isoformat(), match[2], fallback or f"{moment:%Y-%m-%d %H:%M} UTC")
    return _link(_decoded(match[3]), shown) if match[3] else shown


def _emphasized(text: str, marks: str = "*_~") -> str:
    """Each mark nests once: what is bold does not become bolder, and hostile nesting has an end."""

    def tagged(match: re.Match[str]) -> str:
        tag = TAGS[match[1]]
        return f"<{tag}>{_emphasized(match[2], marks.replace(match[1], ''))}</{tag}>"

    return re.sub(EMPHASIS.format(marks), tagged, text) if marks else text


def _lines(text: str) -> str:
    def quoted(match: re.Match[str]) -> str:
        lines = [line.removeprefix("&gt;").lstrip(" ") for line in match[0].rstrip("\n").split("\n")]
        return f"<blockquote>{'<br>'.join(lines)}</blockquote>"

    return QUOTE.sub(quoted, text).replace("\n", "<br>")


def _decoded(text: str) -> str:
    """Slack knows three entities and no more."""
    for entity, sign in ENTITIES:
        text = text.replace(entity, sign)
    return text

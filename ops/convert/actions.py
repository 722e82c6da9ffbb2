"""A Go template cut into its text and its actions, and each action into tokens. Total: whatever it is, all of it comes out again.

The syntax is that of https://pkg.go.dev/text/template.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
      (?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    | (?P<char>'(?:[^'\\\n]|\\.)+')
    | (?P<declare>:=) | (?P<assign>=) | (?P<pipe>\|) | (?P<comma>,) | (?P<open>\() | (?P<close>\))
    | (?P<number>[+-]?\d(?:[eE][+-]|[\w.])*)
    | (?P<variable>\$\w*(?:\.[^\W\d]\w*)*)
    | (?P<field>(?:\.[^\W\d]\w*)+)
    | (?P<dot>\.)
    | (?P<name>[^\W\d]\w*)
    """,
    re.VERBOSE,
)
_BEGIN = re.compile(r"\{\{(-(?=[ \t\r\n]))?")
_COMMENT = re.compile(r"[ \t\r\n]*/\*(.*?)\*/([ \t\r\n]+-)?[ \t\r\n]*\}\}", re.DOTALL)
_BLANK = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True)
class Token:
    kind: str
    """Name of its group in _TOKEN."""
    text: str
    is_glued: bool
    """Nothing stands between it and the one before."""


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Action:
    """`{{ … }}`. `error`: why `tokens` are not all of it."""

    source: str
    start: int
    line: int
    trims_before: bool = False
    trims_after: bool = False
    tokens: tuple[Token, ...] = ()
    comment: str | None = None
    error: str = ""

    @property
    def end(self) -> int:
        return self.start + len(self.source)

    @property
    def keyword(self) -> str:
        """What kind of action it is: `if`, `else if`, …; empty for what prints or sets."""
        words = [token.text for token in self.tokens[:2] if token.kind == "name"]
        if words[:1] == ["else"]:
            return "else " + words[1] if words[1:2] in (["if"], ["with"]) else "else"
        return words[0] if words and self.tokens[0].text in KEYWORDS else ""


KEYWORDS = ("if", "else", "end", "range", "with", "define", "template", "block", "break", "continue")
OPENERS = ("if", "range", "with", "define", "block")


def segments(source: str) -> Iterator[Text | Action]:
    position = 0
    while begin := _BEGIN.search(source, position):
        if begin.start() > position:
            yield Text(source[position : begin.start()])
        action = _action(source, begin)
        yield action
        position = action.end
    if position < len(source):
        yield Text(source[position:])


def _action(source: str, begin: re.Match[str]) -> Action:
    start, trims, line = begin.start(), bool(begin[1]), source.count("\n", 0, begin.start()) + 1
    if comment := _COMMENT.match(source, begin.end()):
        whole = source[start : comment.end()]
        return Action(whole, start, line, trims, bool(comment[2]), comment=comment[1])
    tokens: list[Token] = []
    position = begin.end()
    while True:
        blank = _BLANK.match(source, position)
        after = blank.end() if blank else position
        trims_after = source.startswith("-}}", after) and after > position
        if trims_after or source.startswith("}}", after):
            end = after + 2 + trims_after
            return Action(source[start:end], start, line, trims, trims_after, tuple(tokens))
        token = _TOKEN.match(source, after)
        if token is None:
            return _broken(source, start, after, trims_before=trims, tokens=tokens, line=line)
        tokens.append(Token(token.lastgroup or "", token[0], after == position))
        position = token.end()


def _broken(
    source: str, start: int, at: int, *, trims_before: bool, tokens: list[Token], line: int
) -> Action:
    end = source.find("}}", at)
    error = f"`{source[at : at + 1]}` is not expected here" if end >= 0 else "it is not closed"
    stop = end + 2 if end >= 0 else len(source)
    return Action(source[start:stop], start, line, trims_before, False, tuple(tokens), None, error)

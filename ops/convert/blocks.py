"""Text and actions to the tree that their `if`, `range`, `with` and `end` make of them."""

import re
from collections.abc import Sequence

from ops.convert.actions import OPENERS, Action, Text, Token, segments
from ops.convert.names import Scopes, UnconvertibleError, Variable
from ops.convert.pipelines import pipeline
from ops.convert.syntax import (
    Assigned,
    Branch,
    Broken,
    Call,
    Chain,
    Dot,
    Expression,
    Left,
    Loop,
    Node,
    Printed,
    Reading,
    Remark,
    Root,
)

MAX_DEPTH = 15
"""Blocks in each other. Python compiles no more than 20 loops."""


MAX_CHAIN = 40
"""`else if` after `else if`."""


def read_template(source: str) -> tuple[list[Node], Scopes]:
    """The tree, and the names that it gives. Total: what cannot be read is in it as Left or Broken."""
    reader = _Reader(source)
    return reader.template(), reader.scopes


class _Reader:
    def __init__(self, source: str) -> None:
        self.scopes = Scopes()
        self._source = source
        self._segments = list(segments(source))
        self._at = 0
        self._depth = 0
        self._chained = 0

    def template(self) -> list[Node]:
        nodes: list[Node] = []
        while self._at < len(self._segments):
            nodes += self._list()
            if self._at < len(self._segments):  # an end or an else that closes nothing
                stray = self._next()
                nodes.append(Left(stray, stray.source, "there is no block that it belongs to"))
        return nodes

    def _next(self) -> Action:
        segment = self._segments[self._at]
        self._at += 1
        if isinstance(segment, Text):
            raise TypeError("an action was expected")
        return segment

    def _list(self) -> list[Node]:
        """Up to the `end` or `else` of the block that it is in, or up to the end of the file."""
        nodes: list[Node] = []
        while self._at < len(self._segments):
            segment = self._segments[self._at]
            if isinstance(segment, Action) and segment.keyword.startswith(("end", "else")):
                break
            self._at += 1
            nodes.append(segment if isinstance(segment, Text) else self._node(segment))
        return nodes

    def _node(self, action: Action) -> Node:
        if action.comment is not None:
            return Remark(action, action.comment)
        keyword = action.keyword
        if keyword in OPENERS and (self._depth >= MAX_DEPTH or keyword in ("define", "block")):
            reason = "blocks are nested too deeply"
            return self._left_whole(
                action, reason if keyword not in ("define", "block") else _NO_TEMPLATES[keyword]
            )
        if keyword in ("if", "with"):
            return self._branch(action, action.tokens[1:], is_with=keyword == "with")
        if keyword == "range":
            return self._loop(action)
        if keyword:
            return Left(action, action.source, _NO_TEMPLATES[keyword])
        return self._simple(action)

    def _left_whole(self, opener: Action, reason: str) -> Left:
        depth, end = 1, opener.end
        while depth and self._at < len(self._segments):
            segment = self._segments[self._at]
            self._at += 1
            end = end + len(segment.text) if isinstance(segment, Text) else segment.end
            if isinstance(segment, Action):
                depth += (segment.keyword in OPENERS) - (segment.keyword == "end")
        return Left(opener, self._source[opener.start : end], reason)

    def _simple(self, action: Action) -> Node:
        name, sign = _declaration(action.tokens)
        if not name:
            return Printed(action, self._value(action, action.tokens))
        value = self._value(action, action.tokens[2:])
        try:
            is_new = sign == "declare"
            variable = self.scopes.declare(name) if is_new else self.scopes.change(name)
        except UnconvertibleError as error:
            return Left(action, action.source, str(error))
        return Assigned(action, variable, value, is_new)

    def _value(self, action: Action, tokens: Sequence[Token]) -> Expression:
        return Broken(action.error) if action.error else pipeline(tokens, self.scopes)

    def _branch(self, action: Action, tokens: Sequence[Token], *, is_with: bool) -> Branch:
        self.scopes.open()
        name, sign = _declaration(tokens)
        value = self._value(action, tokens[2:] if name else tokens)
        if sign == "assign":
            value, name = Broken("it changes a variable and asks for it at once"), ""
        declared = self.scopes.declare(name) if name else None
        if is_with and not declared and not isinstance(value, Dot | Root):
            declared = self.scopes.declare("", wanted=_wanted(value, "value"))
        branch = Branch(action, value, declared, is_with)
        branch.body = self._body()
        self._otherwise(branch)
        self.scopes.close()
        return branch

    def _body(self, *, is_loop: bool = False) -> list[Node]:
        self._depth += 1
        self.scopes.open(is_loop=is_loop)
        nodes = self._list()
        self.scopes.close()
        self._depth -= 1
        return nodes

    def _otherwise(self, block: Branch | Loop) -> None:
        """Take what follows the first body: its `else`, and its `end`. At the end of the file there is neither."""
        if self._at == len(self._segments):
            return
        action = self._next()
        if action.keyword == "end":
            block.end = action
            return
        block.else_action = action
        if action.keyword != "else":
            self._chain(block, action)
            return
        block.otherwise = self._body(is_loop=isinstance(block, Loop))
        while self._at < len(self._segments):
            action = self._next()
            if action.keyword == "end":
                block.end = action
                return
            block.otherwise.append(Left(action, action.source, "there was an else already"))
            block.otherwise += self._body(is_loop=isinstance(block, Loop))

    def _chain(self, block: Branch | Loop, action: Action) -> None:
        """`else if` and `else with`: a block inside of this one, and they end together."""
        if self._chained >= MAX_CHAIN or isinstance(block, Loop):
            reason = "a range has no such thing" if isinstance(block, Loop) else "there are too many of them"
            block.otherwise = [self._left_whole(action, reason)]
            return
        self._chained += 1
        chained = self._branch(action, action.tokens[2:], is_with=action.keyword == "else with")
        self._chained -= 1
        block.otherwise, block.end = chained, chained.end

    def _loop(self, action: Action) -> Loop:
        tokens = action.tokens[1:]
        names, sign, rest = _loop_variables(tokens)
        over = self._value(action, rest)
        if sign == "assign":
            over, names = Broken("it changes variables that were there before"), []
        self.scopes.open(is_loop=True)
        key = self.scopes.declare(names[0]) if len(names) > 1 else None
        value = self._target(names[-1] if names else "", over)
        loop = Loop(action, over, key, value)
        loop.body = self._body()
        self.scopes.close()
        self._otherwise(loop)
        return loop

    def _target(self, name: str, over: Expression) -> Variable:
        wanted = "" if name else _singular(_wanted(over, "items"))
        return self.scopes.declare(name, wanted=wanted)


_NO_TEMPLATES = {
    "define": "write a macro: {% macro name(x) %}…{% endmacro %}",
    "block": "write its content here, or a macro",
    "template": "write a macro, and call it: {{ name(x) }}",
    "break": "let the loop be over fewer: {% for x in list[:10] %}",
    "continue": "put the rest of the loop into an if",
}


def _declaration(tokens: Sequence[Token]) -> tuple[str, str]:
    """`$name` and `declare` or `assign`; empty when it is none."""
    if [token.kind for token in tokens[:1]] == ["variable"] and len(tokens) > 1:
        name, sign = tokens[0].text, tokens[1].kind
        if sign in ("declare", "assign") and "." not in name and name != "$":
            return name, sign
    return "", ""


def _loop_variables(tokens: Sequence[Token]) -> tuple[list[str], str, Sequence[Token]]:
    kinds = [token.kind for token in tokens[:4]]
    if kinds[:3] == ["variable", "comma", "variable"] and kinds[3:] in (["declare"], ["assign"]):
        return [tokens[0].text, tokens[2].text], kinds[3], tokens[4:]
    name, sign = _declaration(tokens)
    return ([name], sign, tokens[2:]) if name else ([], "", tokens)


def _wanted(value: Expression, otherwise: str) -> str:
    """A name for what has none: that of the field that it is."""
    match value:
        case Dot(path) | Root(path) | Reading(_, path) | Chain(_, path) if path:
            return path[-1]
        case Reading(variable):
            return variable.name
        case Call("index", (_, key)) if isinstance(name := getattr(key, "value", None), str):
            return name
    return otherwise


def _singular(name: str) -> str:
    """A name for an element of `name`."""
    base = name[:1].lower() + name[1:]
    return base.removesuffix("s") if re.fullmatch(r"\w{2,}s", base) else f"{base}_item"

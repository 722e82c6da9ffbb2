"""Tokens of an action to the expression that they say."""

from collections.abc import Sequence

from ops.convert.actions import Token
from ops.convert.literals import number_of, text_of
from ops.convert.names import Scopes, UnconvertibleError
from ops.convert.syntax import Broken, Call, Chain, Constant, Dot, Expression, Path, Reading, Root

MAX_DEPTH = 10
"""Parentheses in each other."""

MAX_PIPES = 30
"""In one action."""


def pipeline(tokens: Sequence[Token], scopes: Scopes) -> Expression:
    try:
        return _Pipeline(tokens, scopes).whole()
    except UnconvertibleError as error:
        return Broken(str(error))


def _path(text: str) -> Path:
    """`.a.b` as ("a", "b")."""
    return tuple(text.split(".")[1:])


def _constant(token: Token) -> str | float:
    if token.kind == "number":
        return number_of(token.text)
    text = text_of(token.text)
    if token.kind == "string":
        return text
    if len(text) != 1:
        raise UnconvertibleError(f"{token.text} is no character")
    return ord(text)


class _Pipeline:
    def __init__(self, tokens: Sequence[Token], scopes: Scopes) -> None:
        self._tokens = list(tokens)
        self._scopes = scopes
        self._at = 0
        self._depth = 0
        self._pipes = 0

    def whole(self) -> Expression:
        value = self._pipeline()
        if token := self._peek():
            raise UnconvertibleError(f"`{token.text}` is not expected here")
        return value

    def _peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, kind: str) -> bool:
        token = self._peek()
        if token is None or token.kind != kind:
            return False
        self._at += 1
        return True

    def _pipeline(self) -> Expression:
        value = self._command(None)
        while self._take("pipe"):
            self._pipes += 1
            if self._pipes > MAX_PIPES:
                raise UnconvertibleError("there are too many pipes")
            value = self._command(value)
        return value

    def _command(self, piped: Expression | None) -> Expression:
        first, operands = self._peek(), []
        while (token := self._peek()) and token.kind not in ("pipe", "close"):
            operands.append(self._operand(token))
        if first is None or not operands:
            raise UnconvertibleError("a value is missing")
        head, *rest = operands
        if isinstance(head, Call) and first.kind == "name":
            arguments = (*rest, *([piped] if piped else []))
            return Call(head.name, arguments, is_piped=piped is not None)
        if rest or piped:
            raise UnconvertibleError(f"`{first.text}` is no function, and so takes nothing")
        return head

    def _operand(self, token: Token) -> Expression:
        value = self._term(token)
        following = self._peek()
        if following and following.kind == "field" and following.is_glued:
            self._at += 1
            return Chain(value, _path(following.text))
        return value

    def _term(self, token: Token) -> Expression:
        self._at += 1
        match token.kind:
            case "field" | "dot":
                return Dot(_path(token.text) if token.kind == "field" else ())
            case "variable":
                return self._variable(token.text)
            case "string" | "char" | "number":
                return Constant(_constant(token))
            case "name":
                return Constant(token.text == "true") if token.text in ("true", "false") else Call(token.text)
            case "open":
                return self._in_parentheses()
        raise UnconvertibleError(f"`{token.text}` is not expected here")

    def _variable(self, text: str) -> Expression:
        name, *path = text.split(".")
        return Root(tuple(path)) if name == "$" else Reading(self._scopes.find(name), tuple(path))

    def _in_parentheses(self) -> Expression:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnconvertibleError("the parentheses are nested too deeply")
        value = self._pipeline()
        if not self._take("close"):
            raise UnconvertibleError("a `)` is missing")
        self._depth -= 1
        return value

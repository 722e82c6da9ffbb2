"""A tree of a Go template written as Jinja2, with the same text around it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ops.convert import code
from ops.convert.actions import Action, Text
from ops.convert.code import Code, Level
from ops.convert.expressions import Translation
from ops.convert.names import Scopes, UnconvertibleError, Variable
from ops.convert.printf import pieces
from ops.convert.syntax import (
    Assigned,
    Branch,
    Call,
    Constant,
    Dot,
    Expression,
    Left,
    Loop,
    Node,
    Printed,
    Remark,
    Root,
)
from ops.convert.tags import Tag, source_of

LISTS = ("alerts",)
"""Fields that are lists wherever they are. What else is looped over may be an object, whose values Go takes and Jinja2 its keys."""


@dataclass(frozen=True)
class Note:
    """Something to say about a line of the template."""

    line: int
    text: str
    source: str = ""


class Writer:
    def __init__(self, scopes: Scopes, environ: Mapping[str, str]) -> None:
        self._pieces: list[str | Tag] = []
        self._scopes = scopes
        self._environ = environ
        self._dots: list[Code | None] = [None]
        self.left: list[Note] = []
        self.remarks: list[Note] = []

    def source(self) -> str:
        return source_of(self._pieces)

    def write(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            match node:
                case Text(text):
                    self._pieces.append(text)
                case Remark():
                    self._comment(node.action, node.text)
                case Left():
                    self._leave(node.action, node.source, node.reason)
                case Printed():
                    self._print(node)
                case Assigned():
                    self._assign(node)
                case Branch():
                    self._branch(node, "if")
                case Loop():
                    self._loop(node)

    def _translation(self, action: Action) -> Translation:
        def remark(text: str) -> None:
            note = Note(action.line, text)
            if note not in self.remarks:
                self.remarks.append(note)

        return Translation(self._scopes.names, self._dots[-1], self._environ, remark)

    def _tag(self, action: Action | None, content: str, kind: str = "%") -> None:
        """All tags of an action trim as it does: there is nothing between them."""
        trims = (action.trims_before, action.trims_after) if action else (False, False)
        self._pieces.append(Tag(kind, content, *trims))

    def _comment(self, action: Action, text: str) -> None:
        self._tag(action, text.replace("#}", "# }").strip(), "#")

    def _leave(self, action: Action, source: str, reason: str) -> None:
        self.left.append(Note(action.line, reason, source))
        self._comment(action, f"not converted: {source}")

    def _converted(self, action: Action, value: Expression, *, as_truth: bool = False) -> Code | None:
        """None when it cannot be; it stays in a comment then."""
        translation = self._translation(action)
        try:
            return translation.truth(value) if as_truth else translation.value(value)
        except UnconvertibleError as error:
            self._leave(action, action.source, str(error))
            return None

    def _print(self, node: Printed) -> None:
        try:
            parts = self._printed(self._translation(node.action), node.value)
        except UnconvertibleError as error:
            self._leave(node.action, node.action.source, str(error))
            return
        if node.action.trims_before and isinstance(parts[0], str):
            parts.insert(0, code.text(""))
        if node.action.trims_after and isinstance(parts[-1], str):
            parts.append(code.text(""))
        for index, part in enumerate(parts):
            if isinstance(part, str):
                self._pieces.append(part)
                continue
            trims_before = node.action.trims_before and index == 0
            trims_after = node.action.trims_after and index == len(parts) - 1
            self._pieces.append(Tag("{", part.text, trims_before, trims_after))

    def _printed(self, translation: Translation, value: Expression) -> list[str | Code]:
        """Values, and texts between them: what a template says by itself may be markup, what a value says may not. No
        text has a blank at the template's end of it, which its neighbours could trim."""
        if isinstance(value, Call) and value.name == "printf" and value.arguments:
            layout, *rest = value.arguments
            if isinstance(layout, Constant) and isinstance(layout.value, str):
                return _guarded(pieces(layout.value, [translation.value(argument) for argument in rest]))
        if isinstance(value, Constant) and isinstance(value.value, str) and re.search("[<>&]", value.value):
            return _guarded([value.value])
        return [translation.value(value)]

    def _assign(self, node: Assigned) -> None:
        value = self._converted(node.action, node.value) or code.text("")
        if node.declares:
            self._declare(node.action, node.variable, value)
        else:
            self._tag(node.action, f"set {node.variable.code} = {value.text}")

    def _declare(self, action: Action, variable: Variable, value: Code) -> None:
        boxed = f"namespace(value={value.text})" if variable.is_boxed else value.text
        self._tag(action, f"set {variable.name} = {boxed}")

    def _branch(self, node: Branch, word: str) -> None:
        """`word`: `if`, or `elif` where the branch before goes on."""
        condition, dot = self._condition(node)
        self._tag(node.action, f"{word} {condition.text}")
        self._dots.append(dot if node.is_with else self._dots[-1])
        self.write(node.body)
        self._dots.pop()
        if isinstance(node.otherwise, Branch):
            self._chained(node.otherwise)
        elif node.otherwise is not None:
            self._tag(node.else_action, "else")
            self.write(node.otherwise)
        if word == "if":
            self._tag(node.end, "endif")
            if node.end is None:
                self._unclosed(node.action)

    def _chained(self, node: Branch) -> None:
        if node.declared is None:
            self._branch(node, "elif")
        else:
            self._tag(node.action, "else")
            self._branch(node, "if")

    def _unclosed(self, action: Action) -> None:
        self.left.append(Note(action.line, "it has no {{ end }}", action.source))

    def _condition(self, node: Branch) -> tuple[Code, Code]:
        """What is asked, and what the dot of a `with` is."""
        if node.declared is None:
            asked = self._converted(node.action, node.condition, as_truth=True) or Code("false")
            return asked, asked
        value = self._converted(node.action, node.condition) or code.text("")
        if node.is_with and node.declared.is_changed:  # the dot stays as it was
            dot = self._scopes.fresh(node.declared.name)
            self._tag(node.action, f"set {dot} = {value.text}")
            self._declare(node.action, node.declared, Code(dot))
            return Code(dot), Code(dot)
        self._declare(node.action, node.declared, value)
        return Code(node.declared.code), Code(node.declared.code)

    def _loop(self, node: Loop) -> None:
        over = self._converted(node.action, node.over) or Code("[]")
        target, key = self._target(node.value), self._target(node.key) if node.key else "_"
        if node.key or not _is_list(node.over):
            self._tag(node.action, f"for {key}, {target} in {over.filtered('pairs').text}")
        else:
            self._tag(node.action, f"for {target} in {over.at(Level.OR)}")
        for variable, name in ((node.key, key), (node.value, target)):
            if variable and variable.is_changed:
                self._declare(node.action, variable, Code(name))
        self._dots.append(Code(target))
        self.write(node.body)
        self._dots.pop()
        if node.otherwise is not None:
            self._tag(node.else_action, "else")
            self.write(node.otherwise)
        self._tag(node.end, "endfor")
        if node.end is None:
            self._unclosed(node.action)

    def _target(self, variable: Variable) -> str:
        """A variable that is changed is not the loop's own."""
        return self._scopes.fresh(variable.name) if variable.is_changed else variable.name


def _is_list(value: Expression) -> bool:
    if isinstance(value, Call):
        return value.name in ("split", "list", "append", "stringSlice")
    return isinstance(value, Dot | Root) and value.path[-1:] in [(name,) for name in LISTS]


def _guarded(parts: list[str | Code]) -> list[str | Code]:
    """With the blanks at both ends as values: those of a text would be trimmed with the template's own."""
    found = [part for part in parts if part] or [code.text("")]
    if isinstance(first := found[0], str):
        start = len(first) - len(first.lstrip())
        found[:1] = [
            *([code.text(first[:start])] if start else []),
            *([first[start:]] if first[start:] else []),
        ]
    if isinstance(last := found[-1], str):
        end = len(last.rstrip())
        found[-1:] = [*([last[:end]] if end else []), *([code.text(last[end:])] if last[end:] else [])]
    return found

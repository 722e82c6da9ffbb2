"""YAML as a person wrote it: nodes that know their line, and scalars as the text that stands there.

`password: 0123` and `channel_id: 1e5` are texts here; who knows the key's type converts. No message repeats what stands in
the file: PyYAML's own messages may quote a password that begins with `*`, `&` or `!`.
"""

from typing import Any, NamedTuple

import yaml

LONGEST_FILE = 262_144
"""Characters. PyYAML takes seconds for more, and nobody writes it by hand."""

_CORE = "tag:yaml.org,2002:"
_TAGS = {_CORE + name for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value")}

QUOTE_IT = "put values that begin with ! & * % @ ` { or [ in quotes"

_SENTENCES = {
    "expected a single document": "has more than one document (---); only one is allowed",
    "mapping values are not allowed": "has a colon where none can be: check the indentation, and put values that "
    "contain a colon and a space in quotes",
    "found character '\\t'": "is indented with a tab; YAML is indented with spaces",
    "cannot start any token": QUOTE_IT,
    "found undefined alias": QUOTE_IT,
    "found undefined tag": QUOTE_IT,
    "found duplicate anchor": "has the same &name a second time; " + QUOTE_IT,
    "nothing after the anchor": QUOTE_IT,
    "alphabetic or numeric character": QUOTE_IT,
    "could not find expected ':'": "has a line without a colon and a space after its key",
    "expected <block end>": "does not fit the lines above: check the indentation",
    "found unexpected end of stream": "has a quote that is opened and never closed",
    "expected ',' or": "has a { or [ that is opened and never closed; " + QUOTE_IT,
}


class Mistake(NamedTuple):
    line: int | None
    message: str
    key: str = ""


class Entry(NamedTuple):
    """A key of a block. `line` is the key's."""

    key: str
    line: int
    value: yaml.Node


class _Loader(yaml.SafeLoader):
    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        if anchor is not None and not node.value:  # `password: &secret` would be a password that is not there
            raise yaml.MarkedYAMLError(problem="nothing after the anchor", problem_mark=node.start_mark)
        return node


def parse(text: str) -> yaml.Node | Mistake | None:
    """The document's node; None when there is nothing in it."""
    if len(text) > LONGEST_FILE:
        return Mistake(None, f"is longer than {LONGEST_FILE} characters")
    try:
        node: yaml.Node | None = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as error:
        return _told(error)
    except yaml.reader.ReaderError as error:
        return Mistake(text.count("\n", 0, error.position) + 1, "has a control character in it")
    except RecursionError:
        return Mistake(None, "is nested too deeply")
    except Exception:  # PyYAML lets ValueError, IndexError and others through for some malformed files
        return Mistake(None, "is not valid YAML")
    return None if node is None or is_null(node) else node


def entries(block: yaml.MappingNode) -> tuple[dict[str, Entry], list[Mistake]]:
    """The block's keys, together with those that it takes over with `<<`; its own win, then those of the first."""
    own, sources, mistakes = _own_entries(block)
    merged = {id(block)}  # each block only once: aliases can form circles, and multiply
    while sources:
        source = sources.pop(0)
        if id(source) not in merged and isinstance(source, yaml.MappingNode):
            merged.add(id(source))
            more, further, _ = _own_entries(source)
            own = more | own
            sources = further + sources
    return own, mistakes


def _own_entries(block: yaml.MappingNode) -> tuple[dict[str, Entry], list[yaml.Node], list[Mistake]]:
    own: dict[str, Entry] = {}
    sources: list[yaml.Node] = []
    mistakes: list[Mistake] = []
    for key, value in block.value:
        line = line_of(key)
        if not isinstance(key, yaml.ScalarNode):
            mistakes.append(Mistake(line, "has a key that is not a word; " + QUOTE_IT))
        elif key.tag == _CORE + "merge":
            sources += value.value if isinstance(value, yaml.SequenceNode) else [value]
        elif key.value in own:
            mistakes.append(
                Mistake(line, f"is given twice; the first time in line {own[key.value].line}", key.value)
            )
        else:
            own[key.value] = Entry(key.value, line, value)
    return own, sources, mistakes


def line_of(node: yaml.Node) -> int:
    line: int = node.start_mark.line
    return line + 1


def is_null(node: yaml.Node) -> bool:
    """Whether nothing is written there: empty, `~` or `null`, without quotes."""
    return isinstance(node, yaml.ScalarNode) and node.tag == _CORE + "null"


def text_of(scalar: yaml.ScalarNode) -> str | None:
    """What is written there; None when it carries a tag, which is usually a value that begins with `!`."""
    if scalar.tag not in _TAGS:
        return None
    text: str = scalar.value
    return text.rstrip("\n") if scalar.style in ("|", ">") else text


def _told(error: yaml.MarkedYAMLError) -> Mistake:
    mark = error.problem_mark or error.context_mark
    said = f"{error.context} {error.problem}"
    sentence = next((told for words, told in _SENTENCES.items() if words in said), "is not valid YAML here")
    return Mistake(mark.line + 1 if mark else None, sentence)

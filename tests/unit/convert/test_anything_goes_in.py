"""Whatever text is converted: nothing fails, and what comes out can be compiled."""

import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ops.convert.conversion import convert
from services.notifier.template import MessageTemplate

WORDS = [
    "if",
    "else",
    "end",
    "range",
    "with",
    "define",
    "template",
    "block",
    "break",
    "nil",
    "true",
    "false",
    "eq",
    "ne",
    "and",
    "or",
    "not",
    "index",
    "len",
    "printf",
    "print",
    "default",
    "dict",
    "list",
    "append",
    "contains",
    "format",
    "now",
    "env",
    "slice",
    "truncate",
    "regexMatch",
    "split",
    "join",
    "add",
    "in",
    "is",
    "loop",
    "body",
]
PIECES = [
    *("{{", "}}", "{{-", "-}}", "{{ ", " }}", "{{- ", " -}}", "{%", "%}", "{#", "#}", "/*", "*/", "{", "}"),
    *(
        ".",
        ".a",
        ".a.b",
        "$",
        "$x",
        "$x.a",
        "$range",
        ":=",
        "=",
        "|",
        ",",
        "(",
        ")",
        '"',
        "`",
        "'",
        "\\",
        "#",
        ":",
    ),
    *('"a"', '"%s %d"', '"{{ .x }}"', '"{# := %}"', "`raw`", "'c'", "1", "-2.5", "0x1f", "1e400", "9" * 5000),
    *("\n", " ", "\t", "é", "\0", "\r\n", "text"),
    *(f" {word} " for word in WORDS),
]
BLOCKS = [
    "{{ if .a }}",
    "{{ range $i, $x := .b }}",
    "{{ with .c }}",
    "{{ else }}",
    "{{ else if .d }}",
    "{{ end }}",
]
BLOCKS += [
    "{{ $x := 1 }}",
    "{{ $x = .a }}",
    "{{ else with $y := .e }}",
    "{{ .f }}",
    "{{ $x }}",
    "{{- printf `<%s>` . -}}",
]


def compiles(source: str) -> None:
    converted = convert(source, {"a": '"{#'})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "message.tmpl"
        path.write_text(converted.source, encoding="utf-8")
        MessageTemplate.load(path)


@given(st.text())
@example("{{ " + "(" * 5000)
@example("{{ if .a }}" * 5000)
@example("{{ if .a }}" + "{{ else if .b }}" * 500)
@example("{{ if .a }}" + "{{ else with .b }}{{ .c }}" * 500)
@example("{{ range .a }}" * 30 + "{{ end }}" * 30)
@example("{{ or " + " ".join(f".a{number}" for number in range(2000)) + " }}")
@example("{{ .a" + " | upper" * 3000 + " }}")
@example("{{ ." + ".".join("a" * 3000) + " }}")
@example("{{ index .a " + "1 " * 3000 + " }}")
@example("{{ if " + "not (" * 15 + ".a" + ")" * 15 + " }}{{ end }}")
def test_any_text(source: str) -> None:
    compiles(source)


@settings(max_examples=500)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_any_pieces_of_templates(source: str) -> None:
    compiles(source)


@settings(max_examples=300)
@given(st.lists(st.sampled_from([*BLOCKS, "\n", "  ", "a", "{"]), max_size=40).map("".join))
def test_any_blocks_in_each_other(source: str) -> None:
    compiles(source)

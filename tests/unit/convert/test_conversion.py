"""What comes out of a conversion: how it looks, what is left, and what there is to say."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ops.command import main
from ops.convert.conversion import convert
from ops.convert.functions import FUNCTIONS
from services.notifier.template import MessageTemplate
from tests.stack import ROOT
from tests.unit.convert.converting import converted, printed


@pytest.mark.parametrize(
    ("go", "jinja"),
    [
        ("{{ .a.b }}", "{{ a.b }}"),
        (
            "{{ range .alerts }}{{ .labels.pod }}{{ end }}",
            "{% for alert in alerts %}{{ alert.labels.pod }}{% endfor %}",
        ),
        ("{{ range $.Items }}{{ . }}{{ end }}", "{% for _, item in Items | pairs %}{{ item }}{% endfor %}"),
        ("{{ with .a.b }}{{ .c }}{{ end }}", "{% if a.b %}{{ a.b.c }}{% endif %}"),
        ("{{ if eq .a 1 }}x{{ else if .b }}y{{ end }}", "{% if a == 1 %}x{% elif b %}y{% endif %}"),
        ("{{- .a -}}", "{{- a -}}"),
        ("{{/* why */}}", "{# why #}"),
        ("{{ if and .a (or .b .c) }}{{ end }}", "{% if a and (b or c) %}{% endif %}"),
        ("{{ if or .a (and .b .c) }}{{ end }}", "{% if a or b and c %}{% endif %}"),
        ("{{ if not (eq .a .b) }}{{ end }}", "{% if not (a == b) %}{% endif %}"),
        ("{{ (or .a .b) | upper }}", "{{ (a or b) | upper }}"),
        ("{{ index (split .a `,`) 0 }}", '{{ (a | split(","))[0] }}'),
        ("{{ .a.in }}{{ .in }}{{ .é }}", '{{ a["in"] }}{{ body["in"] }}{{ body["é"] }}'),
        ("{{ .body }}{{ .AckURL }}{{ . }}", "{{ body.body }}{{ AckURL }}{{ body }}"),
        ("{{ $a := 1 }}{{ .a }}{{ $a }}", "{% set a = 1 %}{{ body.a }}{{ a }}"),
        ("{{ printf `<%s|%s>` .url .name }}", "<{{ url }}|{{ name }}>"),
        ("{{ `<!here>` }}", "<!here>"),
        ("a\n  {{ if .b }}c\n{{ end }}\nd", "a\n  {%+ if b %}c\n{% endif +%}\nd"),
        ("a {{ if .b }} c {{ end }} d", "a {% if b %} c {% endif %} d"),
    ],
)
def test_a_construct_becomes_what_a_person_would_write(go: str, jinja: str) -> None:
    assert converted(go) == jinja


@pytest.mark.parametrize(
    ("go", "jinja", "reason"),
    [
        ("{{ foo .a }}", "{# not converted: {{ foo .a }} #}", "nothing like the function `foo`"),
        ("{{ $x := foo }}", '{# not converted: {{ $x := foo }} #}{% set x = "" %}', "`foo`"),
        ("{{ if foo }}a{{ end }}", "{# not converted: {{ if foo }} #}{% if false %}a{% endif %}", "`foo`"),
        (
            "{{ range foo }}a{{ end }}",
            "{# not converted: {{ range foo }} #}{% for _, item in [] | pairs %}a{% endfor %}",
            "`foo`",
        ),
        ("{{ with foo }}a{{ end }}", '{# not converted: {{ with foo }} #}{% set value = "" %}{% if value %}a{% endif %}', "`foo`"),
        ("{{ define `a` }}b{{ if .c }}{{ end }}{{ end }}d", "{# not converted: {{ define `a` }}b{{ if .c }}{{ end }}{{ end }} #}d", "macro"),
        ("{{ template `a` . }}", "{# not converted: {{ template `a` . }} #}", "macro"),
        ("{{ range .alerts }}{{ break }}{{ end }}", "{% for alert in alerts %}{# not converted: {{ break }} #}{% endfor %}", "loop"),
        ("{{ .a-b }}", "{# not converted: {{ .a-b }} #}", "`-` is not expected here"),
        ("{{ $x }}", "{# not converted: {{ $x }} #}", "$x is declared nowhere before"),
        ("{{ .a", "{# not converted: {{ .a #}", "not closed"),
        ("{{ end }}", "{# not converted: {{ end }} #}", "no block"),
        ("{{ if .a }}b", "{% if a %}b{% endif %}", "it has no {{ end }}"),
        ("{{ regexMatch `a+` .b }}", "{# not converted: {{ regexMatch `a+` .b }} #}", "no regular expressions"),
        ("{{ printf `%s` }}", "{# not converted: {{ printf `%s` }} #}", "too few values"),
        ("{{ printf `%U` .a }}", "{# not converted: {{ printf `%U` .a }} #}", "`%U`"),
        ("{{ format `Z07:00` .a }}", "{# not converted: {{ format `Z07:00` .a }} #}", "`Z07:00`"),
        ("{{ upper }}", "{# not converted: {{ upper }} #}", "too many or too few"),
        ("{{ .a .b }}", "{# not converted: {{ .a .b }} #}", "`.a` is no function"),
        ('{{ foo "#}" }}', '{# not converted: {{ foo "# }" }} #}', "`foo`"),
    ],
)  # fmt: skip
def test_what_cannot_be_converted_stays_in_its_place_as_a_comment(go: str, jinja: str, reason: str) -> None:
    conversion = convert("\n" + go, {})
    assert conversion.source == "\n" + jinja
    assert [note.line for note in conversion.left] == [2]
    assert reason in conversion.left[0].text


@pytest.mark.parametrize(
    ("go", "remark"),
    [
        ("{{ .a | default `b` }}", "last argument"),
        ("{{ .a | replace `b` `c` }}", "last argument"),
        ("{{ contains `b` .a }}", "perhaps turn them round"),
        ("{{ now }}", "when the incident was opened"),
        ("{{ env `HOME` }}", "read no environment"),
        ("{{ $x := printf `<%s>` .a }}", "printed as text"),
    ],
)
def test_what_does_not_do_quite_the_same_is_told(go: str, remark: str) -> None:
    conversion = convert(go, {})
    assert conversion.left == ()
    assert remark in conversion.remarks[0].text


def test_a_pipe_does_what_versus_guide_says(tmp_path: Path) -> None:
    source = "{{ .ServiceName | trimSuffix `-service` | default `?` | replace `o` `0` | slice 0 4 }} {{ .x | default `none` }}"
    assert printed(tmp_path, converted(source), "flat") == "0rde none"


def test_the_environment_is_written_in() -> None:
    assert converted("{{ env `URL` }}", {"URL": "https://a.example"}) == '{{ "https://a.example" }}'


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_that_is_converted_is_on_the_page_about_templates(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "slack-template.md").read_text(encoding="utf-8")


# The command


@pytest.fixture
def template(tmp_path: Path) -> Path:
    return tmp_path / "slack_message.tmpl"


def typed(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["convert-template", *map(str, arguments)])


def test_the_command_prints_the_template(template: Path) -> None:
    template.write_text("*{{ .status | upper }}*\n", encoding="utf-8")
    done = typed(template)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "*{{ status | upper }}*\n", "All is converted\n")


def test_the_command_writes_a_file_that_can_be_used(template: Path, tmp_path: Path) -> None:
    template.write_text("\ufeff*{{ .status }}*", encoding="utf-8")
    done = typed(template, "--output", tmp_path / "new.tmpl")
    assert (done.exit_code, done.stdout) == (0, "")
    MessageTemplate.load(tmp_path / "new.tmpl")


def test_the_command_says_where_it_cannot_write(template: Path, tmp_path: Path) -> None:
    template.write_text("*{{ .status }}*", encoding="utf-8")
    target = tmp_path / "nowhere" / "new.tmpl"
    done = typed(template, "--output", target)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"Error: {target}: cannot be written: No such file or directory\n"


def test_the_command_says_what_is_left_with_its_line_and_fails(template: Path) -> None:
    template.write_text("a\n{{ foo\n .a }}\n{{ now }}{{ now }}\n{{ now }}", encoding="utf-8")
    done = typed(template)
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        f"{template}:2: not converted: {{{{ foo .a }}}}: there is nothing like the function `foo`",
        f"{template}:4: `now` is when the incident was opened: a message is rendered again whenever it changes "
        "(also in 5)",
        "1 left to do by hand",
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"{% if a %}{% endif %}", "Jinja2 template already"), (b"\xff", "cannot be read as UTF-8")],
)
def test_what_is_no_go_template_is_refused(template: Path, content: bytes, words: str) -> None:
    template.write_bytes(content)
    done = typed(template)
    assert done.exit_code == 2
    assert words in done.stderr

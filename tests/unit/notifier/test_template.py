"""What a template may use, how it is refused, and how it fails."""

from pathlib import Path
from typing import Any

import pytest

from services.notifier.template import MAX_RENDERED, MessageTemplate, TemplateError
from shared.incident import Closure, State
from shared.notification import Facts
from tests.episodes import NOON
from tests.unit.notifier import sources

ACK = "https://ack.example/api/ack/1?exp=1&sig=2"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "message.tmpl"


def load(path: Path, source: str) -> MessageTemplate:
    path.write_text(source, encoding="utf-8")
    return MessageTemplate.load(path)


def render(path: Path, source: str, body: dict[str, Any] | None = None, ack_url: str | None = None) -> str:
    return load(path, source).render(sources.incident(), body or {}, ack_url)


# What a template sees


def test_a_versus_users_names_work_as_they_did(path: Path) -> None:
    _, body = sources.alertmanager()
    source = "{{ commonLabels.severity | upper }}{% for alert in alerts %} {{ alert.annotations.summary }}{% endfor %}"
    assert render(path, source, body) == "CRITICAL p99 of api-1 above 2s p99 of api-2 above 2s"
    assert render(path, "<{{ AckURL }}|Click>", ack_url=ACK) == f"<{ACK.replace('&', '&amp;')}|Click>"


def test_the_incident_is_there_in_our_words(path: Path) -> None:
    source = "{{ incident.facts.title }} {{ incident.state }} {{ incident.firing_count }} {{ incident.deadline | time }}"
    assert (
        render(path, source)
        == "HighLatency open 1 <!date^1767268980^{date_short_pretty} {time}|2026-01-01 12:03 UTC>"
    )


def test_a_key_wins_over_a_method_of_a_mapping_and_a_missing_one_is_missing(path: Path) -> None:
    source = "{{ a.values.B }} {{ a['values'].B }} {{ a.get('x', 'none') }}{% if a.pop or a['copy'] %} yes{% endif %}"
    assert render(path, source, {"a": {"values": {"B": 22}}}) == "22 22 none"
    assert render(path, "{% for name, value in a.items() %}{{ name }}{% endfor %}", {"a": {"b": 1}}) == "b"


def test_a_key_that_is_no_name_is_reached_through_the_body(path: Path) -> None:
    assert (
        render(path, """{{ body["@timestamp"] }} {{ body["a b"].c }}""", {"@timestamp": 1, "a b": {"c": 2}})
        == "1 2"
    )


def test_a_body_cannot_take_the_place_of_our_names_nor_of_jinjas(path: Path) -> None:
    body = dict.fromkeys(
        ("incident", "body", "ack_url", "AckURL", "range", "loop", "self", "namespace", "rounds left", "x"),
        "evil",
    )
    source = "{{ incident.id | length }}{{ AckURL }}{{ ack_url }}{% for i in range(2) %}{{ loop.index }}{{ x }}{% endfor %}"
    assert render(path, source, body) == "321evil2evil"
    assert render(path, "{{ body.range }}{{ body.AckURL }}", body) == "evilevil"


def test_there_is_no_link_once_there_is_nothing_to_acknowledge(path: Path) -> None:
    resolved = sources.incident(closure=Closure(at=NOON, state=State.RESOLVED))
    assert load(path, "{{ AckURL }}{{ ack_url }}").render(resolved, {}, ACK) == ""


@pytest.mark.parametrize(
    "expression",
    [
        "nothing",
        "nothing.at.all",
        "nothing['a'][0].b",
        "nothing()",
        "nothing.items() | list | join",
        "nothing + 1 - 2 * 3 / 4",
        "-nothing",
        "nothing ~ ''",
        "nothing | upper | cut(3) | link | code | time",
        "nothing | round",
        "'' if nothing > 3 or nothing <= 3 or nothing",
        "commonLabels.gone.deeper | default('')",
        "body.null",
        "body.null | link('')",
        "incident.no_such_thing.x",
        "incident.__class__.__mro__",
        "body.update({'a': 1})",
        "body.get",
    ],
)
def test_what_is_missing_or_forbidden_is_empty_and_no_error(path: Path, expression: str) -> None:
    assert render(path, f"[{{{{ {expression} }}}}]", {"null": None, "commonLabels": {}}) == "[]"


@pytest.mark.parametrize("value", ["nothing", "body.null", "''"])
@pytest.mark.parametrize(
    "filters",
    [
        "upper",
        "lower",
        "title",
        "trim",
        "replace('a', 'b')",
        "split(',') | join",
        "removeprefix('a') | removesuffix('b')",
        "pairs | join",
        "time('%H:%M')",
    ],
)
def test_filters_make_nothing_of_what_is_missing(path: Path, value: str, filters: str) -> None:
    assert render(path, f"[{{{{ {value} | {filters} }}}}]", {"null": None}) == "[]"


@pytest.mark.parametrize(
    ("expression", "printed"),
    [
        ("n | upper", "4.5"),
        ("n | length", "0"),
        ("body.null | length", "0"),
        ("n | contains('.')", "true"),
        ("labels | contains('a')", "true"),
        ("labels | contains(nothing)", "false"),
        ("'yes' if nothing | contains('') else 'no'", "yes"),
        ("'%s|%s|%s' | format(body.null, yes, labels)", '|true|{"a": [1]}'),
        ("'%d %.1f' | format(n, nothing)", "4 0.0"),
        ("'%(x)s' | format(x=yes)", "true"),
        ("'abc' | split | join('-')", "a-b-c"),
        ("'xaxx' | trim('x')", "a"),
    ],
)
def test_filters_take_any_kind_of_value(path: Path, expression: str, printed: str) -> None:
    body = {"null": None, "n": 4.5, "yes": True, "labels": {"a": [1]}}
    assert render(path, f"{{{{ {expression} }}}}", body) == printed


def test_a_moment_is_printed_in_the_zone_that_it_names(path: Path) -> None:
    source = "{{ t | time('%Y-%m-%d %H:%M:%S') }} {{ 1772333891 | time('%H:%M') }} {{ 'soon' | time('%H') }}"
    assert (
        render(path, source, {"t": "2026-03-01T04:58:11.123456789+02:00"}) == "2026-03-01 04:58:11 02:58 soon"
    )


@pytest.mark.parametrize("level", [120, 1500])
@pytest.mark.parametrize("block", ["if a", "for x in y"])
def test_a_template_that_python_cannot_compile_is_a_template_error(
    path: Path, level: int, block: str
) -> None:
    end = "end" + block.split(maxsplit=1)[0]
    with pytest.raises(TemplateError, match="cannot be compiled"):
        load(path, f"{{% {block} %}}" * level + f"{{% {end} %}}" * level)


def test_a_number_that_python_cannot_read_is_a_template_error(path: Path) -> None:
    with pytest.raises(TemplateError, match="digits"):
        load(path, "{{ " + "1" * 5000 + " }}")


def test_missing_numbers_are_zero_and_missing_lists_are_empty(path: Path) -> None:
    source = "{{ a | int }}{{ a | float }}{{ a | length }}{% for x in a.b %}x{% endfor %}{% for x in null %}x{% endfor %}"
    assert render(path, source, {"null": None}) == "00.00"


def test_values_of_json_are_printed_as_json(path: Path) -> None:
    body = {"yes": True, "list": [1, "é"], "map": {"a": None}}
    assert render(path, "{{ yes }} {{ list }} {{ map }}", body) == 'true [1, "é"] {"a": null}'


# What it prints


@pytest.mark.parametrize(
    "hostile", ["<!channel>", "<@U123>", "<#C1>", "a & b", "<http://evil|x>", "</script>", "\x1b[31m&lt;"]
)
def test_a_label_never_becomes_markup(path: Path, hostile: str) -> None:
    everywhere = "{{ x }}{{ x | title }}{{ x | cut(5) }}{{ [x] | join }}{{ x ~ x }}{{ x | code }}{{ 'https://a.b/' | link(x) }}"
    text = render(path, everywhere, {"x": hostile})
    text = text.removesuffix(">").replace("<https://a.b/|", "", 1)
    assert "<" not in text
    assert ">" not in text
    assert "&" not in text.replace("&lt;", "").replace("&gt;", "").replace("&amp;", "")


@pytest.mark.parametrize("hostile", ["!channel", "!here|x", "@U123", "#C1", "\x00!channel"])
def test_a_value_behind_a_sign_of_the_template_does_not_become_a_mention(path: Path, hostile: str) -> None:
    body = {"url": hostile, "nothing": ""}
    source = "<{{ url }}|Source> <{{ nothing }}{{ url }}> {% set x %}{{ url }}{% endset %}<{{ x }}> <{{ x | trim }}>"
    assert "<" not in render(path, source, body).replace("&lt;", "")


def test_mentions_of_the_template_itself_are_the_operators_business(path: Path) -> None:
    source = "{% if incident.facts.severity == 'critical' %}<!here>{% endif %} <@{{ who }}>"
    assert render(path, source, {"who": "U1"}) == "<!here> <@U1>"


def test_what_a_macro_or_a_block_made_is_not_escaped_twice(path: Path) -> None:
    source = (
        "{% macro m(x) %}<{{ x }}>{% endmacro %}{% set b %}{{ x }}{% endset %}{{ m(x) }} {{ b }} {{ x | e }}"
    )
    assert render(path, source, {"x": "&"}) == "<&amp;> &amp; &amp;"


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("'2026-01-01T12:00:00.123456789Z' | time", "<!date^1767268800^{date_short_pretty} {time}|2026-01-01 12:00 UTC>"),
        ("1767268800.5 | time", "<!date^1767268800^{date_short_pretty} {time}|2026-01-01 12:00 UTC>"),
        ("1767268800500 | time", "<!date^1767268800^{date_short_pretty} {time}|2026-01-01 12:00 UTC>"),
        ("'0001-01-01T00:00:00Z' | time", ""),
        ("'<yesterday>' | time", "&lt;yesterday&gt;"),
        ("1e300 | time", "1e+300"),
        ("'abcdef' | cut(4)", "abc…"),
        ("'abc' | cut(3)", "abc"),
        ("'a&bc' | cut(3)", "a&amp;…"),
        ("'abc' | cut(0)", ""),
        ("'a\nb' | oneline", "a b"),
        ("'a`b' | code", "`a\u02cbb`"),
        ("{'a': '<'} | tojson", '{"a": "&lt;"}'),
        ("'https://a.b/' | link", "<https://a.b/|https://a.b/>"),
        ("'gopher://a.b/' | link('x')", "x"),
    ],
)  # fmt: skip
def test_filters(path: Path, expression: str, shown: str) -> None:
    assert render(path, f"{{{{ {expression} }}}}") == shown


def test_blank_lines_are_squeezed_and_ends_trimmed(path: Path) -> None:
    assert render(path, "\n\na  \n \n\n\nb\n  {% if true %}\nc\n{% endif %}\n\n") == "a\n\nb\nc"


# How it is refused


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("a\n{{ .status }}", 2),
        ("{{.status}}", 1),
        ("{{- range .alerts -}}\n{{ end }}", 1),
        ("\n\n{{- if eq .status `firing` }}x{{ end }}", 3),
        ("{{ define `x` }}", 1),
        ('{{ define "x" }}', 1),
        ("{{ $severity := .commonLabels.severity }}", 1),
        ('{# ours #}\n{{/* theirs */}}\n{{ printf "%s" .x }}', 2),
        ("{{ upper .commonLabels.severity }}", 1),
        ('{{ template "x" . }}', 1),
        ("{{ with .x }}", 1),
        ("{{ . }}", 1),
        ("{{ (index .alerts 0).status }}", 1),
        ('{{ printf "%s" (index .alerts 0) }}', 1),
        ("{{ name := 1 }}", 1),
    ],
)  # fmt: skip
def test_a_go_template_is_recognised_and_sent_to_the_migration_guide(
    path: Path, source: str, line: int
) -> None:
    with pytest.raises(TemplateError) as raised:
        load(path, source)
    assert f"{path}:{line}: " in str(raised.value)
    assert "Go template" in str(raised.value)
    assert "docs/migrating-from-versus.md" in str(raised.value)


@pytest.mark.parametrize(
    "source",
    [
        "{# Versus wrote {{ .status }} and {{ range .alerts }}. #}{{ status }}",
        "{{ range(3) | list }}{{ end }}{{ block }}{{ template }}{{ not x }}{{ x if y }}",
        "{% raw %}{{ .x }}{% endraw %}{{ (x or y).z }}{{ not (x) }}",
        "{{ '.x' }}{{ x.y }}{{- x }}{{ x | default('.') }}",
    ],
)
def test_jinja_is_not_taken_for_go(path: Path, source: str) -> None:
    load(path, source)


@pytest.mark.parametrize(
    ("source", "line", "hint"),
    [
        ("a\nb {% if x %}\nc", 3, "endif"),
        ("a\n{{ x | no_such_filter }}", 2, "no_such_filter"),
        ("{{ x", 1, "end of print statement"),
    ],
)
def test_a_syntax_error_names_file_and_line(path: Path, source: str, line: int, hint: str) -> None:
    with pytest.raises(TemplateError) as raised:
        load(path, source)
    assert str(raised.value).startswith(f"{path}:{line}: ")
    assert hint in str(raised.value)


def test_a_missing_file_names_the_setting(path: Path) -> None:
    with pytest.raises(
        TemplateError, match=r"message\.tmpl: there is no such file; alert\.slack\.template_path"
    ):
        MessageTemplate.load(path)


def test_a_directory_or_a_file_that_is_no_text_is_refused(path: Path) -> None:
    with pytest.raises(TemplateError, match="cannot be read"):
        MessageTemplate.load(path.parent)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(TemplateError, match="cannot be read"):
        MessageTemplate.load(path)


def test_other_files_cannot_be_included(path: Path) -> None:
    with pytest.raises(TemplateError, match="include"):
        load(path, "{% include 'secret' %}")


# How it fails


def test_a_failure_at_run_time_names_the_line(path: Path) -> None:
    with pytest.raises(TemplateError) as raised:
        render(path, "a\n{% for i in [0] %}\n{{ 1 / i }}\n{% endfor %}")
    assert str(raised.value).startswith(f"{path}:3: ZeroDivisionError: division by zero")


@pytest.mark.parametrize(
    "source", ["{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{{ body.pop.x('y') }}{{ 'a' + 1 }}"]
)
def test_whatever_fails_is_a_template_error(path: Path, source: str) -> None:
    with pytest.raises(TemplateError):
        render(path, source)


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(100000) %}a&b {% endfor %}",
        "{% for i in range(99999) %}{% for j in range(99999) %}ab{% endfor %}{% endfor %}",
        "{{ 'x' * 1000000 }}",
        "{{ big }}",
    ],
)
def test_the_output_is_capped_however_it_is_made(path: Path, source: str) -> None:
    text = render(path, source, {"big": "&" * 1_000_000})
    assert MAX_RENDERED - 10 <= len(text) <= MAX_RENDERED


@pytest.mark.parametrize(
    "inner",
    [
        "{% for j in range(99999) %}{% endfor %}",
        "{% set x %}{% for j in range(9999) %}{{ j }}{% endfor %}{% endset %}",
    ],
)
def test_loops_that_print_nothing_end_too(path: Path, inner: str) -> None:
    with pytest.raises(TemplateError, match="rounds"):
        render(path, f"{{% for i in range(99999) %}}{inner}{{% endfor %}}")


@pytest.mark.parametrize(
    "source", ["{{ '█' * n }}", "{{ n * 'ab' }}", "{{ ([1] * n) | length }}", "{{ 9 ** n }}"]
)
def test_a_number_from_a_body_cannot_make_a_message_endless(path: Path, source: str) -> None:
    with pytest.raises(TemplateError, match="more than a message could hold"):
        render(path, source, {"n": 10**9})
    assert render(path, source, {"n": 3}) in ("███", "ababab", "3", "729")


def test_calculating_is_as_ever(path: Path) -> None:
    assert (
        render(path, "{{ 3 * 4.5 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ -1 * 'a' }}{{ nothing * 3 }}")
        == "13.5 1024 0.5"
    )


def test_the_same_template_renders_again_after_a_failure(path: Path) -> None:
    template = load(path, "{% for i in items_ %}{{ 1 / i }}{% endfor %}ok")
    facts = sources.incident(Facts(source="generic", title="x"))
    with pytest.raises(TemplateError):
        template.render(facts, {"items_": [0]}, None)
    assert template.render(facts, {"items_": [1]}, None) == "1.0ok"

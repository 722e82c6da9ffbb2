"""Matchers as Alertmanager reads them; its own tests (pkg/labels/parse_test.go, matchers/parse/parse_test.go) are the first rows."""

import time

import pytest

from shared.matchers import match_all, parse_matchers

READ = [
    ('{foo="bar"}', [("foo", "=", "bar")]),
    ('{foo=~"bar.*"}', [("foo", "=~", "bar.*")]),
    ('{foo!="bar"}', [("foo", "!=", "bar")]),
    ('{foo!~"bar.*"}', [("foo", "!~", "bar.*")]),
    ('{foo="bar", baz!="quux"}', [("foo", "=", "bar"), ("baz", "!=", "quux")]),
    ('{foo=""}', [("foo", "=", "")]),
    ('{foo="bar,quux", job="job1"}', [("foo", "=", "bar,quux"), ("job", "=", "job1")]),
    ('{foo = "bar", dings != "bums", }', [("foo", "=", "bar"), ("dings", "!=", "bums")]),
    ("foo=bar,dings!=bums", [("foo", "=", "bar"), ("dings", "!=", "bums")]),
    (
        r'{quote="She said: \"Hi, ladies! That\'s gender-neutral…\""}'.replace(r"\'", "'"),
        [("quote", "=", 'She said: "Hi, ladies! That\'s gender-neutral…"')],
    ),
    ('statuscode=~"5.."', [("statuscode", "=~", "5..")]),
    ("tricky=~~~", [("tricky", "=~", "~~")]),
    (r"trickier==\\=\=\"", [("trickier", "=", r'=\=\="')]),
    (
        r'contains_quote != "\"" , contains_comma !~ "foo,bar" , ',
        [("contains_quote", "!=", '"'), ("contains_comma", "!~", "foo,bar")],
    ),
    ('{foo="🙂"}', [("foo", "=", "🙂")]),
    ('{foo="bar",}', [("foo", "=", "bar")]),
    (r'{foo="bar\n"}', [("foo", "=", "bar\n")]),
    (r'{foo="bar\\"}', [("foo", "=", "bar\\")]),
    (r'foo=~"db\d+"', [("foo", "=~", r"db\d+")]),
    (r"foo=~db\d+", [("foo", "=~", r"db\d+")]),
    ('"service.name"=api', [("service.name", "=", "api")]),
    ("service.name=api", [("service.name", "=", "api")]),
    (' { a = b c , d = "}" } ', [("a", "=", "b c"), ("d", "=", "}")]),
    ('a="x=y"', [("a", "=", "x=y")]),
    ('a="  "', [("a", "=", "  ")]),
    ("a=b\\", [("a", "=", "b\\")]),
]


@pytest.mark.parametrize(("text", "expected"), READ)
def test_what_alertmanager_reads(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert [(one.name, one.operator, one.value) for one in parse_matchers(text)] == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no matcher in it"),
        ("{}", "has no matcher in it"),
        (" , ", "has no matcher in it"),
        ("a=b,,c=d", "is not a matcher"),
        ("{", "has a { without its }"),
        ("}", "has a { without its }"),
        ('foo="bar"}', "has a { without its }"),
        ('{foo="bar"', "has a { without its }"),
        ("foo=~a{2}", "a value with braces must be in double quotes"),
        ("job=", 'an empty one is job=""'),
        ('job="value', "double quote too few or too many"),
        ('job=value"', "double quote too few or too many"),
        (r'trickier==\\=\=\""', "double quote too few or too many"),
        ('foo = foo"bar', "double quote too few or too many"),
        ('job="a""b"', "double quote too few or too many"),
        ("job='value'", "in other than double quotes"),
        ("job", 'as in severity="critical"'),
        ('="x"', "is not a matcher"),
        ('""=x', "without a label's name"),
        ("a~b", "is not a matcher"),
        ('a<"5"', "is not a matcher"),
        ('"foo=\\"bar"', "is not a matcher"),
        ('foo=~"invalid[regexp"', "unterminated character set"),
        ('foo=~"(?=a)"', r"with (?=a, which Alertmanager's do not have"),
        (r'foo=~"(a)\\1"', r"with \1, which Alertmanager's do not have"),
        ('foo=~"a++"', "behind another repetition"),
        ('foo=~"a{,3}"', "which Alertmanager's do not have"),
        ('foo=~"[[:alpha:]]"', "cannot be used"),
        (r'foo=~"\\p{Greek}"', "cannot be used"),
        ('foo=~"(?x)a"', "which Alertmanager's do not have"),
        (f'foo=~"{"a" * 1001}"', "more than 1000 characters"),
        ('foo=~"(a+)+b"', "could take too long"),
        ('foo=~"(a|aa)+b"', "could take too long"),
        ('foo=~"(a?){60}b"', "could take too long"),
        ('foo=~"((a|b){8}){8}"', "could take too long"),
        ('foo=~".*a.*b.*c.*d.*"', "could take too long"),
        (f'foo=~"{"a?" * 60}"', "could take too long"),
        ('foo=~"a{99999999999}"', "cannot be used"),
    ],
)
def test_mistakes_are_told_with_their_mend(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=r"^(has|is) ") as caught:
        parse_matchers(text)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("a=b", {"a": "b"}, True),
        ("a=b", {"a": "B"}, False),
        ("a=b", {}, False),
        ('a=""', {}, True),
        ("a!=b", {}, True),
        ('a!=""', {}, False),
        ('a!=""', {"a": "x"}, True),
        ("a=~b", {"a": "bb"}, False),
        ("a=~b", {"a": "xb"}, False),
        ("a=~b|c", {"a": "bc"}, False),
        ("a=~b|bc", {"a": "bc"}, True),
        ("a=~.*", {}, True),
        ("a=~.+", {}, False),
        ("a!~.+", {}, True),
        ("a!~b.*", {"a": "bc"}, False),
        ("a=~.*", {"a": "x\ny"}, False),
        ('a=~"(?s).*"', {"a": "x\ny"}, True),
        ('a=~"(?i)prod"', {"a": "PROD"}, True),
        (r'a=~"\d"', {"a": "٣"}, False),
        (r'ip=~"(\d{1,3}\.){3}\d{1,3}"', {"ip": "10.0.12.255"}, True),
        ("a=~b$", {"a": "b\n"}, False),
        ("a=b, c=~d.*", {"a": "b", "c": "dd"}, True),
        ("a=b, c=~d.*", {"a": "b", "c": "e"}, False),
        ("a=~x.*-prod", {"a": f"x{'y' * 900}-prod"}, True),
        ("a=~.*x.*-prod.*", {"a": f"x{'y' * 300}-prod"}, True),
    ],
)
def test_all_matchers_must_fit_the_whole_value(text: str, labels: dict[str, str], expected: bool) -> None:
    assert match_all(parse_matchers(text), labels) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        ".*.*.*.*[xy]",
        "(?:(?:[^b]*?(?i:a){2}|.?){2}|([^b])){2}[xy]",
        "(a*)(a*)(a*)(a*)[xy]",
        "[a-z]+-[a-z]+-[a-z]+-[a-z]+",
    ],
)
def test_no_value_keeps_a_pattern_busy(pattern: str) -> None:
    (matcher,) = parse_matchers(f'a=~"{pattern}"')
    begun = time.process_time()
    assert not matcher.matches({"a": "a" * 100_000})
    assert time.process_time() - begun < 3

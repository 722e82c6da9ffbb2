"""From bytes to JSON objects: what is repaired, what is refused, and in which words."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.documents import MAX_DEPTH, REPAIRED, RefusedBodyError, read_documents
from services.ingest.parsing import parse_document
from shared.notification import Call

CALL = Call(wait=timedelta(minutes=3))


def only(raw: bytes) -> dict[str, Any]:
    (document,) = read_documents(raw).items
    assert document.value is not None
    assert document.error is None
    return document.value


def refusal(raw: bytes) -> RefusedBodyError:
    with pytest.raises(RefusedBodyError) as caught:
        read_documents(raw)
    return caught.value


def nested(opening: str, closing: str, levels: int, inner: str = "1") -> bytes:
    return (opening * levels + inner + closing * levels).encode()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "Empty body"),
        (b" \r\n\t ", "Empty body"),
        (b"[]", "No incidents found in array"),
        (b" [ ] ", "No incidents found in array"),
        (b"[", "Invalid JSON array input"),
        (b" [{},]", "Invalid JSON array input"),
        (b'[{"a":1}', "Invalid JSON array input"),
        (b"{", "Invalid input"),
        (b"{'a':1}", "Invalid input"),
        (b'{"a":1}{"a":2}', "Invalid input"),
        (b"status=firing&title=x", "Invalid input"),
        (b"<xml/>", "Invalid input"),
        (b"1", "Invalid input"),
        (b"-1.5e3", "Invalid input"),
        (b'"text"', "Invalid input"),
        (b"null", "Invalid input"),
        (b"true", "Invalid input"),
        (b"NaN", "Invalid input"),
        (b"\x00", "Invalid input"),
        (b"\xef\xbb\xbf", "Invalid input"),
        (b"\xff\xfe", "Invalid input"),
        (b"\x1f\x8b\x08\x00", "Invalid input"),
    ],
)
def test_what_is_no_object_is_refused_in_versus_words(raw: bytes, words: str) -> None:
    assert refusal(raw).message == words


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (b"7", "a JSON number instead of an object"),
        (b"7.5", "a JSON number instead of an object"),
        (b'"x"', "a JSON string instead of an object"),
        (b"null", "a JSON null instead of an object"),
        (b"false", "a JSON boolean instead of an object"),
        (b"[]", "empty array"),
        (b"", "empty body"),
        (b'{"a":}', "not JSON: expected value at line 1 column 6"),
    ],
)
def test_a_refusal_says_what_was_there_instead(raw: bytes, detail: str) -> None:
    assert refusal(raw).detail == detail


def test_an_object_keeps_its_text_as_it_came() -> None:
    raw = b' {"b" : 1.0,\n "a":"\\u00e4", "a": 2} '
    (document,) = read_documents(raw).items
    assert document.body == raw.decode()
    assert document.warnings == ()
    assert not read_documents(raw).is_array


def test_an_array_is_read_element_by_element_and_bad_ones_cost_only_themselves() -> None:
    documents = read_documents('[{"a":"ä"}, 1, "x", null, [], [[]], true, NaN, {"b":2}]'.encode())
    assert documents.is_array
    assert [document.value for document in documents.items] == [{"a": "ä"}, *[None] * 7, {"b": 2}]
    assert [document.error for document in documents.items if document.error] == [
        f"a JSON {kind} instead of an object"
        for kind in ("number", "string", "null", "array", "array", "boolean", "number")
    ]
    assert [document.body for document in documents.items] == [
        '{"a":"ä"}',
        "1",
        '"x"',
        "null",
        "[]",
        "[[]]",
        "true",
        "NaN",
        '{"b":2}',
    ]


def test_an_array_in_an_array_holds_no_object() -> None:
    (document,) = read_documents(b"[[]]").items
    assert (document.value, document.error) == (None, "a JSON array instead of an object")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'\xef\xbb\xbf{"a":"\xc3\xa4"}', "ä"),
        ('{"a":"ä"}'.encode("utf-16"), "ä"),
        ('{"a":"ä"}'.encode("utf-16-be"), "ä"),
        ('{"a":"ä"}'.encode("utf-32"), "ä"),
        ('{"a":"ä"}'.encode("utf-32-le"), "ä"),
        ('{"a":"ä"}'.encode("latin-1"), "\ufffd"),
        (b'{"a":"\\ud800"}', "\ufffd"),
        (b'{"a":"\\udc00\\ud800 x"}', "\ufffd\ufffd x"),
        (b'{"a":"\xed\xa0\x80"}', "\ufffd\ufffd\ufffd"),
        (b'{"a":"\xff\xfe"}', "\ufffd\ufffd"),
    ],
)
def test_a_wrong_encoding_costs_characters_but_no_page(raw: bytes, value: str) -> None:
    (document,) = read_documents(raw).items
    assert document.value == {"a": value}
    assert document.warnings == (REPAIRED,)
    assert json.loads(document.body) == {"a": value}


def test_a_lone_surrogate_in_a_key_is_replaced_too() -> None:
    assert only(b'{"\\udfff":{"\\ud800":[1,"\\ud83d\\ude00"]}}') == {"\ufffd": {"\ufffd": [1, "😀"]}}


def test_every_element_of_a_repaired_array_says_so() -> None:
    documents = read_documents(b'[{"a":"\\ud800"},{"b":1}]')
    assert [document.warnings for document in documents.items] == [(REPAIRED,)] * 2


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"a":"\\u0000"}', {"a": "\x00"}),
        (b'{"a":Infinity}', {"a": float("inf")}),
        (b'{"a":1e999}', {"a": float("inf")}),
        (b'{"a":-1e999}', {"a": float("-inf")}),
        (b'{"a":' + b"9" * 4000 + b"}", {"a": int("9" * 4000)}),
        (b"{}", {}),
    ],
)
def test_odd_but_readable_json_is_taken(raw: bytes, value: dict[str, Any]) -> None:
    assert only(raw) == value


def test_nan_is_taken() -> None:
    assert str(only(b'{"a":NaN}')["a"]) == "nan"


@pytest.mark.parametrize("levels", [5_000, 200_000])
@pytest.mark.parametrize(
    ("opening", "closing", "words"),
    [
        ('{"a":', "}", "Invalid input"),
        ("[", "]", "Invalid JSON array input"),
        ('[{"a":', "}]", "Invalid JSON array input"),
    ],
)
def test_bottomless_nesting_is_refused(opening: str, closing: str, words: str, levels: int) -> None:
    assert refusal(nested(opening, closing, levels)).message == words


@pytest.mark.parametrize("levels", [MAX_DEPTH + 2, 300, 900])
@pytest.mark.parametrize("inner", ["1", '"\\ud800"'])
def test_nesting_that_only_one_of_the_parsers_takes_is_refused_as_well(levels: int, inner: str) -> None:
    assert "levels deep" in refusal(nested('{"a":', "}", levels, inner)).detail


@pytest.mark.parametrize("levels", [MAX_DEPTH + 2, 900, 5_000])
def test_an_element_that_is_too_deep_does_not_cost_its_siblings(levels: int) -> None:
    deep = nested('{"a":', "}", levels)
    raw = b'[{"t":"a, \\"]["},' + deep + b',{"t":"\\ud800"} , 5]'
    items = read_documents(raw).items
    assert [item.value for item in items] == [{"t": 'a, "]['}, None, {"t": "\ufffd"}, None]
    assert items[1].body == deep.decode()
    assert "levels deep" in items[1].error


@pytest.mark.parametrize("tail", [b",{]", b",]", b"]]", b'] {"a":1}', b",1", b""])
def test_what_is_no_json_is_refused_as_a_whole_also_beside_something_deep(tail: bytes) -> None:
    refusal(b'[{"a":1},' + nested("[", "]", 5_000) + tail)


def test_nesting_up_to_the_limit_is_taken() -> None:
    only(nested('{"a":', "}", MAX_DEPTH))
    only(nested('{"a":', "}", MAX_DEPTH - 1, '"\\ud800"'))


def test_a_number_beyond_all_reason_is_refused() -> None:
    assert "number out of range" in refusal(b'{"a":' + b"9" * 5_000 + b"}").detail


def notifications(raw: bytes) -> None:
    """Everything that ingest does with a body before Redis comes in."""
    try:
        documents = read_documents(raw)
    except RefusedBodyError:
        return
    for document in documents.items:
        json.loads(document.body)
        if document.value is not None:
            parse_document(document, CALL).model_dump_json()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
FIELDS = st.sampled_from(
    [
        *(
            "alerts",
            "status",
            "labels",
            "data",
            "issue",
            "event",
            "Type",
            "Message",
            "AlarmName",
            "kubernetes",
        ),
        *(
            "log",
            "groupKey",
            "groupLabels",
            "fingerprint",
            "startsAt",
            "Trigger",
            "Dimensions",
            "state",
            "title",
        ),
    ]
)


@given(st.binary())
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    notifications(raw)


@given(JSON)
def test_any_json_is_read_or_refused(value: Any) -> None:
    notifications(json.dumps(value).encode())


@given(
    st.recursive(
        JSON | st.just("Notification"),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS, inner, max_size=6),
    )
)
def test_any_json_with_the_names_that_we_look_for_is_read_or_refused(value: Any) -> None:
    notifications(json.dumps(value).encode())

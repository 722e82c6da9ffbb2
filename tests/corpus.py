"""A corpus of nasty documents: real bodies, mutated in every way that a sender, a proxy or a bad cable could think of.

Deterministic: the same seed gives the same documents. What must come of each is known by how it was made, and not by asking
the parser: only byte-level damage is judged by another JSON parser, the standard library's.
"""

import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAMPLES = [
    json.loads(path.read_bytes())
    for path in sorted((Path(__file__).resolve().parent.parent / "ops" / "samples").glob("*.json"))
]
OLD_SENTRY = {
    "id": "77",
    "project_slug": "shop",
    "level": "error",
    "message": "ValueError",
    "event": {"event_id": "e", "title": "t"},
}
BODIES = [
    *SAMPLES,
    OLD_SENTRY,
    {"Type": "Notification", "MessageId": "m", "Message": json.dumps({"AlarmName": "a", "AlarmArn": "arn"})},
    {"Type": "Notification", "MessageId": "n", "Message": "{", "Subject": "words"},
]
NESTED_TEXT = '{"a":' * 5_000 + "1" + "}" * 5_000
SCALARS: list[Any] = [None, True, 0, -1, 10**30, 1.5, float("nan"), float("inf"), "", " ", "resolved", "OK"]
STRINGS = [
    "\ud800",
    "\udfff\ud800",
    "\x00",
    "\ufeff",
    "\u202e",
    "\u2028",
    "😀",
    "<!channel>",
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}",
    "{% for x in y %}",
    "'; DROP TABLE incidents; --",
    "\r\nX-Injected: 1",
    "^NQactive=true",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-14:00",
    "https://x.example/" + "y" * 3_000,
    "javascript:alert(1)",
    "x" * 100_000,
    NESTED_TEXT,
]
CONTAINERS: list[Any] = [[], {}, [[]], [{}], {"": {}}, ["x", None, 1], {"a": {"b": [1, {"c": None}]}}]
NOT_OBJECTS: list[Any] = [
    None,
    True,
    0,
    -1.5,
    float("nan"),
    "an incident",
    "",
    "\ud800",
    [],
    [[]],
    [{"title": "in"}],
]
NO_OBJECTS = [
    *(b"", b" ", b"\n\t\r ", b"[]", b" [ ]", b"[[", b"}{", b"{'a': 1}"),
    *(b"null", b"true", b"7", b"-1.5", b"NaN", b'"text"', b"x", b"\x00"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"status=firing", b"<alert/>", b"\x1f\x8b\x08"),
]
NAMES = [
    "alerts",
    "labels",
    "status",
    "state",
    "fingerprint",
    "groupKey",
    "Message",
    "log",
    "data",
    "AlarmName",
]


@dataclass(frozen=True)
class Case:
    name: str
    raw: bytes
    accepted: int
    """How many good documents there are in it."""

    refused: tuple[bytes, ...] = ()
    """What must be kept as dead letters: the whole body, or the bad elements of an array, as JSON."""


def corpus(seed: int, size: int) -> list[Case]:
    """`size` documents; every kind of nastiness among the first few dozen."""
    dice = random.Random(seed)
    cases = []
    for number in range(size):
        kind = KINDS[number % len(KINDS)]
        name = f"{number} {kind.__name__.strip('_')}"
        cases.append(kind(dice, name))
    return cases


def accepted(name: str, raw: bytes) -> Case:
    return Case(name, raw, 1)


def refused(name: str, raw: bytes) -> Case:
    return Case(name, raw, 0, (raw,))


def _body(dice: random.Random, **mark: Any) -> dict[str, Any]:
    """A real body that is like no other, so that what came of it can be told from its siblings'."""
    body: dict[str, Any] = copy.deepcopy(dice.choice(BODIES))
    return body | {"unheard_of": dice.getrandbits(64), **mark}


def _dump(value: Any, *, ascii_only: bool = True) -> bytes:
    return json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


def _anything(dice: random.Random) -> Any:
    return copy.deepcopy(dice.choice(dice.choice([SCALARS, STRINGS, CONTAINERS])))


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every place inside `value`: (container, key or index)."""
    found: list[tuple[Any, Any]] = []
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for key in keys:
        found.append((value, key))
        found += _places(value[key])
    return found


def _mutate(dice: random.Random, body: dict[str, Any]) -> dict[str, Any]:
    """Up to four places of it get another value, are dropped, doubled or renamed. It remains an object."""
    for _ in range(dice.randint(1, 4)):
        container, key = dice.choice(_places(body) or [(body, "x")])
        what = dice.choice(["replace", "replace", "replace", "drop", "double", "rename"])
        if what == "drop":
            container.pop(key, None) if isinstance(container, dict) else container.pop(key)
        elif what == "double" and isinstance(container, list):
            container.append(copy.deepcopy(container[key]))
        elif what == "rename" and isinstance(container, dict):
            container[dice.choice([*NAMES, *STRINGS[:6]])] = container.pop(key, None)
        else:
            container[key] = _anything(dice)
    return body


# The kinds: one object


def _as_it_came(dice: random.Random, name: str) -> Case:
    return accepted(name, _dump(_body(dice)))


def _mutated(dice: random.Random, name: str) -> Case:
    return accepted(name, _dump(_mutate(dice, _body(dice))))


def _mutated_raw_surrogates(dice: random.Random, name: str) -> Case:
    """Lone surrogates written as three bytes each, which is not UTF-8."""
    return accepted(name, _dump(_mutate(dice, _body(dice, s=dice.choice(STRINGS[:2]))), ascii_only=False))


def _everything_of_one_kind(dice: random.Random, name: str) -> Case:
    """Every field of a body has the same odd value."""
    odd = _anything(dice)
    return accepted(name, _dump({key: copy.deepcopy(odd) for key in _body(dice)}))


def _odd_alerts(dice: random.Random, name: str) -> Case:
    alerts = [
        {
            field: _anything(dice)
            for field in ("status", "labels", "annotations", "startsAt", "fingerprint", "generatorURL")
        }
        for _ in range(dice.randint(0, 5))
    ]
    mixed = [*alerts, *dice.choices(NOT_OBJECTS, k=dice.randint(0, 3))]
    dice.shuffle(mixed)
    body = {"receiver": "r", "status": _anything(dice), "groupKey": _anything(dice), "alerts": mixed}
    return accepted(name, _dump(body))


def _encoded(dice: random.Random, name: str) -> Case:
    text = json.dumps(_body(dice, title="Überlauf am Wehr"), ensure_ascii=False)
    encoding = dice.choice(
        ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "latin-1", "cp1252"]
    )
    return accepted(f"{name} {encoding}", text.encode(encoding, "replace"))


def _bytes_in_a_string(dice: random.Random, name: str) -> Case:
    """Bytes that are no UTF-8, inside a string."""
    raw = _dump(_body(dice, title="@@@"))
    return accepted(name, raw.replace(b"@@@", bytes(dice.choices(range(0x80, 0x100), k=9))))


def _duplicate_keys(dice: random.Random, name: str) -> Case:
    raw, other = _dump(_body(dice)), _dump(_mutate(dice, _body(dice)))
    return accepted(name, raw[:-1] + b"," + other[1:] if other != b"{}" else raw)


def _large(dice: random.Random, name: str) -> Case:
    labels = {f"label_{n}": "x" * dice.randint(0, 400) for n in range(dice.choice([64, 65, 500]))}
    alerts = [{"status": "firing", "labels": {"n": str(n)}} for n in range(dice.choice([1, 50, 1_500]))]
    return accepted(
        name, _dump(_body(dice, commonLabels=labels, labels=labels, alerts=alerts, status="firing"))
    )


def _deep_but_readable(dice: random.Random, name: str) -> Case:
    levels = dice.randint(50, 195)
    opening, closing = dice.choice([('{"a":', "}"), ("[", "]")])
    field = dice.choice(["groupLabels", "labels", "alerts", "data", "x"])
    raw = _dump(_body(dice))[:-1] + f', "{field}":'.encode()
    return accepted(name, raw + (opening * levels + "1" + closing * levels).encode() + b"}")


def _odd_numbers(dice: random.Random, name: str) -> Case:
    number = dice.choice(
        ["1e999", "-1e999", "NaN", "Infinity", "-0", "1E-999", "9" * 4_000, "0.1" + "0" * 5_000]
    )
    field = dice.choice(["fingerprint", "startsAt", "status", "title", "truncatedAlerts", "groupKey"])
    raw = _dump(_body(dice))[:-1]
    return accepted(name, raw + f', "{field}": {number}}}'.encode())


# The kinds: no object


def _not_an_object(dice: random.Random, name: str) -> Case:
    return refused(name, dice.choice(NO_OBJECTS))


def _bottomless(dice: random.Random, name: str) -> Case:
    levels = dice.choice([201, 300, 900, 5_000, 50_000])
    opening, closing = dice.choice([('{"a":', "}"), ('{"a":[', "]}")])
    return refused(name, (opening * levels + "1" + closing * levels).encode())


def _cut_off(dice: random.Random, name: str) -> Case:
    """An object that ends before its end is none, wherever it was cut."""
    raw = _dump(_body(dice))
    return refused(name, raw[: dice.randint(1, len(raw) - 1)])


def _two_in_a_row(dice: random.Random, name: str) -> Case:
    return refused(name, _dump(_body(dice)) + dice.choice([b"", b"\n", b","]) + _dump(_body(dice)))


def _bits_flipped(dice: random.Random, name: str) -> Case:
    """Damage on the way. The standard library says whether an object is left of it, characters aside."""
    damaged = bytearray(_dump(_mutate(dice, _body(dice)), ascii_only=dice.random() < 0.5))
    for _ in range(dice.choice([1, 2, 8, 64])):
        damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
    return _judged(name, bytes(damaged))


def _bytes_spliced(dice: random.Random, name: str) -> Case:
    raw = _dump(_body(dice))
    start, end = sorted(dice.randrange(len(raw)) for _ in range(2))
    noise = bytes(dice.choices(range(256), k=dice.randint(0, 6)))
    return _judged(name, raw[:start] + noise + raw[dice.choice([start, end]) :])


def _judged(name: str, raw: bytes) -> Case:
    try:
        value = json.loads(raw.decode(json.detect_encoding(raw), "replace"))
    except (ValueError, RecursionError):
        return refused(name, raw)
    return accepted(name, raw) if isinstance(value, dict) else refused(name, raw)


# The kinds: several in an array


def _array(dice: random.Random, name: str) -> Case:
    return Case(name, *_mixture(dice, good=dice.randint(1, 8), bad=0))


def _array_with_bad_siblings(dice: random.Random, name: str) -> Case:
    return Case(name, *_mixture(dice, good=dice.randint(1, 8), bad=dice.randint(1, 5)))


def _array_of_bad_ones(dice: random.Random, name: str) -> Case:
    return Case(name, *_mixture(dice, good=0, bad=dice.randint(1, 5)))


def _array_cut_off(dice: random.Random, name: str) -> Case:
    raw, _, _ = _mixture(dice, good=3, bad=1)
    return refused(name, raw[: dice.randint(1, len(raw) - 1)])


def _mixture(dice: random.Random, *, good: int, bad: int) -> tuple[bytes, int, tuple[bytes, ...]]:
    elements = [(_mutate(dice, _body(dice)), True) for _ in range(good)]
    elements += [(element, False) for element in dice.choices(NOT_OBJECTS, k=bad)]
    dice.shuffle(elements)
    raw = _dump([element for element, _ in elements])
    return raw, good, tuple(_dump(element) for element, is_good in elements if not is_good)


KINDS: list[Callable[[random.Random, str], Case]] = [
    _as_it_came,
    _mutated,
    _mutated_raw_surrogates,
    _everything_of_one_kind,
    _odd_alerts,
    _array_with_bad_siblings,
    _encoded,
    _bytes_in_a_string,
    _duplicate_keys,
    _large,
    _not_an_object,
    _deep_but_readable,
    _odd_numbers,
    _bottomless,
    _array,
    _cut_off,
    _two_in_a_row,
    _bits_flipped,
    _array_with_bad_siblings,
    _bytes_spliced,
    _mutated,
    _array_of_bad_ones,
    _bits_flipped,
    _array_cut_off,
    _array_with_bad_siblings,
]

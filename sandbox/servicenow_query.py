"""ServiceNow's encoded queries: `correlation_id=abc^state!=7^ORDERBYDESCnumber`.

A term with an unknown column or operator is dropped, and the rest of the query stands. So a query of one wrong term
returns every row: a client that trusts it takes somebody else's record for its own.
"""

import re
from collections.abc import Callable, Mapping

from sandbox.servicenow_table import is_column

TERM = re.compile(
    r"(?P<column>[a-z][a-z0-9_]*)(?P<operator>!=|=|STARTSWITH|LIKE|IN|ISEMPTY|ISNOTEMPTY)(?P<value>.*)",
    re.DOTALL,
)
ORDER = re.compile(r"ORDERBY(?P<descending>DESC)?(?P<column>[a-z][a-z0-9_]*)")

Fields = Mapping[str, str]
Test = Callable[[Fields], bool]
# Both sides come in lower case: the real database compares so.
OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "=": lambda have, want: have == want,
    "!=": lambda have, want: have != want,
    "STARTSWITH": lambda have, want: have.startswith(want),
    "LIKE": lambda have, want: want in have,
    "IN": lambda have, want: have in want.split(","),
    "ISEMPTY": lambda have, _: not have,
    "ISNOTEMPTY": lambda have, _: bool(have),
}


def select(rows: list[Fields], query: str) -> list[Fields]:
    """The rows that a query finds, in its order."""
    alternatives = [_conjunction(part.split("^")) for part in query.split("^NQ")]
    found = [row for row in rows if any(all(test(row) for test in tests) for tests in alternatives)]
    for term in reversed(query.split("^")):
        order = ORDER.fullmatch(term)
        if order and is_column(order["column"]):
            found.sort(key=_by(order["column"]), reverse=bool(order["descending"]))
    return found


def _conjunction(terms: list[str]) -> list[Test]:
    tests: list[Test] = []
    for term in terms:
        joined_by_or = term.startswith("OR") and not ORDER.fullmatch(term)
        test = _test(term.removeprefix("OR") if joined_by_or else term)
        if test is None:
            continue
        if joined_by_or and tests:
            tests[-1] = _either(tests[-1], test)
        else:
            tests.append(test)
    return tests


def _test(term: str) -> Test | None:
    match = TERM.fullmatch(term)
    if match is None or not is_column(match["column"]):
        return None
    return _comparison(match["column"], OPERATORS[match["operator"]], match["value"].casefold())


def _comparison(column: str, holds: Callable[[str, str], bool], want: str) -> Test:
    return lambda row: holds(row.get(column, "").casefold(), want)


def _either(one: Test, other: Test) -> Test:
    return lambda row: one(row) or other(row)


def _by(column: str) -> Callable[[Fields], str]:
    return lambda row: row.get(column, "")

"""What cannot be right about the states that records are to be set to."""

from collections.abc import Iterator
from typing import Any

from shared.config_draft import Draft
from shared.config_errors import Path, Problem, dotted
from shared.config_keys import KEYS
from shared.config_life import NEEDED_STATES

SERVICENOW = ("oncall", "servicenow")
LIVES = (*SERVICENOW, "life_by_instance")
OPEN_STATES = {
    "acknowledged": "on_acknowledge",
    "unacknowledged": "on_acknowledge",
    "updated": "on_update",
}
"""Those that a record gets before the end, and by which key."""


def state_problems(written: Draft) -> Iterator[Problem]:
    names = sorted({path[len(LIVES)] for path in written.places if path[: len(LIVES)] == LIVES != path})
    for block in (SERVICENOW, *((*LIVES, name) for name in names)):
        yield from _missing(written, block)
        yield from _closing(written, block)


def _missing(written: Draft, block: Path) -> Iterator[Problem]:
    for key, state in NEEDED_STATES.items():
        says_so = str(_value(written, block, key)).lower() == "state"
        said_here = any((*block, *part) in written.places for part in ((key,), ("states", state)))
        if says_so and said_here and not _value(written, block, "states", state):
            wanted = dotted((*block, "states", state))
            told = f"is state, which needs {wanted}: the value that your instance has for it"
            yield written.problem(_place(written, block, key), told)


def _closing(written: Draft, block: Path) -> Iterator[Problem]:
    """Set to such a state by us, a record would never hear of the incident's end."""
    closed = _value(written, block, "closed_states")
    for state, key in OPEN_STATES.items():
        value = _value(written, block, "states", state)
        if not (value and isinstance(closed, list | tuple) and value in closed):
            continue
        path, around = (*block, "states", state), ((*block, "closed_states"), (*block, key))
        is_used = str(_value(written, block, key)).lower() == "state"
        if written.text(path):
            yield written.problem(
                path, f"is one of closed_states ({', '.join(closed)}), which are left alone"
            )
        elif is_used and (said := [one for one in around if one in written.places]):
            told = (
                f"states.{state} is {value}, one of closed_states ({', '.join(closed)}), which are left alone"
            )
            yield written.problem(said[0], told)


def _value(written: Draft, block: Path, *key: str) -> Any:
    """What holds there: its own, the shared one, or the default."""
    found = written.get((*block, *key)) or written.get((*SERVICENOW, *key))
    return found or KEYS[*SERVICENOW, *key].default


def _place(written: Draft, block: Path, key: str) -> Path:
    return (*block, key) if written.text((*block, key)) else (*SERVICENOW, key)

"""What a record is set to, what it is known to know, and when it is left alone."""

from datetime import timedelta
from typing import Any

import pytest

from services.escalator.life import Known, Life
from services.escalator.servicenow import Seen
from shared.config import ServiceNowConfig
from shared.incident import Closure, Effort, Incident, News, NewsKind, Record, State
from tests.episodes import MINUTE, NOON
from tests.unit.escalator.test_work_note import MARK, news, opened

GRACE = timedelta(seconds=65)
ACK, UNACK = news(NewsKind.ACKNOWLEDGED, 3, by="anna"), news(NewsKind.UNACKNOWLEDGED, 4)
UPDATED, CLOSED = news(NewsKind.UPDATED, 5, minutes=11, firing=2), news(NewsKind.CLOSED, 7, minutes=20)
SYS_ID = "a" * 32


def life(how: str = "state", **settings: Any) -> Life:
    every = {"on_acknowledge": how, "on_update": how, "on_resolve": how, "close_code": "Solved"}
    return Life(ServiceNowConfig.model_validate(every | settings).life_for(None), GRACE)


def record(*untold: News, doubt_until: Any = None, parent: str = "") -> Record:
    return Record(
        sys_id=SYS_ID,
        number="INC1",
        url="",
        instance=None,
        at=NOON,
        news=untold,
        update=Effort(doubt_until=doubt_until),
        parent=parent,
    )


def ended(state: State = State.RESOLVED) -> Incident:
    return opened(closure=Closure(at=NOON + 20 * MINUTE, state=state))


def seen(notes: str | None = "", state: str = "2", *, active: bool | None = True) -> Seen:
    return Seen(SYS_ID, "INC1", "", state, active, notes)


def set_by(life: Life, incident: Incident, *told: News, parent: str = "") -> dict[str, str]:
    """Without the note."""
    change = life.change(incident, record(*told, parent=parent), told, 4000)
    assert change.pop("work_notes")
    return change


def test_a_record_wants_to_hear_of_what_is_configured() -> None:
    assert life("none").wants == ()
    assert life("none", on_update="work_note").wants == (NewsKind.UPDATED,)
    assert life().wants == (NewsKind.ACKNOWLEDGED, NewsKind.UPDATED, NewsKind.CLOSED)
    assert life(on_acknowledge="none").wanted([ACK, UNACK, UPDATED]) == [UPDATED]


def test_the_last_news_that_has_a_state_decides() -> None:
    states = {"states": {"updated": "3"}}
    assert set_by(life("work_note"), ended(), ACK, CLOSED) == {}
    assert set_by(life(), opened(), ACK) == {"state": "2"}
    assert set_by(life(), opened(), ACK, UPDATED) == {"state": "2"}
    assert set_by(life(**states), opened(), ACK, UPDATED) == {"state": "3"}
    assert set_by(life(), opened(), ACK, UNACK) == {"state": "2"}
    assert set_by(life(states={"unacknowledged": "1"}), opened(), ACK, UNACK) == {"state": "1"}
    assert set_by(life(close_code=None), ended(), ACK, CLOSED) == {"state": "6"}
    assert set_by(life(), ended(), ACK, CLOSED) == {"state": "6", "close_code": "Solved"}


@pytest.mark.parametrize(
    ("incident", "parent", "closes"),
    [
        (ended(), "", True),
        (ended(State.SUPERSEDED), "", True),
        (ended(State.EXPIRED), "", False),
        (ended(), "storm", False),
    ],
)
def test_only_what_is_over_resolves_a_record_that_is_its_own(
    incident: Incident, parent: str, closes: bool
) -> None:
    assert ("state" in set_by(life(), incident, CLOSED, parent=parent)) is closes
    assert life().closes(incident, record(CLOSED, parent=parent), [CLOSED]) is closes
    assert not life("work_note").closes(incident, record(CLOSED), [CLOSED])


@pytest.mark.parametrize("before", [{"state": "6"}, {"state": "8"}, {"state": "2", "active": False}])
def test_a_record_that_a_person_has_closed_is_left_alone(before: dict[str, Any]) -> None:
    assert life().known(seen(**before), ended(), record(CLOSED)) == Known(0, is_closed=True)


def test_what_we_have_closed_ourselves_is_told_and_not_closed_by_a_person() -> None:
    assert life().known(seen(MARK, "6"), ended(), record(CLOSED)) == Known(7)


def test_what_is_not_shown_to_us_closes_nothing() -> None:
    assert life().known(seen("", "", active=None), ended(), record(CLOSED)) == Known(0)


DOUBT = NOON + 20 * MINUTE + GRACE
"""Of an attempt that was made when CLOSED was news."""


@pytest.mark.parametrize(
    ("state", "how", "known"),
    [
        ("2", "state", Known(0)),  # the state is not there, so the note is not either
        ("6", "state", Known(7, guessed=True)),
        ("", "state", Known(7, guessed=True)),
        ("2", "work_note", Known(7, guessed=True)),
    ],
)
def test_in_doubt_a_note_that_we_may_not_see_is_not_written_twice(state: str, how: str, known: Known) -> None:
    doubtful = record(ACK, CLOSED, doubt_until=DOUBT)
    assert life(how).known(seen(None, state), ended(), doubtful) == known


def test_without_a_doubt_nothing_is_guessed() -> None:
    assert life().known(seen(None), ended(), record(ACK, CLOSED)) == Known(0)


def test_what_came_after_the_doubtful_attempt_is_still_to_be_told() -> None:
    doubtful = record(ACK, CLOSED, doubt_until=NOON + 15 * MINUTE + GRACE)
    assert life("work_note").known(seen(None), ended(), doubtful) == Known(3, guessed=True)
    assert life("work_note").known(seen(None), ended(), record(CLOSED, doubt_until=NOON + GRACE)) == Known(0)

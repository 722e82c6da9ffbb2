"""What differs between our books and ServiceNow, incident by incident, and what may be mended without asking anybody."""

from datetime import timedelta

import pytest

from ops.reconcile.comparison import (
    Difference,
    Kind,
    Mend,
    Row,
    Ways,
    compare,
    is_id_of_ours,
    names,
    places,
    strange,
)
from shared.commands import Acknowledge, Claim, Expire, RecordWritten
from shared.identity import new_incident_id
from shared.incident import FurtherStep, Incident, NewsKind, Record
from shared.notification import SERVICENOW, WEBHOOK, PlannedStep
from tests.episodes import MINUTE, NOON, incident_id
from tests.unit.core.lives import CLAIM, DUE, GRACE, RECORD, after, opened, resolve

ID = incident_id(1)
EVERYWHERE = frozenset({None, "infra"})
WAYS = Ways(lambda name: name, closes=frozenset(), asked=EVERYWHERE)
CLOSING = Ways(lambda name: name, closes=EVERYWHERE, asked=EVERYWHERE)
NEVER = Ways(lambda name: name, closes=EVERYWHERE, asked=frozenset())
LATER = DUE + MINUTE
BOOKED = RECORD.sys_id


def row(
    sys_id: str = BOOKED, *, over: bool | None = False, instance: str | None = None, id_: str = ID
) -> Row:
    return Row(instance, sys_id, f"INC-{sys_id[0]}", id_, is_over=over, title="a record")


def escalated(record: Record = RECORD) -> Incident:
    return after(opened(), (CLAIM, DUE), (RecordWritten("w1", record), DUE))


def resolved(record: Record = RECORD) -> Incident:
    return after(escalated(record), (resolve(), LATER))


def found(incident: Incident, *rows: Row, ways: Ways = WAYS) -> list[tuple[Kind, str, Mend | None]]:
    return [(one.kind, one.sys_id, one.mend) for one in compare(incident, rows, ways, LATER)]


@pytest.mark.parametrize(
    ("incident", "rows"),
    [
        (opened(), []),
        (opened(wait=None), []),
        (escalated(), [row()]),
        (resolved(), [row(over=True)]),
        (resolved(), [row(over=None)]),
        (escalated(), [row(), row("b" * 32, over=True)]),
        (escalated(), [row(), row("c" * 32, id_=incident_id(2))]),
    ],
    ids=[
        "waiting",
        "without on-call",
        "escalated",
        "over",
        "nobody can see",
        "a second one that is closed",
        "somebody else's",
    ],
)
def test_what_agrees(incident: Incident, rows: list[Row]) -> None:
    assert found(incident, *rows) == []


def test_a_record_that_is_gone_is_told_and_never_made_again() -> None:
    assert found(escalated()) == [(Kind.MISSING, BOOKED, None)]


def test_a_record_that_our_books_do_not_know_is_entered() -> None:
    assert found(opened(), row("b" * 32)) == [(Kind.UNKNOWN, "b" * 32, Mend.BOOK)]
    acknowledged = after(opened(), (Acknowledge("ada", "link"), NOON))
    assert found(acknowledged, row("b" * 32)) == [(Kind.UNKNOWN, "b" * 32, Mend.BOOK)]


def test_of_two_that_our_books_do_not_know_the_oldest_is_entered() -> None:
    assert found(opened(), row("b" * 32), row("c" * 32)) == [
        (Kind.UNKNOWN, "b" * 32, Mend.BOOK),
        (Kind.DOUBLE, "c" * 32, None),
    ]


def test_while_somebody_is_at_it_nothing_is_unknown() -> None:
    claimed = after(opened(), (Claim("w1", 2 * MINUTE, GRACE), DUE))
    assert found(claimed, row("b" * 32)) == []
    fell_silent = after(opened(), (Claim("w1", timedelta(seconds=1), GRACE), DUE))
    assert found(fell_silent, row("b" * 32)) == [(Kind.UNKNOWN, "b" * 32, Mend.BOOK)]


def test_one_more_open_record_is_told_and_left() -> None:
    assert found(escalated(), row(), row("b" * 32)) == [(Kind.DOUBLE, "b" * 32, None)]


def test_what_a_person_has_closed_is_told_and_left() -> None:
    assert found(escalated(), row(over=True)) == [(Kind.CLOSED_BY_HAND, BOOKED, None)]


def test_what_was_left_open_is_closed_where_that_is_configured() -> None:
    assert found(resolved(), row()) == [(Kind.LEFT_OPEN, BOOKED, None)]
    assert found(resolved(), row(), ways=CLOSING) == [(Kind.LEFT_OPEN, BOOKED, Mend.CLOSE)]


def test_of_what_has_expired_nobody_knows_whether_it_is_over() -> None:
    expired = after(escalated(), (Expire(timedelta(days=1)), DUE + timedelta(days=2)))
    assert expired.closure is not None
    assert found(expired, row(), ways=CLOSING) == [(Kind.LEFT_OPEN, BOOKED, None)]


def test_a_record_that_the_escalator_is_about_to_tell_is_not_left_open() -> None:
    wanting = RECORD.model_copy(update={"wants": (NewsKind.CLOSED,)})
    incident = resolved(wanting)
    assert incident.record is not None
    assert incident.record.news
    assert found(incident, row(), ways=CLOSING) == []
    parked = incident.record.model_copy(
        update={"update": incident.record.update.model_copy(update={"parked": True})}
    )
    assert found(incident.model_copy(update={"record": parked}), row(), ways=CLOSING) != []


def test_a_record_of_a_whole_storm_is_found_by_the_storm_and_goes_on_for_the_others() -> None:
    storm = incident_id(9)
    incident = resolved(RECORD.model_copy(update={"parent": storm}))
    assert names(incident) == {ID, storm}
    assert found(incident, row(id_=storm), ways=CLOSING) == []
    assert found(incident, ways=CLOSING) == [(Kind.MISSING, BOOKED, None)]


def test_an_instance_that_was_not_asked_says_nothing() -> None:
    assert found(escalated(), ways=NEVER) == []


def test_each_step_has_its_record_at_its_instance() -> None:
    incident = opened()
    steps = (
        PlannedStep(offset=MINUTE, target=WEBHOOK),
        PlannedStep(offset=2 * MINUTE, target=SERVICENOW, instance="infra"),
    )
    call = incident.call.model_copy(update={"steps": steps})
    command = (CLAIM, DUE), (RecordWritten("w1", RECORD), DUE)
    incident = after(
        incident.model_copy(update={"call": call, "further": (FurtherStep(), FurtherStep())}), *command
    )
    assert places(incident, WAYS) == {None, "infra"}
    (difference,) = compare(incident, [row(), row("b" * 32, instance="infra")], WAYS, LATER)
    assert (difference.kind, difference.step) == (Kind.UNKNOWN, 2)


def told(difference: Difference | None) -> Kind | None:
    return difference.kind if difference else None


def test_an_open_record_of_an_incident_that_nobody_knows_is_an_orphan_and_is_left() -> None:
    orphan = strange(None, row(), WAYS)
    assert orphan is not None
    assert (orphan.kind, orphan.mend, orphan.title) == (Kind.ORPHAN, None, "a record")


def test_a_record_where_its_incident_never_goes_is_one_too_many() -> None:
    assert told(strange(escalated(), row(instance="infra"), WAYS)) is Kind.DOUBLE
    assert told(strange(escalated(), row(), WAYS)) is None


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        (new_incident_id(NOON, 0, bytes(9)), True),
        (new_incident_id(NOON, 255, b"\xff" * 9), True),
        (new_incident_id(NOON + timedelta(days=400), 0, bytes(9)), False),
        ("d625dccec0a8016700a222a0f7900d06", False),
        ("INC0010001", False),
        ("", False),
    ],
    ids=["ours", "of another partition", "of next year", "a sys_id", "a number", "nothing"],
)
def test_other_integrations_write_32_hex_digits_too(text: str, ours: bool) -> None:
    assert is_id_of_ours(text, LATER) is ours

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.incident import Effort, Incident
from shared.links import LINK_GRACE, AckLinks, Verdict, expiry
from tests.unit.acknowledge.stage import ACK, ID, LEASE, NOW, RECORD, escalated, incident, overdue, stepped

LINKS = AckLinks("https://ackstream.example/", ["a key"])
EXPIRES = NOW + timedelta(hours=1)


def parts(links: AckLinks = LINKS, incident_id: str = ID) -> tuple[str, str]:
    query = parse_qs(urlsplit(links.url(incident_id, EXPIRES)).query)
    return query["exp"][0], query["sig"][0]


def test_a_link_has_the_form_that_versus_users_know() -> None:
    exp, sig = parts()
    assert LINKS.url(ID, EXPIRES) == f"https://ackstream.example/api/ack/{ID}?exp={exp}&sig={sig}"
    assert exp == str(int(EXPIRES.timestamp()))


def test_a_link_is_valid_up_to_its_last_second_and_expired_after_it() -> None:
    assert LINKS.check(ID, *parts(), EXPIRES) is Verdict.VALID
    assert LINKS.check(ID, *parts(), EXPIRES + timedelta(seconds=1)) is Verdict.EXPIRED


def test_a_link_of_another_incident_or_expiry_is_forged() -> None:
    exp, sig = parts()
    other = ID.replace("0", "1")
    assert LINKS.check(other, exp, sig, NOW) is Verdict.FORGED
    assert LINKS.check(ID, str(int(exp) + 1), sig, NOW) is Verdict.FORGED
    assert LINKS.check(ID, "0" + exp, sig, NOW) is Verdict.FORGED


def test_links_signed_before_a_rotation_are_accepted_and_new_ones_carry_the_new_key() -> None:
    rotated = AckLinks("", ["a new key", "a key"])
    assert rotated.check(ID, *parts(), NOW) is Verdict.VALID
    assert LINKS.check(ID, *parts(rotated), NOW) is Verdict.FORGED
    assert AckLinks("", ["a new key"]).check(ID, *parts(rotated), NOW) is Verdict.VALID
    assert AckLinks("", ["a new key"]).check(ID, *parts(), NOW) is Verdict.FORGED


@pytest.mark.parametrize("decoration", [" {}", "{} ", "{}=", "{}é", "{}\n", "é{}"])
def test_a_signature_with_something_added_is_forged_although_the_decoder_would_skip_it(
    decoration: str,
) -> None:
    exp, sig = parts()
    assert LINKS.check(ID, exp, decoration.format(sig), NOW) is Verdict.FORGED


ANYTHING = st.none() | st.text(st.characters(exclude_categories=())) | st.from_regex("[0-9]{1,40}")


@given(st.text(st.characters(exclude_categories=())) | st.just(ID), ANYTHING, ANYTHING)
def test_whatever_a_request_brings_is_forged_and_raises_nothing(
    incident_id: str, exp: str | None, sig: str | None
) -> None:
    assert LINKS.check(incident_id, exp, sig, NOW) is Verdict.FORGED


@given(st.integers(0, 42), st.sampled_from("AQgw048_-"))
def test_a_signature_altered_in_one_place_is_forged(place: int, letter: str) -> None:
    exp, sig = parts()
    altered = sig[:place] + letter + sig[place + 1 :]
    same = (
        place == 42 and LINKS.check(ID, exp, altered, NOW) is Verdict.VALID
    )  # spare bits of the last letter
    assert altered == sig or same or LINKS.check(ID, exp, altered, NOW) is Verdict.FORGED


@pytest.mark.parametrize("keys", [[], [""], ["a key", ""]])
def test_signing_without_a_key_is_refused_at_the_start(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="signing key"):
        AckLinks("https://ackstream.example", keys)


LATER = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("subject", "counts_from"),
    [
        (incident(), incident().deadline),
        (incident(deadline=None), incident().opened_at),
        (incident(deadline=NOW - timedelta(days=3)), incident().opened_at),
        (overdue(escalation=Effort(attempts=9, retry_at=LATER)), LATER),
        (overdue(escalation=Effort(lease=LEASE)), LEASE.until),
        (incident(acknowledgement=ACK.model_copy(update={"at": LATER})), LATER),
        (incident(acknowledgement=ACK.model_copy(update={"lapses_at": LATER})), LATER),
        (escalated(record=RECORD.model_copy(update={"at": LATER})), LATER),
        (stepped(incident()), NOW + timedelta(minutes=10, seconds=40)),
        (stepped(escalated(), record=RECORD.model_copy(update={"at": LATER})), LATER),
        (stepped(escalated(), effort=Effort(attempts=2, retry_at=LATER)), LATER),
    ],
    ids=[
        *("deadline", "no on-call", "inherited deadline", "ServiceNow is away", "being escalated"),
        *("acknowledged late", "acknowledged for a time", "escalated late"),
        *("a further step", "a further record", "the webhook is away"),
    ],
)
def test_a_link_lives_a_day_longer_than_its_incident_waits(subject: Incident, counts_from: datetime) -> None:
    assert expiry(subject) == counts_from + LINK_GRACE

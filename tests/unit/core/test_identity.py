"""Ids and dedup keys."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.identity import digest, is_incident_id, new_incident_id, partition_of_incident
from tests.episodes import NOON


@given(st.integers(0, 255), st.binary(min_size=9, max_size=9))
def test_an_id_is_hex_and_knows_its_partition(partition: int, entropy: bytes) -> None:
    id_ = new_incident_id(NOON, partition, entropy)
    assert is_incident_id(id_)
    assert partition_of_incident(id_) == partition
    assert id_[12] == "7"
    assert id_[16] in "89ab"


@given(st.binary(min_size=9, max_size=9), st.binary(min_size=9, max_size=9), st.integers(1, 10**9))
def test_ids_are_ordered_by_time(first: bytes, second: bytes, milliseconds: int) -> None:
    later = NOON + timedelta(milliseconds=milliseconds)
    assert new_incident_id(NOON, 255, first) < new_incident_id(later, 0, second)


@given(st.lists(st.text()), st.lists(st.text()))
def test_different_parts_have_different_digests(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


def test_a_lone_surrogate_has_a_digest_too() -> None:
    assert digest("\ud800") != digest("\ud801")

"""A thousand nasty documents, parsed: nothing raises, and no good document goes down with a bad sibling."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from services.ingest.documents import RefusedBodyError, read_documents
from services.ingest.parsing import parse_document
from shared.notification import Call, Notification
from tests.corpus import Case, corpus

CALL = Call(wait=timedelta(minutes=3))
CASES = corpus(seed=1, size=1_000)


def notifications(case: Case) -> Iterator[Notification]:
    try:
        documents = read_documents(case.raw)
    except RefusedBodyError:
        return
    for document in documents.items:
        if document.value is not None:
            yield parse_document(document, CALL)


def test_the_same_seed_gives_the_same_documents() -> None:
    assert corpus(seed=1, size=50) == CASES[:50]
    assert corpus(seed=2, size=50) != CASES[:50]


def test_there_is_plenty_of_everything() -> None:
    good = sum(case.accepted for case in CASES)
    mixed = [case for case in CASES if case.accepted and case.refused]
    assert good > 1_000
    assert len(mixed) >= 100
    assert len([case for case in CASES if not case.accepted]) > 200


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_good_document_is_kept_and_nothing_else(case: Case) -> None:
    assert len(list(notifications(case))) == case.accepted


def test_what_is_kept_of_each_is_small_and_can_be_stored_and_read_again() -> None:
    for case in CASES:
        for notification in notifications(case):
            assert Notification.model_validate_json(notification.model_dump_json()) == notification, case.name
            assert len(notification.facts.model_dump_json()) < 200_000, case.name
            assert notification.facts.title, case.name
            assert notification.alerts, case.name
            json.loads(notification.body)


def test_every_bad_element_is_kept_word_for_word() -> None:
    for case in CASES:
        if case.accepted and case.refused:
            kept = [item.body for item in read_documents(case.raw).items if item.error]
            assert [repr(json.loads(text)) for text in kept] == [
                repr(json.loads(raw)).replace("\\ud800", "\ufffd") for raw in case.refused
            ], case.name

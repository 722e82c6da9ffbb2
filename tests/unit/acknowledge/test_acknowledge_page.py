import json
import re
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
import structlog
from prometheus_client import REGISTRY

from services.ingest.acknowledge import ANONYMOUS
from services.ingest.forms import MAX_FORM_BYTES
from services.ingest.pages import TEMPLATES, Page
from shared.incident import Effort, Incident, State
from shared.offers import offers
from tests.unit.acknowledge.stage import (
    ACK,
    ID,
    LEASE,
    NOW,
    RECORD,
    SCENES,
    FakeStore,
    client_of,
    closed,
    crowded,
    escalated,
    hostile,
    incident,
    overdue,
    path_of,
)

LONG_AGO = NOW - timedelta(days=2)


async def get(subject: Incident, expires: datetime | None = None, **options: Any) -> httpx.Response:
    async with client_of(FakeStore(subject)) as client:
        return await client.get(path_of(subject, expires), **options)


async def post(subject: Incident, expires: datetime | None = None, **options: Any) -> httpx.Response:
    async with client_of(FakeStore(subject)) as client:
        return await client.post(path_of(subject, expires), **options)


def words(response: httpx.Response) -> str:
    """What a person reads: without tags, script and style, white space folded."""
    text = re.sub(r"<(script|style|title)>.*?</\1>", "", response.text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", "", text).split())


def heading(response: httpx.Response) -> str:
    return response.text.partition("<h1")[2].partition("</h1>")[0]


# Looking


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("scene", SCENES)
async def test_looking_changes_nothing_ever(method: str, scene: str) -> None:
    store = FakeStore(SCENES[scene])
    async with client_of(store) as client:
        response = await client.request(method, path_of(SCENES[scene]), params=None)
    assert response.status_code == 200
    assert store.incident is SCENES[scene]


async def test_the_page_says_what_it_is_about_and_how_long_there_is() -> None:
    seen = words(await get(incident()))
    assert "Escalates to ServiceNow in 2 min 40 s, at 14:32:05 UTC." in seen
    assert "critical" in seen
    assert "nobody has it yet" in seen
    assert "1 alert firing" in seen
    assert "Checkout answers one request in ten with an error" in seen
    assert "customers cannot pay" in seen
    assert "eu-west" in seen


async def test_an_overdue_incident_can_still_be_taken() -> None:
    subject = overdue(escalation=Effort(attempts=2, retry_at=NOW))
    seen = await get(subject)
    assert (
        "Escalation is due since 14:25:13 UTC (4 min 12 s); ServiceNow has not taken it yet (attempt 2 failed), "
        "you can still take it." in words(seen)
    )
    assert "data-left" not in seen.text.split("<script>")[0]
    assert (await post(subject)).status_code == 200


async def test_nothing_counts_down_where_on_call_is_off() -> None:
    seen = words(await get(SCENES["on_call_off"]))
    assert "On-call is off for this alert" in seen
    assert "Escalates" not in seen


async def test_many_labels_are_folded_away_and_few_are_not() -> None:
    assert "<details>" in (await get(crowded())).text
    assert "<details open>" in (await get(incident())).text


async def test_a_page_stays_small_whatever_the_sender_put_in() -> None:
    response = await get(crowded())
    assert len(response.content) < 60_000
    assert "10 labels more" in words(response)
    assert "and 20 more" in words(response)
    assert "left 4 more alerts out" in words(response)


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        (SCENES["acknowledged"], "Ann Ng acknowledged at 14:29:17 UTC, 8 s ago."),
        (SCENES["escalating"], "it can no longer be acknowledged"),
        (
            escalated(),
            "Already escalated as INC0010001 It was escalated as INC0010001 at 14:28:44 UTC, 41 s ago. Nobody has it yet.",
        ),
        (SCENES["steps_to_come"], "Escalates to the webhook in 3 min 48 s"),
        (
            SCENES["steps"],
            "Also on the way: people are called again at 14:30:05 UTC; it goes to the webhook at 14:40:05 UTC.",
        ),
        (SCENES["step_under_way"], "A further step is under way this very moment"),
        (SCENES["every_step_taken"], "as INC0010001 at 14:28:44 UTC and to the webhook at 14:29:23 UTC"),
        (closed(State.RESOLVED), "over since 14:28:25 UTC, and lasted 6 min 12 s."),
        (closed(State.SUPERSEDED), "Replaced by a newer incident"),
        (closed(State.EXPIRED), "Closed: nothing was heard of it any more"),
        (SCENES["acknowledged_in_doubt"], "it may have come through all the same"),
        (SCENES["overdue_in_doubt"], "it may have come through all the same"),
        (
            SCENES["escalated_after_acknowledgement"],
            "It was escalated as INC0010001 at 14:28:44 UTC: an attempt whose answer was lost had arrived before.",
        ),
    ],
)
async def test_each_state_has_words_of_its_own(subject: Incident, said: str) -> None:
    response = await get(subject)
    assert said in words(response)
    assert ("<form" in response.text) == bool(offers(subject))


async def test_the_record_is_linked_and_told_nothing_about_where_one_came_from() -> None:
    assert f'<a href="{RECORD.url}" rel="noreferrer noopener">INC0010001</a>' in (await get(escalated())).text


# Acknowledging


async def test_the_first_to_press_has_it() -> None:
    store = FakeStore(incident())
    async with client_of(store) as client:
        first = await client.post(path_of(incident()), data={"name": "Ann Ng"})
        second = await client.post(path_of(incident()), data={"name": "Bo"})
    assert (first.status_code, second.status_code) == (200, 200)
    assert "You have it. ServiceNow will not be called." in words(first)
    assert "Ann Ng acknowledged at 14:29:25 UTC" in words(second)
    assert store.incident
    assert store.incident.acknowledgement
    assert (store.incident.acknowledgement.by, store.incident.acknowledgement.door) == ("Ann Ng", "link")


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        (
            escalated(),
            "It was escalated as INC0010001 at 14:28:44 UTC; you have it now. The record is not told",
        ),
        (SCENES["steps_to_come"], "you have it now. The webhook will not be called. The record is not told"),
        (
            SCENES["taken_late_and_told"].model_copy(update={"acknowledgement": None}),
            "The webhook will not be called. The record is told who has it.",
        ),
        (SCENES["steps"], "You have it. ServiceNow and the webhook will not be called. Everybody reads now"),
    ],
)
async def test_who_takes_it_reads_what_was_done_before_and_what_is_not_done_any_more(
    subject: Incident, said: str
) -> None:
    response = await post(subject)
    assert response.status_code == 200
    assert said in words(response)


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        (SCENES["step_under_way"], "your acknowledgement came too late"),
        (SCENES["escalating"], "your acknowledgement came too late"),
        (closed(State.RESOLVED), "your click changed nothing"),
        (closed(State.SUPERSEDED), "Your click changed nothing"),
        (closed(State.EXPIRED), "Your click changed nothing"),
    ],
)
async def test_pressing_too_late_is_a_conflict_that_says_so(subject: Incident, said: str) -> None:
    response = await post(subject)
    assert response.status_code == 409
    assert said in words(response)


async def test_an_escalation_that_begins_between_look_and_press_wins() -> None:
    class Racing(FakeStore):
        async def apply(self, incident_id: str, command: Any) -> Any:
            self.incident = overdue(escalation=Effort(lease=LEASE))
            return await super().apply(incident_id, command)

    async with client_of(Racing(overdue())) as client:
        response = await client.post(path_of(overdue()))
    assert response.status_code == 409
    assert "came too late" in words(response)


async def test_somebody_who_takes_it_in_doubt_is_not_promised_too_much() -> None:
    seen = words(await post(SCENES["overdue_in_doubt"]))
    assert "You have it. ServiceNow will not be called again." in seen
    assert "it may have come through all the same" in seen


@pytest.mark.parametrize(
    ("form", "by"),
    [
        ({"data": {"name": " Ann \n Ng\x00 "}}, "Ann Ng"),
        ({"data": {"name": "x" * 300}}, "x" * 80),
        ({"data": {"name": "Zoë 🚒"}}, "Zoë 🚒"),
        ({"data": {"name": "  "}}, ANONYMOUS),
        ({}, ANONYMOUS),
        ({"content": b"name=%ff%fe&name=%zz"}, "\ufffd\ufffd"),
        ({"content": b"\xff\xfe\x00name="}, ANONYMOUS),
        ({"content": b"&".join(b"a=1" for _ in range(100))}, ANONYMOUS),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, ANONYMOUS),
        ({"content": b"--x", "headers": {"content-type": "multipart/form-data"}}, ANONYMOUS),
        ({"content": b"x", "headers": {"content-type": "text/plain; charset=klingon"}}, ANONYMOUS),
    ],
)
async def test_no_form_is_too_odd_to_acknowledge(form: dict[str, Any], by: str) -> None:
    store = FakeStore(incident())
    async with client_of(store) as client:
        response = await client.post(path_of(incident()), **form)
    assert response.status_code == 200
    assert store.incident
    assert store.incident.acknowledgement
    assert store.incident.acknowledgement.by == by


async def test_a_form_larger_than_any_name_is_refused_and_acknowledges_nothing() -> None:
    store = FakeStore(incident())
    async with client_of(store) as client:
        response = await client.post(path_of(incident()), content=b"name=" + b"x" * MAX_FORM_BYTES)
    assert response.status_code == 413
    assert "Nothing was done" in words(response)
    assert store.incident == incident()


# Links that are worth nothing


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "path",
    [
        f"/api/ack/{ID}",
        f"/api/ack/{ID}?exp=1&sig=x",
        path_of(incident())[:-1],
        path_of(incident()).replace("exp=", "exp=1"),
        "/api/ack/not-an-incident?exp=1&sig=x",
        "/api/ack/%00%ff?exp=%F0%9F&sig=%00",
    ],
)
async def test_a_forged_link_looks_the_same_whether_or_not_its_incident_exists(
    method: str, path: str
) -> None:
    known, unknown = FakeStore(incident()), FakeStore()
    async with client_of(known) as client:
        response = await client.request(method, path)
    async with client_of(unknown) as client:
        elsewhere = await client.request(method, path)
    assert response.status_code == elsewhere.status_code == 401
    assert response.content == elsewhere.content
    assert response.headers == elsewhere.headers
    assert known.loads == 0
    assert known.incident == incident()
    assert ID not in response.text


@pytest.mark.parametrize("send", [get, post])
async def test_an_expired_link_to_an_open_incident_does_nothing_and_says_so(send: Any) -> None:
    response = await send(incident(), LONG_AGO)
    assert response.status_code == 403
    assert "nobody has this incident yet" in words(response)
    assert "<form" not in response.text


@pytest.mark.parametrize(
    ("scene", "pressed"),
    [
        ("acknowledged", 200),
        ("escalating", 409),
        ("escalated", 403),
        ("taken_late", 200),
        ("resolved", 409),
        ("superseded", 409),
        ("expired", 409),
    ],
)
async def test_an_expired_link_shows_what_became_of_its_incident(scene: str, pressed: int) -> None:
    shown = await get(SCENES[scene], LONG_AGO)
    assert heading(shown) == heading(await get(SCENES[scene]))
    assert "<form" not in shown.text
    assert (await post(SCENES[scene], LONG_AGO)).status_code == pressed


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_genuine_link_to_a_forgotten_incident_is_gone(method: str) -> None:
    async with client_of(FakeStore()) as client:
        response = await client.request(method, path_of(incident()))
    assert response.status_code == 410
    assert "no longer kept" in words(response)


@pytest.mark.parametrize(("method", "said"), [("GET", "Cannot tell right now"), ("POST", "Not acknowledged")])
async def test_while_redis_is_away_nobody_is_told_that_they_have_it(method: str, said: str) -> None:
    store = FakeStore(incident())
    store.away = True
    async with client_of(store) as client:
        response = await client.request(method, path_of(incident()), data={"name": "Ann"})
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert said in words(response)
    assert "Try again" in words(response)
    assert ('value="Ann"' in response.text) == (method == "POST")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_other_methods_are_refused(method: str) -> None:
    store = FakeStore(incident())
    async with client_of(store) as client:
        response = await client.request(method, path_of(incident()))
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD, POST"
    assert store.incident == incident()


# Machines


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"headers": {"accept": "application/json"}}, "application/json"),
        ({"headers": {"accept": "application/json, text/plain, */*"}}, "application/json"),
        ({"headers": {"accept": "text/html;q=0.5, Application/JSON;q=0.9"}}, "application/json"),
        ({"headers": {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}}, "text/html"),
        ({"headers": {"accept": "application/json;q=x, text/html"}}, "text/html"),
        ({"headers": {"accept": ",;,;q=,"}}, "text/html"),
        ({"headers": {"accept": "*/*"}}, "text/html"),
        ({"headers": {}}, "text/html"),
    ],
)
async def test_machines_that_ask_for_json_get_it(asked: dict[str, Any], kind: str) -> None:
    assert (await get(incident(), **asked)).headers["content-type"].startswith(kind)


async def test_a_query_parameter_asks_for_json_too() -> None:
    async with client_of(FakeStore(escalated(acknowledgement=ACK))) as client:
        response = await client.get(path_of(escalated()) + "&format=json")
    assert response.json() == {
        "status": "already_acknowledged",
        "incident_id": ID,
        "acknowledged_by": "Ann Ng",
        "acknowledged_at": "2026-11-21T14:29:17+00:00",
        "deadline": None,
        "offers": ["unacknowledge", "resolve"],
        "record": {"number": "INC0010001", "url": RECORD.url},
    }


@pytest.mark.parametrize(
    ("subject", "expires", "status", "code"),
    [
        (incident(), None, "acknowledged", 200),
        (SCENES["acknowledged"], None, "already_acknowledged", 200),
        (SCENES["escalating"], None, "escalation_in_progress", 409),
        (escalated(), None, "acknowledged", 200),
        (SCENES["step_under_way"], None, "escalation_in_progress", 409),
        (incident(), LONG_AGO, "expired", 403),
    ],
)
async def test_machines_get_the_same_codes(
    subject: Incident, expires: datetime | None, status: str, code: int
) -> None:
    response = await post(subject, expires, headers={"accept": "application/json"})
    assert (response.json()["status"], response.status_code) == (status, code)


# Every answer


HEADERS = {
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "x-robots-tag": "noindex, nofollow",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "strict-transport-security": "max-age=31536000",
}


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", path_of(incident())),
        ("POST", path_of(incident())),
        ("GET", "/api/ack/x"),
        ("PUT", "/api/ack/x"),
    ],
)
async def test_every_answer_guards_the_link(accept: str, method: str, path: str) -> None:
    async with client_of(FakeStore(incident())) as client:
        response = await client.request(method, path, headers={"accept": accept})
    assert HEADERS.items() <= dict(response.headers).items()
    policy = dict(
        part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert "unsafe" not in str(policy)


async def test_plain_http_promises_no_https() -> None:
    async with client_of(FakeStore(incident()), scheme="http") as client:
        assert "strict-transport-security" not in (await client.get(path_of(incident()))).headers


async def test_head_has_the_headers_of_get_and_no_body() -> None:
    async with client_of(FakeStore(incident())) as client:
        head, get = await client.head(path_of(incident())), await client.get(path_of(incident()))
    assert head.content == b""
    assert head.headers == get.headers
    assert int(head.headers["content-length"]) == len(get.content)


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


async def test_hostile_text_stays_text() -> None:
    subject = hostile()
    async with client_of(FakeStore(subject)) as client:
        asked = await client.get(path_of(subject))
        answered = await client.post(path_of(subject), data={"name": subject.facts.title})
    for response in (asked, answered):
        tags = Tags(response.text).found
        assert [tag for tag, _ in tags].count("script") == 1
        assert not [tag for tag, attributes in tags if tag == "img" or "onerror" in attributes]
        assert "javascript:" not in response.text
        assert [attributes["rel"] for tag, attributes in tags if tag == "a"] == ["noreferrer noopener"]
    assert "&lt;script&gt;" in answered.text


@pytest.mark.parametrize("scene", SCENES)
async def test_every_page_has_a_language_one_heading_and_nothing_from_elsewhere(scene: str) -> None:
    tags = Tags((await get(SCENES[scene])).text).found
    assert ("html", {"lang": "en"}) in tags
    assert [tag for tag, _ in tags].count("h1") == 1
    assert not [attributes for tag, attributes in tags if "src" in attributes or tag == "link"]
    assert [tag for tag, attributes in tags if attributes.get("role") == "status"] or scene in words_of_open()


def words_of_open() -> set[str]:
    return {name for name, subject in SCENES.items() if subject.can_acknowledge}


# For those who watch


def counted(reason: str, deed: str = "acknowledge") -> float:
    labels = {"deed": deed, "door": "link", "reason": reason}
    return REGISTRY.get_sample_value("ackstream_deeds_total", labels) or 0.0


@pytest.mark.parametrize(
    ("subject", "expires", "reason"),
    [
        (incident(), None, "acknowledged"),
        (incident(), LONG_AGO, "expired"),
        (closed(State.RESOLVED), None, "already_closed"),
        (escalated(), None, "acknowledged"),
        (SCENES["step_under_way"], None, "escalation_in_progress"),
    ],
)
async def test_each_press_is_counted_and_logged_without_its_signature(
    subject: Incident, expires: datetime | None, reason: str
) -> None:
    before = counted(reason)
    with structlog.testing.capture_logs() as lines:
        await get(subject, expires)
        await post(subject, expires)
    assert counted(reason) == before + 1
    (line,) = lines
    assert line == {
        "event": "deed",
        "incident": ID,
        "deed": "acknowledge",
        "reason": reason,
        "door": "link",
        "log_level": "info",
    }


async def test_a_forged_id_reaches_no_log() -> None:
    with structlog.testing.capture_logs() as lines:
        async with client_of(FakeStore()) as client:
            await client.post("/api/ack/%0aevil?exp=1&sig=secret")
    assert lines[0]["incident"] == "malformed"
    assert "secret" not in json.dumps(lines)


def test_every_page_has_a_template_and_every_template_a_page() -> None:
    written = {path.stem for path in TEMPLATES.glob("*.html") if not path.stem.startswith("_")}
    assert written == {page.value for page in Page} | {"base", "verdict", "notice"}

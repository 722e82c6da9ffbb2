"""The webhook over real sockets: how it is signed, what each answer means, and what is told to nobody."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import trustme
from prometheus_client import generate_latest

from sandbox.server import running
from services.escalator.gate import Gate
from services.escalator.target import EscalationError
from services.escalator.tls import CertificateError
from services.escalator.webhook import MOST_BYTES, Receipt, Webhook
from services.escalator.webhook_body import Event
from shared.config_webhook import WebhookConfig
from tests.unit.escalator.receiver import Receiver, answer

PLAIN = base64.b64encode(bytes(range(32))).decode()
SECRET = f"whsec_{PLAIN}"
EVENT = Event("0" * 32 + "-0-escalated", "escalated", b'{"type":"incident.escalated","data":{}}')


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    yield receiver
    server.close()


@asynccontextmanager
async def calling(
    url: str, secret: str = SECRET, clock: Callable[[], float] = time.time, **settings: Any
) -> AsyncIterator[Webhook]:
    config = WebhookConfig.model_validate({"url": url, "secret": secret, "timeout_seconds": 2, **settings})
    webhook = Webhook(config, Gate("webhook"), clock)
    yield webhook
    await webhook.close()


async def refused(url: str, **settings: Any) -> EscalationError:
    async with calling(url, **settings) as webhook:
        with pytest.raises(EscalationError) as caught:
            await webhook.post(EVENT)
    return caught.value


class TestSignature:
    @pytest.mark.parametrize("secret", [SECRET, PLAIN, PLAIN.rstrip("=")])
    async def test_is_what_another_s_hand_verifies(self, receiver: Receiver, secret: str) -> None:
        async with calling(receiver.url, secret) as webhook:
            await webhook.post(EVENT)
        (came,) = receiver.came
        verifier = standardwebhooks.Webhook(SECRET)
        assert verifier.verify(came.body, came.headers) == json.loads(EVENT.body)
        for name, value in (("webhook-id", "1"), ("webhook-timestamp", str(int(time.time()) - 9))):
            with pytest.raises(standardwebhooks.WebhookVerificationError):
                verifier.verify(came.body, came.headers | {name: value})
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            verifier.verify(came.body + b" ", came.headers)

    async def test_of_a_repetition_has_the_same_id_and_a_time_of_its_own(self, receiver: Receiver) -> None:
        now = [1_800_000_000.9]
        async with calling(receiver.url, clock=lambda: now[0]) as webhook:
            await webhook.post(EVENT)
            now[0] += 600
            await webhook.post(EVENT)
        first, second = (came.headers for came in receiver.came)
        assert first["webhook-id"] == second["webhook-id"] == EVENT.id
        assert (first["webhook-timestamp"], second["webhook-timestamp"]) == ("1800000000", "1800000600")
        assert first["webhook-signature"] != second["webhook-signature"]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_is_success(receiver: Receiver, status: int) -> None:
    receiver.answers = [answer(status)]
    async with calling(receiver.url) as webhook:
        assert await webhook.post(EVENT) == Receipt()


@pytest.mark.parametrize(
    "status", [300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410, 413, 422, 451]
)
async def test_what_does_not_heal_needs_a_person(receiver: Receiver, status: int) -> None:
    receiver.answers = [answer(status, Location=f"http://127.0.0.1:{receiver.port}/elsewhere")]
    error = await refused(receiver.url)
    assert (error.needs_person, error.in_doubt) == (True, False)
    assert str(error).startswith(f"answered {status}")
    assert "check oncall.webhook.url" in str(error)
    assert len(receiver.came) == 1, "a redirect was followed"


@pytest.mark.parametrize(
    ("status", "in_doubt"),
    [(408, False), (425, False), (429, False), (500, False), (502, True), (503, False), (504, True), (599, False)],
)  # fmt: skip
async def test_what_may_heal_is_tried_again(receiver: Receiver, status: int, in_doubt: bool) -> None:
    receiver.answers = [answer(status)]
    error = await refused(receiver.url)
    assert (error.needs_person, error.in_doubt, str(error)) == (False, in_doubt, f"answered {status}")


async def test_retry_after_is_obeyed(receiver: Receiver) -> None:
    receiver.answers = [answer(429, Retry_After="30")]
    async with calling(receiver.url) as webhook:
        with pytest.raises(EscalationError) as caught:
            await webhook.post(EVENT)
        assert caught.value.retry_after == timedelta(seconds=30)
        with pytest.raises(EscalationError) as caught:
            await webhook.post(EVENT)
    assert (caught.value.put_off, len(receiver.came)) == (True, 1)


async def test_five_calls_without_an_answer_and_it_is_left_alone(receiver: Receiver) -> None:
    receiver.answers = [b""]
    async with calling(receiver.url) as webhook:
        for _ in range(6):
            with pytest.raises(EscalationError) as caught:
                await webhook.post(EVENT)
    assert (caught.value.put_off, len(receiver.came)) == (True, 5)


class TestAnswer:
    BODY = b'{"id": "P1", "url": "https://pager.example/P1"}'

    async def test_that_breaks_off_is_in_doubt_until_its_status_is_there(self, receiver: Receiver) -> None:
        """At every byte: never taken for a refusal, nor for success before it is."""
        whole = answer(200, self.BODY)
        receiver.answers = [whole[:length] for length in range(len(whole))]
        head = whole.index(b"\r\n\r\n") + 4
        for length in range(len(whole)):
            async with calling(receiver.url) as webhook:
                if length >= head:
                    assert await webhook.post(EVENT) == Receipt()
                    continue
                with pytest.raises(EscalationError) as caught:
                    await webhook.post(EVENT)
                assert (caught.value.in_doubt, caught.value.needs_person) == (True, False), length

    async def test_that_does_not_come_is_waited_for_no_longer_than_said(self, receiver: Receiver) -> None:
        receiver.answers = [None]
        started = time.monotonic()
        error = await refused(receiver.url, timeout_seconds=0.3)
        assert (error.in_doubt, str(error)) == (True, "answer lost: no answer in time")
        assert time.monotonic() - started < 1.5

    async def test_without_an_end_is_success_all_the_same(self, receiver: Receiver) -> None:
        receiver.answers = [b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (MOST_BYTES * 4)]
        async with calling(receiver.url) as webhook:
            assert await webhook.post(EVENT) == Receipt()

    @pytest.mark.parametrize(
        ("body", "receipt"),
        [
            (BODY, Receipt("P1", "https://pager.example/P1")),
            (b'{"id": "P1"}', Receipt("P1")),
            (b'{"id": "  P\\n1\\u0000 "}', Receipt("P 1")),
            (b'{"id": 7, "url": 7}', Receipt()),
            (b'{"id": "P1", "url": "javascript:alert(1)"}', Receipt("P1")),
            (b'{"url": "https://pager.example/a|b> <!channel>"}', Receipt()),
            (b'{"url": "https://pager.example/' + b"a" * 3000 + b'"}', Receipt()),
            (b'["P1"]', Receipt()),
            (b"P1", Receipt()),
            (b"\xff\xfe", Receipt()),
            (b"[" * 50_000, Receipt()),
        ],
    )
    async def test_may_say_where_people_find_it(
        self, receiver: Receiver, body: bytes, receipt: Receipt
    ) -> None:
        receiver.answers = [answer(200, body)]
        async with calling(receiver.url) as webhook:
            assert await webhook.post(EVENT) == receipt

    async def test_may_not_name_things_at_length(self, receiver: Receiver) -> None:
        receiver.answers = [answer(200, json.dumps({"id": "P" * 1000}).encode())]
        async with calling(receiver.url) as webhook:
            assert len((await webhook.post(EVENT)).number) <= 64


async def test_nobody_there_leaves_no_doubt(receiver: Receiver) -> None:
    error = await refused("http://127.0.0.1:9/hook")
    assert (error.in_doubt, error.needs_person, str(error)) == (
        False,
        False,
        "nobody listens there: check the URL, or the proxy",
    )


async def test_each_call_has_a_connection_of_its_own(receiver: Receiver) -> None:
    """An answer that comes twice is not taken for that to the next call."""
    receiver.answers = [answer(200) + answer(200), answer(503)]
    async with calling(receiver.url) as webhook:
        await webhook.post(EVENT)
        with pytest.raises(EscalationError, match="answered 503"):
            await webhook.post(EVENT)


async def test_neither_the_address_nor_the_secret_is_told(receiver: Receiver) -> None:
    receiver.answers = [answer(401), answer(302, Location="/x"), b"garbage", answer(500)]
    told = [str(await refused(receiver.url)) for _ in range(4)]
    told += [str(await refused(url)) for url in ("http://127.0.0.1:9/s3cret", "http://s3cret.invalid/")]
    told.append(generate_latest().decode())
    assert all(secret not in "\n".join(told) for secret in ("s3cret", "127.0.0.1", PLAIN))


class TestTls:
    async def test_verifies_and_names_the_key_that_mends_it(self, tmp_path: Path) -> None:
        ca = trustme.CA()
        ca.cert_pem.write_to_path(tmp_path / "ca.pem")
        ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
        with running(tls={"ssl_certfile": str(tmp_path / "server.pem")}) as sandbox:
            error = await refused(sandbox.webhook_url)
            assert error.needs_person
            assert "name the file of its CA in oncall.webhook.ca_cert" in str(error)
            secret, ca_cert = sandbox.world.webhook.secret, str(tmp_path / "ca.pem")
            async with calling(sandbox.webhook_url, secret, ca_cert=ca_cert) as webhook:
                await webhook.post(Event("x-0-escalated", "escalated", b'{"data":{"incident":{"id":"x"}}}'))
            assert [one.id for one in sandbox.world.webhook.told()] == ["x-0-escalated"]

    def test_a_file_that_is_not_there_is_named_with_its_key(self) -> None:
        config = WebhookConfig(url="https://x.example", secret=SECRET, ca_cert=Path("/nowhere.pem"))
        with pytest.raises(CertificateError, match=r"oncall\.webhook\.ca_cert: /nowhere\.pem cannot be read"):
            Webhook(config, Gate("webhook"))

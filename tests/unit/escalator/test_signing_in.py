"""OAuth 2.0: a token is asked for once, used as long as it is good, and renewed when it is refused."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from sandbox.faults import Fault
from sandbox.server import Running, running
from services.escalator.instances import Instances
from services.escalator.servicenow import ServiceNow
from services.escalator.signing_in import NotAskedError, Tokens
from services.escalator.target import EscalationError
from shared.config import ServiceNowConfig
from tests.episodes import incident_id

ID = incident_id(7)
FIELDS = {"short_description": f"Incident {ID}"}
CLIENT = {"client_id": "sandbox-client", "client_secret": "sandbox-client-secret"}
BY_PASSWORD = {"auth": "oauth_password", "username": "ackstream", "password": "sandbox", **CLIENT}
BY_CLIENT = {"auth": "oauth_client_credentials", **CLIENT}
LEFT_ALONE = "the instance default does not answer; it is asked again later"
Made = Callable[..., Instances]


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running() as started:
        yield started


@pytest.fixture
def sandbox(served: Running) -> Running:
    served.world.reset()
    served.world.faults.clear()
    served.world.servicenow.tokens.lifetime = 1800
    return served


@pytest.fixture
async def made(sandbox: Running) -> AsyncIterator[Made]:
    """From `made(**access)`: the instances `main` (the default one) and `infra`."""
    all_of_them = []

    def made(**access: Any) -> Instances:
        where = {
            "instance_url": sandbox.servicenow_url("main"),
            "other_instance_urls": {"infra": sandbox.servicenow_url("infra")},
            "timeout_seconds": 2,
        }
        all_of_them.append(Instances.of(ServiceNowConfig.model_validate({**where, **access})))
        return all_of_them[-1]

    yield made
    for instances in all_of_them:
        await instances.close()


def tokens_asked(sandbox: Running, instance: str = "main") -> int:
    return len(sandbox.world.servicenow.calls.named(f"POST {instance}/oauth_token.do"))


async def failure(instances: Instances) -> EscalationError:
    with pytest.raises(EscalationError) as caught:
        await ServiceNow(lambda _: "incident").create(instances.named(None), ID, FIELDS)
    return caught.value


def misbehave(sandbox: Running, kind: str, match: str = "TOKEN", **more: Any) -> None:
    sandbox.world.faults.add(Fault(target="servicenow", kind=kind, match=match, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("access", [BY_PASSWORD, BY_CLIENT], ids=lambda access: access["auth"])
async def test_one_token_serves_all_calls_however_many_begin_at_once(
    made: Made, sandbox: Running, access: dict[str, str]
) -> None:
    instances, servicenow = made(**access), ServiceNow(lambda _: "incident")
    ids = [incident_id(number) for number in range(20)]
    await asyncio.gather(*(servicenow.create(instances.named(None), id_, FIELDS) for id_ in ids))
    assert sorted(row["correlation_id"] for row in sandbox.world.servicenow.rows()) == sorted(ids)
    assert tokens_asked(sandbox) == 1


async def test_a_token_is_of_one_instance(made: Made, sandbox: Running) -> None:
    instances = made(**BY_CLIENT)
    for name in (None, "infra"):
        await ServiceNow(lambda _: "incident").find(instances.named(name), ID)
    assert (tokens_asked(sandbox, "main"), tokens_asked(sandbox, "infra")) == (1, 1)


async def test_a_revoked_token_is_renewed_once_and_the_record_written_once(
    made: Made, sandbox: Running
) -> None:
    instances, servicenow = made(**BY_PASSWORD), ServiceNow(lambda _: "incident")
    assert await servicenow.find(instances.named(None), ID) is None
    sandbox.world.servicenow.tokens.revoke()
    await servicenow.create(instances.named(None), ID, FIELDS)
    assert tokens_asked(sandbox) == 2
    assert len(sandbox.world.servicenow.rows()) == 1


async def test_who_is_refused_with_a_new_token_too_needs_a_person(made: Made, sandbox: Running) -> None:
    instances = made(**BY_PASSWORD)
    misbehave(sandbox, "status", "POST incident", status=401)
    error = await failure(instances)
    assert (error.needs_person, error.in_doubt) == (True, False)
    assert "401" in str(error)
    assert len(sandbox.world.servicenow.calls.named("POST main/incident")) <= 2


@pytest.mark.parametrize("wrong", [{"client_secret": "wrong"}, {"password": "wrong-secret"}])
async def test_wrong_credentials_need_a_person_and_are_not_told(
    made: Made, sandbox: Running, wrong: dict[str, str]
) -> None:
    error = await failure(made(**BY_PASSWORD | wrong))
    assert str(error) == "cannot sign in: /oauth_token.do answered 401 (server_error, access_denied)"
    assert (error.needs_person, error.in_doubt) == (True, False)
    assert sandbox.world.servicenow.rows() == []


@pytest.mark.parametrize(
    ("kind", "more", "needs_person", "said"),
    [
        ("status", {"status": 400}, True, "answered 400"),
        ("status", {"status": 503}, False, "answered 503"),
        ("status", {"status": 429, "retry_after": 7}, False, "answered 429"),
        ("redirect", {"url": "/elsewhere"}, True, "answered 302"),
        ("html", {}, False, "answered 200 without a token"),
        ("garbage", {}, False, "answered 200 without a token"),
        ("drop", {}, False, "connection failed"),
        ("latency", {"seconds": 5}, False, "no answer"),
    ],
)
async def test_failing_to_sign_in_leaves_no_doubt(
    made: Made, sandbox: Running, kind: str, more: dict[str, Any], needs_person: bool, said: str
) -> None:
    misbehave(sandbox, kind, **more)
    error = await failure(made(**BY_CLIENT))
    assert said in str(error)
    assert (error.needs_person, error.in_doubt) == (needs_person, False)
    assert error.retry_after == timedelta(seconds=more.get("retry_after", 0))
    assert sandbox.world.servicenow.rows() == []


class Clock:
    """And a token endpoint whose tokens live for `life` seconds."""

    def __init__(self, life: object = 100) -> None:
        self.seconds = 0.0
        self.life = life
        self.asked = 0

    def __call__(self) -> float:
        return self.seconds

    async def ask(self) -> httpx.Response:
        self.asked += 1
        return httpx.Response(200, json={"access_token": f"token-{self.asked}", "expires_in": self.life})


async def test_a_token_is_given_up_a_little_before_it_ends() -> None:
    clock = Clock()
    tokens = Tokens({}, clock)
    for seconds, expected in ((0, "token-1"), (69, "token-1"), (71, "token-2")):
        clock.seconds = seconds
        assert await tokens.get(clock.ask) == expected


@pytest.mark.parametrize("life", [10, "10", None, "soon", -1, float(10**9)])
async def test_however_short_its_life_is_said_to_be_a_token_is_used(life: object) -> None:
    clock = Clock(life)
    assert await Tokens({}, clock).get(clock.ask) == "token-1"


async def test_who_forgets_late_does_not_lose_the_newer_token() -> None:
    clock = Clock()
    tokens = Tokens({}, clock)
    old = await tokens.get(clock.ask)
    tokens.forget(old)
    newer = await tokens.get(clock.ask)
    tokens.forget(old)
    assert await tokens.get(clock.ask) == newer


async def test_an_instance_that_repeats_our_secret_is_not_quoted() -> None:
    async def ask() -> httpx.Response:
        return httpx.Response(401, json={"error": "invalid", "error_description": "bad secret s3cret!"})

    with pytest.raises(NotAskedError) as caught:
        await Tokens({"client_secret": "s3cret!"}).get(ask)
    assert str(caught.value) == "cannot sign in: /oauth_token.do answered 401 (invalid)"


async def test_an_instance_that_never_answers_to_signing_in_is_left_alone(
    made: Made, sandbox: Running
) -> None:
    misbehave(sandbox, "hang_after", seconds=30)
    instances = made(**BY_CLIENT, timeout_seconds=0.1)
    words = [str(await failure(instances)) for _ in range(6)]
    assert words == [*["cannot sign in: no answer in time"] * 5, LEFT_ALONE]


async def test_who_waits_for_somebody_elses_token_gives_up_in_time(made: Made, sandbox: Running) -> None:
    misbehave(sandbox, "hang_after", seconds=30, count=1)
    instances = made(**BY_CLIENT, timeout_seconds=0.3)
    told = await asyncio.wait_for(asyncio.gather(*(failure(instances) for _ in range(3))), 2)
    assert {str(error) for error in told} == {"cannot sign in: no answer in time"}
    assert await ServiceNow(lambda _: "incident").find(instances.named(None), ID) is None

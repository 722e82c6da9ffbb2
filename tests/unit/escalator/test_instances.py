"""Each instance gets its own credentials, and nobody gets anything who is not configured."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from sandbox.faults import Fault
from sandbox.server import Running, running
from sandbox.servicenow import ServiceNow as Outside
from sandbox.world import World
from services.escalator.instances import Instances
from services.escalator.servicenow import ServiceNow
from services.escalator.target import EscalationError
from shared.config import ServiceNowConfig
from tests.episodes import incident_id

ID = incident_id(7)


@pytest.fixture
def sandbox() -> Iterator[Running]:
    with running(World(servicenow=Outside(users={"infra": ("infra-user", "infra-secret")}))) as started:
        yield started


@pytest.fixture
def settings(sandbox: Running) -> ServiceNowConfig:
    return ServiceNowConfig.model_validate(
        {
            "instance_url": sandbox.servicenow_url("main"),
            "username": "ackstream",
            "password": "sandbox",
            "other_instance_urls": {name: sandbox.servicenow_url(name) for name in ("infra", "app")},
            "access_by_instance": {"Infra": {"username": "infra-user", "password": "infra-secret"}},
        }
    )


@pytest.fixture
async def instances(settings: ServiceNowConfig) -> AsyncIterator[Instances]:
    instances = Instances.of(settings)
    yield instances
    await instances.close()


def callers(sandbox: Running) -> list[tuple[str, str, bool]]:
    return [(call.name, call.user, call.authorized) for call in sandbox.world.servicenow.calls.entries]


async def test_each_instance_gets_its_own_credentials_and_the_others_the_shared_ones(
    instances: Instances, sandbox: Running
) -> None:
    for name in (None, "INFRA", "app"):
        assert await ServiceNow(lambda _: "incident").find(instances.named(name), ID) is None
    assert callers(sandbox) == [
        ("GET main/incident", "ackstream", True),
        ("GET infra/incident", "infra-user", True),
        ("GET app/incident", "ackstream", True),
    ]


@pytest.mark.parametrize("name", ["elsewhere", "https://elsewhere.example", "../infra", ""])
async def test_a_name_that_is_not_configured_leads_to_the_default_instance(
    instances: Instances, name: str
) -> None:
    assert instances.named(name) is instances.named(None)


async def test_an_answer_cannot_send_us_elsewhere(instances: Instances, sandbox: Running) -> None:
    with running() as elsewhere:
        away = f"{elsewhere.servicenow_url()}/api/now/table/incident"
        sandbox.world.faults.add(Fault(target="servicenow", kind="redirect", url=away))
        for name in (None, "infra", "app"):
            with pytest.raises(EscalationError, match="redirect"):
                await ServiceNow(lambda _: "incident").find(instances.named(name), ID)
        assert list(elsewhere.world.servicenow.calls.entries) == []


async def test_each_call_under_way_has_a_session_to_itself_and_they_are_used_again(
    instances: Instances, sandbox: Running
) -> None:
    main, servicenow = instances.named(None), ServiceNow(lambda _: "incident")
    sandbox.world.faults.add(Fault(target="servicenow", kind="latency", seconds=0.1))
    for _ in range(3):
        await asyncio.gather(*(servicenow.find(main, incident_id(number)) for number in range(8)))
    sessions = [call.session for call in sandbox.world.servicenow.calls.entries]
    for first in (0, 8, 16):
        assert len(set(sessions[first : first + 8])) == 8
    assert len(set(sessions)) == 8


def test_without_any_instance_there_is_none_to_fall_back_to() -> None:
    with pytest.raises(LookupError):
        Instances.of(ServiceNowConfig()).named(None)

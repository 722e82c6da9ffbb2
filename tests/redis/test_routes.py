"""Routes, end to end in the notifier: the channel, the mention, and that a message stays where it is."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.server import Running
from services.notifier.appearance import Appearance
from services.notifier.courier import Courier
from services.notifier.message import Look
from services.notifier.notifier import Notifier
from services.notifier.pacing import Pace, Pacing
from services.notifier.routing import Routing
from services.notifier.slack import Slack
from services.notifier.template import MessageTemplate
from shared.commands import Acknowledge
from shared.config import SlackConfig
from shared.links import AckLinks
from shared.redis_client import Scripts
from shared.store import Store
from tests.redis.conftest import opened
from tests.redis.test_notifier import SECOND, misbehave

CRITICAL = {"match": "severity=critical", "channel_id": "C2", "mention": "@here"}


@pytest.fixture
async def slack(sandbox: Running) -> AsyncIterator[Slack]:
    slack = Slack("xoxb-1", sandbox.slack_url, SECOND)
    yield slack
    await slack.close()


def notifier(store: Store, slack: Slack, scripts: Scripts, path: Path, *routes: object) -> Notifier:
    config = SlackConfig.model_validate({"routes": list(routes)})
    template = path / "message.tmpl"
    template.write_text("{{ incident.facts.title }}")
    look, links = Look("Ack", "primary", disable_button=False), AckLinks("https://a.example.com", ("key",))
    appearance = Appearance("C1", MessageTemplate.load(template), look, links, Routing(config.routes))
    pacing = Pacing(scripts, Pace(0 * SECOND, 1))
    return Notifier(store, pacing, Courier(slack, pacing, appearance, SECOND), appearance)


async def test_a_message_goes_where_its_route_says_and_stays_there(
    store: Store, slack: Slack, scripts: Scripts, sandbox: Running, tmp_path: Path
) -> None:
    incident = await opened(store)
    await notifier(store, slack, scripts, tmp_path, CRITICAL).show(incident)
    (message,) = sandbox.world.slack.messages("C2")
    assert message["text"].endswith(" <!here>")
    await store.apply(incident, Acknowledge("Ada", "link"))
    await notifier(store, slack, scripts, tmp_path).show(incident)  # with other routes by now
    (message,) = sandbox.world.slack.messages("C2")
    assert message["text"].startswith("[ACKNOWLEDGED")
    assert "<!here>" not in message["text"]
    assert sandbox.world.slack.messages("C1") == []


async def test_a_request_for_a_channel_wins_over_the_routes(
    store: Store, slack: Slack, scripts: Scripts, sandbox: Running, tmp_path: Path
) -> None:
    await notifier(store, slack, scripts, tmp_path, CRITICAL).show(await opened(store, channel="C3"))
    (message,) = sandbox.world.slack.messages("C3")
    assert message["text"].endswith(" <!here>")


async def test_also_a_plain_message_calls(
    store: Store, slack: Slack, scripts: Scripts, sandbox: Running, tmp_path: Path
) -> None:
    misbehave(sandbox, "slack_error", error="invalid_blocks", count=1)
    await notifier(store, slack, scripts, tmp_path, CRITICAL).show(await opened(store))
    (message,) = sandbox.world.slack.messages("C2")
    assert message["text"].splitlines()[0].endswith(" <!here>")

"""A channel that the bot was thrown out of, with two notifiers: people hear of it once, mend it, and nothing is lost."""

import re

import httpx

from ops.parked import retry
from ops.sample_alert import alert_body
from shared.redis_client import Scripts
from tests.e2e.conftest import StackFactory
from tests.stack import Stack
from tests.waiting import wait_until

FALLBACK = "C9"
NOTIFIERS = ("notifier", "notifier-2")


async def channel_ok(stack: Stack, name: str, channel: str) -> str | None:
    """What the notifier's metrics say of the channel."""
    async with httpx.AsyncClient(trust_env=False) as client:
        metrics = (await client.get(f"{stack.address(name)}/metrics")).text
    found = re.search(rf'^ackstream_slack_channel_ok{{channel="{channel}"}} (\S+)$', metrics, re.MULTILINE)
    return found[1] if found else None


async def test_a_channel_in_trouble_is_told_once_and_mended(
    new_stack: StackFactory, scripts: Scripts
) -> None:
    stack = new_stack(constants=["services.notifier.channel_health.AFTER_TROUBLE=0.2"])
    text = stack.config_path.read_text()
    stack.config_path.write_text(
        text.replace("channel_id: C0TEST", f"channel_id: C0TEST\n    fallback_channel_id: {FALLBACK}")
    )
    slack = stack.sandbox.world.slack
    stack.start("ingest")
    for name in NOTIFIERS:
        stack.start(name, command="notifier")
    for name in ("ingest", *NOTIFIERS):
        await stack.ready(name)
    for name in NOTIFIERS:
        await wait_until(lambda name=name: channel_ok(stack, name, "C0TEST"), "the first look")
        assert await channel_ok(stack, name, "C0TEST") == "1.0"

    slack.rules.change(member_of=frozenset({FALLBACK}))
    for number in range(6):
        assert (
            await stack.send(alert_body(f"Alert{number}", "critical", "it is on fire"))
        ).status_code == 201
    await wait_until(
        lambda: len(slack.calls.named("chat.postMessage")) >= 7, "an attempt for each, and the alarm"
    )
    (alarm,) = await wait_until(lambda: stack.messages(FALLBACK), "the alarm")
    assert "Messages do not reach <#C0TEST> (C0TEST)*: `not_in_channel`" in alarm["text"]
    assert "invite the bot: /invite @ackstream" in alarm["text"]
    assert re.search(r"\[FIRING:1\] Alert\d \(critical\) — it is on fire", alarm["text"])

    async def is_measured() -> bool:
        return "0.0" in [await channel_ok(stack, name, "C0TEST") for name in NOTIFIERS]

    await wait_until(is_measured, "the metric")
    assert "invite the bot: /invite @ackstream in #C0TEST" in stack.log("notifier") + stack.log("notifier-2")

    slack.rules.change(member_of=None)
    await retry(scripts, [])
    await wait_until(lambda: len(stack.messages()) == 6, "all six messages")
    await wait_until(lambda: len(stack.messages(FALLBACK)) == 2, "the word that it works again")
    assert stack.messages(FALLBACK)[1]["text"] == "✅ Messages reach <#C0TEST> (C0TEST) again."

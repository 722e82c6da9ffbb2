"""Wiring of the notifier service."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from starlette.applications import Starlette

from services.notifier.alarm import Alarm
from services.notifier.channel_health import ChannelHealth
from services.notifier.digests import Digests
from services.notifier.look import Look
from services.notifier.notifier import Appearance, Notifier
from services.notifier.pacing import Pace, Pacing, StormRules
from services.notifier.routing import Routing
from services.notifier.slack import Slack
from services.notifier.template import MessageTemplate, TemplateError
from services.notifier.tending import Tending
from services.notifier.turns import Turns
from shared.chores import every
from shared.config import Config
from shared.consumer import Consumer, Handler
from shared.dead_letters import DeadLetters
from shared.due_times import DueTimes, Poller
from shared.health import Check, health_routes
from shared.keys import SLACK_STORMS, SLACK_TURNS, Keys
from shared.links import AckLinks, StormLinks
from shared.redis_client import StoreUnavailableError
from shared.retention import Retention
from shared.service import Job, Redises, Service, StartError, ack_keys, main, readiness
from shared.store import Store
from shared.stream import Entry, StreamReader

GROUP = "notifier"
TELL_WAITING = timedelta(seconds=5)


async def serve(service: Service, config: Config) -> None:
    redises, keys = Redises.of(config.redis), Keys()
    reader = StreamReader(redises.blocking, redises.scripts, keys.events, GROUP, service.consumer_name)
    dead_letters, concurrency = DeadLetters(redises.scripts), config.notifier.concurrency
    slack = config.alert.slack
    retention = Retention(redises.scripts, keys.events, config.redis.events_age, service.stopping)
    jobs: list[Job] = [retention.run]
    checks: dict[str, Check] = {}
    handle: Handler = _nobody_listens
    client = Slack(slack.token.get_secret_value() if slack.token else "", slack.api_url, slack.timeout)
    if slack.enable:
        sign = await service.once_redis_answers(lambda: ack_keys(config, redises))
        links, storm_links = AckLinks(config.ack_base_url, sign), StormLinks(config.ack_base_url, sign)
        appearance = Appearance(
            slack.channel_id or "",
            load_template(slack.template_path),
            look(config),
            links,
            Routing(slack.routes, slack.mention),
        )
        store = Store(redises.scripts, config.rules)
        health = ChannelHealth(client, slack.channels, service.stopping)
        alarm = Alarm(client, redises.scripts, slack.fallback_channel_id, health.look_soon)
        pace = Pace(slack.pace.interval, slack.pace.burst)
        rules = StormRules(
            slack.storm.threshold, slack.storm.loud, slack.storm.bypass_per_minute, slack.storm.quiet
        )
        pacing = Pacing(redises.scripts, pace, rules)
        notifier = Notifier(store, client, pacing, appearance, slack.timeout, alarm)
        digests = Digests(pacing.storms, store, client, pacing, appearance, storm_links, slack.timeout, alarm)
        handle = notifier.handle
        tending = Tending(pacing.storms, store, digests, slack.storm.quiet)
        work: dict[str, tuple[str, Callable[[str], Awaitable[None]]]] = {
            "deliveries": (keys.deliveries, notifier.show_due),
            "turns": (SLACK_TURNS, Turns(pacing, notifier, digests).take),
            "storms": (SLACK_STORMS, tending.tend),
        }
        for name, (key, deal_with) in work.items():
            poller = Poller(
                DueTimes(redises.scripts, key),
                deal_with,
                service.stopping,
                name=name,
                concurrency=concurrency,
                woken=pacing.woken if name == "turns" else None,
            )
            jobs.append(poller.run)
            checks[name] = poller.check
        jobs += [health.run, lambda: tell_waiting(pacing, service.stopping)]
    consumer = Consumer(reader, handle, dead_letters, service.stopping, group=GROUP, concurrency=concurrency)
    app = Starlette(routes=health_routes(readiness(service, redises, stream=consumer.check, **checks)))
    await service.run(app, config.notifier.host, config.notifier.health_port, [consumer.run, *jobs])
    await client.close()
    await redises.close()


def load_template(path: Path) -> MessageTemplate:
    try:
        return MessageTemplate.load(path)
    except TemplateError as error:
        raise StartError(str(error)) from error


def look(config: Config) -> Look:
    slack = config.alert.slack
    properties = slack.message_properties
    return Look(
        properties.button_text,
        properties.button_style,
        properties.disable_button,
        config.console_url,
        interactive=slack.interactivity != "link",
    )


async def tell_waiting(pacing: Pacing, stopping: asyncio.Event) -> None:
    async def tell() -> None:
        with contextlib.suppress(StoreUnavailableError):  # the gauges stay as they were
            await pacing.tell_waiting()

    await every(TELL_WAITING, tell, stopping)


async def _nobody_listens(_: Entry) -> None:
    """Slack is switched off: events are read, so that the group does not fall behind, and lead to nothing."""


def run(config_path: Path | None = None) -> None:
    main(GROUP, serve, config_path)


if __name__ == "__main__":
    run()

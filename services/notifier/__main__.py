"""Wiring of the notifier service."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from starlette.applications import Starlette

from services.notifier.alarm import Alarm
from services.notifier.appearance import Appearance
from services.notifier.channel_health import ChannelHealth
from services.notifier.courier import Courier
from services.notifier.digests import Digests
from services.notifier.look import Look
from services.notifier.notifier import Notifier
from services.notifier.pacing import Pace, Pacing, StormRules
from services.notifier.refusals import Refusals
from services.notifier.routing import Routing
from services.notifier.slack import Slack
from services.notifier.socket_mode import SocketMode
from services.notifier.template import MessageTemplate, TemplateError
from services.notifier.tending import Tending
from services.notifier.turns import Turns
from shared.chores import every
from shared.config import Config, SlackConfig
from shared.consumer import Consumer, Handler
from shared.dead_letters import DeadLetters
from shared.due_times import DueTimes, Poller
from shared.health import Check, health_routes
from shared.keys import SLACK_STORMS, SLACK_TURNS, Keys
from shared.links import AckLinks, StormLinks
from shared.presses import Presses
from shared.redis_client import Scripts, StoreUnavailableError
from shared.retention import Retention
from shared.service import Job, Redises, Service, StartError, ack_keys, main, readiness
from shared.store import Store
from shared.stream import Entry, StreamReader

GROUP = "notifier"
TELL_WAITING = timedelta(seconds=5)


@dataclass
class Work:
    """What the service does beside its HTTP server: with events, and by itself."""

    handle: Handler
    jobs: list[Job] = field(default_factory=list)
    checks: dict[str, Check] = field(default_factory=dict)


async def serve(service: Service, config: Config) -> None:
    redises, keys = Redises.of(config.redis), Keys()
    reader = StreamReader(redises.blocking, redises.scripts, keys.events, GROUP, service.consumer_name)
    retention = Retention(redises.scripts, keys.events, config.redis.events_age, service.stopping)
    slack = config.alert.slack
    client = Slack(slack.token.get_secret_value() if slack.token else "", slack.api_url, slack.timeout)
    work = await work_for_slack(service, config, redises, client) if slack.enable else Work(_nobody_listens)
    consumer = Consumer(
        reader,
        work.handle,
        DeadLetters(redises.scripts),
        service.stopping,
        group=GROUP,
        concurrency=config.notifier.concurrency,
    )
    checks = readiness(service, redises, stream=consumer.check, **work.checks)
    jobs = [consumer.run, retention.run, *work.jobs]
    app = Starlette(routes=health_routes(checks))
    await service.run(app, config.notifier.host, config.notifier.health_port, jobs)
    await client.close()
    await redises.close()


async def work_for_slack(service: Service, config: Config, redises: Redises, client: Slack) -> Work:
    slack, scripts, store = config.alert.slack, redises.scripts, Store(redises.scripts, config.rules)
    sign = await service.once_redis_answers(lambda: ack_keys(config, redises))
    links, storm_links = AckLinks(config.ack_base_url, sign), StormLinks(config.ack_base_url, sign)
    template, routing = load_template(slack.template_path), Routing(slack.routes, slack.mention)
    appearance = Appearance(slack.channel_id or "", template, look(config), links, routing)
    health = ChannelHealth(client, slack.channels, service.stopping)
    alarm = Alarm(client, scripts, slack.fallback_channel_id, health.look_soon)
    pacing = pacing_of(slack, scripts)
    courier = Courier(client, pacing, appearance, slack.timeout)
    notifier = Notifier(store, pacing, courier, appearance, alarm)
    digests = Digests(pacing.storms, store, client, pacing, appearance, storm_links, slack.timeout, alarm)
    tending = Tending(pacing.storms, store, digests, slack.storm.quiet, slack.storm.threshold)
    turns = Turns(pacing, notifier, digests)
    handle = Refusals(store, client, scripts).before(notifier.handle)
    work = Work(handle, [health.run, lambda: tell_waiting(pacing, service.stopping)])

    def poll(name: str, key: str, handle: Callable[[str], Awaitable[None]], woken: asyncio.Event) -> None:
        concurrency = config.notifier.concurrency
        due_times = DueTimes(scripts, key)
        poller = Poller(due_times, handle, service.stopping, name=name, concurrency=concurrency, woken=woken)
        work.jobs.append(poller.run)
        work.checks[name] = poller.check

    poll("deliveries", Keys().deliveries, notifier.show_due, asyncio.Event())
    poll("turns", SLACK_TURNS, turns.take, pacing.woken)
    poll("storms", SLACK_STORMS, tending.tend, asyncio.Event())
    if slack.interactivity == "socket":
        token = slack.app_token.get_secret_value() if slack.app_token else ""
        presses = Presses(store, pacing.storms)
        socket_mode = SocketMode(presses, token, slack.api_url, slack.timeout, service.stopping)
        work.jobs.append(socket_mode.run)
        work.checks["socket"] = socket_mode.check
    return work


def pacing_of(slack: SlackConfig, scripts: Scripts) -> Pacing:
    storm = slack.storm
    rules = StormRules(storm.threshold, storm.loud, storm.bypass_per_minute, storm.quiet)
    return Pacing(scripts, Pace(slack.pace.interval, slack.pace.burst), rules)


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

"""Wiring of the notifier service."""

import asyncio
import contextlib
from datetime import timedelta
from pathlib import Path

from starlette.applications import Starlette

from services.notifier.alarm import Alarm
from services.notifier.channel_health import ChannelHealth
from services.notifier.look import Look
from services.notifier.notifier import Appearance, Notifier
from services.notifier.pacing import Pace, Pacing
from services.notifier.refusals import Refusals
from services.notifier.routing import Routing
from services.notifier.slack import Slack
from services.notifier.socket_mode import SocketMode
from services.notifier.template import MessageTemplate, TemplateError
from shared.chores import every
from shared.config import Config
from shared.consumer import Consumer, Handler
from shared.dead_letters import DeadLetters
from shared.due_times import DueTimes, Poller
from shared.health import Check, health_routes
from shared.keys import SLACK_TURNS, Keys
from shared.links import AckLinks
from shared.presses import Presses
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
        links = AckLinks(
            config.ack_base_url, await service.once_redis_answers(lambda: ack_keys(config, redises))
        )
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
        pacing = Pacing(redises.scripts, Pace(slack.pace.interval, slack.pace.burst))
        notifier = Notifier(store, client, pacing, appearance, slack.timeout, alarm)
        handle = Refusals(store, client, redises.scripts).before(notifier.handle)
        due_times = DueTimes(redises.scripts, keys.deliveries)
        poller = Poller(
            due_times, notifier.show_due, service.stopping, name="deliveries", concurrency=concurrency
        )
        turns = Poller(
            DueTimes(redises.scripts, SLACK_TURNS),
            notifier.take_turn,
            service.stopping,
            name="turns",
            concurrency=concurrency,
            woken=pacing.woken,
        )
        jobs += [poller.run, turns.run, health.run, lambda: tell_waiting(pacing, service.stopping)]
        checks |= {"deliveries": poller.check, "turns": turns.check}
        if slack.interactivity == "socket":
            token = slack.app_token.get_secret_value() if slack.app_token else ""
            presses = Presses(store)
            socket_mode = SocketMode(presses, token, slack.api_url, slack.timeout, service.stopping)
            jobs.append(socket_mode.run)
            checks["socket"] = socket_mode.check
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

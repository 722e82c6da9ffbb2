"""Wiring of the escalator service."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette

from services.escalator.escalator import Escalator
from services.escalator.expiry import Expiry
from services.escalator.instances import Instances
from services.escalator.mapping import Mappings
from services.escalator.parents import parents
from services.escalator.queues import Queues
from services.escalator.servicenow_target import servicenow_targets
from services.escalator.target import Target
from services.escalator.targets import Targets
from services.escalator.tls import CertificateError
from services.escalator.webhook_target import WebhookTarget, webhook_targets
from shared.config import Config, ServiceNowConfig
from shared.consumer import Consumer
from shared.dead_letters import DeadLetters
from shared.due_times import DueTimes, Poller
from shared.health import health_routes
from shared.incident import Incident
from shared.keys import Keys
from shared.links import AckLinks, expiry
from shared.redis_client import Scripts
from shared.retention import Retention
from shared.service import Redises, Service, StartError, ack_keys, main, readiness
from shared.store import Store
from shared.stream import StreamReader

GROUP = "escalator"


async def serve(service: Service, config: Config) -> None:
    redises, keys = Redises.of(config.redis), Keys()
    store, settings = Store(redises.scripts, config.rules), config.oncall.servicenow
    instances, wake = _instances(settings, redises.scripts), asyncio.Event()
    page_url = await service.once_redis_answers(lambda: page_urls(config, redises))
    mappings = Mappings(settings, page_url, config.console_url)
    webhooks = _webhooks(config, redises.scripts, page_url)
    singles = servicenow_targets(settings, instances, mappings)
    one_for_all = config.alert.slack.storm.servicenow == "parent"
    family = (settings, instances, mappings, singles, redises.scripts, config.console_url)
    targets = Targets(
        _first(config.oncall.provider, *singles, *webhooks), parents(*family) if one_for_all else ()
    )
    escalator = Escalator(store, targets, wake.set)
    concurrency = config.escalator.concurrency
    due_times = DueTimes(redises.scripts, keys.deadlines)
    queues = Queues(redises.scripts, store, escalator, targets, keys)
    poller = Poller(
        due_times, queues.join, service.stopping, name="deadlines", concurrency=concurrency, woken=wake
    )
    reader = StreamReader(redises.blocking, redises.scripts, keys.events, GROUP, service.consumer_name)
    dead_letters = DeadLetters(redises.scripts)
    consumer = Consumer(
        reader, escalator.handle, dead_letters, service.stopping, group=GROUP, concurrency=concurrency
    )
    retention = Retention(redises.scripts, keys.events, config.redis.events_age, service.stopping)
    age = config.redis.open_age
    expiry = Expiry(store, DueTimes(redises.scripts, keys.mentions, age), age, service.stopping)
    jobs, checks = [consumer.run, retention.run, expiry.run], {"stream": consumer.check}
    if config.oncall.configured:
        pollers = queues.pollers(service.stopping)
        jobs += [poller.run, *(own.run for own in pollers), lambda: queues.tell_waiting(service.stopping)]
        checks["deadlines"] = poller.check
    app = Starlette(routes=health_routes(readiness(service, redises, **checks)))
    await service.run(app, config.escalator.host, config.escalator.health_port, jobs)
    await instances.close()
    for webhook in webhooks:
        await webhook.close()
    await redises.close()


async def page_urls(config: Config, redises: Redises) -> Callable[[Incident], str]:
    """The signed links to incidents' pages, where a field or the webhook asks for them; otherwise nobody waits for Redis to have
    the keys."""
    settings = config.oncall.servicenow
    mapped = [settings.fields, *settings.fields_by_instance.values()]
    sources = [source for fields in mapped for source in fields.values()]
    sources += [life.close_notes for life in (settings, *settings.life_by_instance.values())]
    asked = any("ack_url" in source for source in sources)
    if not (asked or config.oncall.webhook.is_complete):
        return lambda _: ""
    links = AckLinks(config.ack_base_url, await ack_keys(config, redises))
    return lambda incident: links.url(incident.id, expiry(incident))


def _webhooks(config: Config, scripts: Scripts, page_url: Callable[[Incident], str]) -> list[WebhookTarget]:
    try:
        return webhook_targets(config.oncall.webhook, scripts, page_url, config.console_url)
    except CertificateError as error:
        raise StartError(str(error)) from None


def _first(kind: str, *targets: Target) -> list[Target]:
    """Those of that kind before all others."""
    return sorted(targets, key=lambda target: target.kind != kind)


def _instances(settings: ServiceNowConfig, scripts: Scripts) -> Instances:
    try:
        return Instances.of(settings, scripts)
    except CertificateError as error:
        raise StartError(str(error)) from None


def run(config_path: Path | None = None) -> None:
    main(GROUP, serve, config_path)


if __name__ == "__main__":
    run()

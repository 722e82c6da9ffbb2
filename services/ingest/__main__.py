"""Wiring of the ingest service."""

from collections.abc import Mapping
from pathlib import Path

from starlette.applications import Starlette

from services.ingest.acknowledge import AcknowledgePage
from services.ingest.app import create_app
from services.ingest.authorization import Authorization
from services.ingest.incidents import Incidents, Limits
from services.ingest.interactions import Interactions
from services.ingest.parameters import OnCallDefaults
from services.ingest.storm_page import StormPage
from shared.config import Config
from shared.dead_letters import DeadLetters
from shared.health import Check
from shared.links import AckLinks, StormLinks
from shared.presses import Presses
from shared.redis_client import Scripts
from shared.service import Redises, Service, ack_keys, first_ack_keys, main, readiness
from shared.store import Store
from shared.storms import Storms


async def serve(service: Service, config: Config) -> None:
    redises = Redises.of(config.redis)
    # It listens at once: while Redis is away, senders hear 503 and not nothing.
    sign, read_keys = first_ack_keys(config), lambda known: ack_keys(config, redises, known)
    links, storm_links = AckLinks(config.ack_base_url, sign), StormLinks(config.ack_base_url, sign)
    acknowledge = AcknowledgePage(store := Store(redises.scripts, config.rules), links, read_keys)
    storm = StormPage(Storms(redises.scripts), storm_links, read_keys)
    app = app_of(config, store, redises.scripts, acknowledge, storm, readiness(service, redises))
    await service.run(app, config.host, config.port, jobs=[])
    await redises.close()


def app_of(
    config: Config,
    store: Store,
    scripts: Scripts,
    acknowledge: AcknowledgePage,
    storm: StormPage,
    checks: Mapping[str, Check],
) -> Starlette:
    incidents = Incidents(
        store,
        DeadLetters(scripts),
        oncall_defaults(config),
        Authorization(config.ingest.auth),
        Limits(config.ingest.max_body_bytes, config.ingest.body_timeout_seconds),
        debug_body=config.alert.debug_body,
    )
    secret = config.alert.slack.signing_secret
    interactions = (
        Interactions(Presses(store, Storms(scripts)), secret.get_secret_value()) if secret else None
    )
    return create_app(incidents, acknowledge, checks, storm, interactions)


def oncall_defaults(config: Config) -> OnCallDefaults:
    plan = config.oncall.plan
    return OnCallDefaults(
        enable=config.oncall.enable,
        initialized_only=config.oncall.initialized_only,
        configured=config.oncall.configured,
        wait=plan.wait,
        instances={name.lower(): name for name in config.oncall.servicenow.other_instance_urls},
        target=plan.target,
        instance=plan.instance,
        steps=plan.steps,
    )


def run(config_path: Path | None = None) -> None:
    main("ingest", serve, config_path)


if __name__ == "__main__":
    run()

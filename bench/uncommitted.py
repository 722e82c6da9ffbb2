"""Ingest as it is, except that nothing is committed: the ceiling that HTTP, parsing and deciding set."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from services.ingest.__main__ import app_of
from services.ingest.acknowledge import AcknowledgePage
from services.ingest.storm_page import StormPage
from shared.commands import Fire, Step
from shared.config import Config
from shared.identity import new_incident_id
from shared.links import AckLinks, StormLinks
from shared.notification import Notification
from shared.redis_client import Scripts, connect
from shared.service import Service, main
from shared.store import Store
from shared.storms import Storms
from shared.transitions import advance


class Uncommitted(Store):
    """Decides, and forgets."""

    async def receive(self, notification: Notification) -> Step:
        now = datetime.now(UTC)
        return advance(None, Fire(notification, new_incident_id(now, 0, bytes(9))), now)


async def serve(service: Service, config: Config) -> None:
    scripts = Scripts(connect(config.redis.connection_url, **config.redis.connection_options))
    keys, base = ("bench",), config.ack_base_url
    page = AcknowledgePage(store := Uncommitted(scripts), AckLinks(base, keys))
    storm = StormPage(Storms(scripts), StormLinks(base, keys))
    app = app_of(config, store, scripts, page, storm, {})
    await service.run(app, config.host, config.port, jobs=[])


if __name__ == "__main__":
    main("ingest", serve, Path(sys.argv[1]))

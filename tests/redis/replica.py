"""An escalator without its stream, for tests of what waits and what goes out."""

import asyncio
from typing import Any

from sandbox.server import Running
from services.escalator.escalator import Escalator
from services.escalator.instances import Instances
from services.escalator.mapping import Mappings
from services.escalator.parents import parents
from services.escalator.queues import Queues
from services.escalator.servicenow_target import servicenow_targets
from services.escalator.targets import Targets
from shared.config import ServiceNowConfig
from shared.due_times import DueTimes, Poller
from shared.keys import Keys
from shared.redis_client import Scripts
from shared.store import Store


class Replica:
    """As its service wires it. `storms`: those of a storm share a record."""

    def __init__(
        self, scripts: Scripts, sandbox: Running, timeout: float, *, storms: bool = False, **settings: Any
    ) -> None:
        self.config = ServiceNowConfig.model_validate(
            {
                "instance_url": sandbox.servicenow_url("main"),
                "other_instance_urls": {"infra": sandbox.servicenow_url("infra")},
                "username": "ackstream",
                "password": "sandbox",
                "timeout_seconds": timeout,
                **settings,
            }
        )
        self.scripts = scripts
        store, self.instances = Store(scripts), Instances.of(self.config, scripts)
        self.wake, self.stopping = asyncio.Event(), asyncio.Event()
        mappings, console = Mappings(self.config, lambda _: ""), "https://console.example.com"
        singles = servicenow_targets(self.config, self.instances, mappings)
        family = parents(self.config, self.instances, mappings, singles, scripts, console) if storms else []
        targets = Targets(singles, family)
        escalator = Escalator(store, targets, self.wake.set)
        self.queues = Queues(scripts, store, escalator, targets, Keys())
        deadlines = Poller(
            DueTimes(scripts, Keys().deadlines),
            self.queues.join,
            self.stopping,
            name="deadlines",
            concurrency=16,
            woken=self.wake,
        )
        self.pollers = [deadlines, *self.queues.pollers(self.stopping)]

    async def run(self) -> None:
        try:
            await asyncio.gather(*(poller.run() for poller in self.pollers))
        finally:
            await self.instances.close()

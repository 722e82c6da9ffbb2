from dataclasses import dataclass, field
from typing import Any

from sandbox.faults import Faults
from sandbox.servicenow import ServiceNow
from sandbox.slack import SlackWorkspace
from sandbox.webhook import Webhooks


@dataclass
class World:
    """Everything outside the product, in memory. Safe to read from another thread while the server runs."""

    slack: SlackWorkspace = field(default_factory=SlackWorkspace)
    servicenow: ServiceNow = field(default_factory=ServiceNow)
    webhook: Webhooks = field(default_factory=Webhooks)
    faults: Faults = field(default_factory=Faults)

    def reset(self) -> None:
        """Forget messages, rows and calls. Faults stay: they have their own `clear`."""
        self.slack.reset()
        self.servicenow.reset()
        self.webhook.reset()

    def as_json(self) -> dict[str, Any]:
        return {
            "slack": self.slack.as_json(),
            "servicenow": self.servicenow.as_json(),
            "webhook": self.webhook.as_json(),
            "faults": self.faults.as_json(),
        }

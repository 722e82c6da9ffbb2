"""The fault switches of the page."""

from dataclasses import dataclass

from sandbox.faults import Fault


@dataclass(frozen=True)
class Switch:
    label: str
    hint: str
    fault: Fault


SWITCHES = (
    Switch(
        "Slack down", "503 to every call", Fault(name="slack-down", target="slack", kind="status", status=503)
    ),
    Switch("Slack slow", "5 s late", Fault(name="slack-slow", target="slack", kind="latency", seconds=5)),
    Switch(
        "Slack 429",
        "rate limited, come back in 5 s",
        Fault(name="slack-429", target="slack", kind="status", status=429, retry_after=5),
    ),
    Switch(
        "ServiceNow down",
        "503 to every call",
        Fault(name="servicenow-down", target="servicenow", kind="status", status=503),
    ),
    Switch(
        "ServiceNow slow",
        "5 s late",
        Fault(name="servicenow-slow", target="servicenow", kind="latency", seconds=5),
    ),
    Switch(
        "ServiceNow commits, then hangs",
        "writes the record and keeps silent for a minute",
        Fault(name="servicenow-hangs", target="servicenow", kind="hang_after", match="POST", seconds=60),
    ),
)

"""`ackstream test-alert`: one alert, shaped as Alertmanager would send it."""

from typing import Any
from urllib.parse import urlencode

import httpx

RECEIVER = "ackstream-test"


def alert_body(name: str, severity: str, summary: str, *, resolved: bool = False) -> dict[str, Any]:
    """An Alertmanager v4 body. It has no start time, so that firing, resolving and firing again by hand always means what it says."""
    status = "resolved" if resolved else "firing"
    labels = {"alertname": name, "severity": severity, "instance": "test-1", "service": "checkout"}
    annotations = {"summary": summary, "description": "Sent by hand with `ackstream test-alert`."}
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{name}"}}',
        "receiver": RECEIVER,
        "status": status,
        "truncatedAlerts": 0,
        "groupLabels": {"alertname": name},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "",
        "alerts": [
            {"status": status, "labels": labels, "annotations": annotations, "fingerprint": f"test-{name}"}
        ],
    }


def send(
    base_url: str, body: dict[str, Any], query: dict[str, str], headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """Post `body` to ingest at `base_url`; its answer. Raises httpx.HTTPError."""
    suffix = f"?{urlencode(query)}" if query else ""
    with httpx.Client(timeout=5, trust_env=False) as client:
        response = client.post(f"{base_url}/api/incidents{suffix}", json=body, headers=headers)
    response.raise_for_status()
    answer: dict[str, Any] = response.json()
    return answer

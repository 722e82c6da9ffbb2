"""config/slack_message.tmpl as people see it on a phone."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.notifier.template import MessageTemplate
from shared.incident import Acknowledgement, Closure, Incident, Snooze, State
from shared.notification import Alert, Facts
from tests.episodes import NOON
from tests.unit.notifier import sources

DEFAULT = MessageTemplate.load(Path(__file__).parents[3] / "config" / "slack_message.tmpl")
SINCE = "<!date^1767268800^{date_short_pretty} {time}|2026-01-01 12:00 UTC>"

EXPECTED = {
    sources.alertmanager: f"""\
🔥 *CRITICAL · HighLatency*
api p99 above 2s
*Where:* `checkout`
`service=checkout`

*2 alerts are firing*
• HighLatency — p99 of api-1 above 2s, since {SINCE}
• HighLatency — p99 of api-2 above 2s, since {SINCE}
<http://prometheus.example/graph?g0.expr=up&amp;g0.tab=1|Graph>""",
    sources.grafana: f"""\
🔥 *WARNING · CPU above 90 %*
web-3 has been busy for 10 minutes
*Where:* `web-3`

*Since:* {SINCE}
<https://grafana.example/d/1|Dashboard> · <https://grafana.example/alerting/silence/new?alertmanager=grafana|Silence>""",
    sources.sentry: """\
🔥 *ERROR · TypeError: 'NoneType' object is not &lt;subscriptable&gt;*
*Where:* `checkout in pay()`

<https://sentry.example/issues/1/|Sentry>""",
    sources.cloudwatch: f"""\
🔥 *orders-queue-depth*
Threshold Crossed: 1 datapoint [5312.0] was &gt; 5000.0
*Where:* `AWS/SQS ApproximateNumberOfMessagesVisible`

*Since:* {SINCE}""",
    sources.fluentbit: f"""\
🔥 *ERROR · Error in payments*
ERROR Could not reach &lt;db-1&gt;
  at connect()
*Where:* `payments/payments-7d4f`

*Since:* {SINCE}""",
    sources.flat: f"""\
🔥 *order-service*
Error: connection refused

*Since:* {SINCE}""",
}


@pytest.mark.parametrize("source", EXPECTED)
def test_each_sender_gets_a_readable_message(source: Callable[[], tuple[Incident, dict[str, Any]]]) -> None:
    assert DEFAULT.render(*source(), ack_url=None) == EXPECTED[source]


def test_only_the_first_ten_firing_alerts_are_listed_and_the_rest_is_counted() -> None:
    text = DEFAULT.render(*sources.alertmanager(count=23, truncated=7), ack_url=None)
    assert text.count("• ") == 10
    assert "… and 13 more\n7 more alerts were left out by the sender\n" in text


@pytest.mark.parametrize("truncated", [1, 5])
def test_what_the_sender_left_out_is_said_also_for_a_single_alert(truncated: int) -> None:
    text = DEFAULT.render(*sources.alertmanager(count=1, truncated=truncated), ack_url=None)
    assert re.search(rf"^{truncated} more alerts? (was|were) left out by the sender$", text, re.MULTILINE)


def test_the_first_line_shows_the_state() -> None:
    open_incident, body = sources.flat()
    acknowledged = open_incident.model_copy(
        update={"acknowledgement": Acknowledgement(at=NOON, by="anna", door="link")}
    )
    resolved = open_incident.model_copy(update={"closure": Closure(at=NOON, state=State.RESOLVED)})
    snoozed = open_incident.model_copy(update={"snooze": Snooze(at=NOON, by="kim", until=NOON)})
    assert DEFAULT.render(acknowledged, body, None).startswith("👀 *order-service*")
    assert DEFAULT.render(resolved, body, None).startswith("✅ *order-service*")
    assert DEFAULT.render(snoozed, body, None).startswith("😴 *order-service*")


def test_an_incident_without_any_facts_still_has_a_title() -> None:
    empty = sources.incident(Facts(source="generic", title=""), Alert(key="1", firing=True))
    assert DEFAULT.render(empty, {}, None) == "🔥 *Alert*"

"""A record as its owners want it, with real processes from the alert to ServiceNow."""

import httpx

from ops.sample_alert import alert_body
from tests.e2e.conftest import StackFactory
from tests.waiting import wait_until

FIELDS = """
      short_description: "[{{ severity | upper }}] {{ title }}"
      description: "{{ summary }}\\n{{ slack_url }}\\n{{ ack_url }}\\n{{ timeline }}"
      urgency: '{{ [1, 2, 2, 3, 3][severity_rank] }}'
      u_broken: "{{ 1 / 0 }}\""""


async def test_a_record_says_what_is_configured(new_stack: StackFactory) -> None:
    stack = new_stack(fields=FIELDS)
    await stack.start_all()
    sent = await stack.send(alert_body("DiskFull", "critical", "db-1 is full"), "?oncall_wait_minutes=0.05")
    incident = sent.json()["incident_id"]
    (record,) = await wait_until(stack.records, "a record in ServiceNow")
    assert record["correlation_id"] == incident
    assert record["short_description"] == "[CRITICAL] DiskFull"
    assert record["urgency"] == "1"
    assert "u_broken" not in record

    # It leads back to Slack's message, and to the page where somebody can still act.
    summary, slack, page, *timeline = record["description"].splitlines()
    (message,) = stack.messages()
    assert summary == "db-1 is full"
    assert slack == f"https://slack.com/archives/C0TEST/p{message['ts'].replace('.', '')}"
    async with httpx.AsyncClient() as client:
        answer = await client.get(page)
    assert page.startswith(f"{stack.url}/api/ack/{incident}?exp=")
    assert (answer.status_code, "DiskFull" in answer.text) == (200, True)
    assert [line.split("  ")[1].split(" ")[0] for line in timeline] == ["opened:", "deadline:", "escalated"]

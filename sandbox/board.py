"""What the page shows, as fragments of HTML with a key each: the page replaces only the ones that changed."""

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from sandbox.mrkdwn import render_mrkdwn, render_plain
from sandbox.servicenow import Instance
from sandbox.servicenow_table import Row
from sandbox.slack_channel import Channel, Message
from sandbox.switches import SWITCHES
from sandbox.world import World

PAGES = Path(__file__).parent / "pages"
# A person reads the latest; a load test must not drown the browser.
SHOWN = 60
COLOURS = {"good": "#2eb67d", "warning": "#ecb22e", "danger": "#e01e5a"}
STATES = {"1": "New", "2": "In Progress", "3": "On Hold", "6": "Resolved", "7": "Closed", "8": "Canceled"}
# What a button may link to; Slack opens nothing else either.
WEB = ("http://", "https://")


class Board:
    def __init__(self, world: World) -> None:
        self._world = world
        self._pages = Environment(
            loader=FileSystemLoader(PAGES), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._pages.filters |= {
            "mrkdwn": _rendered,
            "colour": _colour,
            "web": _web_address,
            "moment": _moment,
        }
        self._message = self._pages.get_template("message.html")
        self._record = self._pages.get_template("record.html")

    def page(self) -> str:
        return self._pages.get_template("index.html").render(switches=SWITCHES)

    def as_json(self) -> dict[str, Any]:
        slack, servicenow = self._world.slack, self._world.servicenow
        return {
            "channels": [self._channel(channel) for channel in list(slack.channels.values())],
            "instances": [self._instance(instance) for instance in list(servicenow.instances.values())],
            "calls": {"slack": len(slack.calls.entries), "servicenow": len(servicenow.calls.entries)},
            "faults": [{"name": rule.name, "hits": rule.hits} for rule in self._world.faults.rules],
        }

    def _channel(self, channel: Channel) -> dict[str, Any]:
        roots = channel.roots()[-SHOWN:]
        messages = [{"key": message.ts, "html": self._message_html(channel, message)} for message in roots]
        total, latest = len(channel.messages), max(list(channel.messages), default="")
        return {"key": channel.id, "name": channel.name, "total": total, "latest": latest, "items": messages}

    def _message_html(self, channel: Channel, message: Message) -> str:
        replies = [reply.body for reply in channel.replies(message.ts) if reply is not message]
        return self._message.render(message=message.body, replies=replies)

    def _instance(self, instance: Instance) -> dict[str, Any]:
        rows = [row for table in instance.tables.values() for row in list(table.rows.values())]
        newest = sorted(rows, key=_age, reverse=True)
        items = [
            {"key": row.fields["sys_id"], "html": self._record.render(row=row.fields, states=STATES)}
            for row in islice(newest, SHOWN)
        ]
        latest = newest[0].fields["sys_created_on"] if newest else ""
        return {
            "key": instance.name,
            "name": instance.name,
            "total": len(rows),
            "latest": latest,
            "items": items,
        }


def _age(row: Row) -> tuple[str, str]:
    return row.fields["sys_created_on"], row.fields["number"]


def _rendered(text: Any) -> str:
    """A text object, or a bare string of mrkdwn."""
    if isinstance(text, dict):
        render = render_mrkdwn if text.get("type") == "mrkdwn" else render_plain
        return render(str(text.get("text", "")))
    return render_mrkdwn(str(text or ""))


def _colour(value: Any) -> str:
    text = COLOURS.get(str(value), str(value or "dddddd").removeprefix("#"))
    digits = text.removeprefix("#")
    return (
        f"#{digits}" if len(digits) in (3, 6) and set(digits) <= set("0123456789abcdefABCDEF") else "#dddddd"
    )


def _web_address(url: Any) -> str:
    return str(url) if str(url).startswith(WEB) else ""


def _moment(value: str) -> str:
    """A Slack ts, or ServiceNow's UTC time, as ISO 8601."""
    if ":" in value:
        return f"{value.replace(' ', 'T')}+00:00"
    return datetime.fromtimestamp(float(value), UTC).isoformat()

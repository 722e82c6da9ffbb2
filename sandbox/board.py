"""What the page shows, as fragments of HTML with a key each: the page replaces only the ones that changed."""

import json
import re
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
REPLIES_SHOWN = 6
COLOURS = {"good": "#2eb67d", "warning": "#ecb22e", "danger": "#e01e5a"}
STATES = {"1": "New", "2": "In Progress", "3": "On Hold", "6": "Resolved", "7": "Closed", "8": "Canceled"}
# What a button may link to; Slack opens nothing else either.
WEB = ("http://", "https://")
MENTION = re.compile(r"<@(\w+)>")


class Board:
    def __init__(self, world: World) -> None:
        self._world = world
        self._pages = Environment(
            loader=FileSystemLoader(PAGES), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._pages.filters |= {
            "mrkdwn": self._rendered,
            "person": self._person,
            "colour": _colour,
            "web": _web_address,
            "moment": _moment,
            "asked": _asked,
        }
        self._message = self._pages.get_template("message.html")
        self._record = self._pages.get_template("record.html")

    def page(self) -> str:
        return self._pages.get_template("index.html").render(
            switches=SWITCHES, people=self._world.slack.people
        )

    def as_json(self, me: str = "") -> dict[str, Any]:
        """`me`: whose eyes it is seen with, a user's id: there are messages for one person only."""
        slack, servicenow = self._world.slack, self._world.servicenow
        return {
            "channels": [self._channel(channel, me) for channel in list(slack.channels.values())],
            "instances": [self._instance(instance) for instance in list(servicenow.instances.values())],
            "calls": {"slack": len(slack.calls.entries), "servicenow": len(servicenow.calls.entries)},
            "faults": [{"name": rule.name, "hits": rule.hits} for rule in self._world.faults.rules],
        }

    def _channel(self, channel: Channel, me: str) -> dict[str, Any]:
        whispers = [message for message in list(channel.ephemeral.values()) if message.only_for == me]
        own = [message for message in whispers if not message.thread]
        roots = sorted([*channel.roots()[-SHOWN:], *own], key=_sent)[-SHOWN:]
        items = [
            {"key": message.ts, "html": self._message_html(channel, message, whispers)} for message in roots
        ]
        latest = max([*list(channel.messages), *(message.ts for message in whispers)], default="")
        total = len(channel.messages) + len(whispers)
        return {"key": channel.id, "name": channel.name, "total": total, "latest": latest, "items": items}

    def _message_html(self, channel: Channel, message: Message, whispers: list[Message]) -> str:
        aside = [whisper for whisper in whispers if whisper.thread == message.ts]
        replies = [_seen(reply) for reply in sorted([*channel.replies(message.ts), *aside], key=_sent)]
        # One earlier reply is shown as quickly as told.
        earlier = len(replies) - REPLIES_SHOWN if len(replies) > REPLIES_SHOWN + 1 else 0
        return self._message.render(message=_seen(message), replies=replies, earlier=earlier)

    def _person(self, user: str) -> str:
        return self._world.slack.people.get(user, user)

    def _rendered(self, text: Any) -> str:
        """A text object, or a bare string of mrkdwn, with people called by their names."""
        if isinstance(text, dict) and text.get("type") != "mrkdwn":
            return render_plain(str(text.get("text", "")))
        words = text.get("text", "") if isinstance(text, dict) else text or ""
        named = MENTION.sub(lambda match: f"<@{match[1]}|{self._person(match[1])}>", str(words))
        return render_mrkdwn(named)

    def _instance(self, instance: Instance) -> dict[str, Any]:
        rows = [row for table in instance.tables.values() for row in list(table.rows.values())]
        newest = sorted(rows, key=_age, reverse=True)
        items = [
            {
                "key": row.fields["sys_id"],
                "html": self._record.render(row=row.fields, notes=row.journal[:-4:-1], states=STATES),
            }
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


def _sent(message: Message) -> float:
    return float(message.ts)


def _seen(message: Message) -> dict[str, Any]:
    """As the template wants it. Metadata is for programs."""
    return {
        "body": message.shown(metadata=False),
        "only_for": message.only_for,
        "warning": message.warning,
    }


def _asked(confirm: dict[str, Any]) -> str:
    """A confirmation's words, for the page's dialog."""
    words = {
        name: str(part.get("text", "")) if isinstance(part, dict) else str(part)
        for name, part in confirm.items()
    }
    return json.dumps(words)


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

"""A person presses; Slack tells the app, by HTTPS or over Socket Mode, and shows ⚠ where nobody answers in time."""

import asyncio
import json
import secrets
import ssl
import time
from collections.abc import Callable
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import httpx

from sandbox.response_urls import ResponseUrls
from sandbox.slack import TEAM, SlackWorkspace
from sandbox.slack_channel import Channel, Message
from sandbox.slack_content import SlackRefusal
from sandbox.slack_press import Click, NothingToPress, Press, Pressed, found, payload_of
from sandbox.slack_signature import signed

ROBOT = "Slackbot 1.0 (+https://api.slack.com/robots)"
UNCONFIGURED = "This app is not configured to handle interactive responses"


class Interactivity:
    def __init__(self, slack: SlackWorkspace, responses: ResponseUrls, now: Callable[[], float]) -> None:
        self._slack = slack
        self._responses = responses
        self._now = now

    async def press(self, click: Click, base: str) -> Press:
        """Raises NothingToPress; what the app does wrong is the press's and the message's `warning`. `base`: the sandbox's own
        address, such as `http://127.0.0.1:8085/`."""
        channel, message, pressed = self._target(click)
        press = Press(self._now(), click.user, channel.id, message.ts, click.action_id, pressed.chosen)
        press.url = pressed.url
        self._slack.presses.append(press)
        began = time.monotonic()
        await self._tell(press, self._payload(click.user, channel, message, pressed, base))
        press.seconds = round(time.monotonic() - began, 3)
        message.warning = press.warning
        return press

    def _target(self, click: Click) -> tuple[Channel, Message, Pressed]:
        try:
            channel = self._slack.channel(click.channel)
        except SlackRefusal as refusal:
            raise NothingToPress(f"{refusal.error}: {click.channel}") from refusal
        if click.user not in self._slack.people:
            raise NothingToPress(f"nobody is called {click.user} here")
        message = channel.message(click.ts)
        if message is None or message.only_for not in ("", click.user):
            raise NothingToPress(f"{click.user} sees no message {click.ts} in {click.channel}")
        return channel, message, found(message, click)

    def _payload(
        self, user: str, channel: Channel, message: Message, pressed: Pressed, base: str
    ) -> dict[str, Any]:
        moment, handle = self._now(), self._slack.people[user].lower()
        who = {"id": user, "username": handle, "name": handle, "team_id": TEAM}
        times = {
            "action_ts": f"{moment:.6f}",
            "trigger_id": f"{moment * 1000:.0f}.{secrets.randbelow(10**12)}.{secrets.token_hex(16)}",
            "response_url": f"{base}slack/actions/{TEAM}/{self._responses.new(channel, message, user)}",
        }
        return payload_of(pressed, channel, message, who, times)

    async def _tell(self, press: Press, payload: dict[str, Any]) -> None:
        settings, socket_mode = self._slack.rules.settings, self._slack.socket_mode
        if socket_mode.connections or (socket_mode.opened and not settings.interactivity_url):
            press.way = "socket"
            press.sent = await socket_mode.deliver(payload, settings.patience)
            if not press.sent:
                press.warning = "No connection of this app acknowledged it"
        elif settings.interactivity_url:
            press.way = "http"
            await self._post(press, payload)
        elif press.url:
            press.way = "link"
        else:
            press.warning = UNCONFIGURED

    async def _post(self, press: Press, payload: dict[str, Any]) -> None:
        settings = self._slack.rules.settings
        body = urlencode({"payload": json.dumps(payload)})
        headers = signed(body.encode(), settings.signing_secret, int(self._now()))
        headers |= {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": ROBOT}
        press.request = {"url": settings.interactivity_url, "headers": headers, "body": body}
        try:
            async with (
                asyncio.timeout(settings.patience),
                httpx.AsyncClient(verify=self._tls, trust_env=False, timeout=None) as client,  # noqa: S113 - above
            ):
                answer = await client.post(settings.interactivity_url, content=body, headers=headers)
        except TimeoutError:
            press.warning = f"This app did not respond within {settings.patience:g} s"
        except httpx.HTTPError as error:
            press.warning = f"This app did not respond: {error or type(error).__name__}"
        else:
            press.status = answer.status_code
            if press.status != HTTPStatus.OK:
                press.warning = f"This app responded with status code {press.status}"

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # Made once: it reads all of the machine's certificates.
        return ssl.create_default_context()

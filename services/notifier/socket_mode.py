"""Socket Mode: Slack tells of presses over a connection that we open, so nothing of ours need be reachable from outside.

Every replica has a connection of its own, and Slack gives each press to one of them
(docs.slack.dev/apis/events-api/using-socket-mode). What is not acknowledged within 3 s Slack sends once more, or warns people.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine
from datetime import timedelta

import structlog
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from services.notifier.mends import told_of_app_token
from services.notifier.slack import classify
from shared import metrics
from shared.backoff import backoff
from shared.interactions import MalformedInteractionError
from shared.presses import NotHereError, Presses
from shared.redis_client import StoreUnavailableError

PING = 5.0
"""Seconds between pings. A connection over which nothing comes back for a few of these is given up."""

LOOK = 0.25
"""Seconds between looks whether the connection is still there."""

LASTING = 10.0
"""Seconds after which the end of a connection is nothing unusual: the next one is opened at once."""

LONGEST_PAUSE = timedelta(seconds=30)
LAST_ANSWERS = 3.0
"""Seconds for presses that are being taken when we are told to stop."""


class SocketMode:
    """Has slack-sdk keep one connection, and makes a new one of each that is lost: slack-sdk's own reconnecting tries a spent address
    for ever, and every two seconds where Slack allows one call a minute."""

    def __init__(
        self, presses: Presses, app_token: str, api_url: str, timeout: timedelta, stopping: asyncio.Event
    ) -> None:
        self._presses = presses
        self._token = app_token
        self._api_url = api_url
        self._timeout = timeout
        self._stopping = stopping
        self._connected = False
        self._taking = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._log = structlog.get_logger()

    async def check(self) -> str:
        """For people who look, and no reason to be called unready: messages go out all the same, and a notifier that is taken out of
        service would not connect any sooner."""
        return (
            "ok" if self._connected else "ok: not connected; presses of buttons reach other notifiers, if any"
        )

    async def run(self) -> None:
        """Until we are told to stop, however often it takes."""
        failed = 0
        while not self._stopping.is_set():
            client = self._client()
            try:
                await self._unless_stopping(self._connect(client))
                lasted = await self._while_connected(client)
                failed = 0 if lasted > LASTING else failed + 1
            except (
                Exception
            ) as error:  # its text may hold the address of a connection, and with it the right to use it
                failed += 1
                self._log.warning("socket_mode_failed", error=told_of_app_token(_word(error)), attempt=failed)
            finally:
                await self._close(client)
            await self._pause(failed)

    async def _connect(self, client: SocketModeClient) -> None:
        async with asyncio.timeout(self._timeout.total_seconds()):
            client.wss_uri = await client.issue_new_wss_url()
            await client.connect()  # type: ignore[no-untyped-call]
        self._tell(connected=True)

    async def _while_connected(self, client: SocketModeClient) -> float:
        """How many seconds that was. Also while slack-sdk replaces the connection because Slack asked for a new one."""
        began, lost_for = time.monotonic(), 0.0
        while lost_for < self._timeout.total_seconds() and not self._stopping.is_set():
            if await client.is_connected():
                lost_for = 0.0
            elif not client.connect_operation_lock.locked():
                break
            lost_for += LOOK
            await self._stopped_within(LOOK)
        return time.monotonic() - began

    async def _unless_stopping(self, work: Coroutine[None, None, None]) -> None:
        """Slack may keep us waiting for longer than whoever stops us would."""
        task, stopped = asyncio.create_task(work), asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _pause(self, failed: int) -> None:
        if failed:
            await self._stopped_within(min(backoff(failed), LONGEST_PAUSE).total_seconds())

    async def _stopped_within(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _close(self, client: SocketModeClient) -> None:
        """What is being taken is answered first."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), LAST_ANSWERS)
        await client.close()  # type: ignore[no-untyped-call]
        tasks = (client.message_processor, client.current_session_monitor, client.message_receiver)
        await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)
        self._tell(connected=False)

    def _tell(self, *, connected: bool) -> None:
        metrics.SOCKET_CONNECTED.set(connected)
        if connected != self._connected:
            self._connected = connected
            self._log.info("socket_mode", connected=connected)

    async def _on_request(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        self._taking += 1
        self._idle.clear()
        try:
            if await self._take(request):
                await client.send_socket_mode_response(SocketModeResponse(request.envelope_id))
        except Exception as error:  # the connection went: Slack tells another one, and the press counts once
            self._log.warning("press_not_answered", error=type(error).__name__)
        finally:
            self._taking -= 1
            if not self._taking:
                self._idle.set()

    async def _take(self, request: SocketModeRequest) -> bool:
        """Whether Slack should hear that it arrived: not while it may still be lost, nor where somebody else may know more of it."""
        try:
            if request.type == "interactive":
                await self._presses.take(request.payload)
        except MalformedInteractionError as error:  # a copy of it would be no better
            self._log.warning("interaction_refused", why=str(error))
        except NotHereError as error:
            self._log.warning("press_not_taken", error=str(error))
            return False
        except (StoreUnavailableError, TimeoutError) as error:
            self._log.error("press_not_taken", error=str(error) or "Redis took too long")
            return False
        return True

    def _client(self) -> SocketModeClient:
        seconds = round(self._timeout.total_seconds()) or 1
        web = AsyncWebClient(base_url=self._api_url, timeout=seconds, retry_handlers=[])
        client = SocketModeClient(
            self._token,
            _silent(),
            web,
            auto_reconnect_enabled=False,
            ping_interval=PING,
        )
        client.socket_mode_request_listeners.append(self._on_request)
        return client


def _word(error: Exception) -> str:
    try:
        return str(classify(error))
    except Exception:
        return type(error).__name__


def _silent() -> logging.Logger:
    """slack-sdk logs addresses of connections, which whoever reads them could use; what matters we say ourselves."""
    logger = logging.getLogger("ackstream.socket_mode")
    logger.propagate = False
    logger.setLevel(logging.CRITICAL + 1)
    return logger

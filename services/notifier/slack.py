"""Slack's Web API as the notifier needs it: post, edit, and say what a failure means. It never repeats a call by itself."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any, cast

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from shared import metrics
from shared.backoff import LONGEST_RETRY_AFTER


class Failure(StrEnum):
    """What a failed call means for the next one."""

    TRANSIENT = "transient"
    """Not taken; try again later."""
    AMBIGUOUS = "ambiguous"
    """Perhaps taken, the answer is lost."""
    NEEDS_PERSON = "needs_person"
    """Not taken, and will not be before somebody mends the token, the scopes or the channel."""
    CONTENT = "content"
    """Not taken because of what it says; a plainer message may pass."""
    MESSAGE_GONE = "message_gone"
    """The message to edit is not there (any more)."""


_BY_ERROR = {
    **dict.fromkeys(("fatal_error", "internal_error"), Failure.AMBIGUOUS),
    **dict.fromkeys(
        (
            *(
                "invalid_auth",
                "not_authed",
                "token_revoked",
                "token_expired",
                "account_inactive",
                "missing_scope",
            ),
            *("not_in_channel", "channel_not_found", "is_archived", "restricted_action", "no_permission"),
            *("not_allowed_token_type", "org_login_required", "ekm_access_denied", "access_denied"),
            *(
                "restricted_action_read_only_channel",
                "restricted_action_thread_only_channel",
                "cant_update_message",
            ),
            # chat.update's words for an archived channel, and for a workspace where messages may not be edited (so late)
            *("is_inactive", "edit_window_closed"),
        ),
        Failure.NEEDS_PERSON,
    ),
    **dict.fromkeys(
        (
            *("invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long", "no_text"),
            *("invalid_attachments", "too_many_attachments", "metadata_too_large", "invalid_metadata_format"),
            *("attachment_payload_limit_exceeded", "markdown_text_conflict"),
        ),
        Failure.CONTENT,
    ),
    **dict.fromkeys(("message_not_found", "thread_not_found"), Failure.MESSAGE_GONE),
}
"""Slack's documented errors; the ones that are not here (ratelimited, service_unavailable, new ones) are worth a retry."""


HISTORY = "conversations.history"
"""Slack counts its calls by themselves, those for all channels together."""

REPLIES = "conversations.replies"
READING = {HISTORY: "GET", REPLIES: "GET", "conversations.info": "GET"}
PAGE, PAGES = 200, 5
"""Messages per page of a channel's history or a thread, and how many pages we look at."""


class SlackCallError(Exception):
    """A call that did not succeed. The message is Slack's own word where there is one. `needed`: the scope that is missing."""

    def __init__(
        self, failure: Failure, error: str, retry_after: timedelta = timedelta(0), needed: str = ""
    ) -> None:
        super().__init__(error)
        self.failure = failure
        self.retry_after = retry_after
        self.needed = needed


@dataclass(frozen=True)
class Posted:
    channel: str
    """As Slack names it: a channel that was given by #name has an id here."""
    ts: str


@dataclass(frozen=True)
class Found:
    """A message of ours in a channel's history. `revision`: the incident's that it shows."""

    ts: str
    revision: int


@dataclass(frozen=True)
class Identity:
    """Whose the token is. `scopes`: None when Slack does not say."""

    name: str
    team: str
    scopes: frozenset[str] | None


@dataclass(frozen=True)
class Conversation:
    """`name`: empty for direct messages."""

    name: str
    is_member: bool
    is_private: bool
    is_archived: bool


UNFURL_NOTHING = {"unfurl_links": False, "unfurl_media": False}


class Slack:
    """Opens its connections on first use; `close` ends them."""

    def __init__(self, token: str, api_url: str, timeout: timedelta) -> None:
        self._token = token
        self._api_url = api_url.rstrip("/") + "/"
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def post(self, channel: str, message: dict[str, Any]) -> Posted:
        """chat.postMessage; Slack is told to follow none of the links. Raises SlackCallError."""
        answer = await self._call("chat.postMessage", {"channel": channel, **UNFURL_NOTHING, **message})
        return Posted(answer.get("channel", channel), answer["ts"])

    async def reply(self, channel: str, thread: str, message: dict[str, Any]) -> Posted:
        """chat.postMessage in the thread of message `thread`. Raises SlackCallError."""
        return await self.post(channel, {"thread_ts": thread, **message})

    async def whisper(self, channel: str, user: str, text: str) -> None:
        """chat.postEphemeral: only `user` sees it, and only until they reload. Raises SlackCallError."""
        await self._call("chat.postEphemeral", {"channel": channel, "user": user, "text": text})

    async def update(self, channel: str, ts: str, message: dict[str, Any]) -> None:
        """chat.update. Raises SlackCallError."""
        await self._call("chat.update", {"channel": channel, "ts": ts, **message})

    async def delete(self, channel: str, ts: str) -> None:
        """chat.delete. Raises SlackCallError."""
        await self._call("chat.delete", {"channel": channel, "ts": ts})

    async def find(self, channel: str, id_: str, since: datetime, field: str = "incident_id") -> list[Found]:
        """Our messages for the incident (or what else `field` of their metadata names) among the latest of `channel`, by their metadata, oldest first; more than one is one too
        many. Looks no further back than the page that has one. Needs a history scope. Raises SlackCallError."""
        found = []
        arguments = {
            "channel": channel,
            "oldest": f"{since.timestamp():.6f}",
            "include_all_metadata": "true",
            "limit": PAGE,
        }
        for _ in range(PAGES):
            answer = await self._call(HISTORY, arguments)
            for message in answer.get("messages", []):
                payload = message.get("metadata", {}).get("event_payload", {})
                if payload.get(field) == id_:
                    found.append(Found(message["ts"], int(payload.get("revision", 0))))
            cursor = answer.get("response_metadata", {}).get("next_cursor")
            if found or not cursor:
                break
            arguments["cursor"] = cursor
        return found[::-1]

    async def identity(self) -> Identity:
        """auth.test. Raises SlackCallError."""
        answer = await self._answer("auth.test", {})
        headers = {name.lower(): value for name, value in dict(answer.headers).items()}
        granted = headers.get("x-oauth-scopes")
        scopes = None if granted is None else frozenset(scope.strip() for scope in granted.split(","))
        return Identity(answer.get("user") or "", answer.get("team") or "", scopes)

    async def conversation(self, channel: str) -> Conversation:
        """conversations.info. Raises SlackCallError."""
        answer = await self._call("conversations.info", {"channel": channel})
        seen = answer.get("channel") or {}
        direct = bool(seen.get("is_im") or seen.get("is_mpim"))
        return Conversation(
            seen.get("name", ""),
            is_member=bool(seen.get("is_member", direct)) or direct,
            is_private=bool(seen.get("is_private", direct)),
            is_archived=bool(seen.get("is_archived", False)),
        )

    async def offer_connection(self) -> None:
        """apps.connections.open, which wants an app-level token; the connection is not taken. Raises SlackCallError."""
        await self._call("apps.connections.open", {})

    async def told_up_to(self, channel: str, thread: str, incident_id: str, since: datetime) -> int:
        """The last note of the incident that one of our replies tells, by their metadata; 0: none does. Looks from `since`
        on: Slack hands out a thread from its beginning. Needs a history scope. Raises SlackCallError."""
        told = 0
        arguments = {
            "channel": channel,
            "ts": thread,
            "oldest": f"{since.timestamp():.6f}",
            "include_all_metadata": "true",
            "limit": PAGE,
        }
        for _ in range(PAGES):
            answer = await self._call(REPLIES, arguments)
            for message in answer.get("messages", []):
                payload = message.get("metadata", {}).get("event_payload", {})
                if payload.get("notes_of") == incident_id:
                    told = max(told, int(payload["upto"]))
            cursor = answer.get("response_metadata", {}).get("next_cursor")
            if not cursor:
                break
            arguments["cursor"] = cursor
        return told

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    async def _call(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return cast("dict[str, Any]", (await self._answer(method, arguments)).data)

    async def _answer(self, method: str, arguments: dict[str, Any]) -> AsyncSlackResponse:
        """With a JSON object as its data. Raises SlackCallError."""
        started = time.monotonic()
        try:
            # What only reads takes its arguments from the query.
            given = {"params": arguments} if method in READING else {"json": arguments}
            answer = await self._client().api_call(method, http_verb=READING.get(method, "POST"), **given)
            if not isinstance(answer.data, dict) or (
                method == "chat.postMessage" and not answer.data.get("ts")
            ):
                raise SlackCallError(Failure.AMBIGUOUS, "Slack's answer has no message in it")
        except Exception as error:
            failed = error if isinstance(error, SlackCallError) else classify(error)
            metrics.DELIVERIES.labels(method, failed.failure).inc()
            raise failed from None  # the original's text may hold the request, and with it the token
        finally:
            metrics.DELIVERY_SECONDS.labels(method).observe(time.monotonic() - started)
        metrics.DELIVERIES.labels(method, "ok").inc()
        return answer

    def _client(self) -> AsyncWebClient:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(self._timeout.total_seconds())
            )
        # slack-sdk's default handler repeats a POST after a dropped connection: two messages.
        return AsyncWebClient(
            self._token,
            base_url=self._api_url,
            timeout=round(self._timeout.total_seconds()) or 1,
            session=self._session,
            retry_handlers=[],
        )


def classify(error: Exception) -> SlackCallError:
    """What an exception out of slack-sdk or aiohttp means."""
    if isinstance(error, SlackApiError):
        return _classify_answer(error)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return SlackCallError(Failure.TRANSIENT, "cannot connect to Slack")
    if isinstance(error, TimeoutError):
        return SlackCallError(Failure.AMBIGUOUS, "Slack did not answer in time")
    # AttributeError: slack-sdk's own, about a 200 whose body is plain text.
    if isinstance(error, aiohttp.ClientError | SlackClientError | OSError | ValueError | AttributeError):
        return SlackCallError(Failure.AMBIGUOUS, f"connection to Slack broke ({type(error).__name__})")
    raise error


def _classify_answer(error: SlackApiError) -> SlackCallError:
    response = error.response
    status = getattr(response, "status_code", 200)  # an answer that is no JSON comes as something else
    data = getattr(response, "data", None)
    data = data if isinstance(data, dict) else {}
    word = data.get("error", "")
    if status == HTTPStatus.TOO_MANY_REQUESTS or word in ("ratelimited", "rate_limited"):
        return SlackCallError(
            Failure.TRANSIENT, "ratelimited", _retry_after(getattr(response, "headers", {}))
        )
    if word:
        failure, needed = _BY_ERROR.get(word, Failure.TRANSIENT), str(data.get("needed") or "")
        return SlackCallError(failure, word, needed=needed)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return SlackCallError(Failure.TRANSIENT, f"Slack answered {status}")
    return SlackCallError(Failure.AMBIGUOUS, "Slack's answer is not JSON")


def _retry_after(headers: Any) -> timedelta:
    for name, value in dict(headers).items():
        if name.lower() == "retry-after" and str(value).isdecimal():
            return min(timedelta(seconds=int(str(value)[:6])), LONGEST_RETRY_AFTER)
    return timedelta(seconds=1)

"""OAuth 2.0 tokens of an instance: asked for when they are needed, kept as long as they are good, one question at a time.

`POST /oauth_token.do`, form-encoded, is ServiceNow's token endpoint; within a token's life it answers with that same token:
https://www.servicenow.com/docs, "OAuth API request parameters". There is no use for refresh tokens: we have what it takes to ask
anew, and one secret less to keep.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from services.escalator.trouble import trouble_of
from shared.config_access import AccessConfig
from shared.plain_text import one_line, shortened

PATH = "/oauth_token.do"

MARGIN = 30.0
"""Seconds before its end from which a token is not used any more, so that it does not end on the way; of a short life, half."""

USUAL_LIFE = 1800.0
"""Seconds; ServiceNow's default, for answers that do not say."""

NEEDS_PERSON = (400, 401, 403, 404)


class NotAskedError(Exception):
    """The call was not made: it surely had no effect. The message is for people.

    `needs_person`: it will not heal by itself. `put_off`: nobody was asked for anything, it is no attempt.
    """

    def __init__(
        self,
        message: str,
        *,
        needs_person: bool = False,
        put_off: bool = False,
        retry_after: timedelta = timedelta(0),
    ) -> None:
        super().__init__(message)
        self.needs_person = needs_person
        self.put_off = put_off
        self.retry_after = retry_after


@dataclass(frozen=True)
class Token:
    """`good_until`: monotonic seconds."""

    text: str = field(repr=False)
    good_until: float


def form_of(access: AccessConfig) -> dict[str, str]:
    """What to ask for a token with: secrets, not for logs."""
    secret = access.client_secret.get_secret_value() if access.client_secret else ""
    form = {"grant_type": "client_credentials", "client_id": access.client_id or "", "client_secret": secret}
    if access.auth == "oauth_password":
        password = access.password.get_secret_value() if access.password else ""
        form |= {"grant_type": "password", "username": access.username or "", "password": password}
    return form


class Tokens:
    """`form`: what is asked with; no error repeats what stands in it."""

    def __init__(self, form: dict[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        self.form = form
        self._clock = clock
        self._token: Token | None = None
        self._asking = asyncio.Lock()

    async def get(self, ask: Callable[[], Awaitable[httpx.Response]], until: float | None = None) -> str:
        """A token that is good. `ask` posts the form, within a time limit of its own. `until`: the loop's time up to which it is waited
        for somebody else who asks. Raises NotAskedError."""
        try:
            # Not around the asking: who is cut short from outside cannot tell anybody that no answer came.
            async with asyncio.timeout_at(until):
                await self._asking.acquire()
        except TimeoutError:
            raise NotAskedError("cannot sign in: no answer in time") from None
        try:
            if self._token is None or self._clock() >= self._token.good_until:
                self._token = self._read(await _answer(ask))
            return self._token.text
        finally:
            self._asking.release()

    def forget(self, text: str) -> None:
        """It was refused. Should somebody have a newer one by now, that one stays."""
        if self._token and self._token.text == text:
            self._token = None

    def _read(self, response: httpx.Response) -> Token:
        answer = _object(response)
        text = answer.get("access_token")
        if response.status_code != httpx.codes.OK:
            raise NotAskedError(
                f"cannot sign in: {PATH} answered {response.status_code}{self._why(answer)}",
                needs_person=response.status_code in NEEDS_PERSON or response.is_redirect,
                retry_after=retry_after(response),
            )
        if not isinstance(text, str) or not text or not text.isascii() or not text.isprintable():
            raise NotAskedError(f"cannot sign in: {PATH} answered 200 without a token")
        life = _seconds(answer.get("expires_in"))
        return Token(text, self._clock() + life - min(MARGIN, life / 2))

    def _why(self, answer: dict[str, object]) -> str:
        """The instance's own words, as long as none of our secrets is in them."""
        words = [
            shortened(one_line(answer[key]), 100) for key in ("error", "error_description") if answer.get(key)
        ]
        secrets = [self.form[key] for key in ("client_secret", "password") if self.form.get(key)]
        safe = [word for word in words if not any(secret in word for secret in secrets)]
        return f" ({', '.join(safe)})" if safe else ""


async def _answer(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    try:
        return await ask()
    except (httpx.HTTPError, TimeoutError) as error:
        trouble = trouble_of(error)
        raise NotAskedError(f"cannot sign in: {trouble.words}", needs_person=trouble.needs_person) from None


def retry_after(response: httpx.Response) -> timedelta:
    """What the answer says about when to come back; zero: nothing."""
    value = response.headers.get("retry-after", "")
    return timedelta(seconds=int(value[:6])) if value.isdecimal() else timedelta(0)


def document_of(response: httpx.Response) -> Any:
    """Its body, read as JSON. Raises ValueError, also where it is nested deeper than the parser goes."""
    try:
        return response.json()
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _object(response: httpx.Response) -> dict[str, object]:
    try:
        answer = document_of(response)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _seconds(value: object) -> float:
    """Some versions answer with a text."""
    try:
        seconds = float(value)  # type: ignore[arg-type]  # what is no number is an error that we catch
    except (TypeError, ValueError):
        return USUAL_LIFE
    return min(max(seconds, 0.0), USUAL_LIFE * 48)

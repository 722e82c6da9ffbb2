"""A webhook that on-call can lead to: where it listens, and the secret that signs what it gets."""

import base64
import binascii
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from shared.config_section import Section
from shared.config_values import ProxyUrl, Seconds, WebhookUrl

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a secret, as https://www.standardwebhooks.com has it."""


def signing_key(secret: SecretStr) -> bytes:
    """What the secret stands for. Raises ValueError."""
    text = secret.get_secret_value().removeprefix(PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(
            f"should be base64 of {SHORTEST} to {LONGEST} random bytes, with or without {PREFIX} before it; "
            "`openssl rand -base64 32` makes one"
        )
    return key


def _signs(secret: SecretStr) -> SecretStr:
    signing_key(secret)
    return secret


class WebhookConfig(Section):
    url: WebhookUrl | None = Field(
        None,
        description="Where the webhook listens. It may have a key in it, and is told nowhere. Required where on-call leads there, with "
        "`provider` or `steps`. See [On-call](oncall.md#webhook).",
    )
    secret: Annotated[SecretStr, AfterValidator(_signs)] | None = Field(
        None,
        description="Signs what is sent, as Standard Webhooks says: base64 of 24 to 64 random bytes, with or without `whsec_` before it. "
        "Required with `url`.",
    )
    on_acknowledge: bool = Field(
        True, description="Tell it, too, that somebody has the incident, or nobody any more."
    )
    on_update: bool = Field(False, description="And that alerts have joined or left it.")
    on_resolve: bool = Field(True, description="And that it is over.")
    timeout_seconds: Seconds = Field(15, description="How long a call may take as a whole.")
    concurrency: Annotated[int, Field(ge=1, le=100)] = Field(
        8, description="Calls that it gets at a time from each escalator."
    )
    ca_cert: Path | None = Field(
        None, description="File with the CA certificates to trust instead of the usual ones, in PEM."
    )
    proxy: ProxyUrl | None = Field(
        None,
        description="`http://[user:password@]host:port` of the proxy that leads there. Empty: what the environment's `HTTPS_PROXY` and "
        "`NO_PROXY` say.",
    )
    allow_http: bool = Field(
        False, description="Let alerts travel unencrypted to an `http://` URL of another machine."
    )

    @property
    def timeout(self) -> timedelta:
        return timedelta(seconds=self.timeout_seconds)

    @property
    def is_complete(self) -> bool:
        return bool(self.url and self.secret)

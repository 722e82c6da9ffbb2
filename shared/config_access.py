"""Who we are to a ServiceNow instance."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from shared.config_section import Section, lower
from shared.config_values import ProxyUrl

Auth = Literal["basic", "oauth_client_credentials", "oauth_password", "certificate"]

NEEDED: dict[str, tuple[str, ...]] = {
    "basic": ("username", "password"),
    "oauth_client_credentials": ("client_id", "client_secret"),
    "oauth_password": ("client_id", "client_secret", "username", "password"),
    "certificate": ("client_cert",),
}
"""The keys that each way of signing in needs."""

CREDENTIALS = ("auth", "username", "password", "client_id", "client_secret")
CERTIFICATE = ("client_cert", "client_key")
TOGETHER = (CREDENTIALS, CERTIFICATE)
"""What goes together: one of them given for an instance replaces all."""


class AccessConfig(Section):
    auth: Annotated[Auth, BeforeValidator(lower)] = Field(
        "basic",
        description="How we sign in: `basic` (user name and password), `oauth_client_credentials`, `oauth_password` (OAuth 2.0 in the "
        "name of that user), or `certificate` (mutual TLS alone). See [ServiceNow](servicenow-client.md#signing-in).",
    )
    username: str | None = Field(
        None,
        description="Integration user. Required, as is what follows, where `auth` needs it and on-call is enabled.",
    )
    password: SecretStr | None = Field(None, description="Its password.")
    client_id: str | None = Field(None, description="Of the application registry's entry, for OAuth.")
    client_secret: SecretStr | None = Field(None, description="Its secret.")
    ca_cert: Path | None = Field(
        None, description="File with the CA certificates to trust instead of the usual ones, in PEM."
    )
    client_cert: Path | None = Field(
        None, description="File with our own certificate and its chain, in PEM, for mutual TLS."
    )
    client_key: Path | None = Field(
        None, description="File with its key, without a passphrase. Empty: it stands in the same file."
    )
    proxy: ProxyUrl | None = Field(
        None,
        description="`http://[user:password@]host:port` of the proxy that leads to ServiceNow. Empty: what the environment's "
        "`HTTPS_PROXY` and `NO_PROXY` say.",
    )

    def over(self, shared: "AccessConfig") -> "AccessConfig":
        """An instance's own, with what it leaves to the shared one. A password never meets another one's user name."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        for group in TOGETHER:
            if not given.keys().isdisjoint(group):
                given |= {name: getattr(self, name) for name in group}
        inherited = {name: getattr(shared, name) for name in AccessConfig.model_fields}
        return AccessConfig(**inherited | given)

    @property
    def is_complete(self) -> bool:
        """Whether there is all that it takes to sign in."""
        return all(getattr(self, key) for key in NEEDED[self.auth])

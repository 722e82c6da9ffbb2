"""Who we are to a ServiceNow instance."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from shared.config_section import Section, lower

Auth = Literal["basic", "oauth_client_credentials", "oauth_password"]

NEEDED: dict[str, tuple[str, ...]] = {
    "basic": ("username", "password"),
    "oauth_client_credentials": ("client_id", "client_secret"),
    "oauth_password": ("client_id", "client_secret", "username", "password"),
}
"""The keys that each way of signing in needs."""

CREDENTIALS = ("auth", *dict.fromkeys(key for keys in NEEDED.values() for key in keys))
"""They go together: one given for an instance replaces all."""


class AccessConfig(Section):
    auth: Annotated[Auth, BeforeValidator(lower)] = Field(
        "basic",
        description="How we sign in: `basic` (user name and password), `oauth_client_credentials`, or `oauth_password` (OAuth 2.0 in the "
        "name of that user). See [ServiceNow](servicenow-client.md#signing-in).",
    )
    username: str | None = Field(
        None,
        description="Integration user. Required, as is what follows, where `auth` needs it and on-call is enabled.",
    )
    password: SecretStr | None = Field(None, description="Its password.")
    client_id: str | None = Field(None, description="Of the application registry's entry, for OAuth.")
    client_secret: SecretStr | None = Field(None, description="Its secret.")

    def over(self, shared: "AccessConfig") -> "AccessConfig":
        """An instance's own, with what it leaves to the shared one. A password never meets another one's user name."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        if not given.keys().isdisjoint(CREDENTIALS):
            given = {
                name: getattr(self, name) for name in CREDENTIALS if name in type(self).model_fields
            } | given
        inherited = {name: getattr(shared, name) for name in AccessConfig.model_fields}
        return AccessConfig(**inherited | given)

    @property
    def is_complete(self) -> bool:
        """Whether there is all that it takes to sign in."""
        return all(getattr(self, key) for key in NEEDED[self.auth])

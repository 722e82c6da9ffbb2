"""OAuth 2.0 as an instance does it: `oauth_token.do` gives tokens that end by themselves or are revoked."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

CLIENT_ID, CLIENT_SECRET = "sandbox-client", "sandbox-client-secret"


@dataclass(frozen=True)
class Token:
    text: str
    instance: str
    user: str
    until: float


class Tokens:
    """Of all instances. `lifetime`: seconds. Within it, who asks again gets the token that they have."""

    def __init__(self, clock: Callable[[], float], lifetime: float = 1800) -> None:
        self.lifetime = lifetime
        self._clock = clock
        self._tokens: dict[str, Token] = {}

    def grant(self, instance: str, user: str) -> Mapping[str, object]:
        """The answer to who has shown who they are."""
        now = self._clock()
        mine = [
            token for token in list(self._tokens.values()) if (token.instance, token.user) == (instance, user)
        ]
        token = next((token for token in mine if token.until > now), None)
        if token is None:
            token = Token(secrets.token_urlsafe(60), instance, user, now + self.lifetime)
            self._tokens[token.text] = token
        left = int(token.until - now)
        return {
            "access_token": token.text,
            "scope": "useraccount",
            "token_type": "Bearer",
            "expires_in": left,
        }

    def user_of(self, instance: str, text: str) -> str:
        """Whose it is; empty: it is not good here, or no more."""
        token = self._tokens.get(text)
        good = token is not None and token.instance == instance and token.until > self._clock()
        return token.user if token and good else ""

    def revoke(self, instance: str = "") -> None:
        """All, or those of one instance."""
        self._tokens = {
            text: token for text, token in self._tokens.items() if instance not in ("", token.instance)
        }

"""Who may send notifications: everybody, or whoever shows the configured token or user name and password."""

import base64
import hmac

from shared.config import IngestAuthConfig


class Authorization:
    """Compares in constant time, so that an answer's delay tells nothing about the secret."""

    def __init__(self, config: IngestAuthConfig) -> None:
        self._accepted = _accepted(config)
        self.challenge = 'Basic realm="ackstream"' if config.username else "Bearer"

    def allows(self, header: str | None) -> bool:
        """`header`: the value of Authorization, if there is one."""
        if not self._accepted:
            return True
        scheme, _, credentials = (header or "").partition(" ")
        shown = f"{scheme.capitalize()} {credentials.strip()}".encode("latin-1", "replace")
        return any([hmac.compare_digest(shown, accepted) for accepted in self._accepted])  # noqa: C419  look at every one


def header_for(config: IngestAuthConfig) -> dict[str, str]:
    """The header that a sender must show; empty where everybody may send."""
    accepted = _accepted(config)
    return {"Authorization": accepted[0].decode()} if accepted else {}


def _accepted(config: IngestAuthConfig) -> list[bytes]:
    """Values of the Authorization header that are let in."""
    accepted = []
    if config.bearer_token:
        accepted.append(b"Bearer " + config.bearer_token.get_secret_value().encode())
    if config.username and config.password:
        pair = f"{config.username}:{config.password.get_secret_value()}".encode()
        accepted.append(b"Basic " + base64.b64encode(pair))
    return accepted

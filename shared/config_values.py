"""Kinds of configuration values that several keys share, with messages for the person who wrote them.

No message here repeats the value: a URL may carry a password, and a token is one.
"""

import ipaddress
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, SecretStr

from shared.sentinels import SCHEMES, SentinelUrl


@dataclass(frozen=True)
class Variable:
    """Marks a field: the environment variable that wins over the file when it is set and not empty."""

    name: str


def base_url(url: str) -> str:
    """`url` without a slash at its end. Raises ValueError unless it is http(s) with a host and without credentials."""
    if not url:
        return url
    parts = _split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("should be a URL that begins with https:// or http://")
    if "@" in parts.netloc:
        raise ValueError("should be a URL without a user name or password in it")
    if "?" in url or "#" in url:
        raise ValueError("should be a URL without ? or # in it")
    return url.rstrip("/")


def url_with_slash(url: str) -> str:
    return base_url(url) + "/"


def is_private_enough(url: str) -> bool:
    """Whether credentials may travel to `url`: encrypted, or without leaving this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or _is_loopback(parts.hostname or "")


def redis_url(secret: SecretStr) -> SecretStr:
    """Raises ValueError unless it is a URL that a Redis client understands."""
    url = secret.get_secret_value()
    _printable(url)
    if url.partition("://")[0] in SCHEMES:
        SentinelUrl.parse(url)
        return secret
    parts = _split(url)
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ValueError(
            "should be a URL that begins with redis://, rediss://, unix://, redis+sentinel:// or rediss+sentinel://"
        )
    if not (parts.path if parts.scheme == "unix" else parts.hostname):
        raise ValueError("should be a URL with a host, or with a path after unix://")
    if parts.scheme != "unix" and parts.path.strip("/") and not parts.path.strip("/").isdecimal():
        raise ValueError("should have nothing but the number of the database after the host")
    return secret


def proxy_url(secret: SecretStr) -> SecretStr:
    """Raises ValueError unless it is the URL of an HTTP proxy; a user name and a password may be in it."""
    parts = _split(secret.get_secret_value())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
        raise ValueError("should be a URL such as http://proxy.example.com:3128")
    return secret


def webhook_url(secret: SecretStr) -> SecretStr:
    """Raises ValueError unless it is http(s) with a host. What follows may be anything: a key, often."""
    url = secret.get_secret_value()
    parts = _split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("should be a URL that begins with https:// or http://")
    if "@" in parts.netloc or "#" in url:
        raise ValueError("should be a URL without a user name, a password or # in it")
    return secret


def host_name(host: str) -> str:
    if any(character.isspace() or character in "/@" for character in host):
        raise ValueError("should be a host name or an address alone; a whole URL belongs in redis.url")
    if ":" in host and not _is_address(host.strip("[]")):
        raise ValueError("should be a host name or an address alone; the port belongs in redis.port")
    return host.strip("[]")


def one_word(secret: SecretStr) -> SecretStr:
    """For what travels in a header, where a line break from a copied file would fail at every request."""
    text = secret.get_secret_value()
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError(
            "should have no spaces, line breaks or special characters in it; is it still a placeholder?"
        )
    return secret


def _printable(url: str) -> None:
    if not url.isprintable() or " " in url:  # urlsplit would quietly drop line breaks and tabs
        raise ValueError("should be a URL without spaces or line breaks in it")


def _split(url: str) -> SplitResult:
    _printable(url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("should be a URL whose host and port are valid") from None
    if port == 0:
        raise ValueError("should be a URL whose host and port are valid")
    return parts


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=300, allow_inf_nan=False)]
Concurrency = Annotated[int, Field(ge=1, le=1000)]
BaseUrl = Annotated[str, AfterValidator(base_url)]
UrlWithSlash = Annotated[str, AfterValidator(url_with_slash)]
RedisUrl = Annotated[SecretStr, AfterValidator(redis_url)]
ProxyUrl = Annotated[SecretStr, AfterValidator(proxy_url)]
WebhookUrl = Annotated[SecretStr, AfterValidator(webhook_url)]
HostName = Annotated[str, AfterValidator(host_name)]
Token = Annotated[SecretStr, AfterValidator(one_word)]

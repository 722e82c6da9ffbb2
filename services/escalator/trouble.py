"""Why a call came to nothing, in words for people: what OpenSSL and proxies say, and how it is mended."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""The only failures after which the request surely did not arrive."""

GATEWAY_LOST_IT = (502, 504)
"""A proxy in front gave up waiting; the server behind it may go on."""

HOSTNAME_MISMATCH, EXPIRED = 62, 10
"""OpenSSL's verify codes."""

REFUSED_OURS = (
    *("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "BAD_CERTIFICATE", "UNKNOWN_CA"),
    *("CERTIFICATE_UNKNOWN", "CERTIFICATE_EXPIRED", "ACCESS_DENIED"),
)
"""Alerts by which a server says that it does not like who we are; a part of OpenSSL's reason."""


@dataclass(frozen=True)
class Trouble:
    """`needs_person`: it will not heal by itself."""

    words: str
    needs_person: bool = False


def trouble_of(error: Exception, block: str = "oncall.servicenow") -> Trouble:
    """What an error of httpx, or a time-out, means. Names nothing that is secret. `block`: of the configuration."""
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return Trouble("no answer in time")
    if isinstance(error, httpx.ProxyError):
        return Trouble(f"the proxy does not let us through ({str(error)[:80]}): check {block}.proxy", True)
    for cause in _causes(error):
        if trouble := _of_cause(cause, block):
            return trouble
    return Trouble(f"connection failed ({type(error).__name__})")


def _of_cause(cause: BaseException, block: str) -> Trouble | None:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Trouble(_about_theirs(cause, block), True)
    if isinstance(cause, ssl.SSLError) and any(word in (cause.reason or "") for word in REFUSED_OURS):
        mend = f"check {block}.client_cert and client_key"
        return Trouble(f"it refuses our client certificate, or misses one ({cause.reason}): {mend}", True)
    if isinstance(cause, socket.gaierror):  # which may be DNS itself, and heal
        return Trouble("the host name cannot be looked up: check the URL, or the proxy, and DNS")
    if isinstance(cause, ConnectionRefusedError):
        return Trouble("nobody listens there: check the URL, or the proxy")
    return None


def _about_theirs(error: ssl.SSLCertVerificationError, block: str) -> str:
    if error.verify_code == HOSTNAME_MISMATCH:
        return "its certificate is for another host: check the instance URL"
    if error.verify_code == EXPIRED:
        return "its certificate has expired"
    return (
        f"its certificate is not trusted ({error.verify_message}): name the file of its CA in {block}.ca_cert"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

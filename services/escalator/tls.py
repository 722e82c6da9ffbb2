"""Whom we trust, and by which certificate we are known."""

import ssl
from pathlib import Path

import httpx

from shared.config_access import AccessConfig

BLOCK = "oncall.servicenow"


class CertificateError(Exception):
    """A file that the configuration names cannot be used. The message names the key, the file, and why."""


def ssl_context(access: AccessConfig) -> ssl.SSLContext:
    """Verifies the server in any case. Raises CertificateError."""
    context = trusting(access.ca_cert, BLOCK)
    if access.client_cert:
        key = access.client_key or access.client_cert
        _readable(f"{BLOCK}.client_cert", access.client_cert)
        _readable(f"{BLOCK}.client_key", key)
        try:
            context.load_cert_chain(
                access.client_cert, key, password=lambda: ""
            )  # else OpenSSL would ask the terminal
        except (ssl.SSLError, ValueError) as error:
            raise CertificateError(
                f"{BLOCK}.client_cert: {access.client_cert} and {key} are not a certificate and its key without a "
                f"passphrase, in PEM ({_reason(error)})"
            ) from None
    return context


def trusting(path: Path | None, block: str) -> ssl.SSLContext:
    """The CAs in that file, which `block` of the configuration names; None: the usual ones. Raises CertificateError."""
    if path is None:
        return httpx.create_ssl_context()
    _readable(f"{block}.ca_cert", path)
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise CertificateError(
            f"{block}.ca_cert: {path} has no certificates in PEM ({_reason(error)})"
        ) from None


def _readable(key: str, path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise CertificateError(
            f"{key}: {path} cannot be read: {error.strerror or type(error).__name__}"
        ) from None


def _reason(error: Exception) -> str:
    return (isinstance(error, ssl.SSLError) and error.reason) or type(error).__name__

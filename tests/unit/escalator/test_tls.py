"""A real TLS server with certificates of a throwaway CA: whom we trust, who we are, and what is said when it does not fit."""

import asyncio
import base64
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from sandbox.server import Running, running
from services.escalator.instances import Instances
from services.escalator.servicenow import ServiceNow
from services.escalator.target import EscalationError
from services.escalator.tls import CertificateError, ssl_context
from shared.config import ServiceNowConfig
from shared.config_access import AccessConfig
from tests.episodes import incident_id

ID = incident_id(7)


@dataclass(frozen=True)
class Certificates:
    """Files in PEM. `client_cert` holds its key, too."""

    ca: Path
    server: Path
    other_ca: Path
    client_cert: Path


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    directory, ca, other_ca = tmp_path_factory.mktemp("tls"), trustme.CA(), trustme.CA()
    paths = Certificates(*(directory / f"{name}.pem" for name in ("ca", "server", "other-ca", "client")))
    ca.cert_pem.write_to_path(paths.ca)
    other_ca.cert_pem.write_to_path(paths.other_ca)
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(paths.server)
    ca.issue_cert("ackstream@example.com").private_key_and_cert_chain_pem.write_to_path(paths.client_cert)
    return paths


@pytest.fixture(scope="module")
def sandbox(certificates: Certificates) -> Iterator[Running]:
    with running(tls={"ssl_certfile": str(certificates.server)}) as started:
        yield started


@pytest.fixture(scope="module")
def mutual(certificates: Certificates) -> Iterator[Running]:
    """Lets nobody in who has no certificate of its CA."""
    demand = {"ssl_ca_certs": str(certificates.ca), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    with running(tls={"ssl_certfile": str(certificates.server), **demand}) as started:
        yield started


@asynccontextmanager
async def speaking(sandbox: Running, **access: Any) -> AsyncIterator[Instances]:
    settings = {
        "instance_url": sandbox.servicenow_url("main"),
        "username": "ackstream",
        "password": "sandbox",
        **access,
    }
    instances = Instances.of(ServiceNowConfig.model_validate(settings))
    yield instances
    await instances.close()


async def trouble(sandbox: Running, **access: Any) -> EscalationError:
    async with speaking(sandbox, **access) as instances:
        with pytest.raises(EscalationError) as caught:
            await ServiceNow(lambda _: "incident").find(instances.named(None), ID)
    return caught.value


async def works(sandbox: Running, **access: Any) -> None:
    async with speaking(sandbox, **access) as instances:
        assert await ServiceNow(lambda _: "incident").find(instances.named(None), ID) is None


async def test_a_private_ca_is_trusted_where_it_is_named(
    sandbox: Running, certificates: Certificates
) -> None:
    assert sandbox.url.startswith("https://")
    await works(sandbox, ca_cert=certificates.ca)


@pytest.mark.parametrize("ca", ["", "other_ca"])
async def test_a_ca_that_is_not_trusted_is_an_error_that_names_the_mend(
    sandbox: Running, certificates: Certificates, ca: str
) -> None:
    error = await trouble(sandbox, **({"ca_cert": getattr(certificates, ca)} if ca else {}))
    assert "its certificate is not trusted" in str(error)
    assert "name the file of its CA in oncall.servicenow.ca_cert" in str(error)
    assert (error.needs_person, error.in_doubt) == (True, False)


async def test_a_certificate_of_another_host_is_an_error_that_names_the_mend(
    sandbox: Running, certificates: Certificates
) -> None:
    by_another_name = sandbox.servicenow_url("main").replace("127.0.0.1", "localhost")
    error = await trouble(sandbox, instance_url=by_another_name, ca_cert=certificates.ca)
    assert "its certificate is for another host: check the instance URL" in str(error)
    assert error.needs_person


async def test_mutual_tls_alone_or_with_a_password(mutual: Running, certificates: Certificates) -> None:
    with_both = {"ca_cert": certificates.ca, "client_cert": certificates.client_cert}
    await works(mutual, **with_both)
    async with speaking(mutual, **with_both, auth="certificate") as instances:
        response = await instances.named(None).request("GET", "/api/now/table/incident")
    assert "authorization" not in response.request.headers


def demand_a_certificate(listening: socket.socket, certificates: Certificates) -> None:
    """Of one caller. The sandbox's server would hang up without the alert that others send."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates.ca)
    context.load_cert_chain(certificates.server)
    context.verify_mode = ssl.CERT_REQUIRED
    connection, _ = listening.accept()
    refusing = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
    with pytest.raises(ssl.SSLError):
        refusing.do_handshake()
    with socket.socket(fileno=refusing.detach()) as plain:
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(65536):  # to close before would take the alert back
            pass


async def test_who_has_no_certificate_where_one_is_wanted_is_told_so(certificates: Certificates) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        served = asyncio.create_task(asyncio.to_thread(demand_a_certificate, listening, certificates))
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        settings = {"instance_url": url, "ca_cert": certificates.ca, "username": "u", "password": "p"}
        instances = Instances.of(ServiceNowConfig.model_validate(settings))
        with pytest.raises(
            EscalationError, match=r"check oncall\.servicenow\.client_cert and client_key"
        ) as caught:
            await ServiceNow(lambda _: "incident").find(instances.named(None), ID)
        await served
        await instances.close()
    assert caught.value.needs_person


class TestFiles:
    """That cannot be used."""

    @pytest.fixture
    def files(self, certificates: Certificates, tmp_path: Path) -> Callable[[str], Path]:
        (tmp_path / "empty.pem").touch()
        return lambda name: getattr(certificates, name, tmp_path / name)

    @pytest.mark.parametrize(
        ("access", "said"),
        [
            (
                {"ca_cert": "absent.pem"},
                "oncall.servicenow.ca_cert: .*absent.pem cannot be read: No such file",
            ),
            ({"ca_cert": "empty.pem"}, "oncall.servicenow.ca_cert: .*empty.pem has no certificates"),
            ({"client_cert": "absent.pem"}, "client_cert: .*absent.pem cannot be read"),
            (
                {"client_cert": "client_cert", "client_key": "absent.pem"},
                "client_key: .*absent.pem cannot be read",
            ),
            ({"client_cert": "client_cert", "client_key": "server"}, "are not a certificate and its key"),
            ({"client_cert": "ca"}, "are not a certificate and its key"),
        ],
    )
    def test_are_named_with_why(
        self, files: Callable[[str], Path], access: dict[str, str], said: str
    ) -> None:
        with pytest.raises(CertificateError, match=said):
            ssl_context(AccessConfig(**{key: files(name) for key, name in access.items()}))


class ConnectProxy:
    """An HTTP proxy that tunnels for whom it knows."""

    def __init__(self, user: str = "", password: str = "") -> None:
        self._wanted = base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""
        self.tunnels: list[str] = []
        self.tasks: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self.tasks.add(task)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        target = head.split()[1]
        if self._wanted and f"Basic {self._wanted}" not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await _close(writer)
            return
        self.tunnels.append(target)
        there, back = await asyncio.open_connection(*target.split(":"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def proxied(proxy: ConnectProxy) -> AsyncIterator[int]:
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.wait(proxy.tasks or {asyncio.create_task(asyncio.sleep(0))}, timeout=5)


async def test_a_proxy_is_used_with_its_password(sandbox: Running, certificates: Certificates) -> None:
    proxy = ConnectProxy("pat", "p@ss")
    async with proxied(proxy) as port:
        await works(sandbox, ca_cert=certificates.ca, proxy=f"http://pat:p%40ss@127.0.0.1:{port}")
    assert proxy.tunnels == [sandbox.url.removeprefix("https://")]


async def test_a_proxy_that_refuses_us_leaves_no_doubt_and_its_password_is_not_told(
    sandbox: Running, certificates: Certificates
) -> None:
    async with proxied(ConnectProxy("pat", "p@ss")) as port:
        error = await trouble(
            sandbox, ca_cert=certificates.ca, proxy=f"http://pat:wrong-secret@127.0.0.1:{port}"
        )
    assert "the proxy does not let us through (407 Proxy Authentication Required)" in str(error)
    assert "secret" not in str(error)
    assert (error.needs_person, error.in_doubt) == (True, False)


@pytest.mark.parametrize("no_proxy", ["", "127.0.0.1"])
async def test_the_environments_proxy_is_used_unless_it_is_told_not_to(
    sandbox: Running, certificates: Certificates, no_proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = ConnectProxy()
    async with proxied(proxy) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", no_proxy)
        await works(sandbox, ca_cert=certificates.ca)
    assert bool(proxy.tunnels) is not bool(no_proxy)

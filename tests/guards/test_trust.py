"""The CA bundle is read once for all connections of all clients, and still decides whom they trust."""

import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import SSLError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ecr_deploy.aws import trust
from ecr_deploy.aws.calls import Api
from ecr_deploy.aws.pacing import Pacer
from tests.harness.strict_ecs import FakeClock


class _Handler(BaseHTTPRequestHandler):
    """Answers one call for each connection, so that the next needs another."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"clusterArns": []}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _certificate(directory: Path) -> Path:
    """A certificate of 127.0.0.1 that vouches for itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ecs")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = directory / "certificate.pem"
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(certificate.public_bytes(pem) + secret)
    return file


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _certificate(tmp_path_factory.mktemp("trust"))


@pytest.fixture
def url(certificate: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The bundles that are read."""
    read: list[Any] = []
    real = ssl.SSLContext.load_verify_locations

    def load(context: ssl.SSLContext, *arguments: Any) -> None:
        read.append(arguments)
        real(context, *arguments)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", load)
    trust._context.cache_clear()  # noqa: SLF001 - what other tests have read
    yield read
    trust._context.cache_clear()  # noqa: SLF001


def _api(url: str) -> Api:
    config = Config(retries={"total_max_attempts": 1})
    return Api(lambda: boto3.client("ecs", endpoint_url=url, config=config), Pacer(FakeClock()))


def test_the_bundle_is_read_once(
    url: str, certificate: Path, loads: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    monkeypatch.delenv("AWS_ENDPOINT_URL_ECS", raising=False)

    for api in (_api(url), _api(url)):
        for _ in range(3):
            assert api.call("ListClusters", "clusters", {"clusterArns": [str]})["clusterArns"] == []

    assert [arguments[0] for arguments in loads] == [str(certificate)]


def test_a_server_that_the_bundle_does_not_vouch_for_is_not_trusted(url: str, loads: list[Any]) -> None:
    with pytest.raises(SSLError):
        _api(url).client.list_clusters()

    assert len(loads) == 1

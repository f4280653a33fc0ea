"""AWS in a process of its own, over TLS: python -m bench.aws SERVICES HIT DIRECTORY.

ECS is the strict double, with 100 events for each service, as ECS keeps them; the table is that of DynamoDB. The
certificate comes with two others above it, as AWS's do. What the bench wants of it comes over plain HTTP.
"""

import json
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import certifi
import trustme

from bench.cases import LATENCY, Case
from tests.harness.road import ACCOUNT, digest
from tests.harness.strict_ecs import StrictEcs, SystemClock
from tests.harness.table import StrictTable

_EVENTS_PER_SERVICE = 100
_EVENTS = json.dumps(
    [
        {
            "id": f"0f4d1c9e-7b1a-4c6e-9f57-{number:012}",
            "createdAt": 1763971200.123 - number,
            "message": f"(service service-{number}) has reached a steady state.",
        }
        for number in range(_EVENTS_PER_SERVICE)
    ]
).encode()


class Account:
    """The account, and what was seen of it since it was last asked."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.ecs = StrictEcs(clock=SystemClock())
        case.build(self.ecs)
        self.table = StrictTable(clock=SystemClock())
        self.queue: list[str] = []
        self.connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Count from now on."""
        self.calls: Counter[str] = Counter()
        self.connects = self.sent = 0
        self.updated_at = 0.0

    def answer(self, target: str, body: bytes) -> tuple[int, bytes]:
        """Answer a call, as long after it came as AWS does."""
        service, _, operation = target.partition(".")
        time.sleep(LATENCY)
        if service == "DynamoDB_20120810":
            status, _, content = self.table.handle(operation, body)
        elif service == "AWSEvents":
            entries = json.loads(body)["Entries"]
            status = 200
            content = json.dumps({"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in entries]}).encode()
        elif service == "AmazonSQS":
            self.queue.append(json.loads(body)["MessageBody"])
            status, content = 200, b'{"MessageId": "1"}'
        elif service == "AmazonEC2ContainerRegistry_V20150921":
            status, content = 200, self._images(json.loads(body))
        else:
            status, _, content = self.ecs.handle(operation, body)
            content = content.replace(b'"events": []', b'"events": ' + _EVENTS)
        with self._lock:
            self.calls[operation] += 1
            self.sent += len(content)
            if operation == "UpdateService":
                self.updated_at = time.time()
        return status, content

    @staticmethod
    def _images(request: dict[str, Any]) -> bytes:
        image = {
            "registryId": ACCOUNT,
            "repositoryName": request["repositoryName"],
            "imageDigest": digest("v1"),
            "imageTags": ["v1"],
            "imagePushedAt": 1.7e9,
        }
        return json.dumps({"imageDetails": [image]}).encode()

    def control(self, path: str) -> dict[str, Any]:
        """Do what the bench wants."""
        if path == "/rest":
            # What is idle for minutes is closed, by AWS or on the way.
            for connection in list(self.connections):
                connection.shutdown(socket.SHUT_RDWR)
            self.connections.clear()
            self.ecs.end_deployments()
        elif path == "/forget":
            self.forget()
        elif path == "/receive":
            bodies, self.queue = self.queue, []
            return {"bodies": bodies}
        seen = {"connects": self.connects, "bytes": self.sent, "updated_at": self.updated_at}
        return {**seen, "calls": dict(self.calls)}


def main(services: int, hit: int, directory: Path) -> None:
    """Serve until standard input ends; the first line of output has the URLs.

    Where no service is hit, each has a repository of its own.
    """
    account = Account(Case(services, hit))

    class Aws(_Handler):
        def setup(self) -> None:
            account.connections.add(self.request)
            account.connects += 1
            super().setup()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send(*account.answer(self.headers["X-Amz-Target"], body))

    class Control(_Handler):
        def do_GET(self) -> None:
            self.send(200, json.dumps(account.control(urlsplit(self.path).path)).encode())

    aws, control = _serve(Aws, directory), _serve(Control)
    print(json.dumps({"url": f"https://localhost:{aws}", "control": f"http://localhost:{control}"}), flush=True)
    sys.stdin.read()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def send(self, status: int, content: bytes) -> None:
        """Answer."""
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Stay silent."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread."""
        try:
            if self.context:
                request = self.context.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)
        except OSError:
            pass


def _serve(handler: type[_Handler], directory: Path | None = None) -> int:
    server = _Server(("localhost", 0), handler)
    if directory:
        server.context = _context(directory)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def _context(directory: Path) -> ssl.SSLContext:
    """A certificate below two others; the root is the last of a bundle that is as long as botocore's own."""
    root = trustme.CA()
    leaf = root.create_child_ca().issue_cert("localhost")
    bundle = Path(certifi.where()).read_bytes() + root.cert_pem.bytes()
    (directory / "bundle.pem").write_bytes(bundle)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    leaf.configure_cert(context)
    return context


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))

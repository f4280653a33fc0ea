"""Two ways to the double: inside this process without a socket, and over loopback HTTP for other processes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from moto.core.models import botocore_stubber

from .faults import AnswerLost, ConnectionReset, Died

if TYPE_CHECKING:
    from botocore.client import BaseClient

HOOK_ID = "strict-double"


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


Handle = Callable[[str, bytes], Answer]


class _Body:
    """The part of urllib3's response that botocore uses."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


def attach(client: BaseClient, handle: Handle) -> None:
    """Answer every call of a boto3 client, after it has signed and written it; replaces what was attached before."""
    hook = f"before-send.{client.meta.service_model.service_id.hyphenize()}"

    def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        body = request.body or b""
        try:
            status, headers, content = handle(
                _operation(request.headers["X-Amz-Target"]), body.encode() if isinstance(body, str) else body
            )
        except ConnectionReset:
            raise ConnectionClosedError(endpoint_url=request.url) from None
        except AnswerLost:
            raise ReadTimeoutError(endpoint_url=request.url) from None
        return AWSResponse(request.url, status, headers, _Body(content))

    client.meta.events.unregister(hook, unique_id=HOOK_ID)
    client.meta.events.register(hook, answer, unique_id=HOOK_ID)
    # While moto is on it answers every call, even one that is answered already, and by no means from several threads
    # at once.
    client.meta.events.unregister("before-send", botocore_stubber)


@contextmanager
def serve(handle: Handle) -> Iterator[str]:
    """Answer over HTTP on loopback, and give the URL. What loses the answer in process closes the connection here."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                status, headers, content = handle(_operation(self.headers.get("X-Amz-Target", "")), body)
            except (ConnectionReset, AnswerLost, Died):
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Stay silent: the double's own list of calls tells more."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _operation(target: str | bytes) -> str:
    text = target.decode() if isinstance(target, bytes) else target
    return text.rpartition(".")[2]

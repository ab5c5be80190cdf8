"""A proxy on loopback before an object store, which fails every Nth request.

The faults take turns, because a client may survive one of them and not the other: the store says
that it is too busy, it closes the connection before it has done anything, it does what was asked
and closes the connection before it has answered, or in the middle of its answer.
"""

from __future__ import annotations

import http.client
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

BUSY, UNSEEN, UNANSWERED, CUT = "busy", "unseen", "unanswered", "cut"
FAULTS = (BUSY, UNSEEN, UNANSWERED)
"""What every client has to survive; delta-rs asks no second time for a list that was cut."""

_ALL = (*FAULTS, CUT)
_CONTEXT = multiprocessing.get_context("spawn")
_SLOW_DOWN = (
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)
_OF_THE_CONNECTION = {"connection", "transfer-encoding", "content-length", "keep-alive", "expect"}


class FailingProxy:
    """A running proxy, as its user sees it; may be told to fail other requests at any time."""

    def __init__(self, each: int, faults: tuple[str, ...]) -> None:
        self._each = _CONTEXT.Value("l", each)
        self._faults = _CONTEXT.Array("b", [fault in faults for fault in _ALL])
        self._port = _CONTEXT.Value("l", 0)
        self._counts = _CONTEXT.Array("l", 1 + len(_ALL))

    @property
    def address(self) -> str:
        while not self._port.value:
            time.sleep(0.05)
        return f"http://127.0.0.1:{self._port.value}"

    @property
    def requests(self) -> int:
        """How many requests have arrived."""
        return self._counts[0]

    @property
    def failures(self) -> dict[str, int]:
        """How many of them failed, by fault."""
        return dict(zip(_ALL, self._counts[1:], strict=True))

    def fail(self, each: int, *faults: str) -> None:
        """Fail every `each` request from now on; the faults take turns."""
        self._each.value = each
        self._faults[:] = [fault in faults for fault in _ALL]

    def serve(self, store: str) -> None:
        """Forward requests to the store until the process ends."""
        with _Server(store, self) as server:
            self._port.value = server.server_address[1]
            server.serve_forever()

    def next_fault(self) -> str | None:
        """The fault that the request now at hand meets; None for most."""
        with self._counts.get_lock():
            self._counts[0] += 1
            if self._counts[0] % self._each.value:
                return None
            turns = [at for at, is_used in enumerate(self._faults) if is_used]
            turn = turns[sum(self._counts[1:]) % len(turns)]
            self._counts[1 + turn] += 1
            return _ALL[turn]


@contextmanager
def failing_proxy(
    store: str, each: int, faults: tuple[str, ...] = FAULTS
) -> Iterator[FailingProxy]:
    """Run a proxy in a process of its own, which ends with the `with`.

    A thread would wait for Python's lock, which delta-rs holds while it waits for the proxy.
    """
    proxy = FailingProxy(each, faults)
    process = _CONTEXT.Process(target=proxy.serve, args=(store,), daemon=True)
    process.start()
    try:
        yield proxy
    finally:
        process.terminate()
        process.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, store: str, proxy: FailingProxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store, self.proxy = urlsplit(store).netloc, proxy

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that was cut off may have closed its side too."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = 60

    def _answer(self) -> None:
        body, fault = self._body(), self.server.proxy.next_fault()
        if fault == BUSY:
            self._send(503, [("Content-Type", "application/xml")], _SLOW_DOWN)
            return
        self.close_connection = self.close_connection or fault is not None
        answer = self._forward(body) if fault != UNSEEN else None
        if answer is not None and fault != UNANSWERED:
            self._send(*answer, is_cut=fault == CUT)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815  names of http.server

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            continue
        return b"".join(parts)

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        store = http.client.HTTPConnection(self.server.store, timeout=self.timeout)
        try:
            store.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _OF_THE_CONNECTION:
                    store.putheader(name, value)
            store.putheader("Content-Length", str(len(body)))
            store.endheaders(body)
            answer = store.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            store.close()

    def _send(
        self, status: int, headers: list[tuple[str, str]], body: bytes, *, is_cut: bool = False
    ) -> None:
        self.send_response_only(status)
        length = str(len(body))
        for name, value in headers:
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            if name.lower() not in _OF_THE_CONNECTION:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if is_cut else body)

    def log_message(self, *_: object) -> None:
        """No line for each request."""

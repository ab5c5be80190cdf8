"""A lineage server on loopback: it keeps what it takes, and answers as a test wants."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class LineageServer:
    """What the server takes, and what it answers.

    Attributes:
        url: its address.
        taken: events that it answered with 200, in order.
        status: what it answers; 200 takes the event.
        invalid_job: name of the job whose events it calls invalid.
    """

    url: str = ""
    taken: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    invalid_job: str = ""

    def answer(self, event: dict[str, Any]) -> int:
        """The HTTP status of an event."""
        if event["job"]["name"] == self.invalid_job:
            return 422
        if self.status == 200:
            self.taken.append(event)
        return self.status


@contextmanager
def running_lineage_server() -> Iterator[LineageServer]:
    """A server that ends with the `with`."""
    state = LineageServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(state.answer(json.loads(body)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing on the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()

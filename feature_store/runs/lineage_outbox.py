"""Outbox of lineage events: what the lineage server has not taken yet, oldest first.

A night must not fail for its lineage, least of all after it has published. So an event that the
server does not take waits in a file, and the next emission sends the waiting events before its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from filelock import FileLock, Timeout

from feature_store.lake.storage import FolderStorage

LOG = structlog.get_logger()

REFUSED_SUFFIX = ".refused"
"""Of the file beside the outbox with events that the server will never take."""

_MAX_SHIPPING_S = 20.0
"""An emission sends waiting events for so long; the rest waits for the next emission."""
_STATUSES_OF_A_BAD_EVENT = frozenset({400, 413, 422})

Send = Callable[[dict[str, Any]], object]


@dataclass(frozen=True, slots=True)
class Outbox:
    """The file of waiting events, one JSON object a line."""

    path: Path

    def deliver(self, event: dict[str, Any], send: Send) -> None:
        """Send the waiting events in order, then this one; what the server does not take waits.

        An event that the server calls invalid goes to a file of its own, so that it does not hold
        up the others.

        Args:
            event: an OpenLineage event as JSON.
            send: hands one event to the server; raises when the server does not take it.
        """
        try:
            if not self._has_events() and self._is_taken(event, send):
                return
            with FileLock(f"{self.path}.lock", timeout=_MAX_SHIPPING_S):
                waiting = [*self._read(), json.dumps(event, sort_keys=True)]
                self._write(waiting[self._n_delivered(waiting, send) :])
        except (OSError, Timeout) as error:
            # The task has committed: a full disk here must not make it fail and run again.
            LOG.warning(
                "a lineage event is lost: the outbox cannot be written",
                error=type(error).__name__,
                file=str(self.path),
                event=event.get("eventType"),
            )

    def _has_events(self) -> bool:
        return self.path.is_file() and self.path.stat().st_size > 0

    def _n_delivered(self, waiting: Sequence[str], send: Send) -> int:
        """Send events until one is not taken or the time is over; returns how many are done."""
        ends_at_s = time.monotonic() + _MAX_SHIPPING_S
        for n_done, line in enumerate(waiting):
            if time.monotonic() > ends_at_s:
                return n_done
            try:
                event = json.loads(line)
            except json.JSONDecodeError:  # a process was killed while it wrote the line
                self._refuse(line, "a line that is no JSON")
                continue
            if not self._is_taken(event, send):
                return n_done
        LOG.info("no lineage event waits any more", events=len(waiting))
        return len(waiting)

    def _is_taken(self, event: dict[str, Any], send: Send) -> bool:
        """Whether the event is done with: the server has it, or never will."""
        try:
            send(event)
        except Exception as error:  # noqa: BLE001  no face of a dead server may stop a night
            status = getattr(getattr(error, "response", None), "status_code", None)
            if status in _STATUSES_OF_A_BAD_EVENT:
                self._refuse(json.dumps(event, sort_keys=True), f"HTTP status {status}")
                return True
            LOG.warning(
                "the lineage server did not take an event, which waits",
                error=type(error).__name__,
                status=status,
                file=str(self.path),
            )
            return False
        return True

    def _refuse(self, line: str, reason: str) -> None:
        file = self.path.with_name(self.path.name + REFUSED_SUFFIX)
        LOG.error("the lineage server refuses an event", reason=reason, file=str(file))
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as refused:
            refused.write(line + "\n")

    def _read(self) -> list[str]:
        if not self.path.is_file():
            return []
        return [line for line in self.path.read_text("utf-8", errors="replace").split("\n") if line]

    def _write(self, lines: Sequence[str]) -> None:
        """Replace the file as a whole: a process that is killed leaves no half line."""
        storage = FolderStorage(self.path.parent)
        storage.write(self.path.name, "".join(f"{line}\n" for line in lines).encode())

"""What a module logs, whatever level another library has set for all loggers of the process."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture


def captured_log(monkeypatch: pytest.MonkeyPatch, logger: str) -> list[MutableMapping[str, Any]]:
    """Replace a module's logger, by its dotted name; entries of the list appear as it logs."""
    capture = LogCapture()
    log = structlog.wrap_logger(None, processors=[capture], wrapper_class=structlog.BoundLogger)
    monkeypatch.setattr(logger, log)
    return capture.entries

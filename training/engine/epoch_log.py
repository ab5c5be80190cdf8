"""A line of the training's log for each epoch: losses, validation, and who waited for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from training.engine.distributed import is_main

if TYPE_CHECKING:
    from training.engine.loop import Epoch, Pace

LOG = structlog.get_logger()


def log_epoch(fit: str, epoch: Epoch, pace: Pace) -> None:
    """Progress of a fit, in the log of rank 0, whose own rows and seconds these are.

    Where rows are read beside the loop: rows_per_s is what the epoch got through, read_rows_per_s
    what the reader can give, waited_s how long the loop waited for it. A loop that waits long has
    a reader or a disk that is too slow; one that hardly waits is bound by its network.
    """
    if not is_main():
        return
    losses = {name: round(loss, 4) for name, loss in epoch.losses.items()}
    validated = {} if epoch.validation is None else {"validation": round(epoch.validation, 4)}
    LOG.info("epoch", fit=fit, number=epoch.number, losses=losses, **validated, **_fields(pace))


def _fields(pace: Pace) -> dict[str, float]:
    seconds: dict[str, float] = {"seconds": round(pace.elapsed_s, 1)}
    if pace.loading is None:
        return seconds
    rows = pace.loading.rows
    return {
        **seconds,
        "rows": rows,
        "rows_per_s": _per_second(rows, pace.elapsed_s),
        "read_rows_per_s": _per_second(rows, pace.loading.reading_s),
        "waited_s": round(pace.loading.waited_s, 1),
    }


def _per_second(rows: int, seconds: float) -> float:
    return round(rows / seconds, 1) if seconds else 0.0

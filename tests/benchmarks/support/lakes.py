"""Lakes that benchmarks measure on: landed, brought through every job up to the graph once, and kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from feature_store.lake.storage import Storage, open_storage
from feature_store.settings import Night, Settings
from feature_store.spark.session import make_spark
from jobs.landing.closing import close_landing
from jobs.registry import job_names
from jobs.run import run_job


def built_lake(
    kept: Path, settings: Settings, last_day: date, land: Callable[[Storage], object]
) -> str:
    """The lake in `kept`; one that a killed benchmark left half-built is gone on with.

    Args:
        kept: folder of this lake; its name says which data and which code made it.
        settings: everything but the lake.
        last_day: as_of of the tables.
        land: writes landing files.
    """
    here = settings.model_copy(update={"lake": str((kept / "lake").resolve())})
    night = Night(last_day, "benchmark", here)
    if not (kept / "built").exists():
        land(open_storage(here.lake))
        close_landing(night)
        spark = make_spark(here)
        for name in job_names():
            if not name.startswith(("rec_", "run_")):
                run_job(name, night, spark)
        (kept / "built").touch()
    return here.lake

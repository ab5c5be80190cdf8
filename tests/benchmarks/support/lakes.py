"""Lakes of benchmarks: landed, built by every job up to the graph, and cached in a folder."""

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
from training.predict import predict_nothing
from training.tasks.registry import TASKS


def built_lake(
    folder: Path, settings: Settings, last_day: date, land: Callable[[Storage], object]
) -> str:
    """The lake in `folder`; builds the rest of a lake that a killed benchmark left incomplete.

    Args:
        folder: of this lake; its name identifies the data and the code.
        settings: of the jobs; the lake is replaced.
        last_day: `as_of` of the tables.
        land: writes landing files.
    """
    lake_settings = settings.model_copy(update={"lake": str((folder / "lake").resolve())})
    night = Night(last_day, "benchmark", lake_settings)
    if not (folder / "built").exists():
        land(open_storage(lake_settings.lake))
        close_landing(night)
        spark = make_spark(lake_settings)
        for name in TASKS:  # none is trained: jobs find empty slices
            predict_nothing(night, name)
        for name in job_names():
            if not name.startswith(("rec_", "run_")):
                run_job(name, night, spark)
        (folder / "built").touch()
    return lake_settings.lake

"""Spark's Python workers start with heavy libraries imported."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator

import pandas as pd
import pytest

from feature_store.spark.python_daemon import preload


def test_a_worker_starts_with_torch_imported(spark):
    """The daemon that forks the worker imported torch; the job does not."""

    def with_torch_flag(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            yield batch.assign(has_torch="torch" in sys.modules)

    rows = spark.range(2).mapInPandas(with_torch_flag, "id long, has_torch boolean").collect()

    assert [row.has_torch for row in rows] == [True, True]


def test_one_daemon_forks_the_workers_of_data_frames_and_of_rdds(spark):
    """Rows of createDataFrame pass through an RDD, and a second daemon would import torch again."""

    def with_daemon(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            yield batch.assign(daemon=os.getppid())

    [of_frame] = spark.range(1).mapInPandas(with_daemon, "id long, daemon long").collect()
    [daemon_of_rdd] = spark.sparkContext.parallelize([0], 1).map(lambda _: os.getppid()).collect()

    assert of_frame.daemon == daemon_of_rdd


def test_a_worker_does_not_look_for_garbage_in_those_libraries(spark):
    """It collects garbage after each task, and torch and transformers have more than 100,000 objects."""

    def with_objects(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            yield batch.assign(frozen=gc.get_freeze_count(), looked_at=len(gc.get_objects()))

    [row] = (
        spark.range(1).mapInPandas(with_objects, "id long, frozen long, looked_at long").collect()
    )

    assert row.frozen > 100_000 > row.looked_at


def test_a_module_that_does_not_exist_is_an_error():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        preload("no_such_module")

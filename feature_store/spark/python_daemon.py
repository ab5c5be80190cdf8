"""Spark's Python daemon, which imports heavy libraries before it forks workers.

The option `spark.python.daemon.module` replaces pyspark.daemon by this module. A worker that
imports torch itself needs 2 seconds for it; a worker forked from this daemon has it imported.

A worker collects garbage after each task (pyspark 4.2, daemon.py), and would look at every object
of those libraries each time, which takes longer than many a task. Frozen, they are left out.
"""

from __future__ import annotations

import gc
import importlib
import os

from pyspark.daemon import manager

from feature_store.spark.session import PRELOAD_VARIABLE


def preload(names: str) -> None:
    """Import the modules of a comma-separated list, and exempt them from collections of garbage.

    Raises:
        ImportError: a module that the setting spark.preload names does not exist.
    """
    for name in filter(None, names.split(",")):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    preload(os.environ.get(PRELOAD_VARIABLE, ""))
    manager()

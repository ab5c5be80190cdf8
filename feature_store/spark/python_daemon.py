"""Spark's Python daemon with the heavy libraries already in memory when it forks a worker.

Spark starts this in place of pyspark.daemon (`spark.python.daemon.module`). A worker that imports
torch itself pays 2 seconds for it, each worker anew; a forked one finds it imported.
"""

from __future__ import annotations

import importlib
import os

from pyspark.daemon import manager

from feature_store.spark.session import PRELOAD_VARIABLE


def preload(names: str) -> None:
    """Import modules named with commas between; none for an empty string.

    Raises:
        ImportError: there is no such module; the settings' spark.preload names it.
    """
    for name in filter(None, names.split(",")):
        importlib.import_module(name)


if __name__ == "__main__":
    preload(os.environ.get(PRELOAD_VARIABLE, ""))
    manager()

"""Spark's Python daemon, which imports heavy libraries before it forks workers.

The option `spark.python.daemon.module` replaces pyspark.daemon by this module. A worker that
imports torch itself needs 2 seconds for it; a worker forked from this daemon has it imported.
"""

from __future__ import annotations

import importlib
import os

from pyspark.daemon import manager

from feature_store.spark.session import PRELOAD_VARIABLE


def preload(names: str) -> None:
    """Import the modules of a comma-separated list.

    Raises:
        ImportError: a module that the setting spark.preload names does not exist.
    """
    for name in filter(None, names.split(",")):
        importlib.import_module(name)


if __name__ == "__main__":
    preload(os.environ.get(PRELOAD_VARIABLE, ""))
    manager()

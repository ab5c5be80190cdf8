"""No two modules of the four packages import each other in a circle."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

PACKAGES = ("dags", "feature_store", "jobs", "training")


def check_no_circle(imports):
    """Raise CycleError, which names the modules of the circle, when `imports` has one."""
    TopologicalSorter(imports).prepare()


def test_no_two_modules_import_each_other_in_a_circle():
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}

    assert "feature_store.lake.spark_io" in imports["jobs.run"]
    check_no_circle(imports)


def test_a_circle_over_three_modules_is_found():
    with pytest.raises(CycleError, match="nodes are in a cycle"):
        check_no_circle({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]})

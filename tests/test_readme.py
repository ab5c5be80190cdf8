"""The README's code snippets run and return the published lists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from feature_store import open_snapshot
from tests.support import toy_dataset

README = (Path(__file__).parents[1] / "README.md").read_text()
SNIPPETS = dict(re.findall(r"<!-- snippet: (\w+) -->\n```python\n(.*?)```", README, re.DOTALL))


def test_the_readme_has_a_snippet_for_each_engine():
    assert sorted(SNIPPETS) == ["duckdb", "pandas", "polars", "spark"]


@pytest.mark.parametrize("engine", sorted(SNIPPETS))
def test_a_snippet_returns_the_first_track_of_each_list(engine, nights, monkeypatch):
    """Every engine gives one row for each listener with a list: the track of rank 1 in the current snapshot."""
    monkeypatch.setenv("EVENSONG_LAKE", nights.lake)
    namespace = {"open_snapshot": open_snapshot}

    exec(SNIPPETS[engine], namespace)  # noqa: S102  the README's own text

    expected = {
        (row["user_id"], row["track_id"])
        for row in open_snapshot(nights.lake).read("rec_topk").to_pylist()
        if row["rank"] == 1
    }
    assert _pairs(namespace["best"]) == expected
    assert len(expected) == len(toy_dataset.LISTENERS) + 3 - 1


def _pairs(best):
    if hasattr(best, "collect"):  # Spark
        return {(row["user_id"], row["track_id"]) for row in best.collect()}
    return set(zip(best["user_id"], best["track_id"], strict=True))

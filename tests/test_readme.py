"""What the README tells readers to type, typed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from feature_store import open_snapshot
from tests.support import worlds

README = (Path(__file__).parents[1] / "README.md").read_text()
SNIPPETS = dict(re.findall(r"<!-- snippet: (\w+) -->\n```python\n(.*?)```", README, re.DOTALL))


def test_there_is_a_snippet_for_each_engine():
    assert sorted(SNIPPETS) == ["duckdb", "pandas", "polars", "spark"]


@pytest.mark.parametrize("engine", sorted(SNIPPETS))
def test_its_snippet_gives_everybodys_first_track(engine, nights, monkeypatch):
    """Whatever engine, one row a person with a list: the first of it, as readers see it now."""
    monkeypatch.setenv("EVENSONG_LAKE", nights.lake)
    names = {"open_snapshot": open_snapshot}

    exec(SNIPPETS[engine], names)  # noqa: S102  the README's own text

    expected = {
        (row["user_id"], row["track_id"])
        for row in open_snapshot(nights.lake).read("rec_topk").to_pylist()
        if row["rank"] == 1
    }
    assert _pairs(names["best"]) == expected
    assert len(expected) == len(worlds.LISTENERS) + 2 - 1


def _pairs(best):
    if hasattr(best, "collect"):  # Spark
        return {(row["user_id"], row["track_id"]) for row in best.collect()}
    return set(zip(best["user_id"], best["track_id"], strict=True))

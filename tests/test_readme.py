"""The README's code snippets run and return the published lists, and its settings are read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from feature_store import open_snapshot
from feature_store.settings import load_settings
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


@pytest.mark.parametrize("way", ["toml", "variables"])
def test_both_ways_to_switch_tasks_on_give_the_same_settings(way, tmp_path, monkeypatch):
    """The file and the variables of the README, each with its commented choice taken too."""
    text = re.search(rf"<!-- settings: {way} -->\n```\w+\n(.*?)```", README, re.DOTALL)[1]
    text = text.replace("# families", "families").replace("# instead of challengers: exp", "exp")
    if way == "toml":
        (tmp_path / "evensong.toml").write_text(text)
        monkeypatch.setenv("EVENSONG_CONFIG", str(tmp_path / "evensong.toml"))
    else:
        for name, value in re.findall(r"export (\w+)='(.*)'", text):
            monkeypatch.setenv(name, value)

    training = load_settings().training

    assert training.tasks == ("audio_text", "text_emotion", "ranking", "mood")
    assert training.challengers == {"audio_text": ("htcl",)}
    assert training.families == {"audio_text": "htcl"}


def _pairs(best):
    if hasattr(best, "collect"):  # Spark
        return {(row["user_id"], row["track_id"]) for row in best.collect()}
    return set(zip(best["user_id"], best["track_id"], strict=True))

"""Measures each tier of rec_topk on the listeners it serves, against popular lists. Synthetic: we planted the tastes.

    python -m tests.benchmarks.tiers [--seeds 3] [--quick] [--record]

A night runs on a sample world a week before its end: every job, the training, the scores, the lists. One in ten listeners is
a cold-start user (only the registration has landed), one in ten has only follows, and one in ten only the first five
listens. Relevant are organic listens in the week after, to tracks that the night does not know the listener to have heard.
The baseline are the lists that rec_topk makes for the same listeners without scores and follows: popular tracks behind the
same filters.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import torch
import typer
from rich.console import Console
from rich.progress import track

from feature_store.lake.arrow_io import read_table, write_slice
from feature_store.lake.storage import open_storage, sha256_of
from feature_store.settings import Night, Settings, load_settings
from feature_store.spark.session import make_spark
from feature_store.tables.core import CORE_DAILY_LISTENS
from feature_store.tables.graph import GRAPH_USER_FOLLOWS_USER
from feature_store.tables.recommendations import REC_TOPK, TIERS
from feature_store.tables.scores import SCORE_CANDIDATES
from jobs.run import run_job
from jobs.sources.sample_world.options import SampleWorld
from tests.benchmarks import sample_world
from tests.benchmarks.support import hidden_history
from tests.benchmarks.support.code_version import code_sha256
from tests.benchmarks.support.lakes import built_lake
from tests.benchmarks.support.record import (
    Section,
    format_interval,
    interval_figures,
    print_section,
    refuse_quick_record,
)
from training import predict, train
from training.data.interactions import Pairs
from training.data.nodes import IdList
from training.evaluation import metrics
from training.evaluation.significance import Difference, paired_difference
from training.evaluation.top_k import TopK

N_USERS = 400
DAYS_AFTER = 7
CUT_OFF = 10
METRICS = ("recall", "ndcg")
BOOTSTRAP_SEED = 7
HEADER = ["tier", "metric", "listeners", "its lists", "popular lists", "gain [95 %]"]
CODE_FILES = (Path(__file__), Path(hidden_history.__file__))


@dataclass(frozen=True, slots=True)
class Summary:
    """A metric of one tier over its listeners in all worlds.

    Attributes:
        value: of the tier's lists.
        popular: of the popular lists of the same listeners.
        gain: mean over listeners of the tier's value less the popular value.
    """

    tier: str
    metric: str
    n_users: int
    value: float
    popular: float
    gain: Difference


def options_of(seed: int, *, quick: bool) -> SampleWorld:
    """Options of the benchmark sample_world without bad rows and, unless `quick`, with more listeners."""
    options = replace(sample_world.options_of(seed, quick=quick), has_faults=False)
    return options if quick else replace(options, n_users_at_start=N_USERS)


def measure(seed: int, settings: Settings, *, quick: bool) -> pl.DataFrame:
    """See metrics_per_user; the world's lake and both kinds of lists are cached under EVENSONG_STATE."""
    options = options_of(seed, quick=quick)
    as_of = options.last_day - timedelta(days=DAYS_AFTER)
    # Lists exclude every heard track that the night knows of, and none of those is relevant.
    lists_settings = settings.lists.model_copy(update={"exclude_listened_days": options.n_days})
    settings = settings.model_copy(update={"lists": lists_settings})
    folder = settings.state / "benchmarks" / "tiers" / f"{seed}-{_cache_key(options, settings)}"
    land = partial(hidden_history.land, options, as_of)
    lake = built_lake(folder, settings, as_of, land)
    night_settings = settings.model_copy(
        update={"lake": lake, "state": (folder / "state").resolve()}
    )
    if not (folder / "listed").exists():
        _make_lists(Night(as_of, "benchmark", night_settings), folder / "popular.parquet")
        (folder / "listed").touch()
    lists, daily = (
        pl.DataFrame(pl.from_arrow(read_table(lake, table, as_of=as_of)))
        for table in (REC_TOPK, CORE_DAILY_LISTENS)
    )
    known = daily.select("user_id", "track_id").unique()
    played = hidden_history.organic_pairs_after(open_storage(lake), options, as_of)
    return metrics_per_user(lists, pl.read_parquet(folder / "popular.parquet"), known, played)


def metrics_per_user(
    lists: pl.DataFrame, popular: pl.DataFrame, known: pl.DataFrame, played: pl.DataFrame
) -> pl.DataFrame:
    """user_id, tier, and METRICS of both lists of each listener with a relevant track.

    A listener belongs to the tier of the list's first entry; tiers that fill the list up do not count.

    Args:
        lists: user_id, rank, track_id, tier; rank from 1.
        popular: the same columns for the same listeners, from the popular tier alone.
        known: user_id, track_id of the listens that the night knows, each pair once.
        played: user_id, track_id of the listens after the night, each pair once.
    """
    tiers = lists.filter(pl.col("rank") == 1).select("user_id", "tier")
    relevant = played.join(known, on=["user_id", "track_id"], how="anti").join(
        tiers, on="user_id", how="semi"
    )
    tier_metrics = _list_metrics(lists, relevant)
    popular_metrics = _list_metrics(popular, relevant).rename(
        {metric: f"popular_{metric}" for metric in METRICS}
    )
    return tier_metrics.join(popular_metrics, on="user_id").join(tiers, on="user_id")


def summarise(per_user: pl.DataFrame) -> list[Summary]:
    """Each tier's metrics over the listeners of all worlds, and the gain with its interval."""
    summaries = []
    for tier in TIERS:
        of_tier = per_user.filter(pl.col("tier") == tier)
        for metric in METRICS if len(of_tier) > 1 else ():  # one listener has no interval
            values, popular = (
                torch.tensor(of_tier[name].to_list(), dtype=torch.float64)
                for name in (metric, f"popular_{metric}")
            )
            gain = paired_difference([values], [popular], np.random.default_rng(BOOTSTRAP_SEED))
            name = f"{metric}_at_{CUT_OFF}"
            summaries.append(
                Summary(tier, name, len(values), float(values.mean()), float(popular.mean()), gain)
            )
    return summaries


def rows_of(summaries: list[Summary]) -> list[list[str]]:
    """A row of HEADER for each tier and metric."""
    return [
        [
            one.tier,
            one.metric.replace("_at_", "@"),
            str(one.n_users),
            f"{one.value:.4f}",
            f"{one.popular:.4f}",
            format_interval(one.gain),
        ]
        for one in summaries
    ]


def flat_figures(summaries: list[Summary]) -> dict[str, float]:
    """By `<tier>.<metric>`, `<tier>.popular_<metric>` and `<tier>.<metric>_gain` with its ends."""
    flat = {}
    for one in summaries:
        name = f"{one.tier}.{one.metric}"
        flat[f"{one.tier}.n_users"] = float(one.n_users)
        flat[name], flat[f"{one.tier}.popular_{one.metric}"] = one.value, one.popular
        flat |= interval_figures(f"{name}_gain", one.gain)
    return {name: round(value, 6) for name, value in flat.items()}


def _cache_key(options: SampleWorld, settings: Settings) -> str:
    """Hash of the sample world's options, the settings and the code."""
    values = settings.model_dump_json(exclude={"lake", "state", "privacy_key"})
    code_hash = code_sha256() + "".join(sha256_of(file.read_bytes()) for file in CODE_FILES)
    return sha256_of(f"{options!r} {values} {code_hash}".encode())[:12]


def _make_lists(night: Night, popular: Path) -> None:
    """Write the lists of a night without scores and follows to a file, then make the night's lists."""
    lake, as_of, spark = night.settings.lake, night.as_of, make_spark(night.settings)
    follows = read_table(lake, GRAPH_USER_FOLLOWS_USER, as_of=as_of)
    for table in (SCORE_CANDIDATES, GRAPH_USER_FOLLOWS_USER):
        write_slice(lake, table, table.arrow_schema.empty_table(), as_of=as_of)
    run_job(REC_TOPK.name, night, spark)
    pl.DataFrame(pl.from_arrow(read_table(lake, REC_TOPK, as_of=as_of))).write_parquet(popular)
    write_slice(lake, GRAPH_USER_FOLLOWS_USER, follows, as_of=as_of)
    train.train(night, "ranking")
    predict.predict(night, "ranking")
    run_job(REC_TOPK.name, night, spark)


def _list_metrics(lists: pl.DataFrame, relevant: pl.DataFrame) -> pl.DataFrame:
    """METRICS of each listener in `relevant`, by user_id."""
    users = IdList.of("user", relevant["user_id"])
    tracks = IdList.of("track", [*lists["track_id"], *relevant["track_id"]])
    top = lists.filter(pl.col("rank") <= CUT_OFF).join(relevant, on="user_id", how="semi")
    entry = (users.positions(top["user_id"], "lists"), torch.tensor(top["rank"].to_list()) - 1)
    listed = torch.zeros(len(users), CUT_OFF, dtype=torch.int64)
    valid_mask = torch.zeros(len(users), CUT_OFF, dtype=torch.bool)
    listed[entry], valid_mask[entry] = tracks.positions(top["track_id"], "lists"), True
    by_user = relevant.sort("user_id", "track_id")
    pairs = Pairs(
        users.positions(by_user["user_id"], "listens"),
        tracks.positions(by_user["track_id"], "listens"),
        torch.ones(len(by_user)),
    )
    ranked = TopK(listed, torch.zeros(len(users), CUT_OFF), valid_mask)
    is_hit, n_relevant = metrics.hits(ranked, torch.arange(len(users)), pairs, len(tracks))
    return pl.DataFrame(
        {
            "user_id": users.ids.tolist(),
            "recall": metrics.recall_per_user(is_hit, n_relevant, CUT_OFF).tolist(),
            "ndcg": metrics.ndcg_per_user(is_hit, n_relevant, CUT_OFF).tolist(),
        }
    )


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Worlds to measure.")] = 3,
    quick: Annotated[bool, typer.Option(help="A smaller world, to see that it runs.")] = False,
    record: Annotated[bool, typer.Option(help="Rewrite the section in README.md.")] = False,
) -> None:
    """Measure, print, and record when asked."""
    refuse_quick_record(quick=quick, record=record)
    settings = load_settings()
    per_user = [
        measure(seed, settings, quick=quick)
        for seed in track(
            range(sample_world.FIRST_SEED, sample_world.FIRST_SEED + seeds),
            "worlds",
            console=Console(stderr=True),
        )
    ]
    summaries = summarise(pl.concat(per_user))
    command = f"python -m tests.benchmarks.tiers --seeds {seeds} --record"
    title, today = "Tiers of rec_topk (synthetic)", datetime.now(UTC).date()
    print_section(Section(title, command, today, None, HEADER, rows_of(summaries)), record=record)
    print(json.dumps(flat_figures(summaries)))


if __name__ == "__main__":
    typer.run(main)

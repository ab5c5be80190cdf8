"""What is each tier of rec_topk worth to the people whom it serves? Synthetic: their tastes were planted by us.

    python -m tests.benchmarks.tiers [--seeds 3] [--quick] [--record]

A sample world is brought up to a night a week before its end: every job, the training, the scores, the lists. Of ten
listeners one is a stranger until then (only the registration has landed), one is known by whom they follow alone, and
one by their first five listens. To be found is what a person chose to play in the week after and was not known to have
played. Beside each tier stand the lists that rec_topk makes of the same people without scores and follows: what is
popular, by the same filters.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
import typer
from rich.console import Console
from rich.progress import track

from feature_store.lake.arrow_io import read_table, write_slice
from feature_store.lake.storage import Storage, open_storage, sha256_of
from feature_store.settings import Night, Settings, load_settings
from feature_store.spark.session import make_spark
from feature_store.tables.core import CORE_DAILY_LISTENS
from feature_store.tables.graph import GRAPH_USER_FOLLOWS_USER
from feature_store.tables.recommendations import REC_TOPK, TIERS
from feature_store.tables.scores import SCORE_CANDIDATES
from jobs.inputs import Slice
from jobs.landing.manifests import LandingWriter
from jobs.run import run_job
from jobs.sources.sample_world.options import SampleWorld
from jobs.sources.sample_world.source import write_sample_world
from tests.benchmarks import sample_world
from tests.benchmarks.support.code import code_sha256
from tests.benchmarks.support.lakes import built_lake
from tests.benchmarks.support.record import Section, interval, refuse_quick_record, show, with_ends
from training import predict, train
from training.data.interactions import Pairs
from training.data.nodes import IdList
from training.evaluation import metrics
from training.evaluation.significance import Difference, paired_difference
from training.evaluation.top_k import Ranked

N_USERS = 400
DAYS_AFTER = 7
FEW_LISTENS = 5
CUT_OFF = 10
METRICS = ("recall", "ndcg")
BOOTSTRAP_SEED = 7


class Known(IntEnum):
    """How much the night knows of a listener, by the last digit of the id; everything of the other digits."""

    NOTHING = 0
    FOLLOWS = 1
    FEW_LISTENS = 2


@dataclass(frozen=True, slots=True)
class Summary:
    """A metric of one tier over its people in all worlds.

    Attributes:
        value: of the tier's lists.
        popular: of the popular lists of the same people.
        ahead: of each person the former less the latter.
    """

    tier: str
    metric: str
    n_users: int
    value: float
    popular: float
    ahead: Difference


def options_of(seed: int, *, quick: bool) -> SampleWorld:
    """The benchmark sample_world's, without bad rows and, unless it must be quick, with more people."""
    options = replace(sample_world.options_of(seed, quick=quick), has_faults=False)
    return options if quick else replace(options, n_users_at_start=N_USERS)


def land(options: SampleWorld, as_of: date, storage: Storage) -> None:
    """Landing files of the world, without what is not to be known on the night of `as_of`."""
    write_sample_world(options, storage)
    conceal(storage, as_of)


def conceal(storage: Storage, as_of: date) -> None:
    """Take out of what landed up to the night what would tell more of a listener than Known says."""
    for source in ("feedback", "tags", "impressions"):
        _take_out(storage, source, as_of, _is_known_by("user_id", *Known))
    silent = (Known.NOTHING, Known.FEW_LISTENS)
    followed = _is_known_by("followed_user_id", *silent)
    _take_out(storage, "follows", as_of, _is_known_by("user_id", *silent) | followed)
    nth = pl.col("listened_at_utc").rank("ordinal").over("user_id")
    is_later = _is_known_by("user_id", Known.FEW_LISTENS) & (nth > FEW_LISTENS)
    unheard = _is_known_by("user_id", Known.NOTHING, Known.FOLLOWS)
    _take_out(storage, "listens", as_of, unheard | is_later)


def played_after(storage: Storage, options: SampleWorld, as_of: date) -> pl.DataFrame:
    """user_id and track_id of what people chose after the night, each pair once."""
    days = Slice(as_of + timedelta(days=1), options.last_day + timedelta(days=1))
    listens = pl.concat(list(_landed(storage, "listens", days).values()))
    pairs = listens.filter("is_organic").select("user_id", "track_id")
    return pairs.unique().sort("user_id", "track_id")


def people_of_tiers(
    lists: pl.DataFrame, popular: pl.DataFrame, known: pl.DataFrame, played: pl.DataFrame
) -> pl.DataFrame:
    """user_id, tier, and METRICS of both lists of each person who played something new.

    A person belongs to the tier of the first entry: what fills a list up is not asked for.

    Args:
        lists: user_id, rank, track_id, tier; rank from 1.
        popular: likewise, of the same people by the popular tier alone.
        known: user_id, track_id of what people were known to have played, each pair once.
        played: user_id, track_id of what they played afterwards, each pair once.
    """
    served = lists.filter(pl.col("rank") == 1).select("user_id", "tier")
    wanted = played.join(known, on=["user_id", "track_id"], how="anti").join(
        served, on="user_id", how="semi"
    )
    ours = _each(lists, wanted)
    theirs = _each(popular, wanted).rename({metric: f"popular_{metric}" for metric in METRICS})
    return ours.join(theirs, on="user_id").join(served, on="user_id")


def summaries_of(people: pl.DataFrame) -> list[Summary]:
    """Each tier's metrics, with the interval of what it adds, over the people of all worlds."""
    found = []
    for tier in TIERS:
        of_tier = people.filter(pl.col("tier") == tier)
        for metric in METRICS if len(of_tier) > 1 else ():  # of one person there is no interval
            ours, theirs = (
                torch.tensor(of_tier[name].to_list(), dtype=torch.float64)
                for name in (metric, f"popular_{metric}")
            )
            ahead = paired_difference([ours], [theirs], np.random.default_rng(BOOTSTRAP_SEED))
            name = f"{metric}_at_{CUT_OFF}"
            found.append(
                Summary(tier, name, len(ours), float(ours.mean()), float(theirs.mean()), ahead)
            )
    return found


def measure(seed: int, settings: Settings, *, quick: bool) -> pl.DataFrame:
    """See people_of_tiers; the world's lake and both kinds of lists are kept under EVENSONG_STATE."""
    options = options_of(seed, quick=quick)
    as_of = options.last_day - timedelta(days=DAYS_AFTER)
    # Lists leave out all that is known to have been played: nothing of it is to be found.
    lists_settings = settings.lists.model_copy(update={"exclude_heard_days": options.n_days})
    settings = settings.model_copy(update={"lists": lists_settings})
    by = settings.model_dump_json(exclude={"lake", "state", "privacy_key"})
    made_by = f"{options!r} {by} {code_sha256()} {sha256_of(Path(__file__).read_bytes())}"
    kept = settings.state / "benchmarks" / "tiers" / f"{seed}-{sha256_of(made_by.encode())[:12]}"
    lake = built_lake(kept, settings, as_of, partial(land, options, as_of))
    night = Night(
        as_of,
        "benchmark",
        settings.model_copy(update={"lake": lake, "state": (kept / "state").resolve()}),
    )
    if not (kept / "listed").exists():
        _make_lists(night, kept / "popular.parquet")
        (kept / "listed").touch()
    lists, daily = (
        pl.DataFrame(pl.from_arrow(read_table(lake, table, as_of=as_of)))
        for table in (REC_TOPK, CORE_DAILY_LISTENS)
    )
    known = daily.select("user_id", "track_id").unique()
    played = played_after(open_storage(lake), options, as_of)
    return people_of_tiers(lists, pl.read_parquet(kept / "popular.parquet"), known, played)


def _make_lists(night: Night, popular: Path) -> None:
    """The night's lists; first those of a night without scores and follows, into a file."""
    lake, as_of, spark = night.settings.lake, night.as_of, make_spark(night.settings)
    follows = read_table(lake, GRAPH_USER_FOLLOWS_USER, as_of=as_of)
    for table in (SCORE_CANDIDATES, GRAPH_USER_FOLLOWS_USER):
        write_slice(lake, table, table.arrow_schema.empty_table(), as_of=as_of)
    run_job(REC_TOPK.name, night, spark)
    pl.DataFrame(pl.from_arrow(read_table(lake, REC_TOPK, as_of=as_of))).write_parquet(popular)
    write_slice(lake, GRAPH_USER_FOLLOWS_USER, follows, as_of=as_of)
    train.run(night)
    predict.run(night)
    run_job(REC_TOPK.name, night, spark)


def rows_of(summaries: list[Summary]) -> list[list[str]]:
    """A line per tier and metric."""
    return [
        [
            one.tier,
            one.metric.replace("_at_", "@"),
            str(one.n_users),
            f"{one.value:.4f}",
            f"{one.popular:.4f}",
            interval(one.ahead),
        ]
        for one in summaries
    ]


def flat_figures(summaries: list[Summary]) -> dict[str, float]:
    """By `<tier>.<metric>`, `<tier>.popular_<metric>` and `<tier>.<metric>_ahead` with its ends."""
    flat = {}
    for one in summaries:
        name = f"{one.tier}.{one.metric}"
        flat[f"{one.tier}.n_users"] = float(one.n_users)
        flat[name], flat[f"{one.tier}.popular_{one.metric}"] = one.value, one.popular
        flat |= with_ends(f"{name}_ahead", one.ahead)
    return {name: round(value, 6) for name, value in flat.items()}


def _is_known_by(column: str, *how: Known) -> pl.Expr:
    """Rows whose person in this column is known so; False where nobody is named."""
    digit = pl.col(column).str.slice(-1)
    return digit.is_in([str(one.value) for one in how]).fill_null(value=False)


def _take_out(storage: Storage, source: str, as_of: date, hidden: pl.Expr) -> None:
    """Take the hidden rows out of the landing files up to the night; ranks go over all files."""
    files = _landed(storage, source, Slice(date.min, as_of + timedelta(days=1)))
    marked = pl.concat(list(files.values())).select(hidden=hidden)["hidden"].to_arrow()
    start = 0
    for path, frame in files.items():
        is_hidden = marked.slice(start, len(frame))
        rows = pq.read_table(io.BytesIO(storage.read(path))).filter(pc.invert(is_hidden))
        _source, day, part = path.removeprefix("landing/").removesuffix(".parquet").split("/")
        LandingWriter(storage).rows(source, date.fromisoformat(day), rows, part)
        start += len(frame)


def _landed(storage: Storage, source: str, days: Slice) -> dict[str, pl.DataFrame]:
    """Row files of these days, by path."""
    found = {}
    for file in storage.list(f"landing/{source}"):
        day = date.fromisoformat(file.path.split("/")[2])
        if days.first <= day < days.end:
            found[file.path] = pl.read_parquet(io.BytesIO(storage.read(file.path)))
    return found


def _each(lists: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """METRICS of each person of `wanted`, by user_id."""
    people = IdList.of("user", wanted["user_id"])
    tracks = IdList.of("track", [*lists["track_id"], *wanted["track_id"]])
    top = lists.filter(pl.col("rank") <= CUT_OFF).join(wanted, on="user_id", how="semi")
    place = (people.positions(top["user_id"], "lists"), torch.tensor(top["rank"].to_list()) - 1)
    listed = torch.zeros(len(people), CUT_OFF, dtype=torch.int64)
    is_filled = torch.zeros(len(people), CUT_OFF, dtype=torch.bool)
    listed[place], is_filled[place] = tracks.positions(top["track_id"], "lists"), True
    sought = wanted.sort("user_id", "track_id")
    pairs = Pairs(
        people.positions(sought["user_id"], "listens"),
        tracks.positions(sought["track_id"], "listens"),
        torch.ones(len(sought)),
    )
    ranked = Ranked(listed, torch.zeros(len(people), CUT_OFF), is_filled)
    is_hit, n_wanted = metrics.hits(ranked, torch.arange(len(people)), pairs, len(tracks))
    return pl.DataFrame(
        {
            "user_id": people.ids.tolist(),
            "recall": metrics.recall_of_each(is_hit, n_wanted, CUT_OFF).tolist(),
            "ndcg": metrics.ndcg_of_each(is_hit, n_wanted, CUT_OFF).tolist(),
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
    worlds = [
        measure(seed, settings, quick=quick)
        for seed in track(
            range(sample_world.FIRST_SEED, sample_world.FIRST_SEED + seeds),
            "worlds",
            console=Console(stderr=True),
        )
    ]
    summaries = summaries_of(pl.concat(worlds))
    rows = rows_of(summaries)
    header = ["tier", "metric", "people", "its lists", "popular lists", "ahead [95 %]"]
    command = f"python -m tests.benchmarks.tiers --seeds {seeds} --record"
    title, today = "Tiers of rec_topk (synthetic)", datetime.now(UTC).date()
    show(Section(title, command, today, None, header, rows), record=record)
    print(json.dumps(flat_figures(summaries)))


if __name__ == "__main__":
    typer.run(main)

"""What is each tier of rec_topk worth to the people whom it serves? Synthetic: their tastes were planted by us.

    python -m tests.benchmarks.tiers [--seeds 3] [--quick] [--record]

A sample world is brought up to a night a week before its end: every job, the training, the scores, the lists. Of ten
listeners one is a stranger until then (nothing of them has landed), one is known by whom they follow alone, and one by
their first five listens. To be found is what a person plays in the week after, and was not known to have played. Beside
each tier stand the most heard tracks that the same people were not known to have played.
"""

from __future__ import annotations

import io
import json
import statistics
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from functools import partial
from itertools import chain
from typing import Annotated

import polars as pl
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table as Printed

from feature_store.arrow_io import read_table
from feature_store.settings import Night, Settings, load_settings
from feature_store.spark_session import make_spark
from feature_store.storage import Storage, open_storage, sha256_of
from feature_store.tables.core import CORE_DAILY_LISTENS
from feature_store.tables.recommendations import REC_TOPK, TIERS
from jobs.inputs import Slice
from jobs.landing import LandingWriter
from jobs.run import run_job
from jobs.sources.sample.world import SampleWorld
from jobs.sources.sample_world import write_sample_world
from tests.benchmarks.code import code_sha256
from tests.benchmarks.lakes import built_lake
from tests.benchmarks.record import Section, record_section, refuse_quick_record
from training import metrics, score, train
from training.data.interactions import Pairs
from training.data.nodes import IdList
from training.ranking import Ranked

FIRST_SEED = 11
N_USERS, QUICK_USERS, QUICK_TRACKS = 400, 100, 80
DAYS_AFTER = 7
FEW_LISTENS = 5
CUT_OFF = 10
METRICS = ("recall", "ndcg")


class Known(IntEnum):
    """How much the night knows of a listener, by the last digit of the id; everything of the other digits."""

    NOTHING = 0
    FOLLOWS = 1
    FEW_LISTENS = 2


@dataclass(frozen=True, slots=True)
class TierFigure:
    """A metric of one tier in one world, and of the most heard tracks for the same people."""

    tier: str
    metric: str
    n_users: int
    value: float
    popular: float


def options_of(seed: int, *, quick: bool) -> SampleWorld:
    """The world of a seed; a smaller one when it must be quick."""
    if quick:
        sizes = {"n_users_at_start": QUICK_USERS, "n_tracks_at_start": QUICK_TRACKS}
        return SampleWorld(seed=seed, has_faults=False, **sizes)
    return SampleWorld(seed=seed, has_faults=False, n_users_at_start=N_USERS)


def land(options: SampleWorld, as_of: date, storage: Storage) -> None:
    """Landing files of the world, without what is not to be known on the night of `as_of`."""
    write_sample_world(options, storage)
    conceal(storage, as_of)


def conceal(storage: Storage, as_of: date) -> None:
    """Take out of what landed up to the night what would tell more of a listener than Known says."""
    for source in ("feedback", "tags"):
        _take_out(storage, source, as_of, _is_known_by(*Known))
    _take_out(storage, "follows", as_of, _is_known_by(Known.NOTHING))
    nth = pl.col("listened_at_utc").rank("ordinal").over("user_id")
    is_later = _is_known_by(Known.FEW_LISTENS) & (nth > FEW_LISTENS)
    _take_out(storage, "listens", as_of, _is_known_by(Known.NOTHING, Known.FOLLOWS) | is_later)


def played_after(storage: Storage, options: SampleWorld, as_of: date) -> pl.DataFrame:
    """user_id and track_id of what arrived after the night, each pair once."""
    days = Slice(as_of + timedelta(days=1), options.last_day + timedelta(days=1))
    listens = pl.concat(list(_landed(storage, "listens", days).values()))
    return listens.select("user_id", "track_id").unique().sort("user_id", "track_id")


def figures_of_tiers(
    lists: pl.DataFrame, known: pl.DataFrame, played: pl.DataFrame
) -> list[TierFigure]:
    """Figures of each tier that serves somebody who played something new.

    A person belongs to the tier of the first entry: what fills a list up is not asked for.

    Args:
        lists: user_id, rank, track_id, tier; rank from 1.
        known: user_id, track_id of what people were known to have played, each pair once.
        played: user_id, track_id of what they played afterwards, each pair once.
    """
    served = lists.filter(pl.col("rank") == 1).select("user_id", "tier")
    wanted = played.join(known, on=["user_id", "track_id"], how="anti").join(
        served, on="user_id", how="semi"
    )
    popular = _most_heard(wanted.select("user_id").unique(), known)
    ours, theirs = (
        _each(lists, wanted),
        _each(popular, wanted).rename({metric: f"popular_{metric}" for metric in METRICS}),
    )
    people = ours.join(theirs, on="user_id").join(served, on="user_id")
    return [
        TierFigure(
            tier,
            f"{metric}_at_{CUT_OFF}",
            len(of_tier),
            of_tier[metric].mean(),
            of_tier[f"popular_{metric}"].mean(),
        )
        for tier in TIERS
        if len(of_tier := people.filter(pl.col("tier") == tier))
        for metric in METRICS
    ]


def measure(seed: int, settings: Settings, *, quick: bool) -> list[TierFigure]:
    """Every tier of one world; its lake and lists are kept under EVENSONG_STATE."""
    options = options_of(seed, quick=quick)
    as_of = options.last_day - timedelta(days=DAYS_AFTER)
    made_by = f"{options!r} {FEW_LISTENS} {DAYS_AFTER} {code_sha256()}"
    kept = settings.state / "benchmarks" / "tiers" / f"{seed}-{sha256_of(made_by.encode())[:12]}"
    lake = built_lake(kept, settings, as_of, partial(land, options, as_of))
    here = settings.model_copy(update={"lake": lake, "state": kept / "state"})
    night = Night(as_of, "benchmark", here)
    if not (kept / "listed").exists():
        train.run(night)
        score.run(night)
        run_job(REC_TOPK.name, night, make_spark(here))
        (kept / "listed").touch()
    lists = pl.DataFrame(pl.from_arrow(read_table(lake, REC_TOPK, as_of=as_of)))
    daily = pl.DataFrame(pl.from_arrow(read_table(lake, CORE_DAILY_LISTENS, as_of=as_of)))
    known = daily.select("user_id", "track_id").unique()
    return figures_of_tiers(lists, known, played_after(open_storage(lake), options, as_of))


def rows_of(worlds: list[list[TierFigure]]) -> list[list[str]]:
    """A line per tier and metric: people, mean and deviation over the worlds, and how much better than popularity."""
    lines = []
    for (tier, metric), found in _by_tier(worlds).items():
        values, popular = ([getattr(one, name) for one in found] for name in ("value", "popular"))
        lines.append(
            [
                tier,
                metric.replace("_at_", "@"),
                str(sum(one.n_users for one in found)),
                _with_deviation(values),
                _with_deviation(popular),
                f"{statistics.fmean(values) / statistics.fmean(popular):.2f}",
            ]
        )
    return lines


def flat_figures(worlds: list[list[TierFigure]]) -> dict[str, float]:
    """Means over the worlds, by `<tier>.<metric>`; popularity's for the same people by `<tier>.popular_<metric>`."""
    flat = {}
    for (tier, metric), found in _by_tier(worlds).items():
        flat[f"{tier}.n_users"] = float(sum(one.n_users for one in found))
        flat[f"{tier}.{metric}"] = statistics.fmean(one.value for one in found)
        flat[f"{tier}.popular_{metric}"] = statistics.fmean(one.popular for one in found)
    return {name: round(value, 6) for name, value in flat.items()}


def _by_tier(worlds: list[list[TierFigure]]) -> dict[tuple[str, str], list[TierFigure]]:
    """The same tier and metric of every world that has it, in the order of TIERS."""
    found: dict[tuple[str, str], list[TierFigure]] = {}
    for one in sorted(chain(*worlds), key=lambda one: TIERS.index(one.tier)):
        found.setdefault((one.tier, one.metric), []).append(one)
    return found


def _with_deviation(values: list[float]) -> str:
    deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.4f}{deviation}"


def _is_known_by(*how: Known) -> pl.Expr:
    """Rows of the people of whom so much is known; False where nobody is named."""
    digit = pl.col("user_id").str.slice(-1)
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


def _most_heard(people: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """For each person the tracks with most listeners that they were not known to have played."""
    ranked = (
        people.join(known.group_by("track_id").len("listeners"), how="cross")
        .join(known, on=["user_id", "track_id"], how="anti")
        .sort(["user_id", "listeners", "track_id"], descending=[False, True, False])
    )
    return ranked.with_columns(rank=pl.int_range(1, pl.len() + 1).over("user_id"))


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
        for seed in track(range(FIRST_SEED, FIRST_SEED + seeds), "worlds", Console(stderr=True))
    ]
    header = ["tier", "metric", "people", "its lists", "most heard tracks", "ratio"]
    printed = Printed(
        *header, title=f"Tiers of rec_topk (synthetic), {seeds} worlds, the week after"
    )
    for row in rows_of(worlds):
        printed.add_row(*row)
    Console().print(printed)
    if record:
        command = f"python -m tests.benchmarks.tiers --seeds {seeds} --record"
        title, today = "Tiers of rec_topk (synthetic)", datetime.now(UTC).date()
        record_section(Section(title, command, today, seeds, header, rows_of(worlds)))
    print(json.dumps(flat_figures(worlds)))


if __name__ == "__main__":
    typer.run(main)

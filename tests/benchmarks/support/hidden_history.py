"""Hides the history of some of the sample world's listeners from a night, by the last digit of their ids."""

from __future__ import annotations

import io
from datetime import date, timedelta
from enum import IntEnum

import polars as pl
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_store.lake.storage import Storage
from jobs.inputs import Slice
from jobs.landing.writer import LandingWriter
from jobs.sources.sample_world.options import SampleWorld
from jobs.sources.sample_world.writer import write_sample_world

FEW_LISTENS = 5


class VisibleHistory(IntEnum):
    """History that the night sees of a listener, by the id's last digit; other digits keep all."""

    NOTHING = 0
    FOLLOWS = 1
    FEW_LISTENS = 2


def land(options: SampleWorld, as_of: date, storage: Storage) -> None:
    """Land the sample world without the history that is hidden on the night of `as_of`."""
    write_sample_world(options, storage)
    hide_history(storage, as_of)


def hide_history(storage: Storage, as_of: date) -> None:
    """Remove rows that landed up to `as_of` and show more of a listener than VisibleHistory allows."""
    for source in ("feedback", "tags", "impressions"):
        _remove(storage, source, as_of, _has_visible("user_id", *VisibleHistory))
    without_follows = (VisibleHistory.NOTHING, VisibleHistory.FEW_LISTENS)
    followed = _has_visible("followed_user_id", *without_follows)
    _remove(storage, "follows", as_of, _has_visible("user_id", *without_follows) | followed)
    nth_listen = pl.col("listened_at_utc").rank("ordinal").over("user_id")
    is_later = _has_visible("user_id", VisibleHistory.FEW_LISTENS) & (nth_listen > FEW_LISTENS)
    without_listens = _has_visible("user_id", VisibleHistory.NOTHING, VisibleHistory.FOLLOWS)
    _remove(storage, "listens", as_of, without_listens | is_later)


def organic_pairs_after(storage: Storage, options: SampleWorld, as_of: date) -> pl.DataFrame:
    """user_id and track_id of the organic listens after the night, each pair once."""
    days = Slice(as_of + timedelta(days=1), options.last_day + timedelta(days=1))
    listens = pl.concat(list(_row_files(storage, "listens", days).values()))
    pairs = listens.filter("is_organic").select("user_id", "track_id")
    return pairs.unique().sort("user_id", "track_id")


def _has_visible(column: str, *histories: VisibleHistory) -> pl.Expr:
    """Whether the user in this column has one of these histories; False for a null user."""
    digit = pl.col(column).str.slice(-1)
    return digit.is_in([str(history.value) for history in histories]).fill_null(value=False)


def _remove(storage: Storage, source: str, as_of: date, is_hidden: pl.Expr) -> None:
    """Remove the hidden rows from the landing files up to the night; ranks span all files."""
    files = _row_files(storage, source, Slice(date.min, as_of + timedelta(days=1)))
    hidden = pl.concat(list(files.values())).select(hidden=is_hidden)["hidden"].to_arrow()
    start = 0
    for path, frame in files.items():
        hidden_in_file = hidden.slice(start, len(frame))
        rows = pq.read_table(io.BytesIO(storage.read(path))).filter(pc.invert(hidden_in_file))
        _source, day, part = path.removeprefix("landing/").removesuffix(".parquet").split("/")
        LandingWriter(storage).write_rows(source, date.fromisoformat(day), rows, part)
        start += len(frame)


def _row_files(storage: Storage, source: str, days: Slice) -> dict[str, pl.DataFrame]:
    """Rows of the landing files of these days, by path."""
    frames = {}
    for file in storage.list(f"landing/{source}"):
        day = date.fromisoformat(file.path.split("/")[2])
        if days.first <= day < days.end:
            frames[file.path] = pl.read_parquet(io.BytesIO(storage.read(file.path)))
    return frames

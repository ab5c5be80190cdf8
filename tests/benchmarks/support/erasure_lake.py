"""A lake of listens for the benchmark of erasures, as nights leave it: a file a day, one published run.

Random listens of 30 days lie in landing files, raw_listens, core_listens, the graph's edges and published lists. Few people
listen most. No job builds the tables: an erasure reads rows, and does not mind how they came about.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from feature_store.lake import arrow_io
from feature_store.lake.storage import open_storage
from feature_store.publishing.publish import publish
from feature_store.publishing.snapshot import Pin
from feature_store.settings import Night, Settings
from feature_store.tables import PUBLISHED_TABLES, table_called
from feature_store.tables.core import CORE_LISTENS, CORE_USERS
from feature_store.tables.graph import GRAPH_USER_LISTENED_TRACK
from feature_store.tables.raw import RAW_LISTENS
from feature_store.tables.recommendations import REC_TOPK
from jobs.landing.closing import close_landing
from jobs.landing.layout import row_file_path
from jobs.landing.writer import LandingWriter

if TYPE_CHECKING:
    from feature_store.contract import Table

FIRST_DAY, N_DAYS = date(2026, 2, 1), 30
LAST_DAY = FIRST_DAY + timedelta(days=N_DAYS - 1)
LISTENS_PER_TRACK = 500
LENGTH = 20  # of a published list
CORE_FOLLOWS = table_called("core_follows")


def user_id_of(number: int) -> str:
    """The id of a person; the first listens most."""
    return f"user-{number:09}"


def write_lake(settings: Settings, n_listens: int, n_people: int, seed: int) -> None:
    """Fill the settings' lake, the same for a seed.

    Args:
        settings: name the lake.
        n_listens: of all people and days together.
        n_people: people with listens, a follow and a published list each.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    n_tracks = max(100, n_listens // LISTENS_PER_TRACK)
    for day in (FIRST_DAY + timedelta(days=number) for number in range(N_DAYS)):
        _write_day(
            settings.lake, day, _listens_of_day(rng, day, n_listens // N_DAYS, n_people, n_tracks)
        )
    people = pa.array([user_id_of(number) for number in range(n_people)])
    _append(settings.lake, CORE_USERS, {"user_id": people, "is_opted_out": False, "is_named_to_others": True, "known_from_date": FIRST_DAY})  # fmt: skip
    followed = pa.array([user_id_of(number) for number in rng.permutation(n_people)])
    _append(settings.lake, CORE_FOLLOWS, {"user_id": people, "followed_user_id": followed, "is_active": True, "known_from_date": FIRST_DAY})  # fmt: skip
    night = Night(LAST_DAY, "benchmark", settings)
    close_landing(night)
    _write_edges(night, rng, n_people, n_tracks)
    _publish_lists(night, rng, n_people, n_tracks)


def _listens_of_day(
    rng: np.random.Generator, day: date, count: int, n_people: int, n_tracks: int
) -> dict[str, object]:
    """Columns that landing files and tables share."""
    midnight = np.datetime64(day.isoformat(), "us")
    heard_at = midnight + rng.integers(0, 86_400 * 10**6, count).astype("timedelta64[us]")
    return {
        "user_id": pa.array([user_id_of(int(n_people * share**2)) for share in rng.random(count)]),
        "track_id": pa.array([f"track-{number:09}" for number in rng.integers(0, n_tracks, count)]),
        "listened_at_utc": pa.array(heard_at, pa.timestamp("us")).cast(pa.timestamp("us", "UTC")),
        "played_ms": pa.array(rng.integers(0, 200_001, count)),
        "duration_ms": 200_000,
        "is_organic": True,
    }


def _write_day(lake: str, day: date, listens: dict[str, object]) -> None:
    count = len(listens["user_id"])  # type: ignore[arg-type]  a column
    numbers = pa.array(range(count), pa.int64())
    path = row_file_path("listens", day, "part-0")
    landed = pa.table({name: _filled(value, count) for name, value in listens.items()})
    LandingWriter(open_storage(lake)).write_rows("listens", day, landed)
    _append(lake, RAW_LISTENS, listens | {"source_file": path, "source_row": numbers, "arrival_date": day})  # fmt: skip
    listen_ids = pa.array([f"{day}-{number}" for number in range(count)])
    _append(lake, CORE_LISTENS, listens | {"listen_id": listen_ids, "completion_ratio": 0.5, "session_id": "s", "known_from_date": day})  # fmt: skip


def _write_edges(night: Night, rng: np.random.Generator, n_people: int, n_tracks: int) -> None:
    pairs = 12 * n_people
    columns = {
        "as_of_date": night.as_of,
        "user_id": pa.array([user_id_of(number) for number in range(n_people) for _ in range(12)]),
        "track_id": pa.array([f"track-{number:09}" for number in rng.integers(0, n_tracks, pairs)]),
        "listen_count": 8,
        "completion_permille": 4_000,
        "last_listened_date": night.as_of,
        "edge_weight": 1.0,
    }
    rows = _rows(GRAPH_USER_LISTENED_TRACK, columns)
    arrow_io.write_slice(night.settings.lake, GRAPH_USER_LISTENED_TRACK, rows, as_of=night.as_of)


def _publish_lists(night: Night, rng: np.random.Generator, n_people: int, n_tracks: int) -> None:
    """Lists of everybody, and the other published tables without a row."""
    entries = n_people * LENGTH
    columns = dict.fromkeys(("title", "artist_name", "artist_id", "artist_match_key", "title_match_key"), "a") | {
        "as_of_date": night.as_of,
        "user_id": pa.array([user_id_of(number) for number in range(n_people) for _ in range(LENGTH)]),
        "rank": pa.array(list(range(1, LENGTH + 1)) * n_people, pa.int32()),
        "track_id": pa.array([f"track-{number:09}" for number in rng.integers(0, n_tracks, entries)]),
        "score": 1.0,
        "tier": "warm",
        "reason_kind": "taste",
        "reason_text": "Close to what you play",
        "run_id": night.run_id,
    }  # fmt: skip
    pins = []
    for table in PUBLISHED_TABLES:
        rows = _rows(table, columns) if table is REC_TOPK else table.arrow_schema.empty_table()
        written = arrow_io.write_slice(night.settings.lake, table, rows, as_of=night.as_of)
        pins.append(
            Pin(table.name, written.table_version, written.row_count, written.content_sha256)
        )
    publish(night, pins=pins, gates=[], inputs=[], model_versions=[], current=None, mode="auto", actor="benchmark", now=datetime.now(UTC))  # fmt: skip


def _append(lake: str, table: Table, columns: dict[str, object]) -> None:
    arrow_io.append(lake, table, _rows(table, columns))


def _rows(table: Table, columns: dict[str, object]) -> pa.Table:
    """Rows in contract order; a plain value fills its column, and a missing column is null."""
    count = next(len(value) for value in columns.values() if isinstance(value, pa.Array))
    filled = [
        _filled(columns.get(field.name), count).cast(field.type) for field in table.arrow_schema
    ]
    return pa.Table.from_arrays(filled, schema=table.arrow_schema)


def _filled(value: object, count: int) -> pa.Array:
    if isinstance(value, pa.Array):
        return value
    return pa.nulls(count) if value is None else pa.repeat(pa.scalar(value), count)

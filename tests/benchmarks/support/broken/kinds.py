"""Kinds of broken inputs: how one is made, and the stage of a night that must take it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from feature_store.lake.storage import open_storage, sha256_of
from feature_store.settings import Night
from feature_store.tables.features import FEAT_AUDIO, FEAT_COVER, FEAT_LYRICS, FEAT_MEL
from feature_store.tables.raw import RAW_LYRICS
from jobs.features import audio, cover, lyrics
from jobs.landing.layout import LandingFile
from jobs.raw.steps.landing_schema import FIRST_ARRIVAL_DATE, Arrival
from jobs.raw.steps.parquet_rows import rows_of_parquet_files
from jobs.raw.steps.rules import with_reject_reason
from tests.benchmarks.support.broken.mutations import mutate
from tests.benchmarks.support.broken.originals import AUDIO_FILES, PARQUET_FILES, PICTURES, TEXTS
from tests.jobs.features.worlds import frame, tracks

NOT_UTF8 = "not_utf8"
FEATURES = "features"
ROW = "row"
NO_ROW = "no row in the file"
Outcomes = dict[str, str]
"""FEATURES, a row, or the reason of each input, by its content hash."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of input.

    Attributes:
        make: a broken input; depends on nothing but the generator.
        run: lets a night's stage take inputs; raises when the task fails. An input that it does
            not name is lost.
    """

    make: Callable[[np.random.Generator], bytes]
    run: Callable[[SparkSession, Night, Sequence[bytes]], Outcomes]


def _mutated(originals: Sequence[bytes]) -> Callable[[np.random.Generator], bytes]:
    def make(rng: np.random.Generator) -> bytes:
        content, other = (originals[at] for at in rng.integers(len(originals), size=2))
        return mutate(content, other, rng)

    return make


def _mutated_parquet(rng: np.random.Generator) -> bytes:
    """Half of the mutations hit the footer, where Parquet keeps what its readers trust."""
    content, other = (PARQUET_FILES[at] for at in rng.integers(len(PARQUET_FILES), size=2))
    if rng.integers(2):
        return mutate(content, other, rng)
    footer = mutate(content[_footer_start(content) : -8], other[_footer_start(other) : -8], rng)
    pages = content[: _footer_start(content)]
    return pages + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def _footer_start(content: bytes) -> int:
    return len(content) - 8 - int.from_bytes(content[-8:-4], "little")


def _run_landing(spark: SparkSession, night: Night, inputs: Sequence[bytes]) -> Outcomes:
    """A file ends as ROW when one of its rows is valid, else by the reason of its first reject."""
    storage = open_storage(night.settings.lake)
    folder = f"landing/listens/{night.as_of}"
    arrivals, empty = [], Outcomes()
    for content in inputs:
        name = sha256_of(content)
        path = f"{folder}/{name}.parquet"
        storage.write(path, content)
        file = LandingFile(path, "listens", night.as_of, len(content), datetime.now(UTC))
        arrivals.append(Arrival(night.as_of, file))
        if _row_count(content) == 0:
            empty[name] = NO_ROW
    rows = rows_of_parquet_files(spark, night.settings.lake, "listens", arrivals)
    landed = rows.withColumn(FIRST_ARRIVAL_DATE.name, F.lit(night.as_of))
    checked = with_reject_reason(landed, "listens", night.settings.landing)
    first = checked.groupBy("source_file").agg(
        F.min_by(F.coalesce("reject_reason", F.lit(ROW)), F.col("reject_reason").isNotNull()).alias(
            "outcome"
        )
    )
    found = {row.source_file: row.outcome for row in first.collect()}
    return empty | {Path(path).stem: outcome for path, outcome in found.items()}


def _row_count(content: bytes) -> int | None:
    """Rows that the footer states; None when it cannot be read."""
    try:
        return int(pq.read_metadata(io.BytesIO(content)).num_rows)
    except (pa.ArrowException, OSError, ValueError):
        return None


def _run_audio(spark: SparkSession, night: Night, inputs: Sequence[bytes]) -> Outcomes:
    """What became of each file in feat_audio; its row of feat_mel must be there, too."""
    catalogue = tracks(spark, night, *_landed(night, "audio", inputs))
    nothing = (frame(spark, table, []) for table in (FEAT_AUDIO, FEAT_MEL))
    built = audio.build(catalogue, *nothing, night=night).where("feat_mel IS NOT NULL")
    return _outcomes(built.select("feat_audio.*"))


def _run_pictures(spark: SparkSession, night: Night, inputs: Sequence[bytes]) -> Outcomes:
    catalogue = tracks(spark, night, *_landed(night, "cover", inputs))
    nothing = frame(spark, FEAT_COVER, [])
    return _outcomes(cover.build(catalogue, nothing, night=night))


def _run_texts(spark: SparkSession, night: Night, inputs: Sequence[bytes]) -> Outcomes:
    """Bytes that are no UTF-8 end as rejects of raw_lyrics, before this stage."""
    texts = {sha256_of(content): _decoded(content) for content in inputs}
    rows = [
        {
            "track_id": content_hash,
            "lyrics_text": text,
            "content_hash": content_hash,
            "source_file": "landing/lyrics/part-0.parquet",
            "source_row": number,
            "arrival_date": night.as_of,
        }
        for number, (content_hash, text) in enumerate(texts.items())
        if text is not None
    ]
    catalogue = tracks(spark, night, *({"lyrics_hash": row["content_hash"]} for row in rows))
    nothing = frame(spark, FEAT_LYRICS, [])
    built = lyrics.build(catalogue, nothing, frame(spark, RAW_LYRICS, rows), night=night)
    rejected = {content_hash: NOT_UTF8 for content_hash, text in texts.items() if text is None}
    return rejected | _outcomes(built)


def _landed(night: Night, modality: str, inputs: Sequence[bytes]) -> list[dict[str, object]]:
    """Writes the inputs as landing files; the content columns of a track for each."""
    storage = open_storage(night.settings.lake)
    columns = []
    for content in inputs:
        content_hash = sha256_of(content)
        path = f"landing/{modality}/{content_hash}"
        storage.write(path, content)
        columns.append({f"{modality}_hash": content_hash, f"{modality}_uri": path})
    return columns


def _decoded(content: bytes) -> str | None:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _outcomes(built: DataFrame) -> Outcomes:
    rows = built.select("content_hash", "failure_reason").collect()
    return {row.content_hash: row.failure_reason or FEATURES for row in rows}


KINDS: dict[str, Kind] = {
    "landing": Kind(_mutated_parquet, _run_landing),
    "audio": Kind(_mutated(AUDIO_FILES), _run_audio),
    "picture": Kind(_mutated(PICTURES), _run_pictures),
    "text": Kind(_mutated(TEXTS), _run_texts),
}

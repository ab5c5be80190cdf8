"""EmoBank as the task of text emotion reads it: through the ingest's reader and core_emotion_texts."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from feature_store.lake.arrow_io import append
from feature_store.lake.storage import open_storage, sha256_of
from feature_store.tables.core import CORE_EMOTION_TEXTS
from jobs.sources.emobank import SOURCE, write_emobank
from training.data.emotion_texts import EmotionTexts, read_emotion_texts

_DAY = date(2026, 3, 1)


def read_emobank(folder: Path) -> EmotionTexts:
    """The sentences of EmoBank with its official split, without a night's Spark.

    Args:
        folder: with emobank.csv, reader.csv and writer.csv.
    """
    with TemporaryDirectory() as lake:
        write_emobank(folder, open_storage(lake), _DAY)
        [landed] = Path(lake, "landing", SOURCE, _DAY.isoformat()).glob("*.parquet")
        rows = [
            row | {"content_hash": sha256_of(row["emotion_text"].encode()), "known_from_date": _DAY}
            for row in pq.read_table(landed).to_pylist()
        ]
        core = pa.Table.from_pylist(rows, CORE_EMOTION_TEXTS.arrow_schema)
        append(lake, CORE_EMOTION_TEXTS, core)
        return read_emotion_texts(lake, _DAY)


def first_texts(data: EmotionTexts, n_texts: int) -> EmotionTexts:
    """The first texts of each part, in the proportion of the parts, for a quick run."""
    step = max(1, len(data) // n_texts)
    rows = list(range(0, len(data), step))[:n_texts]
    return EmotionTexts(
        ids=[data.ids[row] for row in rows],
        texts=[data.texts[row] for row in rows],
        labels=data.labels[rows],
        content_hashes=[data.content_hashes[row] for row in rows],
        source_splits=[data.source_splits[row] for row in rows],
    )

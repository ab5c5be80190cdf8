"""Rows of feat_text_emotion: of lyrics that the table lacks; and those that count for the night.

Lyrics are read once a model version, however many tracks and nights have them. Of several processes
each reads its own shard. A batch is the chunks of one text, so that its row depends on nothing
else.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import torch

from feature_store.lake.arrow_io import read_rows_of_keys, read_table
from feature_store.lake.encoder_rows import identity_of
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import (
    FEAT_ENCODERS,
    FEAT_LYRICS,
    FEAT_LYRICS_EMOTION,
    FEAT_TEXT_EMOTION,
)
from feature_store.tables.raw import RAW_LYRICS
from training.data.emotion_texts import DIMENSIONS
from training.engine.distributed import is_main, n_processes, process_rank
from training.engine.loop import eval_mode
from training.tasks.model_rows import in_lists, stored_keys
from training.tasks.protocol import Output

if TYPE_CHECKING:
    from feature_store.settings import Night
    from training.models.emotion_protocol import Estimates
    from training.tasks.protocol import ScoringModel

EMOTION_TABLES = (FEAT_TEXT_EMOTION, FEAT_LYRICS_EMOTION)

CHUNK_CHARACTERS = 200
"""About 40 words of English: a line or a few, as long as a labelled sentence is, and short of the
tokens that a model reads."""
ROWS_AT_ONCE = 65_536
"""Lyrics whose rows are in memory at once."""

_DECIMALS = 6
_MIN_SD = 10**-_DECIMALS
_VALUES = tuple(f"{name}{suffix}" for suffix in ("", "_sd") for name in DIMENSIONS)


class LyricsMissingError(LookupError):
    """A table lacks what the night's lyrics need."""


class LyricsEmotion:
    """What a model reads in a night's lyrics.

    Args:
        night: the day and the settings.
        scoring: names the model in the rows.
        model: an EmotionEstimator.
    """

    def __init__(self, night: Night, scoring: ScoringModel, model: Any) -> None:
        self._night, self._scoring, self._model = night, scoring, model
        self._hashes = readable_lyrics(night)

    def outputs(self) -> tuple[Output, ...]:
        """A stream for each table, in the order in which they are to be written."""
        return (
            Output(FEAT_TEXT_EMOTION, self._new_rows()),
            Output(FEAT_LYRICS_EMOTION, self._counting_rows(), reads_tables=True),
        )

    def _new_rows(self) -> Iterator[pa.RecordBatch]:
        """Rows of this process's shard of the new lyrics, a batch for each commit.

        What is new is asked when the first row is: its writer holds the table's lease by then.
        """
        known = stored_keys(self._night.settings.lake, FEAT_TEXT_EMOTION, self._scoring)
        mine = self._hashes[process_rank() :: n_processes()]
        new = [name for name in mine if (name,) not in known]
        for some in in_lists(new, self._night.settings.encoders.contents_per_commit):
            texts = self._texts(some)
            rows = [
                {"content_hash": name, **asdict(self._scoring), **self._emotion(texts[name])}
                for name in some
            ]
            yield pa.RecordBatch.from_pylist(rows, FEAT_TEXT_EMOTION.arrow_schema)

    def _counting_rows(self) -> Iterator[pa.RecordBatch]:
        """The night's rows, by rank 0, which has written what was new."""
        if not is_main():
            return
        for some in in_lists(self._hashes, ROWS_AT_ONCE):
            stored = self._stored(some)
            of_night = {"as_of_date": self._night.as_of, "run_id": self._night.run_id}
            rows = [{**stored[name], **asdict(self._scoring), **of_night} for name in some]
            for block in in_lists(rows, self._night.settings.encoders.contents_per_commit):
                yield pa.RecordBatch.from_pylist(block, FEAT_LYRICS_EMOTION.arrow_schema)

    def _emotion(self, text: str) -> dict[str, float]:
        """The columns of one text."""
        with eval_mode(self._model):
            estimates: Estimates = self._model.estimate(chunks_of(text))
        return emotion_of(estimates)

    def _texts(self, hashes: Collection[str]) -> dict[str, str]:
        """The words of lyrics; of equal ones that arrived twice, either.

        Raises:
            LyricsMissingError: raw_lyrics lacks some.
        """
        found = {
            row["content_hash"]: row["lyrics_text"]
            for row in self._rows(RAW_LYRICS, hashes, ["lyrics_text"], {})
        }
        self._refuse_missing(RAW_LYRICS.name, hashes, found)
        return found

    def _stored(self, hashes: Collection[str]) -> dict[str, dict[str, Any]]:
        """The model's rows of some lyrics.

        Raises:
            LyricsMissingError: the table lacks one, which this task has found or written before.
        """
        rows = self._rows(FEAT_TEXT_EMOTION, hashes, _VALUES, asdict(self._scoring))
        found = {row["content_hash"]: row for row in rows}
        self._refuse_missing(FEAT_TEXT_EMOTION.name, hashes, found)
        return found

    def _rows(
        self, table: Any, hashes: Collection[str], columns: Sequence[str], where: Mapping[str, str]
    ) -> Iterator[dict[str, Any]]:
        for batch in read_rows_of_keys(
            self._night.settings.lake,
            table,
            key_column="content_hash",
            keys=hashes,
            columns=["content_hash", *columns],
            where=where,
        ):
            yield from batch.to_pylist()

    def _refuse_missing(self, table: str, hashes: Collection[str], found: Collection[str]) -> None:
        if lost := sorted({*hashes} - {*found}):
            raise LyricsMissingError(
                f"{table}: no row of {lost[0]} and of {len(lost) - 1} more of {len(hashes)} lyrics "
                f"as of {self._night.as_of} (rule: all that feat_lyrics could read); were rows "
                "deleted meanwhile? Clear the task: it reads what is missing"
            )


def readable_lyrics(night: Night) -> list[str]:
    """Hashes of the catalogue's lyrics that feat_lyrics could read, in their order."""
    lake, as_of = night.settings.lake, night.as_of
    catalogue = read_table(lake, CORE_TRACKS, as_of=as_of, columns=["track_id", "lyrics_hash"])
    identity = identity_of(read_table(lake, FEAT_ENCODERS, as_of=as_of), FEAT_LYRICS)
    if identity is None:
        return []
    columns = ["content_hash", "failure_reason"]
    rows = read_table(lake, FEAT_LYRICS, columns=columns, where=asdict(identity))
    is_read = rows["failure_reason"].is_null()
    return sorted(
        {*catalogue["lyrics_hash"].to_pylist()}
        & {*rows.filter(is_read)["content_hash"].to_pylist()}
    )


def chunks_of(text: str) -> list[str]:
    """Lyrics in pieces of at most CHUNK_CHARACTERS, cut at the ends of lines.

    A longer line is cut between words, a longer word inside. Lines of one chunk are joined by a
    blank. A text of blanks is one empty chunk.
    """
    chunks: list[str] = []
    for line in text.splitlines():
        for piece in textwrap.wrap(line.strip(), CHUNK_CHARACTERS):
            joined = f"{chunks[-1]} {piece}" if chunks else piece
            if chunks and len(joined) <= CHUNK_CHARACTERS:
                chunks[-1] = joined
            else:
                chunks.append(piece)
    return chunks or [""]


def emotion_of(chunks: Estimates) -> dict[str, float]:
    """Emotion of a text from that of its chunks, each weighted by 1 / variance.

    The spread is that of a draw from the chunks by weight: it holds the chunks' own spread and how
    far they lie apart. Example: means 0 and 1, deviations of 0.1 each: 0.5, and the root of
    0.1² + 0.5². Values are clipped to [-1, 1], deviations to [1e-6, 1].

    Args:
        chunks: at least one.
    """
    mean, variance = chunks.mean.double(), chunks.sd.double().square()
    weights = 1 / variance
    weights = weights / weights.sum(dim=0)  # (n, 2)
    centre = (weights * mean).sum(dim=0)
    spread = (weights * (variance + (mean - centre).square())).sum(dim=0).sqrt()
    values = torch.cat([centre.clamp(-1, 1), spread.clamp(_MIN_SD, 1)])
    return dict(zip(_VALUES, (round(one, _DECIMALS) for one in values.tolist()), strict=True))

"""Rows of HTCL's vectors: of content that the tables lack, and the one that counts for each track.

A recording, a text, and the two together are encoded once a model version, however many tracks and
nights have them. Of several processes each encodes its own shard of the recordings and the texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import torch
import torch.nn.functional as F

from feature_store.lake.arrow_io import read_rows_of_keys
from feature_store.tables.features import (
    FEAT_HTCL_AUDIO,
    FEAT_HTCL_FUSED,
    FEAT_HTCL_TEXT,
    FEAT_TRACK_HTCL,
)
from feature_store.track_text import text_sha256
from training.data.track_batches import spread
from training.engine.distributed import is_main, n_processes, process_rank
from training.engine.loop import eval_mode
from training.models.encoders.counting_vectors import kind_shifts
from training.models.encoders.htcl import PROJECTED
from training.models.protocols import EncodedTracks
from training.tasks.model_rows import Key, in_lists, key_columns, keys_of, stored_keys
from training.tasks.protocol import Output

if TYPE_CHECKING:
    from torch import Tensor

    from feature_store.contract import Table
    from feature_store.settings import Night
    from training.data.audio_text import AudioTextData
    from training.models.encoders.htcl_encoder import HTCLEncoder
    from training.tasks.protocol import ScoringModel

VECTOR_TABLES = (FEAT_HTCL_AUDIO, FEAT_HTCL_TEXT, FEAT_HTCL_FUSED, FEAT_TRACK_HTCL)

KEYS_AT_ONCE = 65_536
"""Contents whose stored vectors are in memory at once: 400 bytes each, and as much for the key.

For each such block the key columns of a vectors' table are read once.
"""

_TABLE_OF_KIND = {"audio": FEAT_HTCL_AUDIO, "text": FEAT_HTCL_TEXT, "fused": FEAT_HTCL_FUSED}

_SHIFTS_OF = 4_096
"""Tracks by which kinds of vectors are brought together; a mean over more hardly differs."""

_Vectors = Mapping[Key, "Tensor"]


class VectorMissingError(LookupError):
    """A vectors' table lacks a row that the night's tracks need."""


class TrackVectors:
    """What a model makes of a night's catalogue.

    Args:
        night: the day and the settings.
        scoring: names the model in the rows.
        model: over the night's full view.
        data: the catalogue.
    """

    def __init__(
        self, night: Night, scoring: ScoringModel, model: HTCLEncoder, data: AudioTextData
    ) -> None:
        self._night, self._scoring, self._model, self._data = night, scoring, model, data
        self._text_hashes = [text_sha256(text or None) for text in data.texts]
        has_audio = (data.audio_rows >= 0).tolist()
        self._audio_hashes = [
            name if has else None for name, has in zip(data.audio_hashes, has_audio, strict=True)
        ]

    def outputs(self) -> tuple[Output, ...]:
        """A stream for each table, in the order in which they are to be written."""
        return (
            Output(FEAT_HTCL_AUDIO, self._audio()),
            Output(FEAT_HTCL_TEXT, self._text()),
            Output(FEAT_HTCL_FUSED, self._fused()),
            Output(FEAT_TRACK_HTCL, self._tracks(), reads_tables=True),
        )

    def _audio(self) -> Iterator[pa.RecordBatch]:
        keys: dict[Key, int] = {
            (name,): track for track, name in enumerate(self._audio_hashes) if name
        }
        return self._encoded(FEAT_HTCL_AUDIO, keys, self._model.audio_vectors)

    def _text(self) -> Iterator[pa.RecordBatch]:
        keys: dict[Key, int] = {
            (name,): track for track, name in enumerate(self._text_hashes) if name
        }
        return self._encoded(FEAT_HTCL_TEXT, keys, self._model.text_vectors)

    def _fused(self) -> Iterator[pa.RecordBatch]:
        """Made of the stored vectors, by rank 0, which has written them."""
        if not is_main() or not self._model.is_fusing:
            return
        pairs = zip(self._audio_hashes, self._text_hashes, strict=True)
        keys: dict[Key, int] = {(a, t): track for track, (a, t) in enumerate(pairs) if a and t}
        for some in in_lists(self._new(FEAT_HTCL_FUSED, keys), KEYS_AT_ONCE):
            audio = self._stored(FEAT_HTCL_AUDIO, {(name,) for (name, _), _ in some})
            text = self._stored(FEAT_HTCL_TEXT, {(name,) for (_, name), _ in some})
            yield from self._commits(FEAT_HTCL_FUSED, some, partial(self._fuse, audio, text))

    def _fuse(self, audio: _Vectors, text: _Vectors, tracks: Tensor) -> Tensor:
        """Fused vectors of tracks that have both."""
        found = tracks.tolist()
        return self._model.fused_vectors(
            torch.stack([audio[(self._audio_hashes[track] or "",)] for track in found]),
            torch.stack([text[(self._text_hashes[track] or "",)] for track in found]),
        )

    def _tracks(self) -> Iterator[pa.RecordBatch]:
        """The vector that counts for each track, by rank 0, which holds a block of them."""
        if not is_main():
            return
        counting = (
            (track, *found)
            for track in range(self._data.n_tracks)
            if (found := self._counting(track)) is not None
        )
        shifts = self._shifts()
        for some in in_lists(counting, KEYS_AT_ONCE):
            stored = {
                kind: self._stored(table, {key for _, one, key in some if one == kind})
                for kind, table in _TABLE_OF_KIND.items()
            }
            rows = (
                self._row(track, kind, F.normalize(stored[kind][key], dim=0) + shifts[kind])
                for track, kind, key in some
            )
            for block in in_lists(rows, self._night.settings.encoders.contents_per_commit):
                yield pa.RecordBatch.from_pylist(block, FEAT_TRACK_HTCL.arrow_schema)

    def _counting(self, track: int) -> tuple[str, Key] | None:
        """Kind and key of the vector that counts for a track; None for one without content."""
        keys = self._keys(track)
        present = ((kind, key) for kind in self._model.counting_order if (key := keys[kind]))
        return next(present, None)

    def _keys(self, track: int) -> dict[str, Key | None]:
        """Key of each kind of vector that a track has."""
        audio, text = self._audio_hashes[track], self._text_hashes[track]
        return {
            "audio": (audio,) if audio else None,
            "text": (text,) if text else None,
            "fused": (audio, text) if audio and text else None,
        }

    def _shifts(self) -> dict[str, Tensor]:
        """See kind_shifts; of evenly spread tracks that have a recording and a text."""
        order = self._model.counting_order
        every = [self._keys(track) for track in range(self._data.n_tracks)]
        nothing = torch.zeros(PROJECTED[-1])
        if all(one[order[0]] or not any(one.values()) for one in every):
            return dict.fromkeys(order, nothing)
        both = torch.tensor([track for track, one in enumerate(every) if one["fused"]])
        keys = [every[track] for track in spread(both.long(), _SHIFTS_OF).tolist()]
        vectors, has = {}, torch.ones(len(keys), dtype=torch.bool)
        for kind in order:
            mine = [key for one in keys if (key := one[kind])]
            stored = self._stored(_TABLE_OF_KIND[kind], set(mine))
            rows = torch.stack([nothing, *(stored[key] for key in mine)])[1:]
            vectors[kind] = F.normalize(rows, dim=1)
        return kind_shifts(EncodedTracks(vectors, dict.fromkeys(order, has)), order)

    def _row(self, track: int, kind: str, vector: Tensor) -> dict[str, object]:
        return {
            "as_of_date": self._night.as_of,
            "track_id": str(self._data.dataset.nodes.tracks.ids[track]),
            "audio_hash": self._audio_hashes[track],
            "text_sha256": self._text_hashes[track],
            "vector_kind": kind,
            "track_vector": F.normalize(vector, dim=0).numpy(),
            **asdict(self._scoring),
            "run_id": self._night.run_id,
        }

    def _encoded(
        self, table: Table, keys: Mapping[Key, int], encode: Callable[[Tensor], Tensor]
    ) -> Iterator[pa.RecordBatch]:
        """Rows of this process's shard of the new keys.

        What is new is asked when the first row is: its writer holds the table's lease by then.
        """
        mine = dict(sorted(keys.items())[process_rank() :: n_processes()])
        yield from self._commits(table, self._new(table, mine), encode)

    def _new(self, table: Table, keys: Mapping[Key, int]) -> list[tuple[Key, int]]:
        """Keys that the table lacks, and a track of each, in their order."""
        known = stored_keys(self._night.settings.lake, table, self._scoring)
        return [(key, track) for key, track in sorted(keys.items()) if key not in known]

    def _commits(
        self, table: Table, new: Sequence[tuple[Key, int]], encode: Callable[[Tensor], Tensor]
    ) -> Iterator[pa.RecordBatch]:
        """Rows of new content, a batch for each commit.

        Args:
            table: one of the vectors' tables; its key columns, and one of vectors.
            new: keys, and for each a track that has this content.
            encode: vectors of tracks.
        """
        names, vector = key_columns(table), table.columns[-1].name
        for some in in_lists(new, self._night.settings.encoders.contents_per_commit):
            with eval_mode(self._model):
                vectors = encode(torch.tensor([track for _, track in some]))
            rows = [
                {**dict(zip(names, key, strict=True)), **asdict(self._scoring), vector: one}
                for (key, _), one in zip(some, vectors.numpy(), strict=True)
            ]
            yield pa.RecordBatch.from_pylist(rows, table.arrow_schema)

    def _stored(self, table: Table, keys: AbstractSet[Key]) -> _Vectors:
        """The model's vectors of some keys.

        Raises:
            VectorMissingError: the table lacks one, which this task has found or written before.
        """
        if not keys:
            return {}
        names, vector = key_columns(table), table.columns[-1].name
        found: dict[Key, Tensor] = {}
        for batch in read_rows_of_keys(
            self._night.settings.lake,
            table,
            key_column=names[0],
            keys={first for first, *_ in keys},
            columns=[*names, vector],
            where=asdict(self._scoring),
        ):
            rows = pa.Table.from_batches([batch])
            for key, one in zip(keys_of(rows, names), rows[vector].to_numpy(), strict=True):
                if key in keys:
                    found[key] = torch.from_numpy(one.copy())
        if lost := sorted(keys - found.keys()):
            raise VectorMissingError(
                f"{table.name}: no vector by {self._scoring.family} {self._scoring.model_version} "
                f"of {', '.join(lost[0])} and of {len(lost) - 1} more of {len(keys)} contents "
                "(rule: all); were rows deleted meanwhile? Clear the task: it encodes what is "
                "missing"
            )
        return found

"""Rows of HTCL's vectors: of content that the tables lack, and the one that counts for each track.

A recording, a text, and the two together are encoded once a model version, however many tracks and
nights have them. Of several processes each encodes its own shard of the recordings and the texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F

from feature_store.lake.arrow_io import exists, read_table
from feature_store.tables.features import (
    FEAT_HTCL_AUDIO,
    FEAT_HTCL_FUSED,
    FEAT_HTCL_TEXT,
    FEAT_TRACK_HTCL,
)
from feature_store.track_text import text_sha256
from training.engine.distributed import is_main, n_processes, process_rank
from training.engine.loop import eval_mode
from training.tasks.protocol import Output

if TYPE_CHECKING:
    from torch import Tensor

    from feature_store.contract import Table
    from feature_store.settings import Night
    from training.data.audio_text import AudioTextData
    from training.models.encoders.htcl_encoder import HTCLEncoder
    from training.tasks.protocol import ScoringModel

VECTOR_TABLES = (FEAT_HTCL_AUDIO, FEAT_HTCL_TEXT, FEAT_HTCL_FUSED, FEAT_TRACK_HTCL)

_Key = tuple[str, ...]


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
            Output(FEAT_TRACK_HTCL, self._tracks()),
        )

    def _audio(self) -> Iterator[pa.RecordBatch]:
        keys: dict[_Key, int] = {
            (name,): track for track, name in enumerate(self._audio_hashes) if name
        }
        return self._encoded(FEAT_HTCL_AUDIO, keys, self._model.audio_vectors)

    def _text(self) -> Iterator[pa.RecordBatch]:
        keys: dict[_Key, int] = {
            (name,): track for track, name in enumerate(self._text_hashes) if name
        }
        return self._encoded(FEAT_HTCL_TEXT, keys, self._model.text_vectors)

    def _fused(self) -> Iterator[pa.RecordBatch]:
        """Made of the stored vectors, by rank 0, which has written them."""
        if not is_main() or not self._model.is_fusing:
            return
        audio, text = self._stored(FEAT_HTCL_AUDIO), self._stored(FEAT_HTCL_TEXT)
        pairs = zip(self._audio_hashes, self._text_hashes, strict=True)
        keys: dict[_Key, int] = {(a, t): track for track, (a, t) in enumerate(pairs) if a and t}

        def encode(tracks: Tensor) -> Tensor:
            found = tracks.tolist()
            return self._model.fused_vectors(
                torch.stack([audio[(self._audio_hashes[track] or "",)] for track in found]),
                torch.stack([text[(self._text_hashes[track] or "",)] for track in found]),
            )

        yield from self._rows_of_new(FEAT_HTCL_FUSED, keys, encode)

    def _tracks(self) -> Iterator[pa.RecordBatch]:
        """The vector that counts for each track, by rank 0."""
        if not is_main():
            return
        stored = {
            "audio": self._stored(FEAT_HTCL_AUDIO),
            "text": self._stored(FEAT_HTCL_TEXT),
            "fused": self._stored(FEAT_HTCL_FUSED),
        }
        ids = self._data.dataset.nodes.tracks.ids
        hashes = zip(self._audio_hashes, self._text_hashes, strict=True)
        rows = []
        for track, (audio, text) in enumerate(hashes):
            keys: dict[str, _Key | None] = {
                "audio": (audio,) if audio else None,
                "text": (text,) if text else None,
                "fused": (audio, text) if audio and text else None,
            }
            counting = (kind for kind in self._model.counting_order if keys[kind] is not None)
            kind = next(counting, None)
            key = keys[kind] if kind else None
            if kind is None or key is None:
                continue
            rows.append(
                {
                    "as_of_date": self._night.as_of,
                    "track_id": str(ids[track]),
                    "audio_hash": audio,
                    "text_sha256": text,
                    "vector_kind": kind,
                    "track_vector": F.normalize(stored[kind][key], dim=0).numpy(),
                    **asdict(self._scoring),
                    "run_id": self._night.run_id,
                }
            )
            if len(rows) == self._night.settings.encoders.contents_per_commit:
                yield pa.RecordBatch.from_pylist(rows, FEAT_TRACK_HTCL.arrow_schema)
                rows = []
        yield pa.RecordBatch.from_pylist(rows, FEAT_TRACK_HTCL.arrow_schema)

    def _encoded(
        self, table: Table, keys: Mapping[_Key, int], encode: Callable[[Tensor], Tensor]
    ) -> Iterator[pa.RecordBatch]:
        """Rows of this process's shard of the new keys."""
        mine = dict(sorted(keys.items())[process_rank() :: n_processes()])
        return self._rows_of_new(table, mine, encode)

    def _rows_of_new(
        self, table: Table, keys: Mapping[_Key, int], encode: Callable[[Tensor], Tensor]
    ) -> Iterator[pa.RecordBatch]:
        """Rows of keys that the table lacks, a batch for each commit.

        Args:
            table: one of the vectors' tables; its key columns, and one of vectors.
            keys: by key, a track that has this content.
            encode: vectors of tracks.
        """
        known = self._stored_keys(table)
        new = [(key, track) for key, track in sorted(keys.items()) if key not in known]
        size = self._night.settings.encoders.contents_per_commit
        names, vector = _key_columns(table), table.columns[-1].name
        for start in range(0, len(new), size):
            some = new[start : start + size]
            with eval_mode(self._model):
                vectors = encode(torch.tensor([track for _, track in some]))
            rows = [
                {**dict(zip(names, key, strict=True)), **asdict(self._scoring), vector: one}
                for (key, _), one in zip(some, vectors.numpy(), strict=True)
            ]
            yield pa.RecordBatch.from_pylist(rows, table.arrow_schema)

    def _stored_keys(self, table: Table) -> set[_Key]:
        names = _key_columns(table)
        rows = self._rows(table, names)
        return set(zip(*(rows[name].to_pylist() for name in names), strict=True)) if rows else set()

    def _stored(self, table: Table) -> dict[_Key, Tensor]:
        """The model's vectors by key."""
        names, vector = _key_columns(table), table.columns[-1].name
        rows = self._rows(table, [*names, vector])
        if not rows:
            return {}
        vectors = torch.from_numpy(np.stack(rows[vector].to_numpy()))
        keys = zip(*(rows[name].to_pylist() for name in names), strict=True)
        return dict(zip(keys, vectors, strict=True))

    def _rows(self, table: Table, columns: Sequence[str]) -> pa.Table | None:
        """The rows of the model's version; None where there are none."""
        if not exists(self._night.settings.lake, table):
            return None
        rows = read_table(
            self._night.settings.lake,
            table,
            columns=columns,
            where=asdict(self._scoring),
            in_key_order=False,
        )
        return rows if rows.num_rows else None


def _key_columns(table: Table) -> list[str]:
    """The columns of the content, without those of the model."""
    return [name for name in table.key if name not in {"family", "model_version"}]

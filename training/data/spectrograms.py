"""Spectrograms of recordings, for random access: copied from feat_mel to a local file once.

Training draws its batches at random, and a row of feat_mel lies in a Parquet row group with
hundreds of others. So what a night needs and this machine lacks is copied to Arrow files in the
state folder, 320 kB a recording, which are mapped into memory. They hold no person's data, and may
be deleted at any time. A recording that could not be decoded is copied as one without a
spectrogram: each night would read its row group again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog
import torch
from filelock import FileLock

from feature_store.lake.arrow_io import read_rows_of_keys
from feature_store.tables.features import FEAT_MEL

if TYPE_CHECKING:
    from torch import Tensor

    from feature_store.lake.encoder_rows import EncoderIdentity

N_FRAMES, N_MELS = 1_251, 128
FRAME_S = 0.096
"""From one frame to the next; the middle of the first is the beginning."""

LOG = structlog.get_logger()

_SCHEMA = pa.schema(
    [("content_hash", pa.string()), ("log_mel", pa.binary()), ("mel_frame_count", pa.int32())]
)
_FRAME_BYTES = 2 * N_MELS


class SpectrogramShapeError(ValueError):
    """A row of feat_mel has another number of bytes than 1,251 frames of 128 bands."""


@dataclass(frozen=True, slots=True, eq=False)
class Spectrograms:
    """Standardised log-mel spectrograms, mapped into memory.

    Attributes:
        row_of: row of each content hash; hashes of recordings without a spectrogram are not in it.
        stored: the rows' bytes.
        frame_counts: frames of each row that hold audio, shape (n,); the others are padding.
    """

    row_of: Mapping[str, int]
    stored: pa.ChunkedArray
    frame_counts: Tensor

    def read(self, rows: Tensor, n_frames: int = N_FRAMES) -> Tensor:
        """The spectrograms of some rows, shape (n, n_frames, 128), float32.

        Args:
            rows: positions, shape (n,).
            n_frames: the first ones, at most 1,251.
        """
        frames = np.empty((len(rows), n_frames, N_MELS), np.float16)
        for position, row in enumerate(rows.tolist()):
            content = self.stored[row].as_buffer()
            frames[position] = np.frombuffer(content, "<f2").reshape(N_FRAMES, N_MELS)[:n_frames]
        return torch.from_numpy(frames).float()


def open_spectrograms(
    lake: str, identity: EncoderIdentity, hashes: Sequence[str], folder: Path
) -> Spectrograms:
    """The spectrograms of recordings; copies those to `folder` that are not there yet.

    Args:
        lake: where feat_mel is.
        identity: whose rows of it.
        hashes: content hashes of recordings.
        folder: of this machine; processes that ask for the same at once wait for the first.

    Raises:
        SpectrogramShapeError: a row has another size.
    """
    own = folder / hashlib.sha256(f"{identity} {_SCHEMA}".encode()).hexdigest()[:16]
    own.mkdir(parents=True, exist_ok=True)
    with FileLock(own / "copying.lock"):
        stored = _stored(own)
        missing = set(hashes).difference(stored["content_hash"].to_pylist())
        if missing and _copy(lake, identity, missing, own):
            stored = _stored(own)
    has_spectrogram = stored["log_mel"].is_valid().to_pylist()
    rows = enumerate(zip(stored["content_hash"].to_pylist(), has_spectrogram, strict=True))
    asked_for = set(hashes)
    frame_counts = torch.tensor(stored["mel_frame_count"].fill_null(0).to_numpy())
    return Spectrograms(
        {name: row for row, (name, has) in rows if has and name in asked_for},
        stored["log_mel"],
        frame_counts,
    )


def _stored(folder: Path) -> pa.Table:
    """The rows of all files."""
    files = [pa.memory_map(str(path)) for path in sorted(folder.glob("*.arrow"))]
    tables = [pa.ipc.open_file(file).read_all() for file in files]
    return pa.concat_tables([_SCHEMA.empty_table(), *tables])


def _copy(lake: str, identity: EncoderIdentity, hashes: set[str], folder: Path) -> int:
    """Copy rows to a further file, which is whole or not there; returns how many were found."""
    n_rows = 0
    unfinished = folder / "unfinished"  # a killed copy's file, too, which this one replaces
    with pa.OSFile(str(unfinished), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
        for batch in read_rows_of_keys(
            lake,
            FEAT_MEL,
            key_column="content_hash",
            keys=hashes,
            columns=_SCHEMA.names,
            where=asdict(identity),
        ):
            _check_sizes(batch.filter(batch["log_mel"].is_valid()))
            writer.write_batch(batch.cast(_SCHEMA))
            n_rows += len(batch)
    if n_rows:
        unfinished.replace(folder / f"{uuid4().hex}.arrow")
        LOG.info("spectrograms copied", rows=n_rows, into=str(folder))
    return n_rows


def _check_sizes(rows: pa.RecordBatch) -> None:
    sizes = pc.binary_length(rows["log_mel"])
    for name, size in zip(rows["content_hash"], sizes, strict=True):
        if size.as_py() != N_FRAMES * _FRAME_BYTES:
            raise SpectrogramShapeError(
                f"{FEAT_MEL.name}: log_mel of {name} has {size} bytes; {N_FRAMES} frames of "
                f"{N_MELS} bands in float16 have {N_FRAMES * _FRAME_BYTES}; delete the row, and "
                "clear the task feat_audio"
            )

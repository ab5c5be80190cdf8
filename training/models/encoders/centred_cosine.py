"""Centred cosines: similar tracks by the embeddings of audio, lyrics and tags, without training.

The rule of rec_similar_tracks: the mean, over the modalities that both tracks have, of the cosine
between their embeddings less the catalogue's mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.models.protocols import EncodedTracks

if TYPE_CHECKING:
    from training.data.audio_text import AudioTextView

MODALITIES = ("audio", "lyrics", "tags")


@dataclass(frozen=True, slots=True)
class CentredCosineConfig:
    """Nothing to set."""


class CentredCosine(nn.Module):
    """See the module. The mean is that of the tracks that are known."""

    node_tables: Mapping[str, str] = {}

    def __init__(self, _config: CentredCosineConfig, view: AudioTextView) -> None:
        super().__init__()
        self._vectors: dict[str, Tensor] = {}
        self._has: dict[str, Tensor] = {}
        for name in MODALITIES:
            modality = view.content.get(name)
            if modality is None or not bool(modality.has.any()):
                continue
            centred = modality.embedding - modality.embedding[modality.has].mean(dim=0)
            self._vectors[name] = F.normalize(centred, dim=1)
            # A vector that equals the mean has no direction.
            self._has[name] = modality.has & (centred != 0).any(dim=1)

    def encode(self, tracks: Tensor) -> EncodedTracks:
        """See TrackEncoder."""
        return EncodedTracks(self._vectors, self._has).rows(tracks)

    def similarity(
        self, queries: EncodedTracks, tracks: EncodedTracks, *, by_audio: bool
    ) -> Tensor:
        """See TrackEncoder."""
        n_queries, n_tracks = (len(next(iter(one.has.values()), ())) for one in (queries, tracks))
        total = torch.zeros(n_queries, n_tracks)
        n_shared = torch.zeros(n_queries, n_tracks)
        for name in queries.vectors:
            if by_audio and name != "audio":
                continue
            both = queries.has[name][:, None] & tracks.has[name][None]
            total += (queries.vectors[name] @ tracks.vectors[name].T).where(both, 0)
            n_shared += both
        return (total / n_shared.clamp(min=1)).where(n_shared > 0, -torch.inf)

"""HTCL: audio and text of a track in one space, first by meaning, then by taste.

Pan et al. 2025, "Hierarchical two-stage contrastive learning" (arXiv:2505.23298). Stage 1 brings a
recording and its text together. Stage 2 learns from pairs of tracks, one that a listener heard and
the one that the listener went on to like: both their texts and recordings, the two recordings, and
each recording with what both modalities of the other say together. The first of its three terms is
what keeps the meaning. Only the encoders pass from one stage to the next.

Differs from the paper: copies of a track in a batch are no negatives. audio_tower.py, text_tower.py
and htcl_stages.py (pairs, batches) tell their own differences. Choices that neither the paper nor
its public code tells are marked [ours].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.layers.contrastive import Temperature, contrastive_loss
from training.models.encoders.audio_tower import PAPER, AudioTower, TowerSize
from training.models.encoders.spectrogram_masks import SpectrogramMasks
from training.models.encoders.text_tower import TextTower

PROJECTED = (384, 192, 100)
FUSED = (200, 100, 100)

SIZES = {
    "paper": PAPER,
    # [ours] For machines without a GPU.
    "small": TowerSize(256, 256, layers=4, heads=4, hidden=1_024, position_groups=16),
    "tiny": TowerSize(64, 64, layers=2, heads=2, hidden=256, position_groups=16),
}


@dataclass(frozen=True, slots=True)
class Tracks:
    """Tracks of a batch.

    Attributes:
        log_mel: standardised spectrograms, as far as the audio tower reads, shape (n, frames, 128).
        token_ids: their texts, shape (n, length).
        is_token: False for padding, shape (n, length).
        numbers: an integer a track, the same for copies of one, shape (n,).
    """

    log_mel: Tensor
    token_ids: Tensor
    is_token: Tensor
    numbers: Tensor

    def __len__(self) -> int:
        return len(self.log_mel)

    def to(self, device: torch.device) -> Tracks:
        """The same on another device."""
        return Tracks(*(one.to(device) for one in self._parts()))

    def split(self, size: int) -> list[Tracks]:
        """The same in pieces of at most `size` tracks."""
        pieces = zip(*(one.split(size) for one in self._parts()), strict=True)
        return [Tracks(*piece) for piece in pieces]

    def _parts(self) -> tuple[Tensor, ...]:
        return self.log_mel, self.token_ids, self.is_token, self.numbers


@dataclass(frozen=True, slots=True)
class Projected:
    """Vectors of tracks in the common space, each of shape (n, 100)."""

    audio: Tensor
    text: Tensor


class StageHeads(nn.Module):
    """What a stage trains beside the encoders: projections, temperatures, in stage 2 the fusion.

    Args:
        audio_width: of the audio tower's vectors.
        text_width: of the text tower's.
        n_temperatures: one for each kind of loss.
        is_fusing: whether audio and text are fused.
    """

    def __init__(
        self, audio_width: int, text_width: int, n_temperatures: int, *, is_fusing: bool
    ) -> None:
        super().__init__()
        self.audio = _perceptron(audio_width, PROJECTED)
        self.text = _perceptron(text_width, PROJECTED)
        self.fusion = _perceptron(2 * PROJECTED[-1], FUSED) if is_fusing else None
        self.temperatures = nn.ModuleList(Temperature() for _ in range(n_temperatures))

    def fused(self, projected: Projected) -> Tensor:
        """Both modalities together, shape (n, 100)."""
        if self.fusion is None:
            raise AssertionError  # stage 1 has none
        fused: Tensor = self.fusion(torch.cat([projected.audio, projected.text], dim=1))
        return fused


class HTCL(nn.Module):
    """Both towers, and the heads of both stages.

    Args:
        size: of the audio tower.
        text: the text tower.
        dropout, masks, recomputes_layers: of the audio tower.
    """

    def __init__(
        self,
        size: TowerSize,
        text: TextTower,
        dropout: float = 0.1,
        masks: SpectrogramMasks | None = None,
        *,
        recomputes_layers: bool = False,
    ) -> None:
        super().__init__()
        self.audio = AudioTower(size, dropout, masks, recomputes_layers=recomputes_layers)
        self.text = text
        self.meaning = StageHeads(size.width, text.width, 1, is_fusing=False)
        self.taste = StageHeads(size.width, text.width, 3, is_fusing=True)

    def projected(self, tracks: Tracks, heads: StageHeads) -> Projected:
        """The tracks in the space of a stage."""
        return Projected(
            heads.audio(self.audio(tracks.log_mel)),
            heads.text(self.text(tracks.token_ids, tracks.is_token)),
        )

    def meaning_loss(self, tracks: Tracks) -> dict[str, Tensor]:
        """Stage 1: CLIP(audio, text)."""
        return meaning_losses(self.projected(tracks, self.meaning), tracks.numbers, self.meaning)

    def taste_loss(self, heard: Tracks, liked: Tracks) -> dict[str, Tensor]:
        """Stage 2, of pairs: row i of `liked` is what a listener of row i of `heard` went on to."""
        return taste_losses(
            self.projected(heard, self.taste),
            self.projected(liked, self.taste),
            (heard.numbers, liked.numbers),
            self.taste,
        )


def meaning_losses(projected: Projected, tracks: Tensor, heads: StageHeads) -> dict[str, Tensor]:
    """The loss of stage 1 from its vectors, of which `tracks` numbers the tracks."""
    [scale] = (temperature() for temperature in heads.temperatures)
    return {"audio_text": contrastive_loss(projected.audio, projected.text, scale, tracks, tracks)}


def taste_losses(
    heard: Projected, liked: Projected, tracks: tuple[Tensor, Tensor], heads: StageHeads
) -> dict[str, Tensor]:
    """The three terms of stage 2, whose weights are 1, from the vectors of pairs.

    CLIP([a1; a2], [t1; t2]; t1) + CLIP(a1, a2; t2) + half of CLIP(a1, f2; t3) + CLIP(a2, f1; t3).

    Args:
        heard: the first tracks of the pairs.
        liked: the second ones.
        tracks: their numbers.
        heads: of stage 2.
    """
    of_text, of_audio, of_fused = (temperature() for temperature in heads.temperatures)
    first, second = tracks
    audio, text = torch.cat([heard.audio, liked.audio]), torch.cat([heard.text, liked.text])
    both = torch.cat(tracks)
    ahead = contrastive_loss(heard.audio, heads.fused(liked), of_fused, first, second)
    back = contrastive_loss(liked.audio, heads.fused(heard), of_fused, second, first)
    return {
        "audio_text": contrastive_loss(audio, text, of_text, both, both),
        "audio_audio": contrastive_loss(heard.audio, liked.audio, of_audio, first, second),
        "audio_fused": (ahead + back) / 2,
    }


def _perceptron(width: int, widths: tuple[int, ...]) -> nn.Sequential:
    """Linear layers with ReLU between them; the last is linear."""
    layers: list[nn.Module] = []
    for n_in, n_out in zip((width, *widths), widths, strict=False):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])

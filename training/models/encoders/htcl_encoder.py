"""HTCL as a family of `audio_text`: its configuration, and its vectors of tracks.

The network and its losses are in htcl.py, its stages in htcl_stages.py. Choices that neither the
paper nor its public code tells are marked [ours].
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from feature_store.weight_packages import MINILM, weights_folder
from training.engine.ranges import (
    AT_LEAST_ONE,
    AT_LEAST_TWO,
    NOT_NEGATIVE,
    SHARE,
    UNIT,
    Between,
    OneOf,
    OutOfRangeError,
    check_ranges,
)
from training.models.encoders.counting_vectors import counting_vectors, kind_shifts
from training.models.encoders.htcl import HTCL, PROJECTED, SIZES, Projected, StageHeads
from training.models.encoders.spectrogram_masks import SpectrogramMasks
from training.models.encoders.text_tower import FrozenTextTower, Pooling, TextTower
from training.models.protocols import EncodedTracks

if TYPE_CHECKING:
    from training.data.audio_text import AudioTextView

KNOWS_TASTE = "knows_taste"
"""The tensor of a state that says whether stage 2 was trained."""
ORDERS = (("fused", "audio", "text"), ("audio", "fused", "text"), ("text", "fused", "audio"))
"""Which vector of a track counts: the first that it has, in the order that validation chooses.

While epochs are selected, and where nothing could be held out, it is the first of these orders. See
counting_vectors.py.
"""
SOUND_FIRST = 1
"""The order where all are equal on validation, as when it compares sound alone."""

_ENCODED_AT_ONCE = 64
_MIN_CONTENTS = 2


@dataclass(frozen=True, slots=True)
class HTCLConfig:
    """Sizes and rates; the published ones where they are known."""

    size: str = "tiny"  # small, or paper
    text_folder: str = ""  # of a text model of transformers; empty: the packaged MiniLM
    # or pooler, as the paper's BERT
    text_pooling: Annotated[str, OneOf(get_args(Pooling))] = "mean"
    # [ours] upper layers that learn; -1: all, as in the paper
    text_layers: Annotated[int, Between(-1)] = 0
    max_tokens: Annotated[int, AT_LEAST_TWO] = 64  # [ours]
    dropout: Annotated[float, SHARE] = 0.1
    # [ours] share that a mask hides at most: spectrogram_masks.py
    masked_bands: Annotated[float, SHARE] = 0.0
    masked_time: Annotated[float, SHARE] = 0.0  # [ours] likewise
    # of both encoders in stage 2, and of the text's in stage 1
    encoder_rate: Annotated[float, NOT_NEGATIVE] = 0.1
    # [ours] different pairs of recordings, without which there is no stage 2
    min_pairs: Annotated[int, AT_LEAST_ONE] = 100
    # [ours] liked pairs from which the others do not count
    min_liked_pairs: Annotated[int, AT_LEAST_ONE] = 1_000
    # [ours] that an epoch draws; 0: three for each track of stage 1
    epoch_pairs: Annotated[int, NOT_NEGATIVE] = 0
    popularity_power: Annotated[float, UNIT] = 0.5  # [ours] see popularity_weights
    weight_audio_text: Annotated[float, NOT_NEGATIVE] = 1.0  # of the terms of stage 2
    weight_audio_audio: Annotated[float, NOT_NEGATIVE] = 1.0
    weight_audio_fused: Annotated[float, NOT_NEGATIVE] = 1.0
    # of a batch whose activations are in memory at once; 0: all
    piece_tracks: Annotated[int, NOT_NEGATIVE] = 0
    recomputes_layers: bool = False  # activation checkpointing
    is_compiled: bool = False  # torch.compile of the audio tower

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        check_ranges(self)
        if not any(self.term_weights.values()):
            raise OutOfRangeError(
                f"{type(self).__name__}: all weights of stage 2 are 0 "
                f"({', '.join(f'weight_{name}' for name in self.term_weights)}), so it would learn "
                "nothing; set one above 0"
            )
        if self.min_liked_pairs < self.min_pairs:
            raise OutOfRangeError(
                f"{type(self).__name__}: min_liked_pairs = {self.min_liked_pairs} is below "
                f"min_pairs = {self.min_pairs}, so liked pairs would take the others' part where "
                f"they are too few for stage 2; set it to {self.min_pairs} or more"
            )

    @property
    def term_weights(self) -> dict[str, float]:
        """Weights of the terms of stage 2."""
        return {
            "audio_text": self.weight_audio_text,
            "audio_audio": self.weight_audio_audio,
            "audio_fused": self.weight_audio_fused,
        }


class UnknownSizeError(ValueError):
    """The configuration names a size that there is not."""


class HTCLEncoder(nn.Module):
    """HTCL over a view of the catalogue.

    Attributes:
        config, view: what it was made of.
        knows_taste: whether stage 2 has begun, so that its heads count.
        order: which of ORDERS counts.
    """

    node_tables: Mapping[str, str] = {}

    def __init__(self, config: HTCLConfig, view: AudioTextView) -> None:
        super().__init__()
        if config.size not in SIZES:
            raise UnknownSizeError(
                f"audio_text/htcl: size = {config.size!r}; it is one of {', '.join(SIZES)}"
            )
        folder = Path(config.text_folder) if config.text_folder else weights_folder(MINILM)
        kind = TextTower if config.text_layers else FrozenTextTower
        text = kind(folder, cast("Pooling", config.text_pooling), config.max_tokens)
        self.config, self.view = config, view
        self.network = HTCL(
            SIZES[config.size],
            text,
            config.dropout,
            SpectrogramMasks(config.masked_bands, config.masked_time),
            recomputes_layers=config.recomputes_layers,
        )
        if config.is_compiled:
            self.network.audio.compile()
        self.knows_taste: Tensor
        self.order: Tensor
        self.register_buffer(KNOWS_TASTE, torch.tensor(0))
        self.register_buffer("order", torch.tensor(0))

    @property
    def heads(self) -> StageHeads:
        """Those of the newest stage."""
        return self.network.taste if int(self.knows_taste) else self.network.meaning

    def log_mel(self, tracks: Tensor) -> Tensor:
        """Spectrograms of tracks that have a recording, shape (n, frames that are read, 128)."""
        n_frames = self.network.audio.frames_read
        return self.view.spectrograms.read(self.view.audio_rows[tracks], n_frames)

    def tokens(self, tracks: Tensor) -> tuple[Tensor, Tensor]:
        """What the text tower reads of the tracks' texts, and which of it is no padding."""
        return self.network.text.tokens([self.view.texts[track] for track in tracks.tolist()])

    def encode(self, tracks: Tensor) -> EncodedTracks:
        """Vectors "audio" and "text" of the newest stage, and after stage 2 "fused" of both."""
        has = {"audio": self.view.has_audio[tracks], "text": self.view.has_text[tracks]}
        whole = {
            "audio": _spread_rows(self.audio_vectors(tracks[has["audio"]]), has["audio"]),
            "text": _spread_rows(self.text_vectors(tracks[has["text"]]), has["text"]),
        }
        if self.is_fusing:
            has["fused"] = has["audio"] & has["text"]
            whole["fused"] = self.fused_vectors(whole["audio"], whole["text"])
        return EncodedTracks({name: F.normalize(one, dim=1) for name, one in whole.items()}, has)

    @property
    def is_fusing(self) -> bool:
        """Whether stage 2 has trained the fusion."""
        return self.heads.fusion is not None

    def audio_vectors(self, tracks: Tensor) -> Tensor:
        """Recordings of tracks that have one, in the common space, shape (n, 100), on the CPU."""
        heads, device = self.heads, self.order.device
        return self._in_blocks(
            tracks, lambda rows: heads.audio(self.network.audio(self.log_mel(rows).to(device)))
        )

    def text_vectors(self, tracks: Tensor) -> Tensor:
        """Texts of tracks that have one, likewise."""
        heads, device = self.heads, self.order.device

        def encode(rows: Tensor) -> Tensor:
            token_ids, is_token = self.tokens(rows)
            vectors: Tensor = heads.text(
                self.network.text(token_ids.to(device), is_token.to(device))
            )
            return vectors

        return self._in_blocks(tracks, encode)

    def fused_vectors(self, audio: Tensor, text: Tensor) -> Tensor:
        """Recordings and texts together, likewise, of their vectors, shape (n, 100) each."""
        device = self.order.device
        return self.heads.fused(Projected(audio.to(device), text.to(device))).cpu()

    @property
    def counting_order(self) -> tuple[str, ...]:
        """Which vector of a track counts: the first of these that it has."""
        order = ORDERS[int(self.order)]
        return order if self.is_fusing else tuple(kind for kind in order if kind != "fused")

    def similarity(
        self, queries: EncodedTracks, tracks: EncodedTracks, *, by_audio: bool
    ) -> Tensor:
        """Cosines of the vectors that count, see ORDERS."""
        order = ("audio",) if by_audio else self.counting_order
        shifts = kind_shifts(tracks, order)
        (x, has_x), (y, has_y) = (counting_vectors(one, order, shifts) for one in (queries, tracks))
        return (x @ y.T).where(has_x[:, None] & has_y[None], -torch.inf)

    def frozen(self) -> dict[str, Tensor]:
        """The parameters of the text tower that do not learn, by their names in the state."""
        learned = {id(one) for one in self.network.text.trained_parameters(self.config.text_layers)}
        return {
            f"network.text.{name}": one.detach()
            for name, one in self.network.text.named_parameters()
            if id(one) not in learned
        }

    def _in_blocks(self, tracks: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        """Vectors of tracks, on the CPU, shape (n, 100)."""
        parts = tracks.split(_ENCODED_AT_ONCE) if len(tracks) else ()  # of none split makes one
        blocks = [encode(rows).float().cpu() for rows in parts]
        return torch.cat([torch.zeros(0, PROJECTED[-1]), *blocks])


def lacks(view: AudioTextView) -> str:
    """HTCL tells the recordings and texts of tracks apart, so there must be two of each."""
    both = (view.is_learned & view.has_audio & view.has_text).nonzero().squeeze(1)
    n_recordings = len(view.copies[both].unique())
    n_texts = len({view.texts[track] for track in both.tolist()})
    if min(n_recordings, n_texts) >= _MIN_CONTENTS:
        return ""
    return (
        f"{len(both)} tracks that it may learn from have a spectrogram (feat_mel) and a text "
        f"(feat_track_texts), {n_recordings} different recordings and {n_texts} different texts; "
        f"it learns from {_MIN_CONTENTS} or more of each"
    )


def text_weights_sha256(frozen: Mapping[str, Tensor]) -> str:
    """Hash of the text tower's frozen parameters."""
    digest = hashlib.sha256()
    for name in sorted(frozen):
        digest.update(name.encode() + frozen[name].cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _spread_rows(rows: Tensor, has: Tensor) -> Tensor:
    """Rows of those that `has` says, among zeros, shape (len(has), dim)."""
    whole = torch.zeros(len(has), rows.shape[1])
    whole[has] = rows
    return whole

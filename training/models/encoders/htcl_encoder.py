"""HTCL as a family of `audio_text`: its stages and batches, and its vectors of tracks.

The network and its losses are in htcl.py. Choices that neither the paper nor its public code tells
are marked [ours].
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from feature_store.weight_packages import MINILM, weights_folder
from training.data.track_batches import MusicBatches, popularity_weights, shuffled
from training.data.track_pairs import TrackPairs
from training.engine.in_pieces import backward_in_pieces
from training.engine.optimisers import ParameterGroup
from training.engine.stages import Stage
from training.models.encoders.htcl import (
    HTCL,
    PROJECTED,
    SIZES,
    Projected,
    StageHeads,
    Tracks,
    meaning_losses,
    taste_losses,
)
from training.models.encoders.text_tower import FrozenTextTower, Pooling, TextTower
from training.models.protocols import TEXT_METRIC, EncodedTracks

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from training.data.audio_text import AudioTextView
    from training.data.track_batches import MusicBatch
    from training.engine.recipe import Recipe

MEANING, TASTE = "meaning", "taste"
KNOWS_TASTE = "knows_taste"
"""The tensor of a state that says whether stage 2 was trained."""
ORDERS = (("fused", "audio", "text"), ("audio", "fused", "text"), ("text", "fused", "audio"))
"""Which vector of a track counts: the first that it has, in the order that validation chooses."""

_ENCODED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class HTCLConfig:
    """Sizes and rates; the published ones where they are known."""

    size: str = "tiny"  # small, or paper
    text_folder: str = ""  # of a text model of transformers; empty: the packaged MiniLM
    text_pooling: str = "mean"  # or pooler, as the paper's BERT
    text_layers: int = 0  # [ours] upper layers that learn; -1: all, as in the paper
    max_tokens: int = 64  # [ours]
    dropout: float = 0.1
    encoder_rate: float = 0.1  # of both encoders in stage 2, and of the text's in stage 1
    min_pairs: int = 100  # [ours] distinct pairs without which there is no stage 2
    min_liked_pairs: int = 1_000  # [ours] liked pairs from which the others do not count
    epoch_pairs: int = 0  # [ours] that an epoch draws; 0: as many as stage 1 has tracks
    popularity_power: float = 0.5  # [ours] see popularity_weights
    weight_audio_text: float = 1.0  # of the terms of stage 2
    weight_audio_audio: float = 1.0
    weight_audio_fused: float = 1.0
    piece_tracks: int = 0  # of a batch whose activations are in memory at once; 0: all
    recomputes_layers: bool = False  # activation checkpointing
    is_compiled: bool = False  # torch.compile of the audio tower

    @property
    def term_weights(self) -> dict[str, float]:
        """Weights of the terms of stage 2."""
        return {
            "audio_text": self.weight_audio_text,
            "audio_audio": self.weight_audio_audio,
            "audio_fused": self.weight_audio_fused,
        }


_Content = tuple[Tracks, ...]
"""The tracks of a batch; of pairs those before, and those that were finished."""

_Losses = Callable[[Sequence[Projected], Sequence[Tensor]], dict[str, Tensor]]
"""Named losses of the sides of a batch, and the numbers of their tracks."""


class UnknownSizeError(ValueError):
    """The configuration names a size that there is not."""


class HTCLEncoder(nn.Module):
    """HTCL over a view of the catalogue.

    Attributes:
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
        self._config, self._view = config, view
        self.network = HTCL(
            SIZES[config.size],
            text,
            config.dropout,
            recomputes_layers=config.recomputes_layers,
        )
        if config.is_compiled:
            self.network.audio.compile()
        self.knows_taste: Tensor
        self.order: Tensor
        self.register_buffer(KNOWS_TASTE, torch.tensor(0))
        self.register_buffer("order", torch.tensor(0))

    def stages(
        self, recipe: Recipe, generator: torch.Generator, device: torch.device
    ) -> tuple[Stage, ...]:
        """Stage 1 over tracks with both modalities, stage 2 over pairs of them where there are any.

        Args:
            recipe: sizes of batches, and the loop.
            generator: draws the batches.
            device: of the model.
        """
        both = self._view.has_audio & self._view.has_text & self._view.is_learned
        text = self.network.text.trained_parameters(self._config.text_layers)
        audio = list(self.network.audio.parameters())
        slow = self._config.encoder_rate
        of_stage = partial(self._stage, recipe, generator, device)
        meaning = of_stage(
            MEANING,
            (
                ParameterGroup([*audio, *self.network.meaning.parameters()]),
                ParameterGroup(text, rate=slow),
            ),
            _Draws(both.nonzero().squeeze(1)),
            self._meaning,
        )
        pairs = self._pairs(both)
        if len(pairs) < self._config.min_pairs:
            return (meaning,)
        taste = of_stage(
            TASTE,
            (
                ParameterGroup(list(self.network.taste.parameters())),
                ParameterGroup([*audio, *text], rate=slow),
            ),
            self._pair_draws(pairs, self._config.epoch_pairs or int(both.sum())),
            self._taste,
        )
        return (meaning, taste)

    def encode(self, tracks: Tensor) -> EncodedTracks:
        """Vectors "audio" and "text" of the newest stage, and after stage 2 "fused" of both."""
        has = {"audio": self._view.has_audio[tracks], "text": self._view.has_text[tracks]}
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
        return self._heads().fusion is not None

    def audio_vectors(self, tracks: Tensor) -> Tensor:
        """Recordings of tracks that have one, in the common space, shape (n, 100), on the CPU."""
        heads, device = self._heads(), self.order.device
        return self._in_blocks(
            tracks, lambda rows: heads.audio(self.network.audio(self._log_mel(rows).to(device)))
        )

    def text_vectors(self, tracks: Tensor) -> Tensor:
        """Texts of tracks that have one, likewise."""
        heads, device = self._heads(), self.order.device

        def encode(rows: Tensor) -> Tensor:
            token_ids, is_token = self._tokens(rows)
            vectors: Tensor = heads.text(
                self.network.text(token_ids.to(device), is_token.to(device))
            )
            return vectors

        return self._in_blocks(tracks, encode)

    def fused_vectors(self, audio: Tensor, text: Tensor) -> Tensor:
        """Recordings and texts together, likewise, of their vectors, shape (n, 100) each."""
        device = self.order.device
        return self._heads().fused(Projected(audio.to(device), text.to(device))).cpu()

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
        (x, has_x), (y, has_y) = (_first_vectors(one, order) for one in (queries, tracks))
        return (x @ y.T).where(has_x[:, None] & has_y[None], -torch.inf)

    def frozen(self) -> dict[str, Tensor]:
        """The parameters of the text tower that do not learn, by their names in the state."""
        learned = {
            id(one) for one in self.network.text.trained_parameters(self._config.text_layers)
        }
        return {
            f"network.text.{name}": one.detach()
            for name, one in self.network.text.named_parameters()
            if id(one) not in learned
        }

    def _stage(
        self,
        recipe: Recipe,
        generator: torch.Generator,
        device: torch.device,
        name: str,
        groups: tuple[ParameterGroup, ...],
        draws: _Draws,
        losses: _Losses,
    ) -> Stage:
        """A stage whose losses are computed at once, or in pieces with the same gradient."""
        batches = MusicBatches(
            draw=partial(draws.draw, generator),
            n_positions=draws.n_positions,
            size=recipe.batching.batch_tracks,
            read=self._read,
        )
        how: dict[str, Any]
        if self._config.piece_tracks:
            precision = partial(
                torch.autocast,
                device.type,
                dtype=torch.bfloat16,
                enabled=recipe.loop.precision == "bfloat16",
            )
            how = {"backward": partial(self._in_pieces, losses, device, precision)}
        else:
            how = {"training_loss": partial(self._at_once, losses, device)}
        return Stage(
            name=name,
            module=self,
            groups=tuple(group for group in groups if group.parameters),
            batches=batches,
            loop=recipe.loop,
            generator=generator,
            metric=TEXT_METRIC if name == MEANING else "",
            on_start=partial(self._begin, name),
            **how,
        )

    def _begin(self, name: str) -> None:
        """The heads of the stage count from its first epoch on."""
        self.knows_taste.fill_(int(name == TASTE))

    def _at_once(
        self, losses: _Losses, device: torch.device, batch: MusicBatch[_Content]
    ) -> dict[str, Tensor]:
        sides = [side.to(device) for side in batch.content.result()]
        projected = [self.network.projected(side, self._heads()) for side in sides]
        return losses(projected, [side.numbers for side in sides])

    def _in_pieces(
        self,
        losses: _Losses,
        device: torch.device,
        precision: Callable[[], AbstractContextManager[object]],
        batch: MusicBatch[_Content],
    ) -> dict[str, Tensor]:
        sides = [side.to(device) for side in batch.content.result()]
        pieces = list(zip(*(side.split(self._config.piece_tracks) for side in sides), strict=True))

        def encode(piece: tuple[Tracks, ...]) -> tuple[Tensor, ...]:
            projected = [self.network.projected(side, self._heads()) for side in piece]
            return tuple(vectors for one in projected for vectors in (one.audio, one.text))

        def losses_of(vectors: tuple[Tensor, ...]) -> dict[str, Tensor]:
            projected = [Projected(*pair) for pair in zip(vectors[::2], vectors[1::2], strict=True)]
            return losses(projected, [side.numbers for side in sides])

        return backward_in_pieces(pieces, encode, losses_of, precision)

    def _meaning(
        self, projected: Sequence[Projected], numbers: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        [tracks], [own] = projected, numbers
        return meaning_losses(tracks, own, self.network.meaning)

    def _taste(
        self, projected: Sequence[Projected], numbers: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        (heard, liked), (first, second) = projected, numbers
        losses = taste_losses(heard, liked, (first, second), self.network.taste)
        weights = self._config.term_weights
        return {name: loss * weights[name] for name, loss in losses.items() if weights[name]}

    def _heads(self) -> StageHeads:
        """Those of the newest stage."""
        return self.network.taste if int(self.knows_taste) else self.network.meaning

    def _pairs(self, both: Tensor) -> TrackPairs:
        """The liked pairs where there are enough of them, else all; of tracks that have both."""
        pairs = self._view.pairs
        pairs = pairs.where(both[pairs.triggers] & both[pairs.tracks])
        n_tracks, liked = self._view.n_tracks, self._view.liked
        is_liked = torch.isin(
            pairs.users * n_tracks + pairs.tracks, liked.source * n_tracks + liked.target
        )
        enough = int(is_liked.sum()) >= self._config.min_liked_pairs
        return pairs.where(is_liked) if enough else pairs

    def _pair_draws(self, pairs: TrackPairs, at_most: int) -> _Draws:
        weights = popularity_weights(pairs.tracks, self._config.popularity_power)
        positions = torch.stack([pairs.triggers, pairs.tracks], dim=1)
        return _Draws(positions, weights, min(len(pairs), at_most))

    def _read(self, positions: Tensor) -> _Content:
        """Tracks of one side, or of both sides of pairs."""
        sides = positions.unbind(dim=1) if positions.dim() > 1 else (positions,)
        return tuple(
            Tracks(self._log_mel(one), *self._tokens(one), self._view.copies[one]) for one in sides
        )

    def _log_mel(self, tracks: Tensor) -> Tensor:
        return self._view.spectrograms.read(self._view.audio_rows[tracks])

    def _tokens(self, tracks: Tensor) -> tuple[Tensor, Tensor]:
        return self.network.text.tokens([self._view.texts[track] for track in tracks.tolist()])

    def _in_blocks(self, tracks: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        """Vectors of tracks, on the CPU, shape (n, 100)."""
        parts = tracks.split(_ENCODED_AT_ONCE) if len(tracks) else ()  # of none split makes one
        blocks = [encode(rows).float().cpu() for rows in parts]
        return torch.cat([torch.zeros(0, PROJECTED[-1]), *blocks])


@dataclass(frozen=True, slots=True, eq=False)
class _Draws:
    """Positions of an epoch: all of them in a random order, or drawn by weights with repetition."""

    positions: Tensor
    weights: Tensor | None = None
    n_drawn: int = 0

    @property
    def n_positions(self) -> int:
        """Of an epoch."""
        return len(self.positions) if self.weights is None else self.n_drawn

    def draw(self, generator: torch.Generator) -> Tensor:
        """The next epoch's."""
        if self.weights is None:
            return shuffled(self.positions, generator)
        # torch.multinomial knows at most 2^24 categories.
        upto = self.weights.cumsum(0)
        drawn = torch.rand(self.n_drawn, generator=generator, dtype=torch.float64) * upto[-1]
        return self.positions[torch.searchsorted(upto, drawn).clamp(max=len(upto) - 1)]


def text_weights_sha256(frozen: Mapping[str, Tensor]) -> str:
    """Hash of the text tower's frozen parameters."""
    digest = hashlib.sha256()
    for name in sorted(frozen):
        digest.update(name.encode() + frozen[name].cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _first_vectors(tracks: EncodedTracks, order: Sequence[str]) -> tuple[Tensor, Tensor]:
    """The first vector of each track that it has, and whether it has any."""
    vectors, has = tracks.vectors[order[0]], tracks.has[order[0]]
    for name in order[1:]:
        vectors = torch.where(has[:, None], vectors, tracks.vectors[name])
        has = has | tracks.has[name]
    return vectors, has


def _spread_rows(rows: Tensor, has: Tensor) -> Tensor:
    """Rows of those that `has` says, among zeros, shape (len(has), dim)."""
    whole = torch.zeros(len(has), rows.shape[1])
    whole[has] = rows
    return whole

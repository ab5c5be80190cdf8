"""The two stages in which HTCL learns: their batches, their losses, and what each one trains.

The task asks for them, so that the encoder, which predicts, does not know how it learns.

Differs from the paper, whose rule for pairs is not public: pairs are drawn with repetition, so that
second tracks of few listeners are not drowned, three for each track of stage 1 an epoch; where
there are a thousand liked pairs, these count alone; a batch is that of all processes together, not
of each GPU. Choices that neither the paper nor its public code tells are marked [ours].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from training.data.track_batches import MusicBatches, popularity_weights, shuffled, spread
from training.engine.in_pieces import backward_in_pieces
from training.engine.optimisers import ParameterGroup
from training.engine.stages import Stage, autocast
from training.models.encoders.htcl import Projected, Tracks, meaning_losses, taste_losses
from training.models.protocols import TEXT_METRIC

if TYPE_CHECKING:
    from training.data.audio_text import AudioTextView
    from training.data.track_batches import MusicBatch
    from training.data.track_pairs import TrackPairs
    from training.engine.recipe import Recipe
    from training.models.encoders.htcl_encoder import HTCLEncoder

MEANING, TASTE = "meaning", "taste"

_PAIRS_PER_TRACK = 3
"""That an epoch of stage 2 draws: a pair tells little, and a track has many of them."""
_BANDS_OF = 512
"""Recordings by which bands are standardised; a mean over more hardly differs."""
_READ_AT_ONCE = 64

_Content = tuple[Tracks, ...]
"""The tracks of a batch; of pairs those before, and those that were finished."""

_Losses = Callable[[Sequence[Projected], Sequence[Tensor]], dict[str, Tensor]]
"""Named losses of the sides of a batch, and the numbers of their tracks."""


class HTCLStages:
    """What a model learns from its view.

    Args:
        model: whose stages these are.
        recipe: sizes of batches, and the loop.
        generator: draws the batches.
        device: of the model.
    """

    def __init__(
        self,
        model: HTCLEncoder,
        recipe: Recipe,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        self._model, self._config, self._view = model, model.config, model.view
        self._recipe, self._generator, self._device = recipe, generator, device

    def in_order(self) -> tuple[Stage, ...]:
        """Stage 1 over tracks with both modalities, stage 2 over pairs of them if there are any."""
        both = self._learned()
        network, slow = self._model.network, self._config.encoder_rate
        text = network.text.trained_parameters(self._config.text_layers)
        audio = list(network.audio.parameters())
        meaning = self._stage(
            MEANING,
            (
                ParameterGroup([*audio, *network.meaning.parameters()]),
                ParameterGroup(text, rate=slow),
            ),
            _Draws(both.nonzero().squeeze(1)),
            self._meaning,
        )
        pairs = learned_pairs(self._view, both, self._config.min_liked_pairs)
        if not tell_taste(pairs, self._view.copies, self._config.min_pairs):
            return (meaning,)
        taste = self._stage(
            TASTE,
            (
                ParameterGroup(list(network.taste.parameters())),
                ParameterGroup([*audio, *text], rate=slow),
            ),
            self._pair_draws(pairs, self._config.epoch_pairs or _PAIRS_PER_TRACK * int(both.sum())),
            self._taste,
        )
        return (meaning, taste)

    def _stage(
        self, name: str, groups: tuple[ParameterGroup, ...], draws: _Draws, losses: _Losses
    ) -> Stage:
        """A stage whose losses are computed at once, or in pieces with the same gradient."""
        batches = MusicBatches(
            draw=partial(draws.draw, self._generator),
            n_positions=draws.n_positions,
            size=self._recipe.batching.batch_tracks,
            read=self._read,
        )
        how: dict[str, Any]
        if self._config.piece_tracks:
            how = {"backward": partial(self._in_pieces, losses)}
        else:
            how = {"training_loss": partial(self._at_once, losses)}
        return Stage(
            name=name,
            module=self._model,
            groups=tuple(group for group in groups if group.parameters),
            batches=batches,
            loop=self._recipe.loop,
            generator=self._generator,
            metric=TEXT_METRIC if name == MEANING else "",
            on_start=partial(self._begin, name),
            loading=batches.loading,
            draws_by_row=True,
            **how,
        )

    def _pair_draws(self, pairs: TrackPairs, at_most: int) -> _Draws:
        weights = popularity_weights(pairs.tracks, self._config.popularity_power)
        positions = torch.stack([pairs.triggers, pairs.tracks], dim=1)
        return _Draws(positions, weights, min(len(pairs), at_most))

    def _begin(self, name: str) -> None:
        """The stage's heads count from now on; before stage 1 the audio tower fits its input."""
        self._model.knows_taste.fill_(int(name == TASTE))
        if name == MEANING:
            learned = self._learned().nonzero().squeeze(1)
            tower, rows = self._model.network.audio, self._view.audio_rows[learned]
            tower.limit_frames(int(self._view.spectrograms.frame_counts[rows].max()))
            blocks = spread(learned, _BANDS_OF).split(_READ_AT_ONCE)
            tower.learn_bands(map(self._model.log_mel, blocks))

    def _learned(self) -> Tensor:
        """Tracks that stage 1 learns from, shape (n_tracks,) bool."""
        return self._view.has_audio & self._view.has_text & self._view.is_learned

    def _read(self, positions: Tensor) -> _Content:
        """Tracks of one side, or of both sides of pairs."""
        sides = positions.unbind(dim=1) if positions.dim() > 1 else (positions,)
        return tuple(
            Tracks(self._model.log_mel(one), *self._model.tokens(one), self._view.copies[one])
            for one in sides
        )

    def _at_once(self, losses: _Losses, batch: MusicBatch[_Content]) -> dict[str, Tensor]:
        sides = [side.to(self._device) for side in batch.wait()]
        return losses(
            [self._model.network.projected(side, self._model.heads) for side in sides],
            [side.numbers for side in sides],
        )

    def _in_pieces(self, losses: _Losses, batch: MusicBatch[_Content]) -> dict[str, Tensor]:
        sides = [side.to(self._device) for side in batch.wait()]
        pieces = list(zip(*(side.split(self._config.piece_tracks) for side in sides), strict=True))
        precision = partial(autocast, self._device, self._recipe.loop)

        def encode(piece: tuple[Tracks, ...]) -> tuple[Tensor, ...]:
            projected = [self._model.network.projected(side, self._model.heads) for side in piece]
            return tuple(vectors for one in projected for vectors in (one.audio, one.text))

        def losses_of(vectors: tuple[Tensor, ...]) -> dict[str, Tensor]:
            projected = [Projected(*pair) for pair in zip(vectors[::2], vectors[1::2], strict=True)]
            return losses(projected, [side.numbers for side in sides])

        return backward_in_pieces(pieces, encode, losses_of, precision)

    def _meaning(
        self, projected: Sequence[Projected], numbers: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        [tracks], [own] = projected, numbers
        return meaning_losses(tracks, own, self._model.network.meaning)

    def _taste(
        self, projected: Sequence[Projected], numbers: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        (heard, liked), (first, second) = projected, numbers
        losses = taste_losses(heard, liked, (first, second), self._model.network.taste)
        weights = self._config.term_weights
        return {name: loss * weights[name] for name, loss in losses.items() if weights[name]}


def learned_pairs(view: AudioTextView, both: Tensor, min_liked: int) -> TrackPairs:
    """The liked pairs where there are enough of them, else all; of tracks that have both.

    Each fit decides by the pairs that it sees, so the last one may learn from liked pairs alone
    although those before validation were too few.

    Args:
        view: what the model sees.
        both: tracks with a recording and a text, shape (n_tracks,) bool.
        min_liked: how many are enough.
    """
    pairs = view.pairs.where(both[view.pairs.triggers] & both[view.pairs.tracks])
    is_liked = torch.isin(
        pairs.users * view.n_tracks + pairs.tracks,
        view.liked.source * view.n_tracks + view.liked.target,
    )
    return pairs.where(is_liked) if int(is_liked.sum()) >= min_liked else pairs


def tell_taste(pairs: TrackPairs, copies: Tensor, at_least: int) -> bool:
    """Whether pairs can teach taste: some of them, of recordings that can be negatives.

    Pairs of one recording with others, or of others with one, have no negative on one side: the
    terms of taste and their gradients would be 0 and the fusion stay as it was drawn.

    Args:
        pairs: of tracks that are learned from.
        copies: a number for each track, the same for tracks of one recording, shape (n_tracks,).
        at_least: how many different pairs of recordings.
    """
    distinct = torch.stack([copies[pairs.triggers], copies[pairs.tracks]], dim=1).unique(dim=0)
    sides = [len(side.unique()) for side in distinct.unbind(dim=1)]
    return len(distinct) >= at_least and min(sides) > 1


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

"""Words to Waves: valence and arousal from text (arXiv:2510.21724), its text part.

A frozen text model with low-rank adapters learns a mean and a standard deviation of valence and of
arousal. Its backbone, losses and sizes are not public.

Differs from the paper: what is marked [ours]. The loss is beta-NLL (Seitzer et al. 2022,
arXiv:2203.09168), in which a large spread does not take the mean's gradient away; rare labels weigh
more by label-distribution smoothing; labels of readers and writers may be learned beside the
combined ones. The sizes of the adapters are those of a third party's rebuild.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor, nn

from training.data.emotion_texts import DIMENSIONS
from training.data.label_density import label_weights
from training.data.text_batches import TextBatch, TextBatches
from training.engine.distributed import mean_over_batch
from training.engine.optimisers import ParameterGroup
from training.engine.ranges import (
    AT_LEAST_ONE,
    AT_LEAST_TWO,
    NOT_NEGATIVE,
    SHARE,
    UNIT,
    Between,
    check_ranges,
)
from training.engine.stages import Stage
from training.models.emotion_protocol import Estimates
from training.models.encoders.lora_encoder import AdapterSizes, LoraEncoder
from training.models.encoders.sentence_encoder import in_blocks

if TYPE_CHECKING:
    from training.data.emotion_texts import EmotionView
    from training.engine.recipe import Recipe

_LOG_SD = (-4.0, 2.0)  # of the labels' standard deviation; keeps exp() from overflowing
_MIN_SD = 1e-3


@dataclass(frozen=True, slots=True)
class WordsToWavesConfig:
    """Sizes and weights."""

    text_folder: str = ""  # of a text model of transformers; empty: the packaged MiniLM
    max_tokens: Annotated[int, AT_LEAST_TWO] = 128
    upper_layers: Annotated[int, Between(-1)] = -1  # [ours] that have adapters; -1: all
    rank: Annotated[int, AT_LEAST_ONE] = 8
    alpha: Annotated[int, AT_LEAST_ONE] = 16
    adapter_dropout: Annotated[float, SHARE] = 0.0  # [ours]
    head_dropout: Annotated[float, SHARE] = 0.1  # [ours]
    head_rate: Annotated[float, NOT_NEGATIVE] = 1.0  # [ours] of the head, relative to the adapters'
    # [ours] 0: Gaussian likelihood; 1: the mean learns as by squared errors
    beta: Annotated[float, UNIT] = 0.5
    # [ours] strength of label-distribution smoothing; 0: none
    smoothing: Annotated[float, UNIT] = 0.5
    # [ours] of readers' and writers' labels; 0: not learned
    perspective_weight: Annotated[float, NOT_NEGATIVE] = 0.0
    # [ours] outputs of lower layers that are kept in memory
    cache_mib: Annotated[int, NOT_NEGATIVE] = 1_024

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        check_ranges(self)


class WordsToWaves(nn.Module):
    """The model over a view of labelled texts.

    Attributes:
        encoder: the text model with its adapters.
        centre, scale: mean and standard deviation of the labels that it learns from, shape (2,);
            the head works in their units.
        spread_factor: of the standard deviations, by dimension, chosen on validation; shape (2,).
    """

    calibrated = ("spread_factor",)

    def __init__(self, config: WordsToWavesConfig, view: EmotionView) -> None:
        super().__init__()
        sizes = AdapterSizes(config.upper_layers, config.rank, config.alpha, config.adapter_dropout)
        self.config, self.view = config, view
        self.encoder = LoraEncoder(config.text_folder, config.max_tokens, sizes, config.cache_mib)
        self.head = EmotionHead(
            self.encoder.width, config.head_dropout, has_perspectives=config.perspective_weight > 0
        )
        centre, scale = _moments(view.combined)
        self.centre: Tensor
        self.scale: Tensor
        self.spread_factor: Tensor
        self.register_buffer("centre", centre)
        self.register_buffer("scale", scale)
        self.register_buffer("spread_factor", torch.ones(len(DIMENSIONS)))

    @property
    def trainable_ratio(self) -> float:
        """Share of all weights that learn: adapters and head."""
        n_learned = sum(one.numel() for one in self._learned())
        return n_learned / sum(one.numel() for one in self.parameters())

    def stages(self, recipe: Recipe, generator: torch.Generator) -> tuple[Stage, ...]:
        """One stage: adapters and head over the texts of the view."""
        texts, labels = self.view.texts, self.view.labels
        weights = torch.stack(
            [label_weights(one, self.config.smoothing) for one in labels[:, 0].unbind(dim=1)], dim=1
        )
        stage = Stage(
            name="emotion",
            module=self,
            groups=(
                ParameterGroup(self.encoder.adapters()),
                ParameterGroup(list(self.head.parameters()), rate=self.config.head_rate),
            ),
            batches=TextBatches(
                self.encoder.token_counts(texts), recipe.batching.batch_texts, generator
            ),
            loop=recipe.loop,
            generator=generator,
            training_loss=partial(self._losses, texts, labels, weights),
            on_start=partial(self.encoder.keep_lower, texts),
            draws_by_row=True,
        )
        return (stage,)

    def estimate(self, texts: Sequence[str]) -> Estimates:
        """See EmotionEstimator."""

        def encode(some: Sequence[str]) -> Tensor:
            found = self.head(self.encoder(some))
            mean = self.centre + self.scale * found.mean
            sd = self.scale * found.log_sd.exp() * self.spread_factor
            return torch.cat([mean, sd.clamp(min=_MIN_SD)], dim=1)

        counts = self.encoder.token_counts(texts)
        mean, sd = in_blocks(texts, counts, encode, 2 * len(DIMENSIONS)).chunk(2, dim=1)
        return Estimates(mean, sd)

    def calibration(self, texts: Sequence[str], labels: Tensor) -> dict[str, Tensor]:
        """The factor with which squared errors are on average as large as the variances.

        A loss with weights, and a beta, does not ask for it.
        """
        found = self.estimate(texts)
        squares = ((labels - found.mean) / found.sd).square().mean(dim=0)  # (2,)
        before = self.spread_factor.detach().cpu()
        return {"spread_factor": before * squares.sqrt().clamp(min=_MIN_SD).float()}

    def frozen(self) -> Mapping[str, Tensor]:
        """See EmotionEstimator."""
        return {f"encoder.{name}": one for name, one in self.encoder.frozen().items()}

    def _losses(
        self, texts: Sequence[str], labels: Tensor, weights: Tensor, batch: TextBatch
    ) -> dict[str, Tensor]:
        """Losses of a batch by name.

        Args:
            texts: of the view.
            labels: of the view, shape (n, 3, 2).
            weights: of each text by dimension, shape (n, 2).
            batch: positions in the view.
        """
        device = self.centre.device
        found = self.head(self.encoder([texts[row] for row in batch.positions.tolist()]))
        targets = (labels[batch.positions].to(device) - self.centre) / self.scale
        nll = beta_nll(found.mean, found.log_sd, targets[:, 0], self.config.beta)
        weighted = nll * weights[batch.positions].to(device)
        losses = {
            name: mean_over_batch(weighted[:, column]) for column, name in enumerate(DIMENSIONS)
        }
        if found.perspectives is not None:
            error = found.perspectives - targets[:, 1:]  # (batch, 2 perspectives, 2)
            squares = error.nan_to_num().square().sum(dim=(1, 2)) / 2
            losses["perspectives"] = self.config.perspective_weight * mean_over_batch(squares)
        return losses

    def _learned(self) -> list[nn.Parameter]:
        return [*self.encoder.adapters(), *self.head.parameters()]


@dataclass(frozen=True, slots=True, eq=False)
class HeadOutput:
    """What the head says of a batch, in units of the labels' standard deviations.

    Attributes:
        mean, log_sd: shape (batch, 2) each.
        perspectives: means of readers' and writers' labels, shape (batch, 2, 2); None where they
            are not learned.
    """

    mean: Tensor
    log_sd: Tensor
    perspectives: Tensor | None


class EmotionHead(nn.Module):
    """Vectors (batch, width) to means and standard deviations.

    It begins with the labels' own mean spread: log_sd is 0 for every text.
    """

    def __init__(self, width: int, dropout: float, *, has_perspectives: bool) -> None:
        super().__init__()
        n_dimensions = len(DIMENSIONS)
        self.dropout = nn.Dropout(dropout)
        self.mean = nn.Linear(width, n_dimensions)
        self.log_sd = nn.Linear(width, n_dimensions)
        nn.init.zeros_(self.log_sd.weight)
        nn.init.zeros_(self.log_sd.bias)
        self.perspectives = nn.Linear(width, 2 * n_dimensions) if has_perspectives else None

    def forward(self, vectors: Tensor) -> HeadOutput:
        """See HeadOutput."""
        read = self.dropout(vectors)
        others = None
        if self.perspectives is not None:
            others = self.perspectives(read).view(len(read), 2, len(DIMENSIONS))
        return HeadOutput(self.mean(read), self.log_sd(read).clamp(*_LOG_SD), others)


def beta_nll(mean: Tensor, log_sd: Tensor, target: Tensor, beta: float) -> Tensor:
    """Gaussian negative log-likelihood times variance ** beta, which has no gradient.

    The gradient of the mean is error / variance ** (1 - beta). The constant log(2 pi) / 2 is left
    out. Example: mean 0, log_sd 0, target 2: 2 for every beta.

    Args:
        mean: any shape, which the result has too.
        log_sd: logarithm of the standard deviation, likewise.
        target: likewise.
        beta: 0 to 1.
    """
    variance = (2 * log_sd).exp()
    nll = log_sd + (target - mean).square() / (2 * variance)
    return nll * variance.detach() ** beta


def _moments(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of labels by dimension; 1 for labels that do not differ."""
    if not len(labels):
        return torch.zeros(len(DIMENSIONS)), torch.ones(len(DIMENSIONS))
    sd = labels.double().std(dim=0, correction=0)
    return labels.double().mean(dim=0).float(), torch.where(sd > 0, sd, 1.0).float()

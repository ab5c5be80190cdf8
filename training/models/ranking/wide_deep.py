"""Wide & Deep for moods (Cheng et al. 2016, arXiv:1606.07792; Words to Waves, arXiv:2510.21724).

Memorises by cross products, and generalises by a network, what a listener wants to hear in a mood.
The score of a listener, a mood and a track is the sum of a wide part (mood_crosses.py) and a deep
part (mood_network.py), which are learned jointly: the wide one by FTRL-proximal with L1, the deep
one by the stage's optimiser.

Differs from the papers:
- Embeddings of listeners and tracks are the vectors of one head of a fitted ranking model, over the
  graph of the view; they are not trained here.
- The deep part also has the cosine of the two, as an input and added to its output: a network of
  this size does not learn products by itself.
- The loss is a softmax of the track among sampled negatives, drawn by popularity ^ power and
  corrected by the log of how often each was expected (which makes it the softmax among all), in
  place of the logistic loss.
- The mood's text is one vector: of a sentence its own, of a session the mean lyrics of the tracks
  in the mood's cell; a share of the examples learns without.
- Sizes and rates are ours; arXiv:2510.21724 states none for its recommender.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor, nn

from training.data.mood import cell_numbers
from training.data.mood_batches import MoodBatch, MoodBatches
from training.engine.distributed import mean_over_batch
from training.engine.ftrl import Proximal
from training.engine.optimisers import ParameterGroup
from training.engine.ranges import (
    AT_LEAST_ONE,
    NOT_NEGATIVE,
    POSITIVE,
    UNIT,
    OneOf,
    check_ranges,
)
from training.engine.stages import Stage
from training.models.mood_protocol import MoodQueries
from training.models.ranking.head_vectors import head_vectors, lacks_head
from training.models.ranking.mm_gnn import COLLABORATIVE
from training.models.ranking.mood_crosses import MoodCrosses
from training.models.ranking.mood_network import MoodNetwork

if TYPE_CHECKING:
    from training.artifacts.model_state import ModelState
    from training.data.mood import MoodView
    from training.engine.recipe import Recipe


@dataclass(frozen=True, slots=True)
class WideDeepConfig:
    """Sizes, rates and draws."""

    head: str = COLLABORATIVE  # of the ranking model, whose vectors the deep part reads
    parts: Annotated[str, OneOf(("both", "wide", "deep"))] = "both"
    first_width: Annotated[int, AT_LEAST_ONE] = 64
    second_width: Annotated[int, AT_LEAST_ONE] = 32
    cosine_scale: Annotated[float, NOT_NEGATIVE] = 5.0  # before it is trained
    # of the listens, that learn without the text of their mood
    text_dropout: Annotated[float, UNIT] = 0.5
    n_negatives: Annotated[int, AT_LEAST_ONE] = 64  # drawn for each batch
    popularity_power: Annotated[float, NOT_NEGATIVE] = 0.5
    genre_buckets: Annotated[int, AT_LEAST_ONE] = 20_000
    wide_rate: Annotated[float, POSITIVE] = 0.1  # of FTRL
    wide_l1: Annotated[float, NOT_NEGATIVE] = 1e-3  # in units of a batch's mean gradient
    wide_l2: Annotated[float, NOT_NEGATIVE] = 0.0
    wide_beta: Annotated[float, POSITIVE] = 0.01

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        check_ranges(self)


class WideDeep(nn.Module):
    """score(listener, mood, track) = wide + deep; either may be left out.

    Attributes:
        wide, deep: the parts; None where the configuration leaves one out.
    """

    cell_texts: Tensor
    cell_has_text: Tensor

    def __init__(self, config: WideDeepConfig, view: MoodView, ranking: ModelState) -> None:
        """Draw an untrained model.

        Args:
            config: sizes and rates.
            view: what it may see.
            ranking: the fitted model that has the head.

        Raises:
            CheckpointError: it has no such head.
        """
        super().__init__()
        self.config, self._view = config, view
        self.wide = MoodCrosses(view, config.genre_buckets) if config.parts != "deep" else None
        self.deep = None
        if config.parts != "wide":
            vectors = head_vectors(ranking, view.ranking, config.head)
            widths = (config.first_width, config.second_width)
            self.deep = MoodNetwork(view, vectors, widths, config.cosine_scale)
        self.register_buffer("cell_texts", view.texts.embedding, persistent=False)
        self.register_buffer("cell_has_text", view.texts.has, persistent=False)

    @property
    def node_tables(self) -> dict[str, str]:
        """The wide part's tables with one row per listener."""
        if self.wide is None:
            return {}
        return {f"wide.{name}": kind for name, kind in self.wide.node_tables.items()}

    def stages(
        self, recipe: Recipe, generator: torch.Generator, device: torch.device
    ) -> tuple[Stage, ...]:
        """One stage over the listens of the view; both parts learn jointly."""
        config, batching = self.config, recipe.batching
        groups = []
        if self.deep is not None:
            groups.append(ParameterGroup(list(self.deep.parameters())))
        if self.wide is not None:
            proximal = Proximal(config.wide_l1, config.wide_l2, config.wide_beta)
            rate = config.wide_rate / recipe.loop.learning_rate
            groups.append(ParameterGroup(list(self.wide.parameters()), rate, proximal=proximal))
        batches = MoodBatches(
            listens=self._view.listens,
            listeners=self._view.ranking.graph.listener_count(),
            known_mask=self._view.known_mask,
            batch_listens=batching.batch_listens,
            min_batches=batching.min_batches,
            n_negatives=config.n_negatives,
            popularity_power=config.popularity_power,
            text_dropout=config.text_dropout,
            generator=generator,
            device=device,
        )
        return (
            Stage(
                name="moods",
                module=self,
                groups=tuple(groups),
                batches=batches,
                loop=recipe.loop,
                generator=generator,
                training_loss=self.training_loss,
            ),
        )

    def training_loss(self, batch: MoodBatch) -> dict[str, Tensor]:
        """Mean over the listens of -log softmax of the track, against the negatives.

        A negative that is the track itself does not count. Each negative stands for 1 / expected
        tracks, so its logit is lowered by log(expected).
        """
        queries = MoodQueries(batch.users, batch.contexts)
        texts, has_text = self._texts(queries)
        has_text = has_text & batch.has_text
        positive, negative = (
            self._logits(queries, tracks, texts, has_text)
            for tracks in (batch.positives[:, None], batch.negatives[None])
        )  # (batch, 1) and (batch, negatives)
        is_positive = batch.positives[:, None] == batch.negatives
        negative = (negative - batch.log_expected).masked_fill(is_positive, -torch.inf)
        log_total = torch.cat([positive, negative], dim=1).logsumexp(dim=1)
        return {"moods": mean_over_batch(log_total - positive[:, 0])}

    def score(self, queries: MoodQueries, tracks: Tensor) -> Tensor:
        """Score of some tracks for each query, shape (batch, n).

        Queries of one mood share what the mood and the tracks bring to the network.
        """
        scores = torch.zeros(len(queries.users), len(tracks), device=tracks.device)
        if self.wide is not None:
            scores += self.wide(queries, tracks[None])
        if self.deep is None:
            return scores
        texts, has_text = self._texts(queries)
        track_part = self.deep.track_part(tracks[None])
        keys = torch.cat([queries.contexts, texts.double()], dim=1)
        moods, mood_of = keys.unique(dim=0, return_inverse=True)
        for number in range(len(moods)):
            rows = (mood_of == number).nonzero().squeeze(1)
            first = rows[0]
            scores[rows] += self.deep.score_in_one_mood(
                queries.users[rows],
                queries.contexts[first],
                tracks,
                track_part,
                texts[first],
                has_text=bool(has_text[first]),
            )
        return scores

    def _logits(
        self, queries: MoodQueries, tracks: Tensor, texts: Tensor, has_text: Tensor
    ) -> Tensor:
        """Scores with gradients, shape (batch, n); tracks of shape (1, n) or (batch, n)."""
        parts = []
        if self.wide is not None:
            parts.append(self.wide(queries, tracks))
        if self.deep is not None:
            parts.append(self.deep(queries, tracks, texts, has_text))
        return torch.stack(parts).sum(dim=0)

    def _texts(self, queries: MoodQueries) -> tuple[Tensor, Tensor]:
        """Vectors of the queries' texts, shape (batch, width), and which there are."""
        if queries.texts is not None:
            n_texts = len(queries.texts)
            return queries.texts, torch.ones(n_texts, dtype=torch.bool, device=queries.texts.device)
        cells = cell_numbers(queries.contexts)
        return self.cell_texts[cells], self.cell_has_text[cells]


def lacks_needed(config: WideDeepConfig, ranking: ModelState) -> str:
    """Why the ranking model does not serve; empty when it does."""
    return "" if config.parts == "wide" else lacks_head(ranking, config.head)

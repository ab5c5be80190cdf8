"""MM-GNN: socially aware music recommendation without fusion (Ziaoddini 2025, arXiv:2511.05497).

Learns one graph encoder per modality (audio, lyrics, cover, tags), each with its own ranking head,
over one graph of users, tracks, artists, tags and albums. Two more heads know no modality: a
collaborative encoder of ids, and a linear autoencoder. The heads teach each other by deep mutual
learning and meet only in the ensemble, the weighted mean of their calibrated scores; a head scores
only the tracks that it covers.

Differs from the paper:
- The paper states no layers, dimensions, loss weights or splits: those in MMGNNConfig are ours.
- Ranking by softmax over the candidates instead of BPR, over cosines with a temperature.
- Light propagation (no weights on the way) instead of an unspecified graph network.
- The collaborative and the linear peer are additions. The linear one is EASE with follows and tags;
  it is solved in closed form, so it teaches the others and learns nothing from them.
- Emotion is valence and arousal from audio or from lyrics: input and auxiliary target of that
  encoder alone.
- Cold-start dropout: each step hides the listens and likes of some tracks from content encoders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.data.batches import TrainingBatch, UserBatch
from training.data.content import Modality
from training.data.dataset import DataView
from training.data.graph import RelationWeights
from training.layers.ensemble import Ensemble, HeadScores
from training.layers.graph_encoder import EncoderSettings, GraphEncoder, TrackInput
from training.layers.inputs import mean_and_scale
from training.layers.linear_autoencoder import LinearAutoencoder, LinearSettings
from training.layers.losses import mutual_divergence, softmax_ranking

COLLABORATIVE = "collaborative"
LINEAR = "linear"


@dataclass(frozen=True, slots=True)
class MMGNNConfig:
    """Shape of the encoders and weight of each loss."""

    dim: int = 64
    n_layers: int = 3
    fan_out: int = (
        0  # neighbours drawn of a node for each step of training; 0 takes the whole graph
    )
    weighted_sampling: bool = False  # draw neighbours by edge weight, not uniformly
    temperature: float = 0.15  # of the softmax over cosines; best of .12, .15, .2 on validation
    listened_weight: float = 1.0
    follows_weight: float = 1.0
    made_by_weight: float = 1.0
    tagged_weight: float = 1.0
    liked_weight: float = 1.0
    on_album_weight: float = 1.0
    listened_power: float = 0.0  # 0 gives every pair the same weight, 1 its edge weight
    mutual_weight: float = 4.0  # sample worlds' validation; with one modality .1, see DECISIONS.md
    mutual_temperature: float = 1.0  # of the calibrated scores that heads are compared by
    max_distillation_candidates: int = 2_000  # candidates of a batch on which heads are compared
    emotion_weight: float = 0.1  # 0 takes emotion away altogether, as input too
    cold_start_rate: float = 0.2  # cold-start dropout: share of tracks without listens in a step
    linear_l2: float = 150.0
    linear_max_tracks: int = 20_000
    linear_listened_power: float = 0.5  # HetRec's validation, with the next line: nDCG@10 .191;
    linear_popularity_power: float = 0.25  # with neither and l2 100, which is EASE, .180
    linear_follows_weight: float = 0.5
    linear_tagged_weight: float = 0.5

    @property
    def encoder(self) -> EncoderSettings:
        """Settings of each graph encoder."""
        relations = RelationWeights(
            self.listened_weight,
            self.follows_weight,
            self.made_by_weight,
            self.tagged_weight,
            self.liked_weight,
            self.on_album_weight,
            self.listened_power,
        )
        return EncoderSettings(
            self.dim, self.n_layers, relations, self.fan_out, self.weighted_sampling
        )

    @property
    def linear(self) -> LinearSettings:
        """Settings of the linear peer."""
        return LinearSettings(
            self.linear_l2,
            self.linear_max_tracks,
            self.linear_listened_power,
            self.linear_popularity_power,
            self.linear_follows_weight,
            self.linear_tagged_weight,
        )


def input_per_modality(view: DataView, config: MMGNNConfig) -> dict[str, TrackInput]:
    """One input, and so one encoder and one head, for each modality, without fusion."""
    return {name: ContentInput(modality, config.dim) for name, modality in view.content.items()}


class MMGNN(nn.Module):
    """One encoder per modality, a collaborative encoder and a linear peer over one graph.

    Attributes:
        head_names: the encoders' names, then the linear peer's.
        heads: encoders by name.
    """

    def __init__(
        self,
        config: MMGNNConfig,
        view: DataView,
        inputs: Callable[[DataView, MMGNNConfig], dict[str, TrackInput]] = input_per_modality,
    ) -> None:
        super().__init__()
        if not config.emotion_weight:
            view = view_without_emotion(view)
        graph = view.graph
        self.config = config
        self._encoders = {COLLABORATIVE: GraphEncoder(config.encoder, graph, None)} | {
            name: GraphEncoder(config.encoder, graph, content)
            for name, content in inputs(view, config).items()
        }
        self.heads = nn.ModuleDict(self._encoders)
        self._linear = LinearAutoencoder(graph, config.linear)
        self.head_names = (*self._encoders, LINEAR)
        self._n_tracks = len(graph.nodes.tracks)
        self.ensemble = Ensemble(len(self.head_names))

    @property
    def node_tables(self) -> dict[str, str]:
        """Every embedding table of every encoder."""
        return {
            f"heads.{name}.nodes.{kind}": kind
            for name, encoder in self._encoders.items()
            for kind in encoder.nodes
        }

    def training_loss(self, batch: TrainingBatch) -> dict[str, Tensor]:
        """Ranking, mutual learning and emotion of each encoder: `<loss>.<head>`."""
        losses: dict[str, Tensor] = {}
        scores: dict[str, Tensor] = {}
        candidate_masks: dict[str, Tensor] = {}
        cold_tracks = self._draw_cold_tracks(batch.users.device)
        for name, encoder in self._encoders.items():
            users, tracks = encoder.encode_batch(batch, cold_tracks)
            scores[name] = users @ tracks.T  # (batch, candidates)
            candidate_masks[name] = encoder.has_track[batch.candidates]
            logits = scores[name] / self.config.temperature
            losses[f"ranking.{name}"] = softmax_ranking(
                logits, batch.rows, batch.columns, candidate_masks[name]
            )
            losses |= self._emotion_loss(name, encoder, tracks, batch.candidates)
        columns = self._draw_distillation_candidates(batch.candidates)
        distilled = {name: scores[name][:, columns] for name in self._encoders}
        distilled[LINEAR] = self._linear.score(batch.users, batch.candidates[columns])
        candidate_masks[LINEAR] = self._linear.covered_tracks.to(batch.users.device)[
            batch.candidates
        ]
        return losses | self._mutual_losses(
            torch.stack([distilled[name] for name in self.head_names]),
            torch.stack([candidate_masks[name][columns] for name in self.head_names]),
        )

    def _draw_distillation_candidates(self, candidates: Tensor) -> Tensor:
        """Columns of the candidates on which heads are compared in this step, ascending.

        Drawn on the CPU by torch's own generator, which all processes seed alike.
        """
        n_candidates, n_drawn = len(candidates), self.config.max_distillation_candidates
        if n_candidates <= n_drawn:
            return torch.arange(n_candidates, device=candidates.device)
        return torch.randperm(n_candidates)[:n_drawn].sort().values.to(candidates.device)

    def _draw_cold_tracks(self, device: torch.device) -> Tensor | None:
        """Cold-start dropout: tracks without listens in this step, (n_tracks,) bool; None for none.

        Without it every positive would come with its own edge, and content encoders would never
        learn to rank an unheard track. Drawn on the CPU, whose generator a resumed fit restores;
        where processes sample neighbours too, each draws cold tracks of its own.
        """
        rate = self.config.cold_start_rate
        return (torch.rand(self._n_tracks) < rate).to(device) if rate else None

    def _emotion_loss(
        self, name: str, encoder: GraphEncoder, vectors: Tensor, tracks: Tensor
    ) -> dict[str, Tensor]:
        """Weighted error of emotion predicted from `vectors`, (n, dim), of these tracks."""
        if encoder.content is None or not bool(encoder.content.has_emotion.any()):
            return {}
        error = encoder.content.emotion_error(vectors, tracks)
        return {f"emotion.{name}": self.config.emotion_weight * error}

    def _mutual_losses(self, scores: Tensor, has: Tensor) -> dict[str, Tensor]:
        """Mean divergence of each encoder from every peer, over the candidates that both cover.

        Args:
            scores: shape (heads, batch, distillation_candidates); the encoders come first, then
                the linear peer.
            has: shape (heads, distillation_candidates) bool.
        """
        n_students = len(self._encoders)
        n_peers = has.any(dim=1).sum().clamp(min=2) - 1  # a head without a candidate is no peer
        divergences = mutual_divergence(
            scores[:n_students, None],
            scores[None],
            (has[:n_students, None] & has[None])[:, :, None],
            self.config.mutual_temperature,
        )  # (students, teachers); a head does not diverge from itself
        means = divergences.sum(dim=1) / n_peers
        return {
            f"mutual.{name}": self.config.mutual_weight * mean
            for name, mean in zip(self._encoders, means, strict=True)
        }

    def head_scores(self, batch: UserBatch) -> HeadScores:
        """Cosines of each encoder and the linear peer's scores, and what each head covers."""
        scores, masks = [], []
        for encoder in self._encoders.values():
            users, tracks = encoder.cached_embeddings()
            scores.append(users[batch.users] @ tracks.T)  # (batch, n_tracks)
            masks.append(encoder.has_user[batch.users, None] & encoder.scorable_mask)
        scores.append(self._linear.score(batch.users))
        masks.append(self._linear.coverage_mask(batch.users))
        return HeadScores(torch.stack(scores), torch.stack(masks))

    def score(self, batch: UserBatch) -> Tensor:
        scores: Tensor = self.ensemble(self.head_scores(batch))
        return scores


def view_without_emotion(view: DataView) -> DataView:
    """The same view without valence and arousal."""
    return DataView(
        view.graph,
        {
            name: replace(
                modality,
                emotion=torch.zeros_like(modality.emotion),
                has_emotion=torch.zeros_like(modality.has_emotion),
            )
            for name, modality in view.content.items()
        },
    )


class ContentInput(nn.Module):
    """Input of one modality: projected features, and emotion from this modality."""

    mean: Tensor
    scale: Tensor
    features: Tensor
    has: Tensor
    emotion: Tensor
    has_emotion: Tensor

    def __init__(self, modality: Modality, dim: int) -> None:
        super().__init__()
        self.dim = dim
        width = modality.embedding.shape[1]
        mean, scale = mean_and_scale(modality)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.register_buffer("features", modality.embedding, persistent=False)
        self.register_buffer("has", modality.has, persistent=False)
        self.register_buffer("emotion", modality.emotion, persistent=False)
        self.register_buffer("has_emotion", modality.has_emotion, persistent=False)
        self.project = nn.Linear(width, dim, bias=False)
        self.project_emotion = nn.Linear(2, dim, bias=False)
        self.predict_emotion = nn.Linear(dim, 2)

    def forward(self) -> Tensor:
        """Unit vectors, shape (n_tracks, dim); zeros and no edge where the modality is missing."""
        projected: Tensor = self.project((self.features - self.mean) / self.scale)
        projected = projected + self.project_emotion(self.emotion) * self.has_emotion[:, None]
        vectors: Tensor = functional.normalize(projected, dim=1) * self.has[:, None]
        return vectors

    def emotion_error(self, vectors: Tensor, tracks: Tensor) -> Tensor:
        """Mean squared error of valence and arousal, over those of the tracks that have them.

        Args:
            vectors: shape (n, dim).
            tracks: their positions, shape (n,).
        """
        has = self.has_emotion[tracks]
        predicted: Tensor = self.predict_emotion(vectors[has])
        squared = (predicted - self.emotion[tracks[has]]).square()
        return squared.sum() / max(1, squared.numel())

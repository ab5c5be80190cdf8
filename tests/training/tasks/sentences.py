"""A task of the tests: the mood of sentences, with all that later tasks will ask of training.

Two stages with optimisers and batches of their own (the first computes its own gradients in pieces,
with negatives of all processes), a frozen backbone, a fitted model of another task that it learns
from, two output tables, and a metric for each sentence.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.nn import functional

from feature_store.contract import Column, Kind, Table, Time
from feature_store.lake.arrow_io import read_table
from feature_store.tables import columns as c
from training.artifacts.model_state import ModelState, check_names, rows_by_id
from training.data.interactions import day_number
from training.data.nodes import IdList
from training.engine.distributed import (
    gather,
    mean_denominator,
    n_processes,
    process_rank,
)
from training.engine.loop import eval_mode
from training.engine.optimisers import ParameterGroup
from training.engine.stages import Stage
from training.evaluation.eval_result import EvalResult
from training.evaluation.splits import Split, Unsplit
from training.tasks.protocol import Family, ModelRef, Output

SENTENCE_ID = Column("sentence_id", Kind.STRING, "A sentence.")
WORDS = Column("words", Kind.STRINGS, "Its words.")
WRITTEN_DATE = Column("written_date", Kind.DATE, "Day on which it was written.")
MOOD = Column("mood", Kind.DOUBLE, "Mood of the sentence, in [-1, 1].")

CORE_SENTENCES = Table(
    name="core_sentences",
    meaning="Sentences of listeners about tracks.",
    columns=(c.AS_OF_DATE, SENTENCE_ID, c.USER_ID, c.TRACK_ID, WORDS, WRITTEN_DATE, MOOD),
    key=("as_of_date", "sentence_id"),
    time=Time.AS_OF,
)
_OUTPUT = (MOOD, c.FAMILY, c.MODEL_VERSION, c.RUN_ID)
SCORE_SENTENCES = Table(
    name="score_sentences",
    meaning="Mood of each sentence by the model.",
    columns=(c.AS_OF_DATE, SENTENCE_ID, c.USER_ID, *_OUTPUT),
    key=("as_of_date", "sentence_id"),
    time=Time.AS_OF,
)
SCORE_TRACK_MOODS = Table(
    name="score_track_moods",
    meaning="Mean mood of the sentences about each track.",
    columns=(c.AS_OF_DATE, c.TRACK_ID, *_OUTPUT),
    key=("as_of_date", "track_id"),
    time=Time.AS_OF,
)
TABLES = (CORE_SENTENCES, SCORE_SENTENCES, SCORE_TRACK_MOODS)

VOCABULARY, WIDTH = 2_000, 64
NEEDED = ModelRef("ranking", "light_gcn")


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    dim: int = 6
    temperature: float = 0.5


@dataclass(frozen=True, slots=True)
class MeanConfig:
    """Nothing to set."""


@dataclass(frozen=True, slots=True)
class SentenceBatching:
    batch_sentences: int = 16


@dataclass(frozen=True, slots=True, eq=False)
class Sentences:
    """Sentences as tensors; words are hashed into the vocabulary, shape (n, longest), 0 is padding."""

    as_of: date
    ids: list[str]
    users: IdList
    tracks: IdList
    user: Tensor
    track: Tensor
    words: Tensor
    day: Tensor
    mood: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class SentencePart:
    """Which sentences are known, and which are held out, shape (n,) bool each."""

    before: Tensor
    relevant: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class SentenceView:
    """The sentences whose moods may be seen."""

    sentences: Sentences
    seen: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class SentenceBatch:
    """Rows of some sentences, shape (batch,)."""

    rows: Tensor

    def shard(self, rank: int, n_shards: int) -> SentenceBatch:
        return SentenceBatch(self.rows[rank::n_shards])

    def describe(self) -> str:
        return f"sentences in rows {self.rows.tolist()}"


@dataclass(frozen=True, slots=True, eq=False)
class SentenceBatches:
    """The seen sentences in a new random order each epoch."""

    seen: Tensor
    size: int
    generator: torch.Generator

    def __len__(self) -> int:
        return math.ceil(int(self.seen.sum()) / self.size)

    def __iter__(self) -> Iterator[SentenceBatch]:
        rows = self.seen.nonzero().squeeze(1)
        for block in rows[torch.randperm(len(rows), generator=self.generator)].split(self.size):
            yield SentenceBatch(block)


class Backbone(nn.Module):
    """Stands for pretrained weights: the same in every process and on every day."""

    def __init__(self) -> None:
        super().__init__()
        drawn = torch.randn(VOCABULARY, WIDTH, generator=torch.Generator().manual_seed(0))
        self.words = nn.Embedding(VOCABULARY, WIDTH, padding_idx=0, _weight=drawn)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.words.weight.detach().numpy().tobytes()).hexdigest()

    def forward(self, words: Tensor) -> Tensor:
        """Mean of the words' vectors, shape (n, WIDTH)."""
        count = (words > 0).sum(dim=1, keepdim=True).clamp(min=1)
        vectors: Tensor = self.words(words) * (words > 0)[..., None]
        return vectors.sum(dim=1) / count


class Adapter(nn.Module):
    """mood = head(adapter(backbone(words)), vector of the track) + bias of the writer."""

    def __init__(self, config: AdapterConfig, view: SentenceView, needed: ModelState) -> None:
        super().__init__()
        self.config = config
        self.sentences = view.sentences
        self.backbone = Backbone()
        self.adapter = nn.Linear(WIDTH, config.dim)
        self.head = nn.Linear(config.dim + 2, 1)
        self.writers = nn.Parameter(torch.zeros(len(view.sentences.users), 1))
        vectors = rows_by_id(
            needed.parameters["tracks"], needed.ids["track"], view.sentences.tracks
        )
        self.track_vectors = functional.normalize(vectors, dim=1)[:, :2]

    def contrast_backward(self, batch: SentenceBatch) -> dict[str, Tensor]:
        """Halves of one sentence belong together, against all sentences of all processes.

        The vectors are computed in two pieces and once more for their gradients, as for batches
        that do not fit into memory. Reference: Gao et al. 2021, arXiv:2101.06983.
        """
        words = self.sentences.words[batch.rows]
        pieces = [words[:, ::2], words[:, 1::2]]
        with torch.no_grad():
            cached = [self.adapter(self.backbone(piece)) for piece in pieces]
        leaves = [one.detach().requires_grad_() for one in cached]
        loss = self._contrast(*leaves)
        loss.backward()
        for piece, leaf in zip(pieces, leaves, strict=True):
            gradient = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
            self.adapter(self.backbone(piece)).backward(gradient)
        return {"contrast": loss.detach()}

    def mood_loss(self, batch: SentenceBatch) -> dict[str, Tensor]:
        error = self.moods(batch.rows) - self.sentences.mood[batch.rows]
        count = mean_denominator(torch.tensor(len(batch.rows)))
        return {"mood": error.square().sum() / count}

    def moods(self, rows: Tensor) -> Tensor:
        """Mood of some sentences, shape (n,)."""
        world = self.sentences
        meaning = self.adapter(self.backbone(world.words[rows]))
        features = torch.cat([meaning, self.track_vectors[world.track[rows]]], dim=1)
        moods: Tensor = (self.head(features) + self.writers[world.user[rows]]).squeeze(1)
        return moods

    def agreement(self, rows: Tensor) -> Tensor:
        """Whether a sentence's halves are nearest to each other, shape (n,)."""
        words = self.sentences.words[rows]
        first, second = (
            functional.normalize(self.adapter(self.backbone(part)), dim=1)
            for part in (words[:, ::2], words[:, 1::2])
        )
        return ((first @ second.T).argmax(dim=1) == torch.arange(len(rows))).float()

    def _contrast(self, first: Tensor, second: Tensor) -> Tensor:
        first, second = functional.normalize(first, dim=1), functional.normalize(second, dim=1)
        everywhere = gather(second)
        own = (first @ second.T).diagonal() / self.config.temperature
        total = (first @ everywhere.T / self.config.temperature).logsumexp(dim=1)
        return (total - own).sum() / mean_denominator(torch.tensor(len(first)))


class Mean(nn.Module):
    """mood = mean of the seen moods."""

    def __init__(self, config: MeanConfig, view: SentenceView) -> None:
        super().__init__()
        seen = view.sentences.mood[view.seen]
        self.register_buffer("mean", seen.mean(), persistent=False)

    def moods(self, rows: Tensor) -> Tensor:
        mean: Tensor = self.mean
        return mean.expand(len(rows))

    def agreement(self, rows: Tensor) -> Tensor:
        return torch.zeros(len(rows))


class SentenceEvaluator:
    def __init__(self, part: SentencePart, truth: Tensor) -> None:
        self.rows = part.relevant.nonzero().squeeze(1)
        self.truth = truth

    def evaluate(self, model: Any) -> EvalResult:
        with eval_mode(model):
            error = model.moods(self.rows) - self.truth[self.rows]
            agreement = model.agreement(self.rows)
        per_unit = -error.square()
        values = {"negative_error": float(per_unit.mean()), "agreement": float(agreement.mean())}
        return EvalResult(values, per_unit)


class SentenceMood:
    """See training/tasks/protocol.py."""

    name = "sentence_mood"
    reads: tuple[Table, ...] = (CORE_SENTENCES,)
    writes: tuple[Table, ...] = (SCORE_SENTENCES, SCORE_TRACK_MOODS)
    families: Mapping[str, Family] = {
        "adapter": Family(AdapterConfig, Adapter, (NEEDED,)),
        "mean": Family(MeanConfig, Mean),
    }
    default_family = "adapter"
    baselines: tuple[str, ...] = ("mean",)
    metric = "negative_error"
    batching: type[Any] = SentenceBatching

    def feature_versions(self, lake, as_of):
        return {}

    def read(self, night, features=None):
        return read_sentences(night.settings.lake, night.as_of)

    def lacks(self, data):
        return "" if data.ids else "there is no sentence"

    def data_sha256(self, data):
        digest = hashlib.sha256(
            repr((data.ids, list(data.users.ids), list(data.tracks.ids))).encode()
        )
        for tensor in (data.user, data.track, data.words, data.day, data.mood):
            digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()

    def split(self, data, cut, config, generator):
        if cut is None:
            return Unsplit("no cut")
        parts = [_part(data, window) for window in (cut.validation, cut.test)]
        n_held_out = min(int(part.relevant.sum()) for part in parts)
        if n_held_out < config.min_held_out_users:
            return Unsplit(f"{n_held_out} sentences held out")
        return Split("time", *parts)

    def halves(self, part, generator):
        rows = part.relevant.nonzero().squeeze(1)
        first = torch.zeros_like(part.relevant)
        first[rows[torch.randperm(len(rows), generator=generator)[: len(rows) // 2]]] = True
        return replace(part, relevant=first), replace(part, relevant=part.relevant & ~first)

    def train_view(self, data, part):
        return SentenceView(data, part.before)

    def full_view(self, data):
        return SentenceView(data, torch.ones(len(data.ids), dtype=torch.bool))

    def view_for(self, view, state):
        return view

    def new_model(self, recipe, view, upstream):
        needed = [upstream[ref] for ref in self.families[recipe.family].needs]
        return self.families[recipe.family].model(recipe.model, view, *needed)

    def stages(self, model, view, recipe, generator, device):
        if not isinstance(model, Adapter):
            return ()
        size = recipe.batching.batch_sentences
        first, second = ({"max_epochs": 8, "learning_rate": rate} for rate in (0.02, 0.05))
        return (
            Stage(
                name="meaning",
                module=model,
                groups=(ParameterGroup(list(model.adapter.parameters())),),
                batches=SentenceBatches(view.seen, 2 * size, generator),
                loop=replace(
                    recipe.loop,
                    optimiser="adamw",
                    schedule="cosine",
                    warm_up_epochs=1.0,
                    validate_every=2,
                    **first,
                ),
                generator=generator,
                backward=model.contrast_backward,
                metric="agreement",
            ),
            Stage(
                name="mood",
                module=model,
                groups=(
                    ParameterGroup([*model.head.parameters(), *model.adapter.parameters()]),
                    ParameterGroup([model.writers], rate=0.1),
                ),
                batches=SentenceBatches(view.seen, size, generator),
                loop=replace(recipe.loop, accumulate=2, clip_norm=1.0, validate_every=2, **second),
                generator=generator,
                training_loss=model.mood_loss,
            ),
        )

    def evaluator(self, data, part, device):
        return SentenceEvaluator(part, data.mood)

    def calibrate(self, model, evaluator):
        return {}

    def to_state(self, family, model, view):
        if not isinstance(model, Adapter):
            return ModelState(family, {})
        parameters = {
            name: value.detach().clone()
            for name, value in model.state_dict().items()
            if not name.startswith("backbone.")
        }
        return ModelState(
            family,
            parameters,
            ids={"user": view.sentences.users},
            rows_of={"writers": "user"},
            backbones={"words": model.backbone.sha256},
        )

    def from_state(self, state, recipe, view, upstream, device):
        model = self.new_model(recipe, view, upstream)
        if not isinstance(model, Adapter):
            return model
        assert state.backbones == {"words": model.backbone.sha256}
        names = {name for name in model.state_dict() if not name.startswith("backbone.")}
        check_names(state, names)
        writers = rows_by_id(state.parameters["writers"], state.ids["user"], view.sentences.users)
        model.load_state_dict(dict(state.parameters) | {"writers": writers}, strict=False)
        return model

    def predict(self, night, scoring, model, data, view):
        with eval_mode(model):
            moods = model.moods(torch.arange(len(data.ids)))
        by = {
            "family": scoring.family,
            "model_version": scoring.model_version,
            "run_id": night.run_id,
        }
        sentences = [
            {
                "as_of_date": night.as_of,
                "sentence_id": name,
                "user_id": str(data.users.ids[user]),
                "mood": round(float(mood), 6),
            }
            | by
            for name, user, mood in zip(data.ids, data.user.tolist(), moods, strict=True)
        ]
        tracks = [
            {
                "as_of_date": night.as_of,
                "track_id": str(data.tracks.ids[track]),
                "mood": round(float(moods[data.track == track].mean()), 6),
            }
            | by
            for track in data.track.unique().tolist()
        ]
        return (
            Output(SCORE_SENTENCES, _batches(_own(sentences), SCORE_SENTENCES)),
            Output(SCORE_TRACK_MOODS, _batches(_own(tracks), SCORE_TRACK_MOODS)),
        )


def read_sentences(lake: str, as_of: date) -> Sentences:
    rows = read_table(lake, CORE_SENTENCES, as_of=as_of).to_pylist()
    users = IdList.of("user", [row["user_id"] for row in rows])
    tracks = IdList.of("track", [row["track_id"] for row in rows])
    longest = max((len(row["words"]) for row in rows), default=0)
    words = torch.zeros(len(rows), longest, dtype=torch.int64)
    for number, row in enumerate(rows):
        for index, word in enumerate(row["words"]):
            words[number, index] = 1 + int(hashlib.sha256(word.encode()).hexdigest(), 16) % (
                VOCABULARY - 1
            )
    return Sentences(
        as_of=as_of,
        ids=[row["sentence_id"] for row in rows],
        users=users,
        tracks=tracks,
        user=users.positions([row["user_id"] for row in rows], "test"),
        track=tracks.positions([row["track_id"] for row in rows], "test"),
        words=words,
        day=torch.tensor([day_number(row["written_date"]) for row in rows], dtype=torch.int64),
        mood=torch.tensor([row["mood"] for row in rows], dtype=torch.float32),
    )


def _part(data: Sentences, window: Any) -> SentencePart:
    start, end = day_number(window.start), day_number(window.end)
    return SentencePart(data.day < start, (data.day >= start) & (data.day < end))


def _own(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """The rows of this process's shard."""
    return rows[process_rank() :: n_processes()]


def _batches(rows: list[dict[str, object]], table: Table) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(rows), 7):
        yield pa.RecordBatch.from_pylist(rows[start : start + 7], table.arrow_schema)

"""Fits of families on one data set, kept in files so that an interrupted benchmark goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from feature_store.lake.storage import sha256_of
from tests.benchmarks.support.baselines import ALL_HEADS, Contender
from tests.benchmarks.support.comparison import Segments, segments_of
from training.artifacts.checkpoints import put_together
from training.artifacts.code_version import family_sha256
from training.config import Recipe, load_recipe
from training.data.dataset import Evidence, World
from training.data.interactions import Pairs
from training.engine.loop import deterministic
from training.engine.model_selection import choose, split_of
from training.evaluate import test_lists
from training.evaluation.evaluator import Listed
from training.evaluation.splits import Split, Unsplit
from training.evaluation.top_k import Ranked
from training.models.registry import FAMILIES


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What is left of a fit.

    Attributes:
        lists: for the test, by the name of the head that made them.
        validation: metrics there, at the chosen epoch and weights.
    """

    lists: dict[str, Listed]
    validation: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """A data set on which families are fitted.

    Attributes:
        data_sha256: of the world.
        folder: where fits are kept.
        n_threads: of every fit.
        max_epochs: bound for a quick look; None leaves the recipes alone.
        evidence: what a model sees at the test, by the protocol of the comparison.
    """

    world: World
    data_sha256: str
    folder: Path
    device: torch.device
    n_threads: int
    max_epochs: int | None
    evidence: Callable[[World, Split], Evidence]

    def split(self, seed: int) -> Split:
        """See held_out."""
        return held_out(self.world, seed)

    def segments(self, seed: int) -> Segments:
        """Who and what is hard in the split of a seed, by what a model knows at the test."""
        split = self.split(seed)
        return segments_of(self.world, split, self.evidence(self.world, split))

    def fitted(self, contender: Contender, seed: int) -> Kept:
        """The contender's fit of a seed: from its file, or made now."""
        file = self.folder / f"{self.name(contender, seed)}.safetensors"
        if not file.exists():
            _write(file, self._fit(contender.recipe(self.max_epochs), seed))
        return _read(file)

    def name(self, contender: Contender, seed: int) -> str:
        """What a fit is kept under: family, seed, and a hash of all that makes it what it is."""
        code = family_sha256(FAMILIES[contender.family].module)
        inputs = (
            self.data_sha256, code, contender.recipe(self.max_epochs).as_json(), str(seed),
            str(self.n_threads), self.device.type, self.evidence.__name__,
        )  # fmt: skip
        key = sha256_of("\x00".join(inputs).encode())[:16]
        return f"{contender.family}-{seed}-{key}"

    def _fit(self, recipe: Recipe, seed: int) -> Kept:
        """Learn, choose on validation, and list the test.

        A head alone is the same fit with all weight on it.
        """
        split = self.split(seed)
        with deterministic(seed, self.n_threads):
            chosen = choose(self.world, split, recipe, seed=seed, device=self.device)
            known = self.evidence(self.world, split)
            model = put_together(chosen.saved, recipe.model, known, self.device)
            lists = {ALL_HEADS: test_lists(model, self.world, split, self.device)}
            for place, head in enumerate(model.head_names if len(model.head_names) > 1 else ()):
                model.blend.weights.zero_()[place] = 1
                lists[head] = test_lists(model, self.world, split, self.device)
        return Kept(lists, chosen.validation.quality.values)


def held_out(world: World, seed: int) -> Split:
    """The split of a seed; every family is given the same one.

    Raises:
        ValueError: nothing can be held out.
    """
    split = split_of(world, load_recipe("popularity"), seed)
    if isinstance(split, Unsplit):
        raise ValueError(f"seed {seed} holds nothing out: {split.reason}; take more data")  # noqa: TRY004  of data, not of a type
    return split


def _write(file: Path, kept: Kept) -> None:
    """One file, which appears whole or not at all."""
    some = kept.lists[ALL_HEADS]
    tensors = {
        "users": some.users,
        "wanted_users": some.wanted.users,
        "wanted_tracks": some.wanted.tracks,
        "wanted_weight": some.wanted.weight,
    }
    for head, listed in kept.lists.items():
        tensors[f"{head}/tracks"] = listed.ranked.tracks
        tensors[f"{head}/scores"] = listed.ranked.scores
        tensors[f"{head}/is_filled"] = listed.ranked.is_filled
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    whole = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    save_file(whole, partial, metadata={"validation": json.dumps(kept.validation)})
    partial.rename(file)


def _read(file: Path) -> Kept:
    with safe_open(file, framework="pt") as stored:
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118  no dict
        validation = json.loads(stored.metadata()["validation"])
    wanted = Pairs(tensors["wanted_users"], tensors["wanted_tracks"], tensors["wanted_weight"])
    heads = [name.removesuffix("/tracks") for name in tensors if name.endswith("/tracks")]
    lists = {
        head: Listed(
            tensors["users"],
            Ranked(*(tensors[f"{head}/{part}"] for part in ("tracks", "scores", "is_filled"))),
            wanted,
        )
        for head in heads
    }
    return Kept(lists, validation)

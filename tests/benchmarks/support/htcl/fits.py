"""Fits of HTCL's stages on one world, kept in files: a benchmark that was killed goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from feature_store.lake.storage import sha256_of
from tests.benchmarks.support.htcl.measures import pair_recall, pairs_among
from tests.benchmarks.support.htcl.worlds import ArtistParts
from training.artifacts.code_version import family_code_version
from training.data.audio_text import AudioTextData
from training.engine.loop import Epoch, Pace, deterministic, eval_mode, fit_stage
from training.engine.recipe import Recipe
from training.engine.resume import ResumeFile
from training.engine.stages import Stage
from training.evaluation.similarity import CUT_OFF, text_mrr
from training.models.encoders.htcl_encoder import HTCLEncoder
from training.models.encoders.htcl_stages import MEANING, HTCLStages
from training.models.protocols import EncodedTracks
from training.models.registry import AUDIO_TEXT
from training.tasks.audio_text import AudioText

STAGE_2 = "stage2"
VARIANTS: Mapping[str, dict[str, float]] = {
    STAGE_2: {},
    "no_term1": {"weight_audio_text": 0.0},
    "no_term23": {"weight_audio_audio": 0.0, "weight_audio_fused": 0.0},
}
"""Changes of the model's settings by the name of a fit of stage 2."""
_MODEL, _SECONDS = "model.pt", "seconds.json"


@dataclass(frozen=True, eq=False)
class WorldFits:
    """Fits on one world, by one recipe.

    Attributes:
        data: of the world.
        parts: what is learned, and what selects epochs.
        recipe: of both stages.
        seed: of parameters and batches.
        n_threads: of a fit.
        folder: of the files.
        console: is told of each epoch.
    """

    data: AudioTextData
    parts: ArtistParts
    recipe: Recipe
    seed: int
    n_threads: int
    folder: Path
    console: Console

    def untrained(self) -> HTCLEncoder:
        """The model before its first step, with the input that its stage 1 begins with."""
        model = self._new_model(self.recipe)
        self._stages(model, self.recipe)[0].on_start()
        return model

    def meaning(self) -> HTCLEncoder:
        """The model after stage 1, at the epoch at which texts find recordings best."""
        return self._fitted(0, self.untrained(), MEANING)

    def taste(self, variant: str) -> HTCLEncoder:
        """The model after stage 2, which begins with the encoders of stage 1 alone.

        Args:
            variant: a name of VARIANTS.
        """
        recipe = self._recipe(variant)
        model, begun = self._new_model(recipe), self.meaning()
        for tower in ("audio", "text"):
            state = getattr(begun.network, tower).state_dict()
            getattr(model.network, tower).load_state_dict(state)
        return self._fitted(1, model, variant)

    def seconds(self, variant: str) -> float:
        """How long a fit took, over all of its tries."""
        path = self._path(variant) / _SECONDS
        return float(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else 0.0

    def _path(self, variant: str) -> Path:
        code_version = family_code_version(AUDIO_TEXT["htcl"].module, AudioText.__module__)
        recipes = self.recipe.as_json() + self._recipe(variant).as_json()
        inputs = (self.data.sha256(), code_version, recipes, str(self.seed))
        return self.folder / f"{sha256_of(''.join(inputs).encode())[:12]}-{self.seed}-{variant}"

    def _recipe(self, variant: str) -> Recipe:
        changes = VARIANTS.get(variant, {})
        return replace(self.recipe, model=replace(self.recipe.model, **changes))

    def _fitted(self, number: int, model: HTCLEncoder, variant: str) -> HTCLEncoder:
        folder = self._path(variant)
        if not (folder / _MODEL).exists():
            self._fit(number, model, variant)
        model.load_state_dict(torch.load(folder / _MODEL, weights_only=True), strict=False)
        return model

    def _fit(self, number: int, model: HTCLEncoder, variant: str) -> None:
        folder, recipe = self._path(variant), self._recipe(variant)
        folder.mkdir(parents=True, exist_ok=True)
        last = time.monotonic()

        def tell(epoch: Epoch, _pace: Pace) -> None:
            nonlocal last
            now = time.monotonic()
            spent = self.seconds(variant) + now - last
            (folder / _SECONDS).write_text(json.dumps(spent), encoding="utf-8")
            last = now
            losses = ", ".join(f"{name} {loss:.3f}" for name, loss in epoch.losses.items())
            figure = "–" if epoch.validation is None else f"{epoch.validation:.4f}"
            self.console.print(
                f"world {self.seed} {variant}: epoch {epoch.number}, {losses}, validation {figure}"
                f", {spent:.0f} s"
            )

        with deterministic(self.seed, self.n_threads):
            # Both stages are made, and the generator has drawn nothing yet.
            fit_stage(
                self._stages(model, recipe)[number],
                validate=self._validation(model),
                resume_file=ResumeFile(folder / "fit.pt", lambda: None),
                on_epoch=tell,
            )
        frozen = set(model.frozen())
        state = {name: one for name, one in model.state_dict().items() if name not in frozen}
        partial = folder / "model.partial"
        torch.save(state, partial)
        partial.rename(folder / _MODEL)

    def _new_model(self, recipe: Recipe) -> HTCLEncoder:
        torch.manual_seed(self.seed)
        return HTCLEncoder(recipe.model, self.parts.view)

    def _stages(self, model: HTCLEncoder, recipe: Recipe) -> tuple[Stage, ...]:
        generator = torch.Generator().manual_seed(self.seed)
        return HTCLStages(model, recipe, generator, torch.device("cpu")).in_order()

    def _validation(self, model: HTCLEncoder) -> Callable[[Stage], Mapping[str, float]]:
        tracks = self.parts.validation
        pairs = pairs_among(self.data.pairs, tracks, self.data.n_tracks)

        def validate(stage: Stage) -> Mapping[str, float]:
            encoded = encode(model, tracks)
            if stage.metric:
                return {"all": text_mrr(encoded)}
            return {"all": pair_recall(encoded.vectors["audio"], pairs, CUT_OFF)}

        return validate


def encode(model: HTCLEncoder, tracks: Tensor) -> EncodedTracks:
    """Vectors in the space of the model's newest stage."""
    with eval_mode(model):
        return model.encode(tracks)


def audio_outputs(model: HTCLEncoder, tracks: Tensor) -> Tensor:
    """What the audio tower gives, before any projection, shape (n, width)."""
    with eval_mode(model):
        return torch.cat([model.network.audio(model.log_mel(rows)) for rows in tracks.split(64)])

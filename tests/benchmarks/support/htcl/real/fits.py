"""Fits HTCL's first stage on real music, and caches the fits.

There are no listeners, so there is no second stage. A text is what is known without ears, title and artist, or MusiCNN's tags of
another window of the track, or both: where tags take part the teacher is MusiCNN. The audio tower sees 30 s and padding, as it
would for a clip of 30 s in feat_mel.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from feature_store.lake.storage import sha256_of
from feature_store.track_text import TextField, TextParts, compose_text
from jobs.encoders.audio.spectrograms import htcl_mel
from tests.benchmarks.support.htcl.real.split import Part, RealMusic
from training.artifacts.code_version import family_code_version
from training.config import load_recipe
from training.data.audio_text import AudioTextView
from training.data.graph import Edges
from training.data.track_pairs import TrackPairs
from training.engine.loop import Epoch, Pace, deterministic, eval_mode, fit_stage
from training.engine.recipe import Recipe
from training.engine.resume import ResumeFile
from training.engine.stages import Stage
from training.evaluation.similarity import text_mrr
from training.models.encoders.htcl_encoder import HTCLEncoder
from training.models.encoders.htcl_stages import HTCLStages
from training.models.protocols import TEXT_METRIC
from training.tasks.audio_text import AudioText

FAMILY = "htcl"
TEXT_ROWS: Mapping[str, tuple[TextField, ...]] = {
    "title": ("title", "artist"),
    "tags": ("tags",),
    "both": ("title", "artist", "tags"),
}
"""Parts of the text by the name of the row."""
MAX_EPOCHS = {"tiny": 60, "small": 24}
"""A bound on the time of a fit: 20 minutes of one core, of which other work has a part."""
PATIENCE = 6  # epochs; one has some thirty steps, so the recipe's 3 would end in noise

N_THREADS = 1  # so that a fit does not depend on the machine, nor wait for a core that is busy

_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class FitChoice:
    """What a fit is made of."""

    size: str
    text: str
    learning_rate: float

    def recipe(self, max_epochs: int | None = None) -> Recipe:
        """The family's recipe with this size and rate.

        Args:
            max_epochs: bound for a quick run.
        """
        stored = load_recipe(AudioText.name, FAMILY)
        loop = replace(
            stored.loop,
            learning_rate=self.learning_rate,
            patience=PATIENCE,
            max_epochs=max_epochs or MAX_EPOCHS[self.size],
        )
        return replace(stored, model=replace(stored.model, size=self.size), loop=loop)


@dataclass(frozen=True, slots=True, eq=False)
class RealFit:
    """A fitted model.

    Attributes:
        model: with the parameters of the best epoch.
        validation: MRR between texts and windows of the validation, at that epoch.
        n_epochs: that were run.
        is_bounded: whether the fit ended while validation still rose.
    """

    choice: FitChoice
    model: HTCLEncoder
    validation: float
    best_epoch: int
    n_epochs: int
    is_bounded: bool


@dataclass(frozen=True, slots=True, eq=False)
class RealFits:
    """Fits on real music, and reads them from files when they exist.

    Attributes:
        folder: of the files.
        max_epochs: bound for a quick run; None for MAX_EPOCHS.
        console: gets a line an epoch.
    """

    music: RealMusic
    folder: Path
    seed: int
    console: Console
    max_epochs: int | None = None

    def fit(self, choice: FitChoice) -> RealFit:
        """The fit, from its file if there is one; a killed one resumes after its last epoch."""
        view = text_view(self.music, choice.text)
        recipe = choice.recipe(self.max_epochs)
        key = self._key(recipe, view.texts)
        file = (
            self.folder / f"{choice.size}-{choice.text}-{choice.learning_rate:g}-{key}.safetensors"
        )
        with deterministic(self.seed, N_THREADS):
            model = HTCLEncoder(recipe.model, view)
            stage = self._stage(model, recipe)
            if not file.exists():
                self._fit(stage, view, file)
        with safe_open(file, framework="pt") as stored:
            stage.load({name: stored.get_tensor(name) for name in stored.keys()})  # noqa: SIM118  no dict
            told = json.loads(stored.metadata()["fit"])
        return RealFit(choice, model, **told)

    def untrained(self, size: str) -> HTCLEncoder:
        """A model with random weights of the seed, and the input that a fit begins with."""
        with deterministic(self.seed, N_THREADS):
            recipe = FitChoice(size, "both", 1.0).recipe()  # with any rate: nothing is learned
            model = HTCLEncoder(recipe.model, text_view(self.music, "both"))
            self._stage(model, recipe).on_start()
            return model

    def _stage(self, model: HTCLEncoder, recipe: Recipe) -> Stage:
        generator = torch.Generator().manual_seed(self.seed)
        [stage] = HTCLStages(model, recipe, generator, _CPU).in_order()
        return stage

    def _fit(self, stage: Stage, view: AudioTextView, file: Path) -> None:
        validation = self.music.windows(Part.VALIDATION)
        tested = validation[view.has_text[validation]]
        self.folder.mkdir(parents=True, exist_ok=True)
        resume_file = ResumeFile(file.with_suffix(".pt"), lambda: None)

        def on_epoch(epoch: Epoch, _pace: Pace) -> None:
            figures = {**epoch.losses, TEXT_METRIC: epoch.validation or 0.0}
            self.console.print(
                file.stem, epoch.number, {name: round(x, 4) for name, x in figures.items()}
            )

        history = fit_stage(
            stage,
            validate=lambda running: {TEXT_METRIC: validation_mrr(running.module, tested)},
            resume_file=resume_file,
            on_epoch=on_epoch,
        ).history
        told = {
            "validation": history.epochs[history.best_epoch - 1].validation,
            "best_epoch": history.best_epoch,
            "n_epochs": len(history.epochs),
            "is_bounded": history.is_bounded,
        }
        state = {name: value.contiguous().clone() for name, value in stage.state().items()}
        partial = file.with_suffix(".partial")
        save_file(state, partial, metadata={"fit": json.dumps(told)})
        partial.rename(file)
        resume_file.file.unlink(missing_ok=True)

    def _key(self, recipe: Recipe, texts: Sequence[str]) -> str:
        """Hash of all that a fit depends on."""
        inputs = [
            family_code_version(HTCLEncoder.__module__, AudioText.__module__),
            recipe.as_json(), str(htcl_mel.identity()), f"{self.seed} {N_THREADS}",
            *self.music.spectrograms.row_of, *texts,
            str(self.music.parts.tolist()),
        ]  # fmt: skip
        return sha256_of("\x00".join(inputs).encode())[:12]


def text_view(music: RealMusic, text: str) -> AudioTextView:
    """What a model sees: a window as a track, windows of one track as copies of it.

    Args:
        music: the windows.
        text: a name of TEXT_ROWS.
    """
    none = torch.zeros(0, dtype=torch.int64)
    return AudioTextView(
        content={},
        spectrograms=music.spectrograms,
        mel_version=str(htcl_mel.identity()),
        audio_rows=torch.arange(len(music.track_of)),
        texts=_texts(music, TEXT_ROWS[text]),
        copies=music.track_of,
        is_learned=music.parts[music.track_of] == Part.LEARNED,
        pairs=TrackPairs(none, none, none, none),
        liked=Edges(none, none),
    )


def title_texts(music: RealMusic) -> list[str]:
    """Title and artist of each track; empty where no title is tagged."""
    return [
        _text(music, number, {}, TEXT_ROWS["title"]) if track.tags.title else ""
        for number, track in enumerate(music.tracks)
    ]


def validation_mrr(model: HTCLEncoder, windows: Tensor) -> float:
    """The product's figure of windows and their texts, of windows that have one."""
    with eval_mode(model):
        return text_mrr(model.encode(windows))


def _texts(music: RealMusic, fields: tuple[TextField, ...]) -> list[str]:
    """A text a window, with the tags of the track's next window; the last one gets those of the first.

    A track of one window has no other one, and so no tags.
    """
    _, sizes = torch.unique_consecutive(music.track_of, return_counts=True)
    texts = []
    for number, windows in enumerate(torch.arange(len(music.track_of)).split(sizes.tolist())):
        others = windows.roll(-1).tolist() if len(windows) > 1 else []
        tags = [music.top_tags[other] for other in others] or [{}]
        texts += [_text(music, number, one, fields) for one in tags]
    return texts


def _text(
    music: RealMusic, track: int, tags: Mapping[str, int], fields: tuple[TextField, ...]
) -> str:
    named = music.tracks[track].tags
    return compose_text(TextParts(named.title, named.artist, tags), fields) or ""

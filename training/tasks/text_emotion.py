"""Text emotion: valence and arousal of a text, learned from texts that people have rated.

Its model reads the lyrics of the catalogue, for feat_track_emotion. A text is of no listener, and
no model of the task holds anything about one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from feature_store.tables.core import CORE_EMOTION_TEXTS, CORE_TRACKS
from feature_store.tables.features import FEAT_ENCODERS, FEAT_LYRICS
from feature_store.tables.raw import RAW_LYRICS
from training.artifacts.model_state import CheckpointError, ModelState, check_names
from training.data.emotion_texts import (
    DIMENSIONS,
    TRAIN,
    EmotionHoldout,
    EmotionTexts,
    EmotionView,
    hold_out,
    read_emotion_texts,
)
from training.engine.loop import eval_mode
from training.evaluation.emotion_fit import SELECTION_METRIC, EmotionEvaluator
from training.evaluation.splits import Cut, Split, Unsplit, least_of_parts
from training.models.encoders.sentence_encoder import backbone_sha256
from training.models.encoders.words_to_waves import WordsToWaves
from training.models.registry import TEXT_EMOTION
from training.tasks.lyrics_emotion import EMOTION_TABLES, LyricsEmotion
from training.tasks.protocol import Family, Output, ScoringModel, Upstream

if TYPE_CHECKING:
    from datetime import date

    from torch import Tensor, nn

    from feature_store.contract import Table
    from feature_store.setting_groups import SplitSettings
    from feature_store.settings import Night
    from training.engine.recipe import Recipe
    from training.engine.stages import Stage

_TEXT = "text"
_MIN_TEXTS = 2


@dataclass(frozen=True, slots=True)
class TextBatching:
    """Batches of texts."""

    batch_texts: int = 32  # of all processes together


class TextEmotion:
    """The task that reads emotion in lyrics. See tasks/protocol.py."""

    name = "text_emotion"
    reads: tuple[Table, ...] = (
        CORE_EMOTION_TEXTS,
        CORE_TRACKS,
        FEAT_ENCODERS,
        FEAT_LYRICS,
        RAW_LYRICS,
    )
    writes: tuple[Table, ...] = EMOTION_TABLES
    families: Mapping[str, Family] = TEXT_EMOTION
    default_family = "words_to_waves"
    baselines: tuple[str, ...] = ("ridge", "vader_valence")
    metric = SELECTION_METRIC
    batching: type[Any] = TextBatching

    def feature_versions(self, lake: str, as_of: date) -> dict[str, str]:  # noqa: ARG002  the protocol's
        """None: it learns from texts, and reads feat_lyrics only for what could be read."""
        return {}

    def read(self, night: Night, features: Mapping[str, str] | None = None) -> EmotionTexts:  # noqa: ARG002  the protocol's
        """The labelled texts as of the night."""
        return read_emotion_texts(night.settings.lake, night.as_of)

    def lacks(self, data: EmotionTexts) -> str:
        """Without two labelled texts nothing tells one from the other."""
        if len(data) >= _MIN_TEXTS:
            return ""
        return (
            f"core_emotion_texts: {len(data)} texts have a label of the combined perspective; it "
            f"learns from {_MIN_TEXTS} or more (evensong ingest emobank lands some)"
        )

    def data_sha256(self, data: EmotionTexts) -> str:
        """See EmotionTexts.sha256."""
        return data.sha256()

    def split(
        self,
        data: EmotionTexts,
        cut: Cut | None,  # noqa: ARG002  a label has no time
        config: SplitSettings,
        generator: torch.Generator,  # noqa: ARG002  the content decides, on every night alike
    ) -> Split[EmotionHoldout] | Unsplit:
        """As the source says, else by content; see training/data/emotion_texts.py."""
        validation, test = hold_out(data, config.held_out_tenths)
        split = Split("random", validation, test)
        n_least = least_of_parts(split, lambda part: len(part.rows))
        n_train = int((~validation.hidden_mask).sum())
        if n_least < config.min_held_out_users or n_train < _MIN_TEXTS:
            n_in_train = int((data.parts(config.held_out_tenths) == TRAIN).sum())
            return Unsplit(
                f"core_emotion_texts: {n_train} of {n_in_train} texts to train on, {n_least} held "
                f"out (rule: {_MIN_TEXTS}, {config.min_held_out_users})"
            )
        constant = [name for column, name in enumerate(DIMENSIONS) if not _differs(split, column)]
        if constant:
            return Unsplit(
                f"core_emotion_texts: held-out texts have one and the same {' and '.join(constant)}"
            )
        return split

    def halves(
        self, part: EmotionHoldout, generator: torch.Generator
    ) -> tuple[EmotionHoldout, EmotionHoldout]:
        """Half of the texts, and the others; copies stay together."""
        return part.halves(generator)

    def train_view(self, data: EmotionTexts, part: EmotionHoldout) -> EmotionView:
        """All texts but those that are held out, here or later, and their copies."""
        return EmotionView(data, (~part.hidden_mask).nonzero().squeeze(1))

    def full_view(self, data: EmotionTexts) -> EmotionView:
        """All texts."""
        return EmotionView(data, torch.arange(len(data)))

    def view_for(self, view: EmotionView, state: ModelState | None) -> EmotionView:  # noqa: ARG002  the protocol's
        """The whole view."""
        return view

    def new_model(self, recipe: Recipe, view: EmotionView, upstream: Upstream) -> nn.Module:  # noqa: ARG002  no family needs another
        """An untrained model."""
        model: nn.Module = self.families[recipe.family].model(recipe.model, view)
        return model

    def stages(
        self,
        model: Any,
        view: EmotionView,  # noqa: ARG002  the model has it
        recipe: Recipe,
        generator: torch.Generator,
        device: torch.device,  # noqa: ARG002  the model is there
    ) -> tuple[Stage, ...]:
        """Those of Words to Waves; the baselines are solved by their constructors."""
        return model.stages(recipe, generator) if isinstance(model, WordsToWaves) else ()

    def evaluator(
        self,
        data: EmotionTexts,
        part: EmotionHoldout,
        device: torch.device,  # noqa: ARG002  estimates are compared on the CPU
    ) -> EmotionEvaluator:
        """See EmotionEvaluator."""
        return EmotionEvaluator(data, part)

    def calibrate(self, model: Any, evaluator: EmotionEvaluator) -> dict[str, Tensor]:
        """What a family chooses on validation: a strength, or the factor of its spreads."""
        with eval_mode(model):
            found: dict[str, Tensor] = model.calibration(evaluator.texts, evaluator.labels)
        return found

    def to_state(self, family: str, model: Any, view: EmotionView) -> ModelState:  # noqa: ARG002  the protocol's
        """Adapters, head and what was solved; the frozen text model is named by its hash."""
        frozen = model.frozen()
        return ModelState(
            family=family,
            parameters={
                name: value.detach().cpu().clone()
                for name, value in model.state_dict().items()
                if name not in frozen
            },
            calibrated=model.calibrated,
            backbones=_backbones(frozen),
        )

    def from_state(
        self,
        state: ModelState,
        recipe: Recipe,
        view: EmotionView,
        upstream: Upstream,
        device: torch.device,
    ) -> nn.Module:
        """The model over another view.

        Raises:
            CheckpointError: the parameters are not those of the family, or the text model in the
                folder has changed.
        """
        model: Any = self.new_model(recipe, view, upstream)
        frozen = model.frozen()
        if _backbones(frozen) != state.backbones:
            raise CheckpointError(
                f"checkpoint of {state.family}: its text model has other weights than the one in "
                "the folder (text_folder, or the package of MiniLM); restore that, or train again "
                "(--retrain always)"
            )
        check_names(state, set(model.state_dict()) - set(frozen))
        model.load_state_dict(state.parameters, strict=False)
        moved: nn.Module = model.to(device)
        return moved

    def predict(
        self,
        night: Night,
        scoring: ScoringModel,
        model: Any,
        data: EmotionTexts,  # noqa: ARG002  lyrics are no labelled texts
        view: EmotionView,  # noqa: ARG002  likewise
    ) -> tuple[Output, ...]:
        """Emotion of new lyrics, and of all lyrics of the night's catalogue."""
        return LyricsEmotion(night, scoring, model).outputs()


def _differs(split: Split[EmotionHoldout], column: int) -> bool:
    """Whether labels differ in both holdouts: R² divides by their variance."""
    return bool(least_of_parts(split, lambda part: int(part.variance[column] > 0)))


def _backbones(frozen: Mapping[str, Tensor]) -> dict[str, str]:
    return {_TEXT: backbone_sha256(frozen)} if frozen else {}

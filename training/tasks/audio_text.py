"""Audio and text of tracks in one space: similar tracks, search, and vectors of new tracks.

HTCL learns from spectrograms, composed texts and pairs of tracks; centred cosines, the rule before
any training, are its baseline and the first champion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import torch

from training.artifacts.model_state import CheckpointError, ModelState, check_names
from training.data.audio_text import (
    AUDIO_TEXT_READ,
    AudioTextData,
    AudioTextView,
    audio_text_versions,
    read_audio_text,
)
from training.data.content import TABLE_OF, EncoderChangedError, shapes_of
from training.data.interactions import Pairs, exclude_pairs
from training.engine.ranges import AT_LEAST_TWO, check_ranges
from training.evaluation.similarity import (
    SELECTION_METRIC,
    SimilarityEvaluator,
    SimilarityHoldout,
)
from training.evaluation.splits import (
    Cut,
    Holdout,
    Split,
    Unsplit,
    Window,
    least_of_parts,
    map_parts,
    time_split,
)
from training.models.encoders.htcl_encoder import (
    KNOWS_TASTE,
    ORDERS,
    SOUND_FIRST,
    HTCLEncoder,
    text_weights_sha256,
)
from training.models.encoders.htcl_stages import HTCLStages
from training.models.registry import AUDIO_TEXT
from training.tasks.protocol import Family, Output, ScoringModel, Upstream
from training.tasks.track_vectors import VECTOR_TABLES, TrackVectors

if TYPE_CHECKING:
    from datetime import date

    from torch import Tensor, nn

    from feature_store.contract import Table
    from feature_store.setting_groups import SplitSettings
    from feature_store.settings import Night
    from training.engine.recipe import Recipe
    from training.engine.stages import Stage

_TEXT = "text"


@dataclass(frozen=True, slots=True)
class MusicBatching:
    """Batches of tracks, or of pairs of tracks."""

    # of all processes together; a batch of one has no negative
    batch_tracks: Annotated[int, AT_LEAST_TWO] = 32

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        check_ranges(self)


class AudioText:
    """The task that makes similar tracks. See tasks/protocol.py."""

    name = "audio_text"
    reads: tuple[Table, ...] = AUDIO_TEXT_READ
    writes: tuple[Table, ...] = VECTOR_TABLES
    families: Mapping[str, Family] = AUDIO_TEXT
    default_family = "centred_cosine"
    baselines: tuple[str, ...] = ("centred_cosine",)
    metric = SELECTION_METRIC
    batching: type[Any] = MusicBatching

    def feature_versions(self, lake: str, as_of: date) -> dict[str, str]:
        """Encoders that the night reads, by feature table, spectrograms included."""
        return audio_text_versions(lake, as_of)

    def read(self, night: Night, features: Mapping[str, str] | None = None) -> AudioTextData:
        """Recordings, texts and pairs of the night."""
        return read_audio_text(night, features)

    def lacks(self, data: AudioTextData) -> str:
        """Without any content no track is like another one."""
        view = data.full_view()
        has_any = any(bool(one.has.any()) for one in view.content.values())
        return "" if has_any else "no track has audio, lyrics or tags that could be encoded"

    def data_sha256(self, data: AudioTextData) -> str:
        """See AudioTextData.sha256."""
        return data.sha256()

    def split(
        self,
        data: AudioTextData,
        cut: Cut | None,
        config: SplitSettings,
        generator: torch.Generator,
    ) -> Split[SimilarityHoldout] | Unsplit:
        """By time where listeners went on to finish tracks beyond the cut, else by artists."""
        artists = _parts_of_artists(data, config.held_out_tenths, generator)
        reasons = []
        for rule in ("time", "artists"):
            if rule == "time" and (cut is None or not len(data.pairs)):
                reasons.append("core_track_pairs: no row, so nothing can be split by time")
                continue
            split = (
                _time_split(data, cut, artists)
                if cut and rule == "time"
                else _artist_split(data, artists)
            )
            n_queries = least_of_parts(split, lambda part: part.n_queries)
            if n_queries >= config.min_held_out_users:
                return split
            reasons.append(
                f"{split.rule} split: {n_queries} tracks have something to find (rule: "
                f"{config.min_held_out_users})"
            )
        return Unsplit("; ".join(reasons))

    def halves(
        self, part: SimilarityHoldout, generator: torch.Generator
    ) -> tuple[SimilarityHoldout, SimilarityHoldout]:
        """Half of the queries, and the others."""
        return part.halves(generator)

    def train_view(self, data: AudioTextData, part: SimilarityHoldout) -> AudioTextView:
        """See AudioTextData.train_view."""
        return data.train_view(part)

    def full_view(self, data: AudioTextData) -> AudioTextView:
        """See AudioTextData.full_view."""
        return data.full_view()

    def view_for(self, view: AudioTextView, state: ModelState | None) -> AudioTextView:
        """The whole view; a state must have learned from the same spectrograms.

        What was selected without stage 2 is fitted without it, however many pairs there are now.

        Raises:
            EncoderChangedError: the spectrograms are of another preprocessing.
        """
        if state is not None and view.mel_version:
            learned = state.features.get("feat_mel", view.mel_version)
            if learned != view.mel_version:
                raise EncoderChangedError(
                    f"feat_mel: spectrograms by {view.mel_version}, the model was trained on "
                    f"{learned}; train again (--retrain always)"
                )
        if state is not None and not int(state.parameters.get(KNOWS_TASTE, torch.tensor(0))):
            return replace(view, pairs=view.pairs.where(torch.zeros(len(view.pairs)) > 0))
        return view

    def new_model(self, recipe: Recipe, view: AudioTextView, upstream: Upstream) -> nn.Module:  # noqa: ARG002  no family needs another
        """An untrained model."""
        model: nn.Module = self.families[recipe.family].model(recipe.model, view)
        return model

    def stages(
        self,
        model: Any,
        view: AudioTextView,  # noqa: ARG002  the model has it
        recipe: Recipe,
        generator: torch.Generator,
        device: torch.device,
    ) -> tuple[Stage, ...]:
        """Those of HTCL; none for centred cosines."""
        if not isinstance(model, HTCLEncoder):
            return ()
        return HTCLStages(model, recipe, generator, device).in_order()

    def evaluator(
        self,
        data: AudioTextData,
        part: SimilarityHoldout,
        device: torch.device,  # noqa: ARG002  vectors are compared on the CPU
    ) -> SimilarityEvaluator:
        """See SimilarityEvaluator."""
        has_text = torch.tensor([bool(text) for text in data.texts], dtype=torch.bool)
        return SimilarityEvaluator(part, (data.audio_rows >= 0) & has_text)

    def calibrate(self, model: Any, evaluator: SimilarityEvaluator) -> dict[str, Tensor]:
        """Which vector of a track counts, by validation; where all are equal, the recording's."""
        if not isinstance(model, HTCLEncoder):
            return {}
        encoded = evaluator.encode(model)
        recalls = []
        for order in range(len(ORDERS)):
            model.order.fill_(order)
            recalls.append(evaluator.recall(model, encoded))
        chosen = max(range(len(ORDERS)), key=lambda order: (recalls[order], order == SOUND_FIRST))
        return {"order": torch.tensor(chosen)}

    def to_state(self, family: str, model: Any, view: AudioTextView) -> ModelState:
        """All that a checkpoint stores; a frozen part of the text tower is named by its hash."""
        is_htcl = isinstance(model, HTCLEncoder)
        frozen = model.frozen() if is_htcl else {}
        features = {
            TABLE_OF[name].name: shape.encoder
            for name, shape in sorted(shapes_of(view.content).items())
            if shape.encoder and name != "cover"
        }
        return ModelState(
            family=family,
            parameters={
                name: value.detach().cpu().clone()
                for name, value in model.state_dict().items()
                if name not in frozen
            },
            calibrated=("order",) if is_htcl else (),
            features={"feat_mel": view.mel_version} if is_htcl else features,
            backbones={_TEXT: text_weights_sha256(frozen)} if frozen else {},
        )

    def from_state(
        self,
        state: ModelState,
        recipe: Recipe,
        view: AudioTextView,
        upstream: Upstream,
        device: torch.device,
    ) -> nn.Module:
        """The model over another view.

        Raises:
            CheckpointError: the parameters are not those of the family, or the text model in the
                folder has changed.
            EncoderChangedError: the spectrograms are of another preprocessing.
        """
        model = self.new_model(recipe, self.view_for(view, state), upstream)
        frozen = model.frozen() if isinstance(model, HTCLEncoder) else {}
        if frozen and text_weights_sha256(frozen) != state.backbones.get(_TEXT):
            raise CheckpointError(
                f"checkpoint of {state.family}: its text model has other weights than the one in "
                "the folder (text_folder, or the package of MiniLM); restore that, or train again "
                "(--retrain always)"
            )
        check_names(state, set(model.state_dict()) - set(frozen))
        model.load_state_dict(state.parameters, strict=False)
        return model.to(device)

    def predict(
        self,
        night: Night,
        scoring: ScoringModel,
        model: Any,
        data: AudioTextData,
        view: AudioTextView,  # noqa: ARG002  the model has it
    ) -> tuple[Output, ...]:
        """HTCL's vectors of new content, and of each track the one that counts.

        Centred cosines have no vectors: rec_similar_tracks computes them from the features.
        """
        if not isinstance(model, HTCLEncoder):
            return tuple(Output(table, iter(())) for table in self.writes)
        return TrackVectors(night, scoring, model, data).outputs()


def _parts_of_artists(
    data: AudioTextData, tenths: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Tracks of the artists that validation and test hold out, shape (n_tracks,) bool each.

    A recording may be there once more under another artist, as on a compilation; see _with_copies.
    """
    n_artists = len(data.dataset.nodes.artists)
    order = torch.randperm(n_artists, generator=generator)
    size = n_artists * tenths // 10
    parts = []
    for artists in (order[:size], order[size : 2 * size]):
        mask = torch.zeros(data.n_tracks, dtype=torch.bool)
        made_by = data.dataset.made_by
        mask[made_by.source[torch.isin(made_by.target, artists)]] = True
        parts.append(mask)
    return parts[0], parts[1]


def _time_split(
    data: AudioTextData, cut: Cut, artists: tuple[Tensor, Tensor]
) -> Split[SimilarityHoldout]:
    """Pairs of the two windows that nobody had before them."""
    n_tracks, (first, second) = data.n_tracks, artists

    def part(window: Window, unseen: Tensor, hidden: Tensor, listens: Holdout) -> SimilarityHoldout:
        inside = data.pairs.within(window.start, window.end).distinct(n_tracks)
        before = data.pairs.before(window.start).distinct(n_tracks)
        new = exclude_pairs(inside, before, n_tracks)
        is_available = listens.available_mask
        relevant = new.where(is_available[new.users] & is_available[new.tracks])
        return SimilarityHoldout(listens, relevant, unseen, hidden, by_audio=False)

    return map_parts(
        time_split(data.dataset.listens, data.dataset.available_from, cut),
        partial(part, cut.validation, first, _with_copies(data, first | second)),
        partial(part, cut.test, second, _with_copies(data, second)),
    )


def _artist_split(data: AudioTextData, artists: tuple[Tensor, Tensor]) -> Split[SimilarityHoldout]:
    """Tracks of held-out artists, which are to find each other by sound."""
    all_tracks = torch.ones(data.n_tracks, dtype=torch.bool)
    nothing = torch.zeros(0, dtype=torch.int64)
    none = Pairs(nothing, nothing, torch.zeros(0))
    end = data.dataset.as_of + timedelta(days=1)
    known = Holdout(data.dataset.listens, end, all_tracks, none, none)
    first, second = artists
    has_audio = data.audio_rows >= 0

    def part(unseen: Tensor, hidden: Tensor) -> SimilarityHoldout:
        relevant = data.same_artist_or_album(unseen & has_audio)
        return SimilarityHoldout(known, relevant, unseen, hidden, by_audio=True)

    return Split(
        "random",
        part(first, _with_copies(data, first | second)),
        part(second, _with_copies(data, second)),
    )


def _with_copies(data: AudioTextData, hidden: Tensor) -> Tensor:
    """The tracks, and those that have a recording of one of them, shape (n_tracks,) bool."""
    return torch.isin(data.copies, data.copies[hidden])

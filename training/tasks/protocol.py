"""What a task offers to training: everything that the families of one thing to learn share.

The loop, checkpoints, promotion, erasure, lineage, MLflow and the DAG use these members alone, so
they know no task and no family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from datetime import date

    import pyarrow as pa
    import torch
    from torch import Tensor, nn

    from feature_store.contract import Table
    from feature_store.setting_groups import SplitSettings
    from feature_store.settings import Night
    from training.artifacts.model_state import ModelState
    from training.engine.recipe import Recipe
    from training.engine.stages import Stage
    from training.evaluation.eval_result import EvalResult
    from training.evaluation.splits import Cut, Split, Unsplit

Data = TypeVar("Data")
View = TypeVar("View")
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True, order=True)
class ModelRef:
    """A fitted model of another task, or of another family of the same task."""

    task: str
    family: str

    def __str__(self) -> str:
        """As upstream_versions names it."""
        return f"{self.task}/{self.family}"


@dataclass(frozen=True, slots=True)
class Family:
    """A model family: its configuration, and how a model is made from it; one file holds both.

    Attributes:
        config: a frozen dataclass.
        model: makes an untrained model of a configuration, a view and the states of `needs`.
        needs: fitted models that it learns from. They are trained and stored although they won
            nothing.
        lacks: why it cannot learn from a view although another family can, such as "no track has a
            recording"; empty when it can. None of a family that learns from whatever its task does.
        lacks_needed: why it cannot learn from the models in `needs`, by its configuration and
            their states; empty when it can.
    """

    config: type[Any]
    model: Callable[..., Any]
    needs: tuple[ModelRef, ...] = ()
    lacks: Callable[[Any], str] | None = None
    lacks_needed: Callable[..., str] = lambda *_: ""

    @property
    def module(self) -> str:
        """Dotted name of the family's file."""
        return self.config.__module__


Upstream = Mapping[ModelRef, "ModelState"]
"""The fitted models that a family needs, as states."""


@dataclass(frozen=True, slots=True)
class ScoringModel:
    """Which model scores, for the rows that it writes."""

    family: str
    model_version: str


@dataclass(frozen=True, slots=True)
class Output:
    """Rows of one of a task's tables, as a stream.

    Attributes:
        batches: record batches in the table's columns; the whole result is never in memory.
        reads_tables: whether batches are made from Delta tables while they are asked for. Those of
            a slice then wait in a file until all are made (feature_store/lake/batch_stream.py).
    """

    table: Table
    batches: Iterator[pa.RecordBatch]
    reads_tables: bool = False


class Evaluator(Protocol):
    """A holdout that models are evaluated on."""

    def evaluate(self, model: Any) -> EvalResult:
        """Metrics of a model that was built on the holdout's train view."""


class Task(Protocol[Data, View, Part]):
    """One thing that is learned. A `Part` is what its splits hold out.

    Attributes:
        name: as in run_models, settings and checkpoint paths.
        reads, writes: tables.
        families: by name.
        default_family: the champion until another one is promoted.
        baselines: families that every training evaluates too.
        metric: the chosen metric, a name in EvalResult.values; more is better.
        batching: dataclass of the settings of its batches.
    """

    name: str
    reads: tuple[Table, ...]
    writes: tuple[Table, ...]
    families: Mapping[str, Family]
    default_family: str
    baselines: tuple[str, ...]
    metric: str
    batching: type[Any]

    def feature_versions(self, lake: str, as_of: date) -> dict[str, str]:
        """The version of each feature table that a night reads, by the table's name."""

    def read(self, night: Night, features: Mapping[str, str] | None = None) -> Data:
        """The tables as of the night, as tensors.

        Args:
            night: the day and the settings.
            features: versions of feature tables to read instead of the night's own: those that an
                older model learned from.
        """

    def lacks(self, data: Data) -> str:
        """Why there is nothing to learn, such as "no listens"; empty when there is something."""

    def data_sha256(self, data: Data) -> str:
        """Hash of all that a training reads, but for the day."""

    def split(
        self, data: Data, cut: Cut | None, config: SplitSettings, generator: torch.Generator
    ) -> Split[Part] | Unsplit:
        """Hold out what comes after the night's cut, which all tasks share.

        Args:
            data: all that is known.
            cut: None where nothing has a time.
            config: sizes.
            generator: for what has no time.
        """

    def halves(self, part: Part, generator: torch.Generator) -> tuple[Part, Part]:
        """The units of a holdout, divided at random into two with the same past."""

    def train_view(self, data: Data, part: Part) -> View:
        """What may be known before a holdout, less what gives it away."""

    def full_view(self, data: Data) -> View:
        """Everything that is known."""

    def view_for(self, view: View, state: ModelState | None) -> View:
        """The parts of a view that a new model can learn from; with a state, those it has."""

    def new_model(self, recipe: Recipe, view: View, upstream: Upstream) -> nn.Module:
        """An untrained model, drawn by torch's generator."""

    def stages(
        self,
        model: Any,
        view: View,
        recipe: Recipe,
        generator: torch.Generator,
        device: torch.device,
    ) -> tuple[Stage, ...]:
        """What is trained, in order; none for a model that its constructor solves."""

    def evaluator(self, data: Data, part: Part, device: torch.device) -> Evaluator:
        """A holdout, prepared once and evaluated against many times."""

    def calibrate(self, model: Any, evaluator: Any) -> dict[str, Tensor]:
        """Choose on validation what the stages do not train, such as weights of an ensemble.

        Returns:
            The chosen tensors of the model by name; empty when there is nothing to choose.
        """

    def to_state(self, family: str, model: Any, view: View) -> ModelState:
        """All that a checkpoint stores."""

    def from_state(
        self,
        state: ModelState,
        recipe: Recipe,
        view: View,
        upstream: Upstream,
        device: torch.device,
    ) -> nn.Module:
        """A model with this state, on the view of another day.

        Raises:
            CheckpointError: the state does not fit the family.
        """

    def predict(
        self, night: Night, scoring: ScoringModel, model: Any, data: Data, view: View
    ) -> tuple[Output, ...]:
        """A stream for each of `writes`, of this process's shard.

        Args:
            night: the day and the settings.
            scoring: names the model in the rows.
            model: on its device.
            data: what the task has read.
            view: everything that is known, on which the model was built.
        """

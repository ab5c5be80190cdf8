"""Fits one stage over given batches, as a task would."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from training.data.batches import TrainingBatches
from training.engine.loop import FitHistory, fit_stage
from training.engine.loop_config import LoopConfig
from training.engine.optimisers import ParameterGroup
from training.engine.resume import ResumeFile
from training.engine.stages import Stage


def stage_of(model: Any, batches: Iterable[Any], loop: LoopConfig, generator: Any = None) -> Stage:
    """All parameters of a model, by its own losses."""
    drawn_by = generator or (batches.generator if isinstance(batches, TrainingBatches) else None)
    return Stage(
        name="fit",
        module=model,
        groups=(ParameterGroup(list(model.parameters())),),
        batches=batches,
        loop=loop,
        generator=drawn_by,
        training_loss=model.training_loss,
    )


def fit(
    model: Any,
    batches: Iterable[Any],
    loop: LoopConfig,
    *,
    n_epochs: int | None = None,
    validate: Callable[[], float] | None = None,
    resume_file: ResumeFile | None = None,
    generator: Any = None,
) -> FitHistory:
    """The history of a fit; a model without parameters has none."""
    if not list(model.parameters()):
        return FitHistory((), 0)
    stage = stage_of(model, batches, loop, generator)
    figures = None if validate is None else lambda _: {"validation": validate()}
    fitted = fit_stage(stage, n_epochs=n_epochs, validate=figures, resume_file=resume_file)
    return fitted.history

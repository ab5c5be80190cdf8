"""Opens the sealed test split: the only module that does, once a training, after selection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch

    from training.evaluation.eval_result import EvalResult
    from training.evaluation.splits import Split
    from training.tasks.protocol import Task

Part = TypeVar("Part")
Result = TypeVar("Result")


def test_view(task: Task[Any, Any, Any], data: Any, split: Split[Any]) -> Any:
    """What a model sees at the test: everything before its cut, validation included."""
    return task.train_view(data, _open_test(split))


def published_view(task: Task[Any, Any, Any], data: Any, split: Split[Any]) -> Any:
    """What a model sees at the test in published comparisons: only the part it was trained on.

    Published comparisons leave the validation pairs out of the lists, and do not show them to the
    model.
    """
    return task.train_view(data, split.validation)


def test_result(
    task: Task[Any, Any, Any], model: Any, data: Any, split: Split[Any], device: torch.device
) -> EvalResult:
    """Metrics on the test; `model` was built on `test_view` and selected without it."""
    return task.evaluator(data, _open_test(split), device).evaluate(model)


def on_test(split: Split[Part], measure: Callable[[Part], Result]) -> Result:
    """What a benchmark measures on the test of a model that was selected without it."""
    return measure(_open_test(split))


def _open_test(split: Split[Part]) -> Part:
    """The one place that breaks the seal."""
    return split.sealed_test

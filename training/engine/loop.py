"""The training loop: minimises named losses over batches, validates, stops early and resumes.

Under torchrun every process runs it with its shard of each batch; the validation metric of rank 0
decides for all. The loop knows no model.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from training.data.batches import TrainingBatch
from training.engine.data_parallel import data_parallel_loss
from training.engine.distributed import (
    all_gather,
    broadcast_from_rank0,
    is_main,
    mean_over_processes,
    process_rank,
    shard,
)
from training.engine.resume import FitState, ResumeFile, with_prefix, without_prefix

if TYPE_CHECKING:
    from training.models.protocols import Recommender


class NonFiniteLossError(RuntimeError):
    """A loss became NaN or infinite."""


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """Hyperparameters of the loop."""

    max_epochs: int = 60
    learning_rate: float = 0.02
    batch_users: int = 512
    min_batches: int = 4  # of an epoch; a dataset of few listeners takes smaller batches instead
    max_candidates: int = 8_000  # tracks that a batch ranks against
    max_distillation_candidates: int = 2_000  # of these, tracks on which heads are compared
    validate_every: int = 4  # epochs
    patience: int = 3  # validations without a better one until the fit stops
    epochs_without_validation: int = 10  # of a dataset too small to hold anything out


@dataclass(frozen=True, slots=True)
class Epoch:
    """Losses and validation metric of an epoch.

    Attributes:
        number: from 1.
        losses: mean over the epoch's batches, by name.
        validation: the validation metric after it; None when the epoch was not validated.
    """

    number: int
    losses: dict[str, float]
    validation: float | None


@dataclass(frozen=True, slots=True)
class FitHistory:
    """The epochs of a fit, and the one whose parameters the model now has (0: none was run)."""

    epochs: tuple[Epoch, ...]
    best_epoch: int


@contextmanager
def deterministic(seed: int, n_threads: int) -> Iterator[None]:
    """Seed torch and fix all threads, then put both back: equal inputs give equal bytes.

    NumPy's BLAS has threads of its own, which closed forms use.
    """
    threads_before, state_before = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(n_threads)
    torch.manual_seed(seed)
    try:
        with threadpool_limits(n_threads, "blas"):
            yield
    finally:
        torch.set_num_threads(threads_before)
        torch.set_rng_state(state_before)


@contextmanager
def eval_mode(model: Recommender) -> Iterator[None]:
    """Evaluation mode without gradients; restores the mode afterwards."""
    module = cast("nn.Module", model)
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(was_training)


def fit(
    model: Recommender,
    batches: Iterable[TrainingBatch],
    config: LoopConfig,
    *,
    n_epochs: int,
    validate: Callable[[], float] | None = None,
    resume_file: ResumeFile | None = None,
) -> FitHistory:
    """Minimise the sum of the named losses; `validate` stops early and keeps the best epoch.

    With `resume_file` a fit that was killed resumes after its last whole epoch, with the result of
    a fit that was not killed; a finished fit is not run again. A model without parameters was
    solved by its constructor and stays as it is.

    Raises:
        NonFiniteLossError: a loss is NaN or infinite; names the loss, the step and the listeners.
        ResumeError: the state of the killed fit cannot be read.
    """
    if not list(cast("nn.Module", model).parameters()):
        return FitHistory((), 0)
    run = FitRun(model, config)
    if resume_file is not None:
        run.resume(resume_file)
    while not run.is_over(n_epochs):
        run.epoch(batches, n_epochs, validate)
        if resume_file is not None:
            run.save(resume_file)
    return run.finish()


class FitRun:
    """A fit in progress: everything that its next epoch depends on."""

    def __init__(self, model: Recommender, config: LoopConfig) -> None:
        self._module = cast("nn.Module", model)
        self._config = config
        self._optimiser = torch.optim.Adam(
            self._module.parameters(), lr=config.learning_rate, fused=True
        )
        self._training_loss = data_parallel_loss(model)
        self._epochs: list[Epoch] = []
        self._early_stopping = _EarlyStopping()

    def is_over(self, n_epochs: int) -> bool:
        """Whether all epochs were run, or too many validations were no better."""
        misses = self._early_stopping.misses
        return len(self._epochs) >= n_epochs or misses >= self._config.patience

    def epoch(
        self,
        batches: Iterable[TrainingBatch],
        n_epochs: int,
        validate: Callable[[], float] | None,
    ) -> None:
        """Run the next epoch, and validate after it when that is due."""
        number = len(self._epochs) + 1
        losses = _one_epoch(self._training_loss, batches, self._optimiser, number)
        is_due = number % self._config.validate_every == 0 or number == n_epochs
        metric = broadcast_from_rank0(validate) if validate is not None and is_due else None
        self._epochs.append(Epoch(number, losses, metric))
        if metric is not None:
            self._early_stopping.update(metric, number, self._module)

    def finish(self) -> FitHistory:
        """Load the parameters of the best epoch into the model; returns the history."""
        best = self._early_stopping
        if best.state is None:
            return FitHistory(tuple(self._epochs), len(self._epochs))
        self._module.load_state_dict(best.state)
        return FitHistory(tuple(self._epochs), best.epoch)

    def save(self, resume_file: ResumeFile) -> None:
        """Write the state of the fit in rank 0; each process has generators of its own."""
        generators = all_gather(
            {"torch": torch.get_rng_state(), "batches": resume_file.generator.get_state()}
        )
        if is_main():
            resume_file.write(self._state(generators))

    def resume(self, resume_file: ResumeFile) -> None:
        """Load the saved state; without one the fit begins."""
        state = broadcast_from_rank0(resume_file.read)
        if state is None:
            return
        self._module.load_state_dict(without_prefix("model", state.tensors))
        moments = _by_parameter(without_prefix("adam", state.tensors))
        self._optimiser.load_state_dict(self._optimiser.state_dict() | {"state": moments})
        self._epochs = [Epoch(**epoch) for epoch in state.values["epochs"]]
        self._early_stopping.restore(state.values["best"], without_prefix("best", state.tensors))
        generators = without_prefix(f"generators/{process_rank()}", state.tensors)
        torch.set_rng_state(generators["torch"])
        resume_file.generator.set_state(generators["batches"])

    def _state(self, generators: list[dict[str, Tensor]]) -> FitState:
        moments = {
            f"{parameter}/{name}": value
            for parameter, state in self._optimiser.state_dict()["state"].items()
            for name, value in state.items()
        }
        tensors = with_prefix("model", self._module.state_dict()) | with_prefix("adam", moments)
        tensors |= with_prefix("best", self._early_stopping.state or {})
        for rank, states in enumerate(generators):
            tensors |= with_prefix(f"generators/{rank}", states)
        epochs = [asdict(epoch) for epoch in self._epochs]
        return FitState(tensors, {"epochs": epochs, "best": self._early_stopping.values()})


class _EarlyStopping:
    """The best validation so far, and the parameters that gave it."""

    def __init__(self) -> None:
        self.metric = -float("inf")
        self.epoch = 0
        self.misses = 0
        self.state: dict[str, Tensor] | None = None

    def update(self, metric: float, epoch: int, module: nn.Module) -> None:
        """Keep the parameters when the metric is better; count a miss otherwise."""
        if metric <= self.metric:
            self.misses += 1
            return
        self.metric, self.epoch, self.misses = metric, epoch, 0
        self.state = copy.deepcopy(module.state_dict())

    def values(self) -> dict[str, float | int]:
        """All but the parameters, as JSON values."""
        return {"metric": self.metric, "epoch": self.epoch, "misses": self.misses}

    def restore(self, values: dict[str, float | int], state: dict[str, Tensor]) -> None:
        """Load saved `values` and `state`; before the first validation `state` is empty."""
        self.metric = float(values["metric"])
        self.epoch, self.misses = int(values["epoch"]), int(values["misses"])
        self.state = state or None


def _by_parameter(moments: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """Adam's state by the parameter's index, from names like `3/exp_avg`."""
    by_parameter: dict[int, dict[str, Tensor]] = {}
    for name, value in moments.items():
        parameter, _, moment = name.partition("/")
        by_parameter.setdefault(int(parameter), {})[moment] = value
    return by_parameter


def _one_epoch(
    training_loss: Callable[[TrainingBatch], dict[str, Tensor]],
    batches: Iterable[TrainingBatch],
    optimiser: torch.optim.Optimizer,
    number: int,
) -> dict[str, float]:
    """Mean of each named loss over the batches."""
    totals: dict[str, float] = {}
    n_batches = 0
    for step, whole_batch in enumerate(batches, start=1):
        batch = shard(whole_batch)
        losses = training_loss(batch)
        _raise_if_not_finite(losses, number, step, batch)
        optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimiser.step()
        n_batches += 1
        for name, loss in losses.items():
            totals[name] = totals.get(name, 0.0) + float(loss.detach())
    return mean_over_processes({name: total / n_batches for name, total in totals.items()})


def _raise_if_not_finite(
    losses: dict[str, Tensor], epoch: int, step: int, batch: TrainingBatch
) -> None:
    for name, loss in losses.items():
        if not bool(torch.isfinite(loss)):
            raise NonFiniteLossError(
                f"loss {name} is {loss.item()} at epoch {epoch}, step {step}, users at positions "
                f"{batch.users.tolist()}; lower learning_rate, or look for NaN in the features"
            )

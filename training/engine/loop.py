"""The one training loop. It knows batches, named losses and a validation figure, and no model.

Below torchrun every process goes through it, with its part of each batch; what the first one
measures on validation decides for all.
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

from training.data.batches import LearningBatch
from training.engine.distributed import (
    averaged,
    averaging_gradients,
    is_first,
    own_part,
    place,
    said_by_each,
    said_by_first,
)
from training.engine.resume import FitState, Progress, inside, nested

if TYPE_CHECKING:
    from training.models.registry import Recommender


class NotANumberError(RuntimeError):
    """A loss became NaN or infinite."""


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """How a model is descended."""

    max_epochs: int = 60
    learning_rate: float = 0.02
    batch_users: int = 512
    min_batches: int = 4  # of an epoch; a world of few people takes smaller batches instead
    max_candidates: int = 8_000  # tracks that a batch ranks against
    max_shared: int = 2_000  # of these, tracks on which heads compare what they think
    validate_every: int = 4  # epochs
    patience: int = 3  # validations without a better one until the fit stops
    epochs_without_validation: int = 10  # of a world too small to hold anything out


@dataclass(frozen=True, slots=True)
class Epoch:
    """What an epoch left behind.

    Attributes:
        number: from 1.
        losses: mean over the epoch's batches, by name.
        validation: the validation figure after it; None when it was not taken.
    """

    number: int
    losses: dict[str, float]
    validation: float | None


@dataclass(frozen=True, slots=True)
class Fit:
    """How a fit went, and the epoch whose parameters the model now has (0: none was run)."""

    epochs: tuple[Epoch, ...]
    best_epoch: int


@contextmanager
def deterministic(seed: int, n_threads: int) -> Iterator[None]:
    """Seed torch and fix all threads, then put both back: equal inputs give equal bytes.

    NumPy's BLAS has threads of its own, by which closed forms are solved.
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
def scoring(model: Recommender) -> Iterator[None]:
    """Evaluation mode without gradients, and afterwards the mode that was."""
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
    batches: Iterable[LearningBatch],
    config: LoopConfig,
    *,
    n_epochs: int,
    validate: Callable[[], float] | None = None,
    progress: Progress | None = None,
) -> Fit:
    """Descend the sum of the named losses; `validate` stops early and keeps the best epoch.

    With `progress` a fit that was killed goes on after its last whole epoch, as if nothing had
    been; one that had ended is not run again. A model without parameters was solved when it was
    made and is left as it is.

    Raises:
        NotANumberError: a loss is NaN or infinite; names the loss, the step and the batch's people.
        ProgressError: the state of the killed fit cannot be read.
    """
    if not list(cast("nn.Module", model).parameters()):
        return Fit((), 0)
    descent = _Descent(model, config)
    if progress is not None:
        descent.go_on(progress)
    while not descent.is_over(n_epochs):
        descent.epoch(batches, n_epochs, validate)
        if progress is not None:
            descent.keep(progress)
    return descent.outcome()


class _Descent:
    """A fit under way: everything that its next epoch depends on."""

    def __init__(self, model: Recommender, config: LoopConfig) -> None:
        self._module = cast("nn.Module", model)
        self._config = config
        self._optimiser = torch.optim.Adam(
            self._module.parameters(), lr=config.learning_rate, fused=True
        )
        self._training_loss = averaging_gradients(model)
        self._epochs: list[Epoch] = []
        self._best = _Best()

    def is_over(self, n_epochs: int) -> bool:
        """Whether all epochs were run, or too many validations were no better."""
        return len(self._epochs) >= n_epochs or self._best.misses >= self._config.patience

    def epoch(
        self,
        batches: Iterable[LearningBatch],
        n_epochs: int,
        validate: Callable[[], float] | None,
    ) -> None:
        """Run the next epoch, and validate after it when that is due."""
        number = len(self._epochs) + 1
        losses = _one_epoch(self._training_loss, batches, self._optimiser, number)
        is_due = number % self._config.validate_every == 0 or number == n_epochs
        figure = said_by_first(validate) if validate is not None and is_due else None
        self._epochs.append(Epoch(number, losses, figure))
        if figure is not None:
            self._best.take(figure, number, self._module)

    def outcome(self) -> Fit:
        """How it went; the model gets the parameters of the best epoch."""
        if self._best.state is None:
            return Fit(tuple(self._epochs), len(self._epochs))
        self._module.load_state_dict(self._best.state)
        return Fit(tuple(self._epochs), self._best.epoch)

    def keep(self, progress: Progress) -> None:
        """Write down where the fit stands, in the first process; each has generators of its own."""
        generators = said_by_each(
            {"torch": torch.get_rng_state(), "batches": progress.generator.get_state()}
        )
        if is_first():
            progress.write(self._state(generators))

    def go_on(self, progress: Progress) -> None:
        """Take up what was kept; without it the fit begins."""
        state = said_by_first(progress.read)
        if state is None:
            return
        self._module.load_state_dict(inside("model", state.tensors))
        self._optimiser.load_state_dict(
            self._optimiser.state_dict() | {"state": _by_parameter(inside("adam", state.tensors))}
        )
        self._epochs = [Epoch(**epoch) for epoch in state.values["epochs"]]
        self._best.restore(state.values["best"], inside("best", state.tensors))
        generators = inside(f"generators/{place()}", state.tensors)
        torch.set_rng_state(generators["torch"])
        progress.generator.set_state(generators["batches"])

    def _state(self, generators: list[dict[str, Tensor]]) -> FitState:
        moments = {
            f"{parameter}/{name}": value
            for parameter, state in self._optimiser.state_dict()["state"].items()
            for name, value in state.items()
        }
        tensors = nested("model", self._module.state_dict()) | nested("adam", moments)
        tensors |= nested("best", self._best.state or {})
        for process, states in enumerate(generators):
            tensors |= nested(f"generators/{process}", states)
        epochs = [asdict(epoch) for epoch in self._epochs]
        return FitState(tensors, {"epochs": epochs, "best": self._best.values()})


class _Best:
    """The best validation so far, and the parameters that gave it."""

    def __init__(self) -> None:
        self.figure = -float("inf")
        self.epoch = 0
        self.misses = 0
        self.state: dict[str, Tensor] | None = None

    def take(self, figure: float, epoch: int, module: nn.Module) -> None:
        """Keep the parameters when the figure is better; count a miss otherwise."""
        if figure <= self.figure:
            self.misses += 1
            return
        self.figure, self.epoch, self.misses = figure, epoch, 0
        self.state = copy.deepcopy(module.state_dict())

    def values(self) -> dict[str, float | int]:
        """All but the parameters."""
        return {"figure": self.figure, "epoch": self.epoch, "misses": self.misses}

    def restore(self, values: dict[str, float | int], state: dict[str, Tensor]) -> None:
        """Take up what `values` and `state` held; there is no state before a first validation."""
        self.figure = float(values["figure"])
        self.epoch, self.misses = int(values["epoch"]), int(values["misses"])
        self.state = state or None


def _by_parameter(moments: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """Adam's state again, by the parameter's place: from names like `3/exp_avg`."""
    by_parameter: dict[int, dict[str, Tensor]] = {}
    for name, value in moments.items():
        parameter, _, moment = name.partition("/")
        by_parameter.setdefault(int(parameter), {})[moment] = value
    return by_parameter


def _one_epoch(
    training_loss: Callable[[LearningBatch], dict[str, Tensor]],
    batches: Iterable[LearningBatch],
    optimiser: torch.optim.Optimizer,
    number: int,
) -> dict[str, float]:
    """Mean of each named loss over the batches."""
    totals: dict[str, float] = {}
    n_batches = 0
    for step, whole_batch in enumerate(batches, start=1):
        batch = own_part(whole_batch)
        losses = training_loss(batch)
        _refuse_nan(losses, number, step, batch)
        optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimiser.step()
        n_batches += 1
        for name, loss in losses.items():
            totals[name] = totals.get(name, 0.0) + float(loss.detach())
    return averaged({name: total / n_batches for name, total in totals.items()})


def _refuse_nan(losses: dict[str, Tensor], epoch: int, step: int, batch: LearningBatch) -> None:
    """Raise when a loss is no number."""
    for name, loss in losses.items():
        if not bool(torch.isfinite(loss)):
            raise NotANumberError(
                f"loss {name} is {loss.item()} at epoch {epoch}, step {step}, people at positions "
                f"{batch.users.tolist()}; lower learning_rate, or look for NaN in the features"
            )

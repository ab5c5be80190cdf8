"""The one training loop. It knows batches, named losses and a validation figure, and no model.

Below torchrun every process goes through it, with its part of each batch; what the first one
measures on validation decides for all.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from training.data.batches import LearningBatch
from training.distributed import averaged, averaging_gradients, own_part, said_by_first

if TYPE_CHECKING:
    from training.models.registry import Recommender


class NotANumberError(RuntimeError):
    """A loss became NaN or infinite."""


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """How a model is descended."""

    max_epochs: int = 30
    learning_rate: float = 0.005
    batch_users: int = 256
    min_batches: int = 4  # of an epoch; a world of few people takes smaller batches instead
    max_candidates: int = 8_000  # tracks that a batch ranks against
    max_shared: int = 2_000  # of these, tracks on which heads compare what they think
    validate_every: int = 2  # epochs
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
    """Seed torch and fix its threads, then put both back: equal inputs give equal bytes."""
    threads_before, state_before = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(n_threads)
    torch.manual_seed(seed)
    try:
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
) -> Fit:
    """Descend the sum of the named losses; `validate` stops early and keeps the best epoch.

    A model without parameters was solved when it was made and is left as it is.

    Raises:
        NotANumberError: a loss is NaN or infinite; names the loss, the step and the batch's people.
    """
    module = cast("nn.Module", model)
    parameters = list(module.parameters())
    if not parameters:
        return Fit((), 0)
    optimiser = torch.optim.Adam(parameters, lr=config.learning_rate)
    training_loss = averaging_gradients(model)
    epochs: list[Epoch] = []
    best = _Best()
    for number in range(1, n_epochs + 1):
        losses = _one_epoch(training_loss, batches, optimiser, number)
        is_due = validate is not None and (
            number % config.validate_every == 0 or number == n_epochs
        )
        figure = said_by_first(validate) if validate is not None and is_due else None
        epochs.append(Epoch(number, losses, figure))
        if figure is not None:
            best.take(figure, number, module)
        if best.misses >= config.patience:
            break
    if best.state is None:
        return Fit(tuple(epochs), n_epochs)
    module.load_state_dict(best.state)
    return Fit(tuple(epochs), best.epoch)


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

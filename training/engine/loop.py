"""The training loop: minimises named losses over batches, validates, stops early and resumes.

Under torchrun every process runs it with its shard of each batch; the validation of rank 0 decides
for all. The loop knows neither task nor family: a Stage says what is trained, on what.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import structlog
import torch
from threadpoolctl import threadpool_limits

from training.engine.data_parallel import gradients
from training.engine.distributed import (
    all_gather,
    broadcast_from_rank0,
    draw_apart,
    is_main,
    mean_over_processes,
    n_processes,
    process_rank,
)
from training.engine.optimisers import build_optimiser

if TYPE_CHECKING:
    from torch import Tensor, nn

    from training.engine.resume import ResumeFile
    from training.engine.stages import Batch, Loading, Stage

LOG = structlog.get_logger()

Figures = Mapping[str, float]
"""Validation figures by the name of their selector; each selector keeps an epoch of its own."""

Validate = Callable[["Stage"], Figures]


class NonFiniteLossError(RuntimeError):
    """A loss became NaN or infinite."""


class NonFiniteMetricError(RuntimeError):
    """No validation of a fit gave a number."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """Losses and validation figure of an epoch.

    Attributes:
        number: from 1.
        losses: mean over the epoch's batches, by name.
        validation: the first selector's figure after it; None when the epoch was not validated or
            the figure is NaN.
    """

    number: int
    losses: dict[str, float]
    validation: float | None


@dataclass(frozen=True, slots=True)
class Pace:
    """How long an epoch took in this process, without its validation; for the log alone.

    Attributes:
        elapsed_s: seconds.
        loading: see Stage.
    """

    elapsed_s: float
    loading: Loading | None


@dataclass(frozen=True, slots=True)
class FitHistory:
    """The epochs of a stage, until its first selector stopped: others change nothing of it.

    Attributes:
        best_epoch: whose parameters the model now has; 0 when none was run.
        is_bounded: max_epochs ended the fit while validation still rose.
    """

    epochs: tuple[Epoch, ...]
    best_epoch: int
    is_bounded: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class FittedStage:
    """A stage's history, and what each selector keeps of it.

    Attributes:
        states: by selector, see Stage.state; empty without validation.
        best_epochs: of these states, likewise.
    """

    history: FitHistory
    states: dict[str, dict[str, Tensor]]
    best_epochs: dict[str, int]


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
def eval_mode(module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; restores the mode afterwards."""
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(was_training)


def fit_stage(
    stage: Stage,
    *,
    n_epochs: int | None = None,
    validate: Validate | None = None,
    resume_file: ResumeFile | None = None,
    on_epoch: Callable[[Epoch, Pace], None] = lambda *_: None,
) -> FittedStage:
    """Minimise the sum of the stage's named losses.

    With `validate` the fit ends when every selector has missed `patience` validations in a row, and
    the module gets the parameters of the first selector's best epoch. Without it `n_epochs` are
    run. With `resume_file` a fit that was killed resumes after its last whole epoch, with the
    result of a fit that was not killed; a finished fit is not run again. `on_epoch` is told of
    each epoch that is run. The module is in training mode from the first step on, and stays so.

    Raises:
        NonFiniteLossError: a loss is NaN or infinite; names the loss, the step and the examples.
        NonFiniteMetricError: every validation was NaN.
        ResumeError: the state of the killed fit cannot be read.
    """
    bound = stage.loop.max_epochs if n_epochs is None else n_epochs
    with _only_trainable(stage):
        # transformers loads models in evaluation mode: without this the first epoch would have no
        # dropout of theirs, and a fit that resumes none until its first validation.
        stage.module.train()
        if stage.on_start is not None:
            stage.on_start()
        if stage.draws_by_row:
            draw_apart()
        run = FitRun(stage, bound)
        if resume_file is not None:
            run.resume(resume_file)
        while not run.is_over():
            on_epoch(run.epoch(validate), run.pace())
            if resume_file is not None:
                run.save(resume_file)
        return run.finish(is_validated=validate is not None)


class FitRun:
    """A fit of a stage in progress: everything that its next epoch depends on."""

    def __init__(self, stage: Stage, max_epochs: int) -> None:
        self._stage = stage
        self._max_epochs = max_epochs
        self._optimiser = build_optimiser(stage.groups, stage.loop, stage.batches)
        self._gradients = gradients(stage)
        self._epochs: list[Epoch] = []
        self._selectors: dict[str, _Selector] = {}
        self._elapsed_s = 0.0

    def is_over(self) -> bool:
        """Whether all epochs were run, or too many validations were no better for any selector."""
        is_settled = bool(self._selectors) and all(
            selector.settled_epoch for selector in self._selectors.values()
        )
        return len(self._epochs) >= self._max_epochs or is_settled

    def epoch(self, validate: Validate | None) -> Epoch:
        """Run the next epoch, and validate after it when that is due."""
        number = len(self._epochs) + 1
        started_at_s = time.perf_counter()
        losses = self._one_epoch(number)
        self._elapsed_s = time.perf_counter() - started_at_s
        is_due = number % self._stage.loop.validate_every == 0 or number == self._max_epochs
        figures: Figures = {}
        if validate is not None and is_due:
            figures = broadcast_from_rank0(lambda: validate(self._stage))
        first = next(iter(figures.values()), math.nan)
        self._epochs.append(Epoch(number, losses, None if math.isnan(first) else first))
        for name, figure in figures.items():
            selector = self._selectors.setdefault(name, _Selector())
            if not selector.settled_epoch:
                selector.update(figure, number, self._stage)
        return self._epochs[-1]

    def pace(self) -> Pace:
        """Of the newest epoch."""
        loading = self._stage.loading
        return Pace(self._elapsed_s, None if loading is None else loading())

    def finish(self, *, is_validated: bool) -> FittedStage:
        """Load the parameters of the first selector's best epoch; returns history and states.

        Raises:
            NonFiniteMetricError: every validation was NaN.
        """
        n_epochs = len(self._epochs)
        if not is_validated:
            return FittedStage(FitHistory(tuple(self._epochs), n_epochs), {}, {})
        states = {
            name: selector.best(name, self._stage.name)
            for name, selector in self._selectors.items()
        }
        best_epochs = {name: selector.epoch for name, selector in self._selectors.items()}
        first = next(iter(states))
        self._stage.load(states[first])
        n_until_settled = self._selectors[first].settled_epoch or n_epochs
        is_bounded = not self._selectors[first].settled_epoch
        if is_bounded:
            LOG.warning(
                "stopped before validation did", stage=self._stage.name, max_epochs=n_epochs
            )
        epochs = tuple(self._epochs[:n_until_settled])
        history = FitHistory(epochs, best_epochs[first], is_bounded)
        return FittedStage(history, states, best_epochs)

    def save(self, resume_file: ResumeFile) -> None:
        """Write the state of the fit in rank 0; each process has generators of its own."""
        generators = all_gather(
            {"batches": self._stage.generator.get_state(), **_rng_states(self._stage)}
        )
        if not is_main():
            return
        resume_file.write(
            {
                "module": self._stage.state(),
                "optimiser": self._optimiser.state_dict(),
                "epochs": [asdict(epoch) for epoch in self._epochs],
                "selectors": {name: one.as_dict() for name, one in self._selectors.items()},
                "generators": generators,
            }
        )

    def resume(self, resume_file: ResumeFile) -> None:
        """Load the saved state; without one the fit begins."""
        state = broadcast_from_rank0(resume_file.read)
        if state is None:
            return
        self._stage.load(state["module"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._epochs = [Epoch(**epoch) for epoch in state["epochs"]]
        self._selectors = {name: _Selector(**one) for name, one in state["selectors"].items()}
        mine = state["generators"][process_rank()]
        torch.set_rng_state(mine["torch"])
        if "cuda" in mine:
            torch.cuda.set_rng_state(mine["cuda"])
        self._stage.generator.set_state(mine["batches"])

    def _one_epoch(self, number: int) -> dict[str, float]:
        """Mean of each named loss over the batches."""
        totals: dict[str, float] = {}
        n_batches = 0
        for step, batches in enumerate(
            _groups_of(self._stage.batches, self._stage.loop.accumulate)
        ):
            self._optimiser.zero_grad()
            for offset, whole_batch in enumerate(batches, start=1):
                batch = whole_batch.shard(process_rank(), n_processes())
                losses = self._gradients(
                    batch, factor=1 / len(batches), is_last=offset == len(batches)
                )
                where = step * self._stage.loop.accumulate + offset
                _raise_if_not_finite(losses, number, where, batch)
                n_batches += 1
                for name, loss in losses.items():
                    totals[name] = totals.get(name, 0.0) + loss
            if self._stage.loop.clip_norm:
                torch.nn.utils.clip_grad_norm_(self._stage.parameters, self._stage.loop.clip_norm)
            self._optimiser.step()
        return mean_over_processes({name: total / n_batches for name, total in totals.items()})


@dataclass(slots=True, eq=False)
class _Selector:
    """The best validation so far by one figure, and the state that gave it.

    Attributes:
        misses: validations in a row that were no better.
        settled_epoch: after which it changes no more, whoever else the fit goes on for; 0 before.
    """

    metric: float = -math.inf
    epoch: int = 0
    misses: int = 0
    settled_epoch: int = 0
    state: dict[str, Tensor] | None = None

    def update(self, metric: float, epoch: int, stage: Stage) -> None:
        """Keep the state when the figure is better; count a miss otherwise.

        NaN is a miss: it says nothing of the epoch, and compares with nothing.
        """
        if math.isnan(metric) or metric <= self.metric:
            self.misses += 1
            if self.misses >= stage.loop.patience:
                self.settled_epoch = epoch
            return
        self.metric, self.epoch, self.misses = metric, epoch, 0
        self.state = {name: value.detach().clone() for name, value in stage.state().items()}

    def best(self, name: str, stage: str) -> dict[str, Tensor]:
        """The state of the best epoch.

        Raises:
            NonFiniteMetricError: there was no number among the figures.
        """
        if self.state is None:
            raise NonFiniteMetricError(
                f"stage {stage}: none of {self.misses} validations by {name} gave a number; look "
                "for NaN in the features, or for a validation split without examples"
            )
        return self.state

    def as_dict(self) -> dict[str, Any]:
        """The arguments that make it again."""
        return {
            "metric": self.metric,
            "epoch": self.epoch,
            "misses": self.misses,
            "settled_epoch": self.settled_epoch,
            "state": self.state,
        }


def _rng_states(stage: Stage) -> dict[str, Tensor]:
    """States of torch's own generators: what a family draws on the CPU, and on its GPU."""
    states = {"torch": torch.get_rng_state()}
    if stage.parameters[0].is_cuda:
        states["cuda"] = torch.cuda.get_rng_state()
    return states


@contextmanager
def _only_trainable(stage: Stage) -> Iterator[None]:
    """Freeze what the stage does not train; put every flag back afterwards."""
    trained = {id(parameter) for parameter in stage.parameters}
    flags = [(parameter, parameter.requires_grad) for parameter in stage.module.parameters()]
    for parameter, _ in flags:
        parameter.requires_grad_(id(parameter) in trained)
    try:
        yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


def _groups_of(batches: Iterable[Batch], size: int) -> Iterator[Sequence[Batch]]:
    """Batches in groups of `size`; the last one may have fewer."""
    group: list[Batch] = []
    for batch in batches:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _raise_if_not_finite(losses: Mapping[str, float], epoch: int, step: int, batch: Batch) -> None:
    for name, loss in losses.items():
        if not math.isfinite(loss):
            raise NonFiniteLossError(
                f"loss {name} is {loss} at epoch {epoch}, step {step}, {batch.describe()}; lower "
                "learning_rate, or look for NaN in the features"
            )

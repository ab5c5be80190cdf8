"""Stages, optimisers and selectors of the loop, on a linear model whose steps can be worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from training.engine.loop import NonFiniteMetricError, fit_stage
from training.engine.loop_config import LoopConfig
from training.engine.optimisers import OptimiserConfigError, ParameterGroup
from training.engine.stages import Stage

LOOP = LoopConfig(learning_rate=0.1, validate_every=1, patience=2)


class TwoNumbers(nn.Module):
    """Losses pull `a` to a batch's value, and `b` to twice of it; `frozen` is never trained."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.zeros(()))
        self.b = nn.Parameter(torch.zeros(()))
        self.frozen = nn.Parameter(torch.full((1000,), 7.0))
        self.register_buffer("seen", torch.zeros(()))
        self.types: set[torch.dtype] = set()

    def training_loss(self, batch: Value) -> dict[str, torch.Tensor]:
        self.types.add((torch.ones(1, 1) @ torch.ones(1, 1)).dtype)
        return {
            "a": (self.a - batch.value).square() / 2,
            "b": (self.b - 2 * batch.value).square() / 2 + 0 * self.frozen.sum(),
        }

    def own_gradients(self, batch: Value) -> dict[str, torch.Tensor]:
        losses = self.training_loss(batch)
        torch.stack(list(losses.values())).sum().backward()
        return losses


@dataclass(frozen=True)
class Value:
    value: float

    def shard(self, rank: int, n_shards: int) -> Value:
        return self

    def describe(self) -> str:
        return f"the value {self.value}"


class Values:
    """An epoch has one batch of each value."""

    def __init__(self, *values: float) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Value]:
        return iter([Value(value) for value in self._values])


def stage(model: TwoNumbers, batches: object, loop: LoopConfig = LOOP, **changes: object) -> Stage:
    made = Stage(
        name="two numbers",
        module=model,
        groups=(ParameterGroup([model.a, model.b]),),
        batches=batches,
        loop=loop,
        generator=torch.Generator(),
        training_loss=model.training_loss,
    )
    return replace(made, **changes)


def test_a_stage_trains_its_own_parameters_and_freezes_the_others():
    """The frozen one has no gradient meanwhile, stays as it was, and is trainable again afterwards."""
    model = TwoNumbers()
    seen: list[bool] = []

    def loss(batch: Value) -> dict[str, torch.Tensor]:
        seen.append(model.frozen.requires_grad or model.b.requires_grad)
        return {"a": model.training_loss(batch)["a"]}

    fit_stage(
        stage(model, Values(1.0), groups=(ParameterGroup([model.a]),), training_loss=loss),
        n_epochs=3,
    )

    assert seen == [False] * 3
    assert float(model.a.detach()) > 0
    assert float(model.b.detach()) == 0
    assert model.frozen.requires_grad
    assert bool((model.frozen == 7).all())


def test_the_state_of_a_stage_leaves_out_what_is_frozen():
    """Two numbers and a buffer are kept, and not the thousand frozen ones."""
    model = TwoNumbers()

    assert set(stage(model, Values(1.0)).state()) == {"a", "b", "seen"}


def test_groups_have_rates_of_their_own():
    """Adam's first step is the learning rate: .1 for a, and a tenth of it for b."""
    model = TwoNumbers()
    groups = (ParameterGroup([model.a]), ParameterGroup([model.b], rate=0.1))

    fit_stage(stage(model, Values(1.0), groups=groups), n_epochs=1)

    assert float(model.a.detach()) == pytest.approx(0.1, rel=1e-4)
    assert float(model.b.detach()) == pytest.approx(0.01, rel=1e-4)


def test_accumulated_batches_take_one_step_along_their_mean_gradient():
    """Values 1 and 3 together are one step towards 2: the same as a batch of 2, and a third batch is a step of its own."""
    accumulated, alone = TwoNumbers(), TwoNumbers()

    fit_stage(stage(accumulated, Values(1.0, 3.0, 5.0), replace(LOOP, accumulate=2)), n_epochs=1)
    fit_stage(stage(alone, Values(2.0, 5.0)), n_epochs=1)

    assert torch.equal(accumulated.a, alone.a)
    assert torch.equal(accumulated.b, alone.b)
    assert float(alone.a.detach()) > 0


def test_a_stage_may_compute_its_own_gradients():
    """`backward` in place of `training_loss`: the same steps, also accumulated."""
    own, ours = TwoNumbers(), TwoNumbers()
    loop = replace(LOOP, accumulate=2)
    batches = Values(1.0, 3.0, 5.0)

    fit_stage(stage(own, batches, loop, training_loss=None, backward=own.own_gradients), n_epochs=2)
    fit_stage(stage(ours, batches, loop), n_epochs=2)

    assert torch.equal(own.a, ours.a)
    assert float(ours.a.detach()) > 0


def test_long_gradients_are_clipped():
    """By plain Adam a clipped gradient gives the same first step; the moment shows its length: .1 x 1."""
    model = TwoNumbers()
    clipped: list[float] = []

    def loss(batch: Value) -> dict[str, torch.Tensor]:
        model.a.register_hook(lambda gradient: clipped.append(float(gradient)))
        return {"a": 100 * model.training_loss(batch)["a"]}

    groups = (ParameterGroup([model.a]),)
    loop = replace(LOOP, clip_norm=1.0)
    made = stage(model, Values(1.0), loop, groups=groups, training_loss=loss)
    fit_stage(made, n_epochs=1)

    assert clipped == [-100.0]
    assert float(model.a.grad) == pytest.approx(-1.0, rel=1e-4)


@pytest.mark.parametrize(
    ("precision", "kind"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_the_forward_pass_has_the_precision_of_the_configuration(precision, kind):
    model = TwoNumbers()

    fit_stage(stage(model, Values(1.0), replace(LOOP, precision=precision)), n_epochs=1)

    assert model.types == {kind}


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1.0, 1.0, 1.0, 1.0]),
        ("linear", [1.0, 0.75, 0.5, 0.25]),
        ("cosine", [1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2]),
    ],
)
def test_the_rate_falls_by_its_schedule(schedule, expected):
    """Two epochs of two batches, so four steps; Adam's step along a constant gradient is the rate."""
    model = TwoNumbers()
    steps: list[float] = []

    def loss(batch: Value) -> dict[str, torch.Tensor]:
        steps.append(float(model.a.detach()))
        return {"a": -model.a}

    loop = replace(LOOP, schedule=schedule, max_epochs=2)
    groups = (ParameterGroup([model.a]),)
    fit_stage(stage(model, Values(1.0, 1.0), loop, groups=groups, training_loss=loss), n_epochs=2)

    steps.append(float(model.a.detach()))
    taken = [(after - before) / 0.1 for before, after in pairwise(steps)]
    assert taken == pytest.approx(expected, rel=1e-3)


def test_the_rate_rises_during_warm_up():
    """One epoch of three batches: a quarter, a half, three quarters of the rate; then the whole."""
    model = TwoNumbers()
    steps: list[float] = []

    def loss(batch: Value) -> dict[str, torch.Tensor]:
        steps.append(float(model.a.detach()))
        return {"a": -model.a}

    loop = replace(LOOP, warm_up_epochs=1.0)
    groups = (ParameterGroup([model.a]),)
    batches = Values(1.0, 1.0, 1.0)
    fit_stage(stage(model, batches, loop, groups=groups, training_loss=loss), n_epochs=2)

    taken = [(after - before) / 0.1 for before, after in pairwise(steps)]
    assert taken[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0], rel=1e-3)


def test_weight_decay_of_adamw_pulls_towards_zero():
    """No gradient, rate .1, decay .5: 1 x (1 - .05)."""
    model = TwoNumbers()
    model.a.data.fill_(1.0)
    loop = replace(LOOP, optimiser="adamw", weight_decay=0.5)
    groups = (ParameterGroup([model.a]), ParameterGroup([model.b], weight_decay=0.0))
    model.b.data.fill_(1.0)

    fit_stage(
        stage(
            model,
            Values(1.0),
            loop,
            groups=groups,
            training_loss=lambda _: {"none": 0 * (model.a + model.b)},
        ),
        n_epochs=1,
    )

    assert float(model.a.detach()) == pytest.approx(0.95)
    assert float(model.b.detach()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimiser": "sgd"}, "loop.optimiser = 'sgd': must be one of adam, adamw"),
        ({"schedule": "steps"}, "loop.schedule = 'steps': must be constant, linear or cosine"),
    ],
)
def test_an_unknown_optimiser_or_schedule_is_refused(changes, message):
    with pytest.raises(OptimiserConfigError, match=message):
        fit_stage(stage(TwoNumbers(), Values(1.0), replace(LOOP, **changes)), n_epochs=1)


def test_a_schedule_with_an_end_needs_batches_of_known_number():
    with pytest.raises(OptimiserConfigError, match="give the batches a __len__"):
        fit_stage(stage(TwoNumbers(), iter([]), replace(LOOP, schedule="linear")), n_epochs=1)


def test_a_stage_has_one_loss_and_something_to_train():
    model = TwoNumbers()
    with pytest.raises(ValueError, match="training_loss or backward"):
        stage(model, Values(1.0), backward=model.own_gradients)
    with pytest.raises(ValueError, match="no parameter is trained"):
        stage(model, Values(1.0), groups=())


def validated(model: TwoNumbers, figures: dict[str, list[float]], **loop: object) -> object:
    """Each validation gives the next figure of each selector."""
    given = {name: iter(values) for name, values in figures.items()}
    return fit_stage(
        stage(model, Values(1.0), replace(LOOP, **loop)),
        validate=lambda _: {name: next(values) for name, values in given.items()},
    )


def test_a_nan_counts_as_a_miss_and_does_not_end_a_fit_that_still_rises():
    """.2, NaN, .3, .1, .1: the third epoch is kept; NaN compares with nothing."""
    fitted = validated(TwoNumbers(), {"all": [0.2, math.nan, 0.3, 0.1, 0.1]})

    assert fitted.history.best_epoch == 3
    assert [epoch.validation for epoch in fitted.history.epochs] == [0.2, None, 0.3, 0.1, 0.1]


def test_a_fit_without_a_single_number_is_an_error():
    with pytest.raises(NonFiniteMetricError, match="none of 2 validations by all gave a number"):
        validated(TwoNumbers(), {"all": [math.nan, math.nan]})


def test_each_selector_keeps_an_epoch_of_its_own_and_the_fit_goes_on_until_all_have_stopped():
    """`all` is best at 1 and stops at 3, where the history ends; the first half is best at 3 and stops at 5."""
    model = TwoNumbers()

    fitted = validated(model, {"all": [3, 2, 1, 1, 1], "first": [1, 2, 3, 2, 1]})

    assert len(fitted.history.epochs) == 3
    assert fitted.history.best_epoch == 1
    assert fitted.best_epochs == {"all": 1, "first": 3}
    assert torch.equal(model.a, fitted.states["all"]["a"])
    assert float(fitted.states["first"]["a"]) > float(fitted.states["all"]["a"]) > 0


def test_validation_ends_a_fit_and_not_a_number_of_epochs():
    """It rises 80 times, and stops 2 epochs later; a bound that is reached first is named."""
    rising = [float(number) for number in range(80)]

    stopped = validated(TwoNumbers(), {"all": [*rising, 0.0, 0.0]})
    bounded = validated(TwoNumbers(), {"all": rising}, max_epochs=10)

    assert len(stopped.history.epochs) == 82
    assert not stopped.history.is_bounded
    assert len(bounded.history.epochs) == 10
    assert bounded.history.is_bounded


def test_a_selector_that_has_stopped_is_not_changed_by_a_fit_that_goes_on_for_another_one():
    """`all` alone would stop after epoch 3; the half needs six, and the 9 that comes meanwhile does not count."""
    alone = validated(TwoNumbers(), {"all": [3, 2, 1]})
    with_half = validated(TwoNumbers(), {"all": [3, 2, 1, 9, 9, 9], "half": [1, 2, 3, 4, 3, 3]})

    assert alone.history.best_epoch == with_half.history.best_epoch == 1
    assert len(alone.history.epochs) == len(with_half.history.epochs) == 3
    assert with_half.best_epochs["half"] == 4

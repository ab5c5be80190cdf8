"""FTRL-proximal: steps worked out by hand, beside another optimiser, and through a fit that resumes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from training.engine.ftrl import Proximal
from training.engine.loop import fit_stage
from training.engine.loop_config import LoopConfig
from training.engine.optimisers import ParameterGroup
from training.engine.ranges import OutOfRangeError
from training.engine.resume import ResumePolicy
from training.engine.stages import Stage

LOOP = LoopConfig(learning_rate=0.1, optimiser="adamw")


class Slopes(nn.Module):
    """A loss whose gradients are those of the batch: of `wide`, two weights, and of `deep`."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Parameter(torch.zeros(2))
        self.deep = nn.Parameter(torch.zeros(()))

    def training_loss(self, batch: Slope) -> dict[str, torch.Tensor]:
        return {"loss": (torch.tensor(batch.wide) * self.wide).sum() + self.deep}


@dataclass(frozen=True)
class Slope:
    wide: tuple[float, float]

    def shard(self, rank: int, n_shards: int) -> Slope:
        return self

    def describe(self) -> str:
        return f"the slopes {self.wide}"


@dataclass(frozen=True)
class SlopeBatches:
    """An epoch has one batch of each pair of slopes."""

    slopes: tuple[tuple[float, float], ...]

    def __iter__(self) -> Iterator[Slope]:
        return iter([Slope(one) for one in self.slopes])


def stage(model: Slopes, *slopes: tuple[float, float]) -> Stage:
    return Stage(
        name="slopes",
        module=model,
        groups=(
            ParameterGroup([model.deep]),
            ParameterGroup([model.wide], proximal=Proximal(l1=0.5)),
        ),
        batches=SlopeBatches(slopes),
        loop=LOOP,
        generator=torch.Generator(),
        training_loss=model.training_loss,
    )


def test_two_steps_are_those_of_the_paper():
    """Slopes 1 and -0.5, rate 0.1, beta 1, l1 0.5.

    After the first z = 1, n = 1: w = -(1 - 0.5) / (2 / 0.1) = -0.025. Then sigma = (sqrt(1.25) - 1)
    / 0.1 = 1.18034, z = 1 - 0.5 + 1.18034 x 0.025 = 0.529508, n = 1.25: w = -0.029508 / 21.18034.
    """
    model = Slopes()

    fit_stage(stage(model, (1.0, 0.0)), n_epochs=1)
    first = model.wide.detach().clone()
    model = Slopes()
    fit_stage(stage(model, (1.0, 0.0), (-0.5, 0.0)), n_epochs=1)

    assert first.tolist() == pytest.approx([-0.025, 0.0])
    assert model.wide.tolist() == pytest.approx([-0.0013932, 0.0], abs=1e-6)


def test_a_weight_for_which_little_speaks_is_exactly_zero():
    """The sum of slopes of the second weight, 0.4, stays below l1; that of the first does not."""
    model = Slopes()

    fit_stage(stage(model, (0.6, 0.2), (0.0, 0.2)), n_epochs=1)

    assert model.wide[0] < 0
    assert model.wide[1] == 0


def test_other_groups_keep_the_optimiser_of_the_stage():
    """AdamW's steps along a constant slope are its rate: two steps of 0.1."""
    model = Slopes()

    fit_stage(stage(model, (1.0, 1.0), (1.0, 1.0)), n_epochs=1)

    assert model.deep.item() == pytest.approx(-0.2, rel=1e-3)


def test_a_fit_that_resumes_ends_like_one_that_was_not_killed(tmp_path: Path):
    """Both optimisers go on from what they had summed up, and the schedule from its step."""
    slopes = ((1.0, -2.0), (0.5, 0.7))
    whole, killed, resumed = Slopes(), Slopes(), Slopes()
    file = ResumePolicy(tmp_path, lambda: None).file_of("final", "slopes")

    fit_stage(stage(whole, *slopes), n_epochs=3)
    fit_stage(stage(killed, *slopes), n_epochs=1, resume_file=file)
    fit_stage(stage(resumed, *slopes), n_epochs=3, resume_file=file)

    assert torch.equal(resumed.wide, whole.wide)
    assert torch.equal(resumed.deep, whole.deep)
    assert not torch.equal(killed.wide, whole.wide)


def test_a_strength_below_zero_is_refused():
    with pytest.raises(OutOfRangeError, match="l1 = -1"):
        Proximal(l1=-1.0)

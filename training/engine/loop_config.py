"""Hyperparameters of the training loop, the same for every task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from training.engine.ranges import AT_LEAST_ONE, NOT_NEGATIVE, POSITIVE, OneOf, check_ranges


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """Hyperparameters of the loop; the same names for every family."""

    learning_rate: Annotated[float, POSITIVE] = 0.02
    optimiser: str = "adam"  # or adamw
    weight_decay: Annotated[float, NOT_NEGATIVE] = 0.0
    schedule: str = "constant"  # or linear, cosine: to 0 at the last step of max_epochs
    warm_up_epochs: Annotated[float, NOT_NEGATIVE] = 0.0  # in which the rate rises linearly
    clip_norm: Annotated[float, NOT_NEGATIVE] = 0.0  # longest gradient; 0 clips none
    # batches whose gradients are averaged for one step
    accumulate: Annotated[int, AT_LEAST_ONE] = 1
    # bfloat16: autocast of the forward pass
    precision: Annotated[str, OneOf(("float32", "bfloat16"))] = "float32"
    validate_every: Annotated[int, AT_LEAST_ONE] = 4  # epochs
    # validations without a better one until the fit stops
    patience: Annotated[int, AT_LEAST_ONE] = 3
    # a bound against a fit without end; validation stops long before
    max_epochs: Annotated[int, AT_LEAST_ONE] = 1_000
    # of data too small to hold anything out
    epochs_without_validation: Annotated[int, AT_LEAST_ONE] = 10

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        check_ranges(self)
